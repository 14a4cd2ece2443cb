"""How good the labels are by what people said of a sample: accuracy, its interval, categories, confusion, agreement."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, NamedTuple

import polars as pl

from svta_assets.labels.reviews import (
    REVIEWER,
    RIGHT,
    UNSURE,
    WRONG,
    Label,
    is_correction,
    outcome,
    reviewable,
    said_of,
    standing,
)
from svta_assets.reviewing import SEED, cohens_kappa, draw_sample, wilson_interval
from svta_assets.workspace import Workspace

SIDES = {True: "anomalous", False: "normal"}

Row = dict[str, Any]


@dataclass(frozen=True)
class Accuracy:
    """Reviewed labels of a category, or of all; `share` of right ones with its 95% Wilson interval."""

    category: str
    sample: int
    right: int
    wrong: int
    unsure: int
    share: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def judged(self) -> int:
        return self.right + self.wrong


@dataclass(frozen=True)
class Agreement:
    """How far two reviewers agree on the labels that both judged; `kappa` is None where chance explains everything."""

    first: str
    second: str
    labels: int
    agreed: float
    kappa: float | None


@dataclass(frozen=True)
class LabelReport:
    """How the review of a sample stands.

    Attributes:
        seed, share: of the sample. labels: how many there are to draw from.
        total: the sample as it was labelled: a label that its review corrected stays wrong in it, since the labels that
            nobody looked at were made in the same way.
        now: estimated share of right labels among all of them as they stand: those found right or corrected, and
            the sample's share of those that nobody judged. None: none judged.
        waiting: corrections that the next materialization of labels will apply.
        categories: worst first. confusion: label's side, reviewer's side -> labels judged.
    """

    seed: int
    share: float
    labels: int
    total: Accuracy
    now: float | None
    waiting: int
    categories: list[Accuracy]
    confusion: dict[str, dict[str, int]]
    agreements: list[Agreement]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for scripts and dataset cards."""
        return asdict(self)


def label_report(work: Workspace, share: float) -> LabelReport:
    """Hold what people said against the labels as they are. The sample is that of the newest seed that was reviewed."""
    log = work.catalog.read("label_reviews")
    labels, said = reviewable(work), standing(log)
    seed, since = _round(log)
    statuses = {
        row["pair_id"]: _status(row, said.get(row["pair_id"], []), since) for row in labels.iter_rows(named=True)
    }
    sample = draw_sample(labels, share, seed) if labels.height else labels
    of_category: dict[str, list[_Status]] = defaultdict(list)
    for pair, category in sample.select("pair_id", "category").iter_rows():
        of_category[category].append(statuses[pair])
    drawn = [status for found in of_category.values() for status in found]
    total = _accuracy("all", drawn)
    return LabelReport(
        seed=seed,
        share=share,
        labels=labels.height,
        total=total,
        now=_as_they_stand(list(statuses.values()), total.share),
        waiting=sum(status.waits for status in statuses.values()),
        categories=sorted((_accuracy(*one) for one in of_category.items()), key=_worst_first),
        confusion=_confusion(drawn),
        agreements=_agreements(said),
    )


def category_review(work: Workspace, key: str) -> dict[str, int]:
    """Labels of one category as they stand: right and wrong by people, corrected, and all."""
    said = standing(work.catalog.read("label_reviews").filter(pl.col("category") == key))
    rows = list(reviewable(work, key).iter_rows(named=True))
    statuses = [_status(row, said.get(row["pair_id"], []), "") for row in rows]
    corrected = sum(REVIEWER in (row["name_origin"], row["is_anomaly_origin"]) for row in rows)
    right, wrong = sum(one.settled for one in statuses), sum(one.refuted for one in statuses)
    return {"right": right, "wrong": wrong, "corrected": corrected, "labels": len(rows)}


def _round(log: pl.DataFrame) -> tuple[int, str]:
    """Seed of the sample that was reviewed last, and when its review began."""
    drawn = log.drop_nulls("seed").sort("at")
    if drawn.is_empty():
        return SEED, ""
    seed = int(drawn["seed"][-1])
    return seed, str(drawn.filter(pl.col("seed") == seed)["at"][0])


class _Status(NamedTuple):
    """What is known of one label.

    Attributes:
        word: right, wrong or unsure of the label as it was when the sample's review began; None: nobody judged it.
        sides: is_anomaly of that label and of the reviewer. settled: people stand behind the label as it is now.
        refuted: people say that it is wrong as it is now. waits: and their correction is not applied yet.
    """

    word: str | None
    sides: tuple[bool, bool] | None
    settled: bool
    refuted: bool
    waits: bool


def _status(label: Row, said: Sequence[Row], since: str) -> _Status:
    """A label that any reviewer calls wrong counts as wrong, whatever others say, until that reviewer takes it back."""
    now = Label(label["caption"], label["name"], label["is_anomaly"])
    about = [row for row in said if said_of(row) == now]
    refutations = [row for row in about if row["verdict"] == WRONG]
    words = {row["verdict"] for row in about}
    corrections: list[Row] = []
    if REVIEWER in (label["name_origin"], label["is_anomaly_origin"]):
        corrections = [row for row in said if is_correction(row) and row["caption"] == now.caption]
    led_here = any(outcome(row) == now for row in corrections)
    of_review = [row for row in corrections if led_here and row["at"] >= since]
    word: str | None = UNSURE if UNSURE in words else None
    sides = None
    if wrong := of_review or refutations:
        word, sides = WRONG, (wrong[0]["is_anomaly"], bool(outcome(wrong[0]).is_anomaly))
    elif led_here or RIGHT in words:
        word, sides = RIGHT, (label["is_anomaly"], label["is_anomaly"])
    settled = not refutations and (led_here or RIGHT in words)
    return _Status(word, sides, settled, bool(refutations), any(map(is_correction, refutations)))


def _accuracy(category: str, found: Sequence[_Status]) -> Accuracy:
    words = Counter(status.word for status in found)
    right, wrong = words[RIGHT], words[WRONG]
    counts = Accuracy(category, len(found), right, wrong, words[UNSURE])
    if not counts.judged:
        return counts
    low, high = wilson_interval(right, counts.judged)
    return Accuracy(category, len(found), right, wrong, words[UNSURE], right / counts.judged, low, high)


def _worst_first(one: Accuracy) -> tuple[float, int, str]:
    return (2.0 if one.share is None else one.share, -one.wrong, one.category)


def _as_they_stand(statuses: Sequence[_Status], share: float | None) -> float | None:
    if share is None:
        return None
    settled, refuted = sum(one.settled for one in statuses), sum(one.refuted for one in statuses)
    return (settled + share * (len(statuses) - settled - refuted)) / len(statuses)


def _confusion(found: Sequence[_Status]) -> dict[str, dict[str, int]]:
    counts = Counter(status.sides for status in found if status.sides)
    return {SIDES[ours]: {SIDES[theirs]: counts[ours, theirs] for theirs in SIDES} for ours in SIDES}


def _agreements(said: dict[str, list[Row]]) -> list[Agreement]:
    """Each two reviewers over the labels that both judged; what has become of the label since does not matter."""
    words: dict[str, dict[tuple[str, Label], str]] = defaultdict(dict)
    for pair, rows in said.items():
        for row in rows:
            words[row["by"]][pair, said_of(row)] = row["verdict"]
    found = []
    for first, second in combinations(sorted(words), 2):
        both = sorted(words[first].keys() & words[second].keys(), key=str)
        if both:
            one, other = ([words[who][label] for label in both] for who in (first, second))
            agreed = sum(a == b for a, b in zip(one, other, strict=True)) / len(both)
            found.append(Agreement(first, second, len(both), agreed, cohens_kappa(one, other)))
    return found


def report_markdown(report: LabelReport, shown: int = 20) -> str:
    """The report for people; `shown` categories at most."""
    total = report.total
    lines = [
        f"{total.judged} of {total.sample} labels judged ({report.share:.0%} of {report.labels}, seed {report.seed}), "
        f"{total.unsure} unsure",
        "",
        f"- right as labelled: {_said(total)}",
        f"- right as they stand, estimated: {'-' if report.now is None else f'{report.now:.1%}'}",
        f"- corrections waiting for the next materialization of labels: {report.waiting}",
    ]
    judged = [one for one in report.categories if one.judged]
    if judged:
        lines += ["", "| category | sample | right | wrong | unsure | accuracy (95%) |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {one.category} | {one.sample} | {one.right} | {one.wrong} | {one.unsure} | {_said(one)} |"
            for one in judged[:shown]
        ]
        lines += ["", "| label | reviewer: anomalous | reviewer: normal |", "|---|---|---|"]
        lines += [f"| {ours} | {row['anomalous']} | {row['normal']} |" for ours, row in report.confusion.items()]
    if report.agreements:
        lines += ["", "| reviewers | labels | agreed | Cohen's kappa |", "|---|---|---|---|"]
        lines += [
            f"| {one.first}, {one.second} | {one.labels} | {one.agreed:.1%} | "
            f"{'undefined' if one.kappa is None else f'{one.kappa:.3f}'} |"
            for one in report.agreements
        ]
    return "\n".join(lines)


def _said(one: Accuracy) -> str:
    if one.share is None or one.low is None or one.high is None:
        return "nobody judged one yet"
    return f"{one.share:.1%} ({one.low:.1%} to {one.high:.1%})"
