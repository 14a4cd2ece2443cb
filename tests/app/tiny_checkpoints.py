"""Untrained checkpoints of a few thousand parameters, one a method: they rank by chance, which is all that is needed."""

import torch

from svta_assets.workspace import Workspace, utc_now
from svta_models.checkpoint import save_checkpoint
from svta_models.identity import canonical_json
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.recipe import Recipe
from svta_models.release import Release, resolve
from svta_models.tokenizer import CaptionTokenizer

SMALL = {"image": 32, "patch": 16, "vision_width": 64, "vision_layers": 1, "text_width": 64, "text_layers": 1}
METHODS = {
    "clip4clip-meanp": "clip4clip-meanP",
    "clip4clip-seqlstm": "clip4clip-seqLSTM",
    "clip4clip-seqtransf": "clip4clip-seqTransf",
    "clip4clip-tighttransf": "clip4clip-tightTransf",
    "xclip-vit-b-32": "xclip",
    "gram": "gram",
}


def add_checkpoint(work: Workspace, model: str, seed: int = 0) -> str:
    """Store a checkpoint of the newest release with its row; returns `<model>/<id>`."""
    release = Release(work.store, resolve(work.store))
    recipe = Recipe(epochs=1, max_frames=3, train_frames=3)
    tokenizer = CaptionTokenizer.train(release.frame["caption"].to_list(), 300)
    head = {"max_words": recipe.max_words, "max_frames": 3, "cross_layers": 2, "cross_heads": 2}
    shape = preset_values("tiny") | SMALL | head | {"embed_dim": 64, "vocab": tokenizer.size}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = build_model(METHODS[model], shape)
    facts = {"recipe": recipe.to_dict(), "release": release.hash, "seed": seed, "best_epoch": 1, "curves": []}
    checkpoint = save_checkpoint(work.store, f"checkpoints/{model}", built, tokenizer, facts)
    row = {
        "checkpoint_id": checkpoint,
        "model": model,
        "release": release.hash,
        "recipe": canonical_json(recipe.to_dict()),
        "uri": f"checkpoints/{model}/{checkpoint}",
        "epoch": 1,
        "val_r1": 12.5,
        "made_at": utc_now(),
    }
    rows = [*work.catalog.read("checkpoints", model).to_dicts(), row]
    work.catalog.publish("checkpoints", model, rows)
    work.refresh()
    return f"{model}/{checkpoint}"
