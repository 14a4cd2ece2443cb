"""The synthetic-to-real gap: how much better a model finds SVTA's own test clips than real videos, over releases."""

from dataclasses import dataclass

import polars as pl

from svta_assets.benchmarks.settings import read_benchmarks
from svta_assets.gates import gate_settings
from svta_assets.tables.paper import SYNTHETIC
from svta_assets.workspace import Workspace

REAL = "ucfcrime_ar"


@dataclass(frozen=True)
class GapVerdict:
    """`gaps`: see `gaps`, oldest release first. `growth`: points since the release before, None where there is none."""

    passed: bool
    reason: str
    gaps: pl.DataFrame
    growth: float | None = None


def gaps(work: Workspace, model: str) -> pl.DataFrame:
    """Columns release, svta, real (text-to-video R@1, percent), gap (points), at: the newest evaluations of a release.

    Both figures are of one checkpoint. Releases stand in the order in which they were last evaluated.
    """
    rows = work.catalog.read("evaluations", model).filter(~pl.col("trained_on_shuffled"), direction="t2v")
    key = ("checkpoint_id", "release")
    ours = rows.filter(benchmark=SYNTHETIC).select(*key, pl.col("r1").alias("svta"))
    real = rows.filter(benchmark=REAL).select(*key, pl.col("r1").alias("real"), "at")
    both = ours.join(real, on=key).sort("at").unique("release", keep="last").sort("at")
    return both.select("release", "svta", "real", (pl.col("svta") - pl.col("real")).alias("gap"), "at")


def gap_verdict(work: Workspace, model: str) -> GapVerdict:
    """Whether the gap grew by no more than `max_gap_growth` points of gates.yaml since the release before."""
    found = gaps(work, model)
    if found.is_empty():
        configured = REAL in read_benchmarks()
        why = f"{model} has not been evaluated on {REAL} yet" if configured else "no real benchmark configured"
        return GapVerdict(True, f"{why}: the gap is not known", found)
    now = found["gap"][-1]
    if found.height == 1:
        return GapVerdict(True, f"gap {now:.1f} points; there is no release to compare with", found)
    growth = now - found["gap"][-2]
    most = float(gate_settings(work.profile.name)["max_gap_growth"])
    said = f"gap {now:.1f} points, {growth:+.1f} since release {found['release'][-2]} (at most {most:+.1f})"
    return GapVerdict(growth <= most, said, found, growth)


def gap_markdown(found: pl.DataFrame) -> str:
    """The gaps as a Markdown table."""
    lines = ["| release | SVTA R@1 | real R@1 | gap |", "|---|---|---|---|"]
    for row in found.iter_rows(named=True):
        lines.append(f"| `{row['release']}` | {row['svta']:.1f} | {row['real']:.1f} | {row['gap']:.1f} |")
    return "\n".join(lines)
