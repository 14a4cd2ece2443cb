"""Wan2.1 at its full shapes with random weights that are made on the device and never written to a disk.

diffsynth recognises a model by the names and shapes in its file. Here each file holds one small tensor with a name of
its own, that name is registered for the full architecture, and the weights are handed over in memory.
"""

import math
from pathlib import Path
from typing import Any

from svta_resources.video.wan.presets import T5_FILE, TOKENIZER_FOLDER, VAE_FILE, WanPreset
from svta_resources.video.wan.tiny import write_tokenizer

_COMMON = {
    "has_image_input": False, "patch_size": [1, 2, 2], "in_dim": 16, "freq_dim": 256, "text_dim": 4096, "out_dim": 16,
    "eps": 1e-6,
}  # fmt: skip
DITS: dict[str, dict[str, Any]] = {
    "wan2.1-t2v-14b": {**_COMMON, "dim": 5120, "ffn_dim": 13824, "num_heads": 40, "num_layers": 40},
    "wan2.1-t2v-1.3b": {**_COMMON, "dim": 1536, "ffn_dim": 8960, "num_heads": 12, "num_layers": 30},
}
_VAE_CONVERTER = "diffsynth.utils.state_dict_converters.wan_video_vae.WanVideoVAEStateDictConverter"
_CLASSES = {
    "dit": ("wan_video_dit", "diffsynth.models.wan_video_dit.WanModel"),
    "t5": ("wan_video_text_encoder", "diffsynth.models.wan_video_text_encoder.WanTextEncoder"),
    "vae": ("wan_video_vae", "diffsynth.models.wan_video_vae.WanVideoVAE"),
}


class RandomWan:
    """A weights folder without weights, and the function that makes them (`load_pipeline`'s `states`)."""

    def __init__(self, preset: WanPreset, folder: Path, device: str, settings: dict[str, dict[str, Any]] | None = None):
        """`settings` replaces the architecture of dit, t5 or vae, for a trial at small shapes."""
        self.preset, self.folder, self.device = preset, folder, device
        self._settings = {"dit": DITS.get(preset.name, {}), "t5": {}, "vae": {}, **(settings or {})}
        self._write()

    def __call__(self, path: Any) -> dict[str, Any]:
        """Random weights of the model whose file (or list of files) this is, in bfloat16 on the device."""
        return self._random("dit" if isinstance(path, list) else "t5" if str(path).endswith(T5_FILE) else "vae")

    def parameters(self, part: str) -> int:
        """Parameters of dit, t5 or vae, counted on the architecture."""
        return sum(tensor.numel() for tensor in self._model(part).state_dict().values())

    def _write(self) -> None:
        import torch
        from diffsynth.configs import MODEL_CONFIGS
        from diffsynth.core.loader.file import hash_model_file
        from safetensors.torch import save_file

        self.folder.mkdir(parents=True, exist_ok=True)
        shards = [self.folder / name for name in self.preset.dit_files]
        for number, shard in enumerate(shards):
            save_file({f"random.{self.preset.name}.dit.{number}": torch.zeros(1)}, shard)
        for part, name in (("t5", T5_FILE), ("vae", VAE_FILE)):
            torch.save({f"random.{self.preset.name}.{part}": torch.zeros(1)}, self.folder / name)
        write_tokenizer(self.folder / TOKENIZER_FOLDER)
        files: dict[str, Any] = {"dit": [str(shard) for shard in shards], "t5": str(self.folder / T5_FILE)}
        files["vae"] = str(self.folder / VAE_FILE)
        for part, (name, model_class) in _CLASSES.items():
            entry = {"model_hash": hash_model_file(files[part]), "model_name": name, "model_class": model_class}
            converter = {"state_dict_converter": _VAE_CONVERTER} if part == "vae" else {}
            MODEL_CONFIGS.append({**entry, **converter, "extra_kwargs": self._settings[part]})

    def _model(self, part: str) -> Any:
        import importlib

        import torch

        module, _, name = _CLASSES[part][1].rpartition(".")
        with torch.device("meta"):
            return getattr(importlib.import_module(module), name)(**self._settings[part])

    def _random(self, part: str) -> dict[str, Any]:
        """Matrices by their fan-in, gains of norms at one, the rest small: activations stay of order one."""
        import torch

        generator = torch.Generator(self.device).manual_seed(0)
        state = {}
        for name, meta in self._model(part).state_dict().items():
            key = name.removeprefix("model.") if part == "vae" else name
            scale = 1 / math.sqrt(meta[0].numel()) if meta.ndim > 1 else 0.02
            tensor = torch.empty(meta.shape, dtype=torch.bfloat16, device=self.device)
            state[key] = tensor.normal_(0, scale, generator=generator)
            if meta.ndim == 1 and name.endswith(("weight", "gamma")):
                state[key] += 1
        return state


def forward_flops(dit: dict[str, Any], tokens: int, text_tokens: int = 512) -> float:
    """Floating-point operations of one forward pass: products of matrices, counted on the architecture."""
    dim, ffn, layers = dit["dim"], dit["ffn_dim"], dit["num_layers"]
    linear = tokens * (6 * dim**2 + 2 * dim * ffn) + text_tokens * 2 * dim**2
    attention = 2 * tokens * (tokens + text_tokens) * dim
    return 2.0 * layers * (linear + attention)
