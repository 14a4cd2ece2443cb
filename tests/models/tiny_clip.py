"""CLIP weights at toy size under their published names, written to a file as OpenAI's are."""

from pathlib import Path

import torch

from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.recipe import AnyRecipe, read_recipe

QUICK = {"preset": "tiny-clip", "epochs": 2, "batch_size": 8}


def write_tiny_clip(folder: Path) -> Path:
    """`tiny-clip.pt` in half precision, as `SVTA_CLIP_DIR` would hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_model("clip4clip-meanP", preset_values("tiny-clip")).published_state()
    path = folder / "tiny-clip.pt"
    torch.save({name.removeprefix("clip."): tensor.half() for name, tensor in state.items()}, path)
    return path


def quick(name: str, **changed: object) -> AnyRecipe:
    """A recipe with published weights, at toy size."""
    return read_recipe({"name": name, **QUICK, **changed})
