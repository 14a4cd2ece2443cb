"""What follows from new clips before any is made: labels, the release, checkpoints and evaluations that fall behind."""

from collections.abc import Collection
from dataclasses import dataclass, field

import polars as pl

from svta_assets.regeneration.settle import latest_release
from svta_assets.videos.plan import Plan
from svta_assets.workspace import Workspace
from svta_resources.errors import SvtaError


@dataclass(frozen=True)
class Consequences:
    """What falls behind once the new clips stand. Nothing of it is touched by making them.

    Attributes:
        replaced: pairs whose current clip would be another. added: pairs that get their first clip.
        release: hash of the latest release; None before the first.
        splits: pairs of that release that get a new clip, by split.
        checkpoints: models trained on that release. evaluations: (model, benchmark) measured on it.
        questions, tokens: open questions about labels of these categories, asked when labels follow; None where no
            language model is configured, and `unknown` says so.
    """

    replaced: int
    added: int
    release: str | None
    splits: dict[str, int]
    checkpoints: list[str] = field(default_factory=list)
    evaluations: list[tuple[str, str]] = field(default_factory=list)
    questions: int | None = 0
    tokens: float | None = 0.0
    unknown: str = ""

    @property
    def release_falls_behind(self) -> bool:
        """Whether the next release differs from the latest."""
        return self.release is not None and bool(self.replaced or self.added)


def consequences(work: Workspace, plans: Collection[Plan]) -> Consequences:
    """What follows when the clips of these plans stand for their pairs."""
    from svta_models.release import read_rows

    pairs = {job.pair_id for plan in plans for job in plan.jobs if not job.repair}
    keys = [plan.category for plan in plans]
    standing = _standing(work, keys)
    digest = latest_release(work)
    counts: dict[str, int] = {}
    if digest:
        touched = read_rows(work.store, digest).filter(pl.col("pair_id").is_in(list(pairs)))
        counts = dict(touched.group_by("split").len().sort("split").iter_rows())
    questions, tokens, unknown = _labels(work, keys)
    return Consequences(
        replaced=len(pairs & standing),
        added=len(pairs - standing),
        release=digest,
        splits=counts,
        checkpoints=sorted(set(work.catalog.read("checkpoints").filter(release=digest or "")["model"])),
        evaluations=_evaluations(work, digest),
        questions=questions,
        tokens=tokens,
        unknown=unknown,
    )


def _standing(work: Workspace, keys: list[str]) -> set[str]:
    found: set[str] = set()
    for key in keys:
        found |= set(work.catalog.read("clips", key).filter("current")["pair_id"])
    return found


def _evaluations(work: Workspace, digest: str | None) -> list[tuple[str, str]]:
    rows = work.catalog.read("evaluations").filter(release=digest or "").select("model", "benchmark").unique()
    return [(model, benchmark) for model, benchmark in rows.sort("model", "benchmark").iter_rows()]


def _labels(work: Workspace, keys: list[str]) -> tuple[int | None, float | None, str]:
    """Open questions about labels and their tokens. New clips open none: a label's question holds only the caption."""
    from svta_assets.texts.costs import plan_texts

    try:
        plan = plan_texts(work, keys)
    except SvtaError as error:  # no language model is configured here
        return None, None, str(error)
    labels = [one for one in plan.totals if one.task == "label"]
    return sum(one.requests for one in labels), sum(one.prompt_tokens + one.answer_tokens for one in labels), ""
