"""The figures at the paper's size: 98 categories and 41,315 captions, made up. Prints bytes and milliseconds.

    python benchmarks/figures.py FOLDER    # also writes them there, to look at

Numbers in docs/figures.md are from here.
"""

import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from svta_assets.clusters.taxonomy import FinalCategory
from svta_assets.figures.captions import figure4
from svta_assets.figures.categories import CategoryCount, figure3
from svta_assets.figures.files import figure_markdown
from svta_assets.figures.flow import Stream, flow
from svta_assets.figures.recall import CategoryRecall, recall_by_category
from svta_assets.figures.taxonomy import taxonomy_diff

CATEGORIES = {"normal": 30, "anomaly": 68}
PAIRS = {"normal": 16_145, "anomaly": 25_170}
GROUPS = {
    "normal": ("fundamental motion patterns", "contextually consistent actions"),
    "anomaly": (
        "biomechanical anomalies", "contextual inconsistencies", "social norm violations", "environmental anomalies",
    ),
}  # fmt: skip
VERBS = "crash fall fight steal break throw burn explode run jump climb hit push drop slip collide shoot rob".split()  # noqa: SIM905
THINGS = "car bicycle person dog window bottle house shop street coaster bridge truck door fence child".split()  # noqa: SIM905


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    for name, draw in _figures(random.Random(0)).items():
        began = time.process_time()
        svg = draw()
        spent = time.process_time() - began
        shown = len(figure_markdown(svg, name, Path()))
        print(f"{name:14} {len(svg):7,} bytes, {shown:7,} in metadata, {spent * 1e3:4.0f} ms")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.svg").write_text(svg)


def _figures(draw: random.Random) -> dict[str, Callable[[], str]]:
    names = draw.sample([f"{verb} {thing}" for verb in VERBS for thing in THINGS], sum(CATEGORIES.values()))
    counts = [one for kind in CATEGORIES for one in _counts(kind, names)]
    scores = [CategoryRecall(one.name, one.pairs // 5, draw.uniform(0, 100), draw.uniform(0, 100)) for one in counts]
    captions = [
        " ".join(draw.choices(VERBS + THINGS + ["the", "a", "on"], k=draw.randint(4, 40))) for _ in range(41_315)
    ]
    kinds = [draw.choice(list(CATEGORIES)) for _ in captions]
    streams = [
        Stream(
            source, one.kind, GROUPS[one.kind][place % len(GROUPS[one.kind])], one.name, max(1, int(one.pairs * part))
        )
        for place, one in enumerate(counts)
        for source, part in (("uca", 0.4), ("oops", 0.4), ("ucfcrime_ar", 0.1), ("llm", 0.1))
    ]
    before = [_category(place, one) for place, one in enumerate(counts)]
    moved = draw.sample([name for one in before for name in one.names], sum(len(one.names) for one in before))
    after = [replace(one, names=tuple(moved.pop() for _ in one.names)) for one in before]
    return {
        "figure3": lambda: figure3(counts, "a made-up release"),
        "figure4": lambda: figure4(captions, kinds, "a made-up release"),
        "flow": lambda: flow(streams, "a made-up release"),
        "recall": lambda: recall_by_category(sorted(scores, key=lambda one: one.t2v or 0), "a model", "SVTA"),
        "taxonomy_diff": lambda: taxonomy_diff(before, after, ("before", "after")),
    }


def _counts(kind: str, names: list[str]) -> list[CategoryCount]:
    """A long tail of categories that adds up to about the paper's pairs."""
    mine = [names.pop() for _ in range(CATEGORIES[kind])]
    weights = [1 / (place + 1) ** 0.8 for place in range(len(mine))]
    return [
        CategoryCount(name, kind, int(PAIRS[kind] * weight / sum(weights)))
        for name, weight in zip(mine, weights, strict=True)
    ]


def _category(place: int, one: CategoryCount) -> FinalCategory:
    slug = f"{one.kind}-{place + 1:02d}-{one.name.replace(' ', '-')}"
    names = tuple(f"{one.name} {number}" for number in range(12))
    return FinalCategory(slug, place + 1, one.name, one.kind, GROUPS[one.kind][0], one.kind, names)


if __name__ == "__main__":
    main()
