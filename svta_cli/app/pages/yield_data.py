"""From text to accepted clip: what each category has, what was set aside and why, what it cost, and what is left.

Everything is read from the tables. What is left is counted from them too (a pair without any clip); `svta plan` asks
the recipe cards themselves, and knows stale clips and copies.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from svta_assets.texts.costs import spent_table
from svta_assets.texts.drops import dropped
from svta_assets.videos.costs import device_hour_price, rendered
from svta_assets.videos.sizes import Ledger, open_ledger
from svta_assets.videos.verdicts import reason_counts
from svta_assets.workspace import Workspace
from svta_models.release import Release, release_log
from svta_resources.errors import SvtaError

_REVIEWER = "reviewer "  # how the reason of a person's rejection begins, see videos/verdicts.py

# Stage -> what it counts, in the order of the pipeline.
STAGES = {
    "texts": "collected texts",
    "described": "pairs with a description",
    "rendered": "pairs with a clip",
    "accepted": "pairs with an accepted clip",
    "labelled": "labelled pairs with an accepted clip",
    "released": "pairs in the latest release",
}


@dataclass
class Funnel:
    """One category, or all of them.

    Attributes:
        counts: stage (STAGES) -> pairs or texts. aside: why something was set aside on the way -> how often.
        takes: clips rendered, rejected ones too. hours: of one device. tokens: of language models, prompt and answer.
        left: pairs without any clip. eta_h: wall hours until they have one; None where the generator cannot be asked.
    """

    category: str
    counts: dict[str, int]
    aside: dict[str, int] = field(default_factory=dict)
    takes: int = 0
    hours: float = 0.0
    tokens: int = 0
    left: int = 0
    eta_h: float | None = None

    @property
    def share(self) -> float | None:
        """Accepted pairs among those that have a clip, 0..1; None before the first."""
        return self.counts["accepted"] / self.counts["rendered"] if self.counts["rendered"] else None


@dataclass(frozen=True)
class Costs:
    """What the page says beside the funnel. `problem`: why times that remain are not known, or tokens not counted.

    Attributes:
        price: of all device hours, in the user's own currency; None where no price is set.
        seconds, measured: of a clip, and the number of clips they rest on. devices: of the pool here.
        models: (task, model, requests, rejected, tokens, price) of the language models. stages: rows by asset.
    """

    price: float | None
    seconds: float | None
    measured: int
    devices: int
    models: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    problem: str = ""


def funnels(work: Workspace) -> tuple[list[Funnel], Funnel, Costs]:
    """By category (those with anything, by key), all together, and the costs."""
    ledger, problem = _ledger(work)
    tokens, trouble = _tokens(work)
    counts = _counts(work)
    aside, hours = _aside(work), _hours(work)
    takes = _by_category(work.catalog.read("clips"))
    spent = dict(tokens.group_by("category").agg(_all_tokens().sum()).iter_rows())
    found = []
    for key in sorted(set().union(*counts.values())):
        own = {stage: counts[stage].get(key, 0) for stage in STAGES}
        one = Funnel(key, own, aside.get(key, {}), takes.get(key, 0), hours.get(key, 0.0), int(spent.get(key, 0)))
        one.left = max(0, own["described"] - own["rendered"])
        found.append(one)
    total = _total(found)
    total.aside = {**_rows_aside(work), **total.aside}
    for one in (*found, total):
        one.eta_h = None if ledger is None else _eta(one.left, ledger)
    return found, total, _costs(work, ledger, tokens, total.hours, " ".join(filter(None, (problem, trouble))))


def _counts(work: Workspace) -> dict[str, dict[str, int]]:
    """Stage -> category -> pairs (or texts)."""
    catalog = work.catalog
    clips, labels = catalog.read("clips"), catalog.read("labels")
    described, gone = catalog.read("descriptions"), dropped(catalog)
    if gone:
        said = pl.DataFrame(list(gone), schema=["pair_id", "caption"], orient="row")
        described = described.join(said, on=["pair_id", "caption"], how="anti")
    pairs = described.select("pair_id")
    made = clips.join(pairs, on="pair_id", how="semi").unique("pair_id")
    accepted = clips.filter("current").join(pairs, on="pair_id", how="semi")
    labelled = accepted.join(labels.drop_nulls("name").select("pair_id"), on="pair_id", how="semi")
    log = release_log(work.store)
    released = Release(work.store, log[-1].hash).frame if log else clips.clear()
    frames = (catalog.read("texts"), described, made, accepted, labelled, released)
    return {stage: _by_category(frame) for stage, frame in zip(STAGES, frames, strict=True)}


def _by_category(rows: pl.DataFrame) -> dict[str, int]:
    return dict(rows.drop_nulls("category").group_by("category").len().iter_rows())


def _aside(work: Workspace) -> dict[str, dict[str, int]]:
    """Category -> reason -> descriptions and clips set aside."""
    found: dict[str, Counter[str]] = {}
    near = work.catalog.read("novelty").filter("near_duplicate").unique(["pair_id", "caption"])
    for category, count in _by_category(near).items():
        found.setdefault(category, Counter())["text: nearly repeats another"] += count
    for row in dropped(work.catalog).values():
        found.setdefault(row["category"], Counter())[f"text: dropped, {row['reason']}"] += 1
    clips = work.catalog.read("clips").filter(status="rejected")
    by_people = pl.col("reject_reason").str.starts_with(_REVIEWER)
    for (category,), rows in clips.group_by("category"):
        counts = found.setdefault(str(category), Counter())
        for reason, count in reason_counts(rows.filter(~by_people)).items():
            counts[f"clip: {reason}"] += count
        for said in rows.filter(by_people)["reject_reason"]:
            counts[f"clip: reviewer, {said.partition(': ')[2]}"] += 1
    return {category: dict(counts.most_common()) for category, counts in found.items()}


def _rows_aside(work: Workspace) -> dict[str, int]:
    """What the stages set aside before there was a pair or a clip: rows of no category of their own."""
    rows = (
        work.catalog.read("rejects").group_by("stage", "reason").len().sort("len", "stage", "reason", descending=True)
    )
    return {f"{stage}: {reason}": count for stage, reason, count in rows.iter_rows()}


def _hours(work: Workspace) -> dict[str, float]:
    """Category -> device hours of all its clips, whichever generator made them."""
    clips = work.catalog.read("clips")
    parts = [rendered(clips, name).select("category", "device_s") for name in sorted(set(clips["generator"]))]
    if not parts:
        return {}
    summed = pl.concat(parts).group_by("category").agg(pl.col("device_s").sum() / 3600)
    return dict(summed.iter_rows())


def _ledger(work: Workspace) -> tuple[Ledger | None, str]:
    try:
        return open_ledger(work), ""
    except SvtaError as error:
        return None, str(error)


def _tokens(work: Workspace) -> tuple[pl.DataFrame, str]:
    """Rows of `spent_table`; none where no model is chosen here to price them."""
    try:
        return spent_table(work), ""
    except SvtaError as error:
        columns: dict[str, Any] = dict.fromkeys(("task", "category", "model"), pl.String)
        columns |= dict.fromkeys(("requests", "rejected", "prompt_tokens", "answer_tokens"), pl.Int64)
        return pl.DataFrame(schema=columns | {"price": pl.Float64}), f"Tokens are not counted: {error}"


def _all_tokens() -> pl.Expr:
    return (pl.col("prompt_tokens") + pl.col("answer_tokens")).alias("tokens")


def _eta(left: int, ledger: Ledger) -> float:
    return left * ledger.time.seconds / 3600 / max(1, min(ledger.devices, left))


def _total(found: list[Funnel]) -> Funnel:
    aside: Counter[str] = Counter()
    for one in found:
        aside.update(one.aside)
    counts = {stage: sum(one.counts[stage] for one in found) for stage in STAGES}
    total = Funnel("all", counts, dict(aside.most_common()))
    total.takes, total.left = sum(one.takes for one in found), sum(one.left for one in found)
    total.hours, total.tokens = sum(one.hours for one in found), sum(one.tokens for one in found)
    return total


def _costs(work: Workspace, ledger: Ledger | None, tokens: pl.DataFrame, hours: float, problem: str) -> Costs:
    by_model = tokens.group_by("task", "model", maintain_order=True).agg(
        pl.col("requests", "rejected").sum(), _all_tokens().sum(), pl.col("price").sum()
    )
    by_stage = (
        work.catalog.read("costs")
        .group_by("stage")
        .agg(
            pl.col("run_id").n_unique().alias("runs"),
            pl.col("items").sum(),
            (pl.col("seconds").sum() / 3600).alias("hours"),
            pl.col("at").max().alias("newest"),
        )
        .sort("newest")
    )
    price = _price(hours)
    time = ledger.time if ledger else None
    return Costs(
        price,
        time.seconds if time else None,
        time.clips if time else 0,
        ledger.devices if ledger else 0,
        by_model.to_dicts(),
        by_stage.to_dicts(),
        problem,
    )


def _price(hours: float, environ: Mapping[str, str] | None = None) -> float | None:
    try:
        price = device_hour_price(environ)
    except SvtaError:  # the ledger has said so
        return None
    return None if price is None else hours * price
