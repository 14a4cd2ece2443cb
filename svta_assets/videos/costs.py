"""What clips have cost, and what those that remain will cost: device hours by stage, yield, price.

Everything is read from the rows of `clips`: a clip carries the seconds it held its device and what happened meanwhile.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import polars as pl

from svta_assets.reviewing import wilson_interval
from svta_assets.videos.plan import Plan
from svta_resources.errors import SvtaError

PRICE_SETTING = "SVTA_GPU_HOUR_PRICE"
# Seconds of a clip by what the device did (`encode` runs beside the next clip and holds no device): provenance keys.
STAGES = ("text", "denoise", "decode", "wait", "encode")


def device_hour_price(environ: Mapping[str, str] | None = None) -> float | None:
    """Price of one device hour in the user's own currency; None when SVTA_GPU_HOUR_PRICE is not set.

    Raises SvtaError when it is not a number of 0 or more.
    """
    given = (os.environ if environ is None else environ).get(PRICE_SETTING, "").strip()
    if not given:
        return None
    try:
        price = float(given)
    except ValueError:
        price = math.nan
    if not (math.isfinite(price) and price >= 0):
        raise SvtaError(
            f"{PRICE_SETTING}={given!r} is not a price: set what one GPU hour costs, in your own currency, as a plain "
            "number such as 2.50, or unset it"
        )
    return price


@dataclass(frozen=True)
class Yield:
    """Accepted clips among those rendered, with the 95% Wilson interval of the share."""

    accepted: int
    made: int

    @property
    def share(self) -> float | None:
        """Accepted share, 0..1; None before the first clip."""
        return self.accepted / self.made if self.made else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Lower and upper end of the share; None before the first clip."""
        return wilson_interval(self.accepted, self.made) if self.made else None

    def __add__(self, other: "Yield") -> "Yield":
        return Yield(self.accepted + other.accepted, self.made + other.made)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; share and interval are null before the first clip."""
        low, high = self.interval or (None, None)
        return {"accepted": self.accepted, "made": self.made, "share": self.share, "low": low, "high": high}


@dataclass(frozen=True)
class Spent:
    """What the rendered clips of one generator have cost.

    Attributes:
        device_hours: hours the device was held or stood waiting, of one device.
        stage_hours: stage -> hours, of the stages that were recorded; all but `encode` are part of `device_hours`.
        peak_memory_gb: highest of any clip, GB of device memory; None where the generator does not say.
        steps_computed, steps_skipped: denoising steps a clip, mean; None likewise.
    """

    clips: int = 0
    outcome: Yield = Yield(0, 0)
    device_hours: float = 0.0
    stage_hours: dict[str, float] = field(default_factory=dict)
    peak_memory_gb: float | None = None
    steps_computed: float | None = None
    steps_skipped: float | None = None

    @property
    def clips_per_hour(self) -> float | None:
        """Clips that one device makes in an hour."""
        return self.clips / self.device_hours if self.device_hours else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        facts = {**asdict(self), "outcome": self.outcome.to_dict(), "clips_per_hour": self.clips_per_hour}
        return {"yield" if name == "outcome" else name: value for name, value in facts.items()}


def rendered(clips: pl.DataFrame, generator: str) -> pl.DataFrame:
    """The clips that cost device time with a generator: copies of an equal recipe cost none.

    Returns columns category, status, recipe, made_at, `device_s` (seconds, waiting included), `<stage>_s`,
    `peak_memory_gb`, `steps_computed`, `steps_skipped`; null where nothing was recorded.
    """
    known = clips if "device_seconds" in clips.columns else clips.with_columns(device_seconds=pl.lit(None, pl.Float64))
    rows = known.filter((pl.col("generator") == generator) & pl.col("same_pixels_as").is_null())
    held = pl.col("device_seconds") + _happened("wait_seconds").fill_null(0.0)
    return rows.select(
        "category",
        "status",
        "recipe",
        "made_at",
        pl.coalesce(held, pl.col("seconds")).alias("device_s"),  # clips of an older version say only wall seconds
        *(_happened(f"{stage}_seconds").alias(f"{stage}_s") for stage in STAGES),
        *(_happened(name).alias(name) for name in ("peak_memory_gb", "steps_computed", "steps_skipped")),
    )


def _happened(key: str) -> pl.Expr:
    return pl.col("provenance").str.json_path_match(f"$.{key}").cast(pl.Float64, strict=False)


def spent(rows: pl.DataFrame) -> Spent:
    """Add up rows of `rendered`."""
    if rows.is_empty():
        return Spent()
    stages = {stage: _hours(rows[f"{stage}_s"]) for stage in STAGES if rows[f"{stage}_s"].count()}
    return Spent(
        clips=rows.height,
        outcome=outcome_of(rows),
        device_hours=_hours(rows["device_s"]),
        stage_hours=stages,
        peak_memory_gb=_number(rows["peak_memory_gb"].max()),
        steps_computed=_number(rows["steps_computed"].mean()),
        steps_skipped=_number(rows["steps_skipped"].mean()),
    )


def outcome_of(rows: pl.DataFrame) -> Yield:
    """Yield of rows that have a `status`."""
    return Yield(int((rows["status"] == "accepted").sum()), rows.height)


def _hours(seconds: pl.Series) -> float:
    return float(seconds.sum()) / 3600


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def of_settings(rows: pl.DataFrame, recipe: Mapping[str, Any] | None) -> pl.DataFrame:
    """Rows of `rendered` that were made with these generator settings; all of them where none was.

    Fewer steps or another size make other seconds and another yield: older clips count only until there are new ones.
    """
    if recipe is None or rows.is_empty():
        return rows
    wanted = json.loads(json.dumps(recipe))  # as the rows hold it: no tuples
    same = pl.Series([json.loads(text).get("generator") == wanted for text in rows["recipe"]], dtype=pl.Boolean)
    return rows.filter(same) if same.any() else rows


@dataclass(frozen=True)
class ClipTime:
    """Seconds of one device that a clip takes: the median of `clips` measured ones, or an estimate where that is 0."""

    seconds: float
    clips: int = 0
    newest: str = ""

    @property
    def per_hour(self) -> float:
        """Clips that one device makes in an hour."""
        return 3600 / self.seconds if self.seconds else math.inf


def clip_time(rows: pl.DataFrame, estimate_s: float) -> ClipTime:
    """Median seconds of rows of `rendered`; the estimate before the first one."""
    timed = rows.filter(pl.col("device_s").is_not_null())
    median = timed["device_s"].median()
    if not isinstance(median, int | float):
        return ClipTime(estimate_s)
    return ClipTime(float(median), timed.height, str(timed["made_at"].max() or ""))


@dataclass(frozen=True)
class Remaining:
    """What a plan will cost.

    Attributes:
        render, copy: clips that cost device time, and clips that are copied from an equal recipe.
        device_hours: hours of one device.
        price: in the user's currency; None when no price is set.
        accepted: clips expected to pass the gates, with the interval of the yield; None before anything was made.
    """

    render: int = 0
    copy: int = 0
    device_hours: float = 0.0
    price: float | None = None
    accepted: tuple[float, float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        expected, low, high = self.accepted or (None, None, None)
        accepted = {"expected": expected, "low": low, "high": high}
        facts = {"render": self.render, "copy": self.copy, "device_hours": self.device_hours, "price": self.price}
        return {**facts, "accepted": accepted}


def remaining(plan: Plan, time: ClipTime, price: float | None, seen: Yield) -> Remaining:
    """Project a plan from the time of a clip, the price of a device hour and the yield seen so far."""
    return _remaining(plan.renders, len(plan.jobs) - plan.renders, time, price, seen)


def total(parts: list[Remaining], time: ClipTime, price: float | None, seen: Yield) -> Remaining:
    """Several plans together; the yield is that of all their clips."""
    return _remaining(sum(part.render for part in parts), sum(part.copy for part in parts), time, price, seen)


def _remaining(render: int, copy: int, time: ClipTime, price: float | None, seen: Yield) -> Remaining:
    hours, clips = render * time.seconds / 3600, render + copy
    accepted = None
    if seen.share is not None and seen.interval is not None:
        accepted = (clips * seen.share, clips * seen.interval[0], clips * seen.interval[1])
    return Remaining(render, copy, hours, None if price is None else hours * price, accepted)
