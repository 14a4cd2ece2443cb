"""Which final category each anomaly class of UBnormal and UCF-Crime leads to."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import polars as pl

How = Literal["pairs", "no texts", "normal"]


@dataclass(frozen=True)
class ClassPlace:
    """Where an anomaly class of a benchmark ends up.

    `how`: "pairs" (most of its anomalous pairs lie in `final_category`, an anomaly category), "no texts" (its
    generation category is not labelled yet) or "normal" (most of its pairs lie in a normal category, or none of its
    texts is anomalous).
    """

    benchmark: str
    name: str
    final_category: str | None
    share: float
    how: How


@cache
def benchmark_classes() -> dict[str, list[dict[str, str]]]:
    """Classes of each benchmark, from `benchmark_classes.yaml`: their own name and the generation category."""
    import yaml

    text = (files("svta_assets") / "clusters" / "benchmark_classes.yaml").read_text("utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def place_classes(labels: pl.DataFrame, assignments: pl.DataFrame) -> list[ClassPlace]:
    """Find the place of every class from rows of `labels` and `assignments`."""
    anomalous = labels.filter("is_anomaly").select("pair_id")
    labelled = set(labels["category"])
    pairs = assignments.join(anomalous, on="pair_id", how="semi")
    counts: dict[str, list[tuple[str, str, int]]] = {}
    for key, slug, kind, count in pairs.group_by("category", "final_category", "kind").len().sort(pl.all()).iter_rows():
        counts.setdefault(key, []).append((slug, kind, count))
    return [
        _place(benchmark, one["class"], counts.get(one["key"], []), one["key"] in labelled)
        for benchmark, classes in benchmark_classes().items()
        for one in classes
    ]


def coverage_table(places: Iterable[ClassPlace]) -> str:
    """The places as a Markdown table."""
    lines = ["| benchmark | class | final category | share of its pairs |", "|---|---|---|---|"]
    for one in places:
        where = {"pairs": one.final_category, "no texts": "no texts labelled yet", "normal": "not an anomaly category"}
        lines.append(f"| {one.benchmark} | {one.name} | {where[one.how]} | {one.share:.0%} |")
    return "\n".join(lines)


def _place(benchmark: str, name: str, counts: list[tuple[str, str, int]], labelled: bool) -> ClassPlace:
    if not counts:
        return ClassPlace(benchmark, name, None, 0.0, "normal" if labelled else "no texts")
    slug, kind, count = max(counts, key=lambda item: item[2])
    share = count / sum(item[2] for item in counts)
    return ClassPlace(benchmark, name, slug, share, "pairs" if kind == "anomaly" else "normal")
