"""A published GRAM run as a row of `checkpoints`: evaluated as it is, without a training here."""

from pathlib import Path
from typing import Any

from svta_assets.checkpoints.published_files import GRAM, PUBLISHED, Imported, record_published
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError

FRAMES: dict[str, dict[str, Any]] = {
    "published": {"frame_rule": "segments", "resize": "bilinear"},
    "spread": {"frame_rule": "sampled", "feature_framerate": None, "resize": "fast"},
}
"""How the model is shown clips: as its authors do, or with frames from the first to the last and smoothed."""


def import_gram(
    work: Workspace, weights: Path, called: str = "", preset: str = "", frames: str = "published", audio: str = "zero"
) -> Imported:
    """Copy a published run into the store and record it.

    Args:
        weights: `ckpt/model_step_<N>.pt` of a folder with `log/hps.json` and `vocab.txt` (svta_models.gram.files).
        called: what tables name it. preset: sizes of its encoders, empty for the published ones. frames: a key of
            FRAMES. audio: its way of sound.

    Raises WrongWeights naming what is missing, unexpected or misshapen, SvtaError for missing files.
    """
    if frames not in FRAMES:
        raise SvtaError(f"frames {frames!r} is none of {', '.join(FRAMES)}")
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
    return record_published(work, GRAM, recipe, model, tokenizer)
