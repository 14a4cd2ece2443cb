"""A published GRAM run as a row of `checkpoints`: evaluated as it is, without a training here."""

from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.checkpoints.training import FOLDER
from svta_assets.workspace import Workspace, utc_now
from svta_models.identity import canonical_json, recipe_sha
from svta_resources.errors import SvtaError

GRAM, PUBLISHED = "gram", "published"
FRAMES: dict[str, dict[str, Any]] = {
    "published": {"frame_rule": "segments", "resize": "bilinear"},
    "spread": {"frame_rule": "sampled", "feature_framerate": None, "resize": "fast"},
}
"""How the model is shown clips: as its authors do, or with frames from the first to the last and smoothed."""


def import_gram(
    work: Workspace, weights: Path, called: str = "", preset: str = "", frames: str = "published", audio: str = "zero"
) -> tuple[dict[str, Any], bool]:
    """Copy a published run into the store and record it; the row, and whether it is new.

    Args:
        weights: `ckpt/model_step_<N>.pt` of a folder with `log/hps.json` and `vocab.txt` (svta_models.gram.files).
        called: what tables name it. preset: sizes of its encoders, empty for the published ones. frames: a key of
            FRAMES. audio: its way of sound.

    Raises WrongWeights naming what is missing, unexpected or misshapen, SvtaError for missing files.
    """
    if frames not in FRAMES:
        raise SvtaError(f"frames {frames!r} is none of {', '.join(FRAMES)}")
    from svta_models.checkpoint import save_checkpoint
    from svta_models.gram.files import gram_files
    from svta_models.gram.tuning import open_run

    files = gram_files(weights.parent.parent, weights)
    model, tokenizer = open_run(files.weights, preset or "published", {"audio": audio})
    config = model.config
    recipe: dict[str, Any] = {
        "name": PUBLISHED,
        "called": called,
        "preset": preset or "published",
        "max_words": config.max_caption_len,
        "max_frames": config.max_vision_sample_num,
        "shuffle_captions": False,
        "audio": audio,
        "weights": files.sha256,
        **FRAMES[frames],
    }
    sha = recipe_sha({"model": GRAM, "recipe": recipe})
    known = work.catalog.read("checkpoints", GRAM)
    if (same := known.filter(recipe_sha=sha)).height:
        return same.row(0, named=True), False
    facts: dict[str, Any] = {"recipe": recipe, "release": None, "seed": None, "best_epoch": None, "curves": []}
    checkpoint = save_checkpoint(work.store, f"{FOLDER}/{GRAM}", model, tokenizer, facts)
    row = {
        "checkpoint_id": checkpoint,
        "model": GRAM,
        "recipe_sha": sha,
        "recipe": canonical_json(recipe),
        "uri": f"{FOLDER}/{GRAM}/{checkpoint}",
        "curves": "[]",
        "parameters": sum(tensor.numel() for tensor in model.parameters()),
        "made_at": utc_now(),
    }
    rows = work.catalog.tables["checkpoints"].frame([row])
    work.catalog.publish("checkpoints", GRAM, pl.concat([known, rows]))
    return rows.row(0, named=True), True
