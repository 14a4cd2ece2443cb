"""Embeddings from any server that speaks OpenAI's /v1/embeddings: vLLM, Text Embeddings Inference, a hosted API."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from svta_resources.chat_limits import RateLimits
from svta_resources.chat_retry import Backoff
from svta_resources.embeddings.model import EmbedderError, Identity, Vectors
from svta_resources.llm_settings import Traffic
from svta_resources.model_server import Connection, Shared, Stopped, run_to_end

if TYPE_CHECKING:
    import httpx2
    import openai

MODEL, BASE_URL, KEY, OPENAI_KEY = (
    "SVTA_EMBEDDINGS_MODEL", "SVTA_EMBEDDINGS_BASE_URL", "SVTA_EMBEDDINGS_API_KEY", "OPENAI_API_KEY",
)  # fmt: skip
DIMENSIONS, CONCURRENCY, RPM, TPM = (
    "SVTA_EMBEDDINGS_DIMENSIONS", "SVTA_EMBEDDINGS_CONCURRENCY", "SVTA_EMBEDDINGS_RPM", "SVTA_EMBEDDINGS_TPM",
)  # fmt: skip
SETTINGS = frozenset({MODEL, BASE_URL, KEY, OPENAI_KEY, DIMENSIONS, CONCURRENCY, RPM, TPM})
HOSTED_BASE_URL = "https://api.openai.com/v1"
BATCH_TEXTS = 128  # servers take from 32 (older TEI) to 2,048 texts; more gains little
BATCH_CHARACTERS = 100_000  # about 25,000 tokens: far below every server's limit for one request
DEFAULT_CONCURRENCY = 8
CHARACTERS_PER_TOKEN = 4.0
RE_ASKS = 2  # a reply that is no embeddings is asked for again this often


class EndpointModel:
    """An embedding model behind a base URL; makes no connection before the first text.

    Args:
        dimensions: the width to ask for (models trained for several) and to insist on; None takes the model's own.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str,
        dimensions: int | None = None,
        traffic: Traffic | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.model, self.base_url, self.api_key = model, base_url.rstrip("/"), api_key
        self.dimensions = dimensions
        self.dimension = dimensions  # learned from the first reply where it is not set
        self.traffic = traffic or Traffic(concurrency=DEFAULT_CONCURRENCY)
        self.backoff = backoff or Backoff()
        self.limits = RateLimits(self.traffic.requests_per_minute, self.traffic.tokens_per_minute)

    def __repr__(self) -> str:
        return f"EndpointModel(model={self.model!r}, base_url={self.base_url!r})"  # never the key

    def __reduce__(self) -> tuple[type["EndpointModel"], tuple[Any, ...]]:
        return EndpointModel, (self.model, self.base_url, self.api_key, self.dimensions, self.traffic)

    def identity(self) -> Identity:
        """Nobody can hash a served model's weights, so its address is part of what it is."""
        return {"model": self.model, "base_url": self.base_url, "dimensions": self.dimensions}

    def embed(self, texts: list[str]) -> Vectors:
        """Unit vectors (N, D) in the given order. Raises EmbedderError; nothing is kept of an incomplete call."""
        batches = list(_batches(texts))
        parts: list[Vectors | None] = [None] * len(batches)
        run_to_end(lambda: self._embed_all(batches, parts))
        widths = {part.shape[1] for part in parts if part is not None}
        if len(widths) > 1:
            raise self._unusable(f"vectors of {' and '.join(map(str, sorted(widths)))} numbers within one call")
        self.dimension = next(iter(widths), self.dimension)
        return np.concatenate([part for part in parts if part is not None])

    def open_transport(self) -> "httpx2.AsyncBaseTransport | None":
        """Always the network."""
        return None

    def explain(self, error: "openai.OpenAIError") -> Exception:
        """Say what to set about an error of the client; the key never appears."""
        import openai

        lost = isinstance(error, openai.APIConnectionError)
        detail = str((error.__cause__ if lost else None) or error)
        detail = (detail.replace(self.api_key, "***") if len(self.api_key) > 4 else detail)[:300]
        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            advice = f"set {KEY} (or {OPENAI_KEY})"
        elif isinstance(error, openai.NotFoundError):
            advice = f"set {MODEL} to a model that it serves for embeddings, or {BASE_URL}"
        elif isinstance(error, openai.RateLimitError):
            advice = f"run again later, or set {RPM}, {TPM} or a lower {CONCURRENCY}"
        elif lost:
            advice = f"start the server, or set {BASE_URL}; without {MODEL} the packaged model embeds"
        else:
            advice = "look into the server's log and run again"
        return EmbedderError(f"{self.base_url} gives no embeddings of model {self.model!r} ({detail}): {advice}")

    def too_long_a_pause(self, seconds: float) -> Exception:
        return EmbedderError(f"{self.base_url} asks for a pause of {seconds:.0f} s: run again then")

    async def _embed_all(self, batches: Sequence[list[str]], parts: list[Vectors | None]) -> None:
        shared, waiting = Shared(self), iter(range(len(batches)))
        failures: list[Exception] = []

        async def work() -> None:
            try:
                async with Connection(shared) as connection:
                    for number in waiting:
                        if failures:
                            return
                        parts[number] = await self._embed_batch(connection, batches[number])
            except Stopped:
                return
            except Exception as error:
                failures.append(error)
                shared.stop()

        await asyncio.gather(*(work() for _ in range(min(self.traffic.concurrency, len(batches)))))
        if failures:
            raise failures[0]

    async def _embed_batch(self, connection: Connection, texts: list[str]) -> Vectors:
        body: dict[str, Any] = {"model": self.model, "input": texts, "encoding_format": "float"}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        tokens = sum(map(len, texts)) / CHARACTERS_PER_TOKEN
        for _ in range(1 + RE_ASKS):
            reply = await connection.post("/embeddings", body, tokens)
            vectors, complaint = _read(reply.text, len(texts))
            if vectors is not None:
                break
        else:
            raise self._unusable(complaint)
        wanted = self.dimension if self.dimension is not None else vectors.shape[1]
        if vectors.shape[1] != wanted:
            why = f"{DIMENSIONS} asks for" if self.dimensions is not None else "earlier ones had"
            raise self._unusable(f"vectors of {vectors.shape[1]} numbers where {why} {wanted}")
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if bad := [texts[row] for row in np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0))[:, 0])]:
            raise self._unusable(f"no finite vector with a direction for {bad[0][:80]!r} ({len(bad)} of {len(texts)})")
        unit: Vectors = (vectors / lengths).astype(np.float32)
        return unit

    def _unusable(self, what: str) -> EmbedderError:
        return EmbedderError(
            f"{self.base_url} sends for model {self.model!r} {what}: see that it serves an embedding model, and set "
            f"{MODEL}, {BASE_URL} or {DIMENSIONS}"
        )


def open_endpoint(environ: Mapping[str, str]) -> EndpointModel | None:
    """Open the endpoint that SVTA_EMBEDDINGS_MODEL chooses; None where it is not set. Raises EmbedderError."""
    model, base_url = environ.get(MODEL, ""), environ.get(BASE_URL, "")
    if not model:
        if base_url:
            raise EmbedderError(f"{BASE_URL} is set but no model: set {MODEL} to one that it serves")
        return None
    if base_url and urlsplit(base_url).scheme not in ("http", "https"):
        raise EmbedderError(f"{BASE_URL}={base_url!r} is no address: it looks like http://gpu-host:8000/v1")
    key = environ.get(KEY) or environ.get(OPENAI_KEY) or ("none" if base_url else "")
    if not key:
        raise EmbedderError(
            f"no key for {HOSTED_BASE_URL}: set {KEY} or {OPENAI_KEY}, or {BASE_URL} for your own server"
        )
    dimensions = _number(environ, DIMENSIONS)
    traffic = Traffic(
        concurrency=int(_number(environ, CONCURRENCY) or DEFAULT_CONCURRENCY),
        requests_per_minute=_number(environ, RPM),
        tokens_per_minute=_number(environ, TPM),
    )
    whole = None if dimensions is None else int(dimensions)
    return EndpointModel(model, base_url or HOSTED_BASE_URL, key, whole, traffic)


def _number(environ: Mapping[str, str], name: str) -> float | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not 1 <= number < float("inf"):
        raise EmbedderError(f"{name}={text!r} is not a number from 1 on: correct it or unset it")
    return number


def _batches(texts: list[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and (len(batch) == BATCH_TEXTS or size + len(text) > BATCH_CHARACTERS):
            yield batch
            batch, size = [], 0
        batch.append(text if text.strip() else " ")  # servers refuse an empty input
        size += len(text)
    if batch:
        yield batch


def _read(text: str, count: int) -> tuple[npt.NDArray[np.float64] | None, str]:
    """Read a reply -> (vectors (count, D) by their `index`, "") or (None, what is wrong with it)."""
    try:
        data = json.loads(text)["data"]
        rows = {item["index"]: item["embedding"] for item in data}
        if len(data) != count or rows.keys() != set(range(count)):
            return None, f"{len(data)} embeddings with {len(rows)} numbers of their own for {count} texts"
        vectors = np.array([rows[number] for number in range(count)], dtype=np.float64)
    except (ValueError, KeyError, TypeError) as error:
        return None, f"a reply that is no list of embeddings ({type(error).__name__}: {str(error)[:100]})"
    if vectors.ndim != 2 or not vectors.shape[1]:
        return None, "embeddings that are no lists of numbers"
    return vectors, ""
