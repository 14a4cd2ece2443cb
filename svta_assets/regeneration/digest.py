"""The morning digest: what ran in the last day, what it gave, what it cost, how validation moved, three sheets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.regeneration.requests import requests
from svta_assets.regeneration.settings import settings_of
from svta_assets.regeneration.texts import asked_for, standing_of
from svta_assets.regeneration.validation import validated
from svta_assets.videos.verdicts import reason_counts
from svta_assets.workspace import Workspace
from svta_models.errors import SvtaError
from svta_models.media_store import MissingObject

FOLDER = "digests"  # below `reports/` of the home
SHEETS, SHOWN = 3, 8
_WINDOW = timedelta(days=1)


@dataclass(frozen=True)
class CategoryNews:
    """What was made of a category. `waiting`: accepted new takes that nobody has decided about."""

    category: str
    made: int
    accepted: int
    device_hours: float
    reasons: dict[str, int]
    waiting: int


@dataclass(frozen=True)
class ValidationNews:
    """Validation R@1 of a model's newest checkpoint and of the one before, percent; None where there is none.

    `by_category`: (before, now) of the categories that got clips in between.
    """

    model: str
    before: float | None
    now: float
    by_category: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Digest:
    """The last 24 hours up to a morning. `budget`, `nightly_hours`: device hours a night may have, and has taken."""

    day: date
    since: datetime
    until: datetime
    categories: list[CategoryNews]
    requests: list[dict[str, Any]]
    budget: float
    nightly_hours: float
    validation: list[ValidationNews]
    new_clips: pl.DataFrame

    @property
    def made(self) -> int:
        return sum(one.made for one in self.categories)

    @property
    def accepted(self) -> int:
        return sum(one.accepted for one in self.categories)

    @property
    def device_hours(self) -> float:
        return sum(one.device_hours for one in self.categories)

    @property
    def headline(self) -> str:
        """One sentence, fit for a subject line."""
        if not self.made:
            return f"SVTA {self.day}: no clip was made"
        return (
            f"SVTA {self.day}: {self.made} clips made, {self.accepted} accepted, {self.made - self.accepted} rejected, "
            f"{_hours(self.device_hours)}"
        )


def digest_of(work: Workspace, day: str | None = None, now: datetime | None = None) -> Digest:
    """Gather the digest of a day (YYYY-MM-DD; None: of the 24 hours up to now). Raises SvtaError for no date."""
    until = _until(day) if day else (now or datetime.now(UTC))
    since = until - _WINDOW
    clips = work.catalog.read("clips")
    new = clips.filter(_between("made_at", since, until))
    rows = requests(work).filter(_between("updated_at", since, until))
    nightly = rows.filter(pl.col("request_id").str.starts_with("nightly-"))
    return Digest(
        day=until.date(),
        since=since,
        until=until,
        categories=[
            _category(work, str(key), part)
            for (key,), part in new.sort("category").group_by("category", maintain_order=True)
        ],
        requests=rows.to_dicts(),
        budget=settings_of(work).night.gpu_hours_per_night,
        nightly_hours=float(nightly["device_seconds"].sum()) / 3600,
        validation=_validation(work, set(new["category"])),
        new_clips=new,
    )


def _between(column: str, since: datetime, until: datetime) -> pl.Expr:
    return (pl.col(column) >= pl.lit(since.isoformat())) & (pl.col(column) < pl.lit(until.isoformat()))


def _until(day: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=1), time(), UTC)
    except ValueError as error:
        raise SvtaError(f"{day!r} is no date: write YYYY-MM-DD") from error


def _category(work: Workspace, key: str, new: pl.DataFrame) -> CategoryNews:
    from svta_assets.videos.takes import candidates

    waiting = candidates(work.catalog.read("clips", key), work.catalog.read("promotions", key))
    seconds = new.select(pl.coalesce("device_seconds", "seconds").sum()).item() or 0.0
    return CategoryNews(
        category=key,
        made=new.height,
        accepted=int((new["status"] == "accepted").sum()),
        device_hours=float(seconds) / 3600,
        reasons=reason_counts(new),
        waiting=waiting.height,
    )


def _validation(work: Workspace, touched: set[str]) -> list[ValidationNews]:
    found = []
    by_model: dict[str, list[Any]] = {}
    for one in validated(work):
        by_model.setdefault(one.model, []).append(one)
    for model, measured in sorted(by_model.items()):
        newest, before = measured[-1], measured[-2] if len(measured) > 1 else None
        now, then = newest.by_category(), before.by_category() if before else {}
        both = {key: (then[key], now[key]) for key in sorted(touched) if key in then and key in now}
        found.append(ValidationNews(model, before.r1 if before else None, newest.r1, both))
    return found


def markdown(digest: Digest, pictures: Mapping[str, str]) -> str:
    """The digest as Markdown. `pictures`: category -> source of its sheet, a file or a data URI."""
    parts = [f"# {digest.headline}", f"From {digest.since:%Y-%m-%d %H:%M} to {digest.until:%Y-%m-%d %H:%M} UTC.", ""]
    parts += ["## What ran", *_requests(digest), ""]
    parts += ["## Clips", *_clips(digest), "", _budget(digest), ""]
    parts += ["## Validation R@1 (text-to-video, percent; no test figure is read)", *_validation_lines(digest)]
    for category, source in pictures.items():
        parts += ["", f"## New clips of {category}", f"![new clips of {category}]({source})"]
    return "\n".join(parts) + "\n"


def _requests(digest: Digest) -> list[str]:
    if not digest.requests:
        return ["No request was open."]
    lines = ["| request | by | asked for | what became of it |", "|---|---|---|---|"]
    for row in digest.requests:
        reason = f": {' '.join(row['reason'].split())}" if row["reason"] else ""
        cells = (row["request_id"], row["by"], asked_for(row), standing_of(row) + reason)
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return lines


def _clips(digest: Digest) -> list[str]:
    if not digest.categories:
        return ["None was made."]
    lines = ["| category | made | accepted | rejected | why | waiting for a decision | device time |"]
    lines.append("|---|---|---|---|---|---|---|")
    for one in digest.categories:
        why = ", ".join(f"{kind}: {count}" for kind, count in one.reasons.items()) or "-"
        lines.append(
            f"| {one.category} | {one.made} | {one.accepted} | {one.made - one.accepted} | {why} | {one.waiting} | "
            f"{_hours(one.device_hours)} |"
        )
    return lines


def _budget(digest: Digest) -> str:
    share = f", {digest.nightly_hours / digest.budget:.0%}" if digest.budget else ""
    return (
        f"The night took {_hours(digest.nightly_hours)} of the {_hours(digest.budget)} it may have{share}; "
        f"all runs together {_hours(digest.device_hours)}."
    )


def _validation_lines(digest: Digest) -> list[str]:
    if not digest.validation:
        return ["No checkpoint has been validated yet: start the schedule `validation`, or `svta nightly --validate`."]
    lines = []
    for one in digest.validation:
        change = "" if one.before is None else f", {one.now - one.before:+.1f} against the checkpoint before"
        lines.append(f"- {one.model}: {one.now:.1f}{change}")
        lines += [f"  - {key}: {then:.1f} -> {now:.1f}" for key, (then, now) in one.by_category.items()]
    return lines


def _hours(hours: float) -> str:
    return f"{hours:.1f} device hours" if hours >= 1 else f"{hours * 60:.1f} device minutes"


def sheets(work: Workspace, digest: Digest) -> dict[str, bytes]:
    """Category -> moving sheet (WebP) of its new clips, for the categories that got most."""
    from svta_models.frames import decode_video
    from svta_resources.video.sheet import contact_sheet

    most = sorted(digest.categories, key=lambda one: (-one.made, one.category))[:SHEETS]
    found = {}
    for one in most:
        rows = digest.new_clips.filter(category=one.category).sort("clip_id").head(SHOWN)
        labels = [
            f"take {row['take']}" + ("" if row["status"] == "accepted" else " rejected") for row in rows.to_dicts()
        ]
        try:
            found[one.category] = contact_sheet([decode_video(work.store.get(uri)) for uri in rows["uri"]], labels)
        except (SvtaError, MissingObject):  # a clip was removed or damaged since: the figures stand without it
            continue
    return found


def inline_markdown(work: Workspace, digest: Digest) -> str:
    """The digest with its sheets inside, for Dagster's metadata."""
    import base64

    coded = {key: base64.b64encode(data).decode() for key, data in sheets(work, digest).items()}
    return markdown(digest, {key: f"data:image/webp;base64,{data}" for key, data in coded.items()})


def write(work: Workspace, digest: Digest) -> Path:
    """Write `reports/digests/<date>.md` with its sheets beside it; returns the Markdown file."""
    folder = work.home.path / "reports" / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for category, data in sheets(work, digest).items():
        names[category] = f"{digest.day}-{category}.webp"
        (folder / names[category]).write_bytes(data)
    target = folder / f"{digest.day}.md"
    target.write_text(markdown(digest, names), encoding="utf-8")
    return target
