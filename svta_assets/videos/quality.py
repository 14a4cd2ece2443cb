"""What the clips' scores look like at each decile, so that a person can choose a threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from svta_assets.schemas import CLIPS
from svta_assets.videos.duplicates import WIDEST, near_pairs, prints_of, repeats
from svta_resources.video.scores import DEFAULT_THRESHOLDS

PARTS = 10
FEW = 3000  # clips up to which neighbours are looked for beyond what the gate needs, which takes seconds then
FARTHEST = 96.0
# score -> names of its lower and upper threshold in gates.yaml
LIMITS: dict[str, tuple[str | None, str | None]] = {
    "movement": ("movement_min", None),
    "motion": ("motion_min", None),
    "brightness": ("brightness_min", "brightness_max"),
    "contrast": ("contrast_min", None),
    "flicker": (None, "flicker_max"),
    "similarity": ("clip_similarity", None),
}


@dataclass(frozen=True)
class Deciles:
    """One score over a set of clips.

    Attributes:
        examples: one `clips` row per decile by rising score: the lowest of each of the first five tenths, the highest
            of each of the last five, so that both ends are shown. Fewer than ten clips are all shown.
        low, high: the thresholds; None where there is none.
        outside: clips beyond a threshold; without: clips that lack the score.
    """

    score: str
    meaning: str
    examples: list[dict[str, Any]]
    low: float | None
    high: float | None
    outside: int
    scored: int
    without: int

    @property
    def keeps(self) -> str:
        """The range of values that is kept, in symbols without spaces."""
        low = "" if self.low is None else f"≥{self.low:g}"
        high = "" if self.high is None else f"≤{self.high:g}"
        return ",".join(bound for bound in (low, high) if bound) or "all"

    @property
    def says(self) -> str:
        """The thresholds and what they do, in words."""
        limits = [] if self.low is None else [f"at least {self.low:g}"]
        limits += [] if self.high is None else [f"at most {self.high:g}"]
        said = f"{' and '.join(limits) or 'no threshold'}; {self.outside} of {self.scored} clips beyond it"
        return f"{said}; {self.without} have no such score" if self.without else said


def deciles(clips: pl.DataFrame, thresholds: Mapping[str, Any]) -> list[Deciles]:
    """Examples of every score that any of the clips has."""
    limits = {**DEFAULT_THRESHOLDS, **thresholds}
    found = [_deciles(clips, score, *(_value(limits, name) for name in names)) for score, names in LIMITS.items()]
    return [one for one in found if one.scored]


def _value(limits: Mapping[str, Any], name: str | None) -> float | None:
    limit = limits[name] if name else None
    return limit["min"] if isinstance(limit, Mapping) else limit


def _deciles(clips: pl.DataFrame, score: str, low: float | None, high: float | None) -> Deciles:
    scored = clips.filter(pl.col(score).is_not_null()).sort(score, "clip_id")
    beyond = pl.lit(False)
    if low is not None:
        beyond = beyond | (pl.col(score) < low)
    if high is not None:
        beyond = beyond | (pl.col(score) > high)
    meaning = next(column.meaning for column in CLIPS.columns if column.name == score)
    examples = scored[_positions(scored.height)].to_dicts()
    outside = scored.filter(beyond).height
    return Deciles(score, meaning, examples, low, high, outside, scored.height, clips.height - scored.height)


def _positions(count: int) -> list[int]:
    if count <= PARTS:
        return list(range(count))
    edges = [part * count // PARTS for part in range(PARTS + 1)]
    return edges[: PARTS // 2] + [edge - 1 for edge in edges[PARTS // 2 + 1 :]]


def nearest_pairs(clips: pl.DataFrame, count: int = PARTS) -> list[tuple[float, dict[str, Any], dict[str, Any]]]:
    """The clips most like an earlier one that they ought to differ from: distance, clip, the earlier one; rising."""
    rows = clips.to_dicts()
    by_clip, prints = {row["clip_id"]: row for row in rows}, prints_of(rows)
    limit = WIDEST if len(rows) > FEW else FARTHEST
    found = [
        (distance, prints.facts[i]["clip_id"], prints.facts[j]["clip_id"])
        for i, j, distance in near_pairs(prints, prints, limit)
        if repeats(prints.facts[i], prints.facts[j])
    ]
    return [(distance, by_clip[clip], by_clip[other]) for distance, clip, other in sorted(found)[:count]]


def deciles_markdown(clips: pl.DataFrame, thresholds: Mapping[str, Any]) -> str:
    """The values alone as a small Markdown table, narrow enough for the Dagster UI: five of the ten examples."""
    shown = (0, 1, PARTS // 2, PARTS - 2, PARTS - 1)
    lines = ["| score | keeps | beyond | " + " | ".join(f"{part + 1}/{PARTS}" for part in shown) + " |"]
    lines.append("|---|---|---|" + "---|" * len(shown))
    for one in deciles(clips, thresholds):
        values = [f"{row[one.score]:.3g}" for row in one.examples]
        picked = [values[part] for part in shown] if len(values) == PARTS else values[: len(shown)]
        cells = [one.score, one.keeps, str(one.outside), *picked, *[""] * (len(shown) - len(picked))]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def steps_with_tea_cache(clips: pl.DataFrame) -> pl.DataFrame:
    """Denoising steps computed and skipped of every clip whose recipe asks for TeaCache: clip_id, computed, skipped."""
    recipe, happened = pl.col("recipe").str, pl.col("provenance").str
    asked = recipe.json_path_match("$.generator.tea_cache_threshold").cast(pl.Float64, strict=False)
    steps = {
        name: happened.json_path_match(f"$.steps_{name}").cast(pl.Int64, strict=False).fill_null(0)
        for name in ("computed", "skipped")
    }
    return clips.filter(asked > 0).select("clip_id", **steps)
