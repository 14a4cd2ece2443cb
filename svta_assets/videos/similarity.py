"""Text-video similarity: how well a clip fits its caption in the eyes of a trained model.

It depends on a checkpoint, so it lies beside the cards (`clip_similarities`, rows are only added) and not on them.
`clip_similarity:` in gates.yaml names the checkpoint and the least cosine; without it nothing is rejected.
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import polars as pl

from svta_assets.workspace import Workspace, utc_now
from svta_models.media_store import MediaStore
from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    from svta_models.checkpoint import Checkpoint
    from svta_models.dataset import DecodedSplit

FOLDER = "checkpoints"
_BLOCK = 256  # clips decoded at a time: 12 frames of 224 x 224 take 0.5 GB
Progress = Callable[[int, int], None]


def newest_checkpoint(work: Workspace) -> str:
    """`<model>/<id>` of the checkpoint made last. Raises SvtaError when there is none."""
    rows = work.catalog.read("checkpoints").sort("made_at")
    if rows.is_empty():
        raise SvtaError("no checkpoint yet: materialize model_checkpoints, or run `make demo`")
    return f"{rows['model'][-1]}/{rows['checkpoint_id'][-1]}"


def open_checkpoint(store: MediaStore, name: str) -> "Checkpoint":
    """Load `<model>/<id>`. Raises SvtaError for a name of another form, CheckpointError for a missing one."""
    from svta_models.checkpoint import load_checkpoint

    model, _, checkpoint_id = name.partition("/")
    if not checkpoint_id:
        raise SvtaError(
            f"checkpoint {name!r} is not of the form <model>/<id>, for example clip4clip-meanp/0123456789ab"
        )
    return load_checkpoint(store, f"{FOLDER}/{model}", checkpoint_id)


def score_missing(
    work: Workspace, name: str, categories: Collection[str] | None = None, progress: Progress | None = None
) -> int:
    """Score the clips that this checkpoint has not scored, and add their rows; returns how many.

    Clips that do not decode are left out: another gate has rejected them.
    """
    todo = {key: _missing(work, name, key) for key in work.catalog.partitions("clips") if _wanted(key, categories)}
    total, done = sum(rows.height for rows in todo.values()), 0
    checkpoint = open_checkpoint(work.store, name) if total else None
    for category, rows in todo.items():
        for block in rows.iter_slices(_BLOCK):
            assert checkpoint is not None  # there is something to score
            values = clip_similarities(checkpoint, work.store, block)
            made = {"category": category, "checkpoint": name, "at": utc_now()}
            scored = zip(block.iter_rows(named=True), values, strict=True)
            facts = [
                {"clip_id": row["clip_id"], "recipe_sha": row["recipe_sha"], "similarity": value, **made}
                for row, value in scored
            ]
            work.catalog.append("clip_similarities", category, facts)
            done += block.height
            if progress is not None:
                progress(done, total)
    return done


def _wanted(category: str, categories: Collection[str] | None) -> bool:
    return not categories or category in categories


def _missing(work: Workspace, name: str, category: str) -> pl.DataFrame:
    log = work.catalog.read("clip_similarities", category).filter(pl.col("checkpoint") == name)
    clips = work.catalog.read("clips", category).filter(pl.col("brightness").is_not_null())  # scored: it decodes
    return clips.join(log, on=["clip_id", "recipe_sha"], how="anti").sort("clip_id")


def clip_similarities(checkpoint: "Checkpoint", store: MediaStore, clips: pl.DataFrame) -> list[float]:
    """Cosine of caption and clip for rows with clip_id, caption and uri, in their order, -1..1.

    The model's own similarity, with mean pooling over frames, without its temperature.
    """
    from torch.nn.functional import normalize

    from svta_models.evaluation import encode_split

    if clips.is_empty():
        return []
    decoded = _decoded(checkpoint, store, clips)
    text_ND, clip_ND = encode_split(checkpoint.model, checkpoint.tokenizer, decoded, checkpoint.recipe["max_words"])
    cosine = (normalize(text_ND.float(), dim=-1) * normalize(clip_ND.float(), dim=-1)).sum(dim=-1)
    return [round(float(value), 6) for value in cosine]


def _decoded(checkpoint: "Checkpoint", store: MediaStore, clips: pl.DataFrame) -> "DecodedSplit":
    """Frames and captions as the evaluation sees them; the clips need not be part of a release."""
    import torch

    from svta_models.dataset import DecodedSplit
    from svta_models.frames import decode_video, probe_video, resize_frames, uniform_indices

    slots, config = checkpoint.recipe["max_frames"], checkpoint.model.config
    frames_NTCHW = torch.zeros(clips.height, slots, 3, config.image, config.image, dtype=torch.uint8)
    mask_NT = torch.zeros(clips.height, slots, dtype=torch.long)
    for number, uri in enumerate(clips["uri"]):
        mp4 = store.get(uri)
        frames = decode_video(mp4, uniform_indices(probe_video(mp4).frames, slots))
        resized = torch.from_numpy(resize_frames(frames, config.image, "squash" if config.fit == "squash" else "crop"))
        frames_NTCHW[number, : len(resized)], mask_NT[number, : len(resized)] = resized, 1
    ids = clips["clip_id"].to_list()
    return DecodedSplit(frames_NTCHW, mask_NT, clips["caption"].to_list(), ids, [""] * len(ids))
