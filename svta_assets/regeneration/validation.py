"""Validation R@1 by category: every checkpoint ranks the validation pairs of the release it was trained on.

Training keeps one validation figure a checkpoint; the nights need one a category, and may not look at test pairs.
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from svta_assets.schemas import VALIDATION_RANKS
from svta_assets.workspace import Workspace, utc_now

SPLIT = "val"
TABLE = VALIDATION_RANKS.name
SAID_EVERY = 320  # clips between two lines of progress


@dataclass(frozen=True)
class Validated:
    """One checkpoint's validation. `rows` of `validation_ranks`; `made_at` is when it was trained."""

    model: str
    checkpoint_id: str
    release: str
    made_at: str
    rows: pl.DataFrame

    @property
    def r1(self) -> float:
        """R@1 over all validation pairs, percent; ties averaged."""
        return 100.0 * float((self.rows["rank"] <= 1).mean() or 0.0)  # type: ignore[arg-type]

    def by_category(self) -> dict[str, float]:
        """Generation category -> R@1 of its validation pairs, percent."""
        found = self.rows.group_by("category").agg((pl.col("rank") <= 1).mean() * 100.0)
        return dict(found.iter_rows())


def outdated(work: Workspace) -> list[str]:
    """Models whose newest checkpoint has no validation ranks yet."""
    known = set(work.catalog.read(TABLE)["checkpoint_id"])
    newest = _trained(work).unique("model", keep="last", maintain_order=True)
    return newest.filter(~pl.col("checkpoint_id").is_in(list(known)))["model"].sort().to_list()


def validate(work: Workspace, model: str, device: str, say: Callable[[str], None]) -> Validated:
    """Rank the validation pairs under the newest checkpoint of a model and record them.

    Raises SvtaError where the model has no checkpoint, or the release it was trained on has no validation pair.
    """
    from svta_models.checkpoint import load_checkpoint
    from svta_models.encoders import encoder_of
    from svta_models.evaluation import evaluate_gallery
    from svta_models.gallery import ReleaseGallery
    from svta_models.release import Release
    from svta_resources.errors import SvtaError

    trained = _trained(work).filter(model=model)
    if trained.is_empty():
        raise SvtaError(f"model {model} has no checkpoint: materialize model_checkpoints with its partition")
    row = trained.row(-1, named=True)
    split = Release(work.store, row["release"]).split(SPLIT)
    if not len(split):
        raise SvtaError(f"release {row['release']} has no validation pair, so {model} cannot be validated")
    checkpoint = load_checkpoint(work.store, f"checkpoints/{model}", row["checkpoint_id"])
    checkpoint.model.to(device)

    def on_progress(done: int, total: int) -> None:
        if done == total or done % SAID_EVERY == 0:
            say(f"validation of {model}: {done} of {total} clips encoded")

    found = evaluate_gallery(encoder_of(checkpoint), ReleaseGallery(split), on_progress)
    ranks = found.query_ranks.filter(direction="t2v").select("pair_id", "rank")
    facts = {key: row[key] for key in ("checkpoint_id", "model", "release")} | {"split": SPLIT, "at": utc_now()}
    names = ("pair_id", "category", "final_category", "clip_id")
    rows = ranks.join(split.frame.select(names), on="pair_id").with_columns(
        pl.lit(value).alias(name) for name, value in facts.items()
    )
    rows = VALIDATION_RANKS.frame(rows)
    kept = work.catalog.read(TABLE, model).filter(pl.col("checkpoint_id") != row["checkpoint_id"])
    work.catalog.publish(TABLE, model, pl.concat([kept, rows]))
    return Validated(model, row["checkpoint_id"], row["release"], row["made_at"], rows)


def validated(work: Workspace) -> list[Validated]:
    """Every checkpoint that has been validated, the oldest training first."""
    ranks = work.catalog.read(TABLE).filter(split=SPLIT)
    made = dict(_trained(work).select("checkpoint_id", "made_at").iter_rows())
    found = [
        Validated(str(rows["model"][0]), str(key), str(rows["release"][0]), made[str(key)], rows)
        for (key,), rows in ranks.group_by("checkpoint_id")
        if key in made
    ]
    return sorted(found, key=lambda one: (one.made_at, one.checkpoint_id))


def newest_validated(work: Workspace) -> list[Validated]:
    """The newest validated checkpoint of each model."""
    return list({one.model: one for one in validated(work)}.values())


def _trained(work: Workspace) -> pl.DataFrame:
    """Checkpoints trained here, oldest first, without the controls that were trained on shuffled captions."""
    shuffled = pl.col("recipe").str.json_path_match("$.shuffle_captions") == "true"
    trained = work.catalog.read("checkpoints").filter(pl.col("release").is_not_null())  # imported ones have none
    return trained.filter(shuffled.fill_null(False).not_()).sort("made_at")
