"""What differs between two releases, and which evaluation figures changed with it."""

from dataclasses import dataclass

import polars as pl

FIGURES = ("r1", "r5", "r10", "mdr", "mnr")
SHOWN = 10  # pairs listed of each kind
_KEY = ["model", "benchmark", "direction"]


@dataclass(frozen=True)
class ReleaseDifference:
    """Pairs by what happened to them; one pair may be in several frames.

    added, removed: rows of the release that has them. regenerated: another clip or other bytes (old and new clip_id).
    recaptioned: another caption. resplit: another split. moved: another final category (renamed ones too).
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    regenerated: pl.DataFrame
    recaptioned: pl.DataFrame
    resplit: pl.DataFrame
    moved: pl.DataFrame


def compare_releases(before: pl.DataFrame, after: pl.DataFrame) -> ReleaseDifference:
    """Compare the rows of two releases pair by pair."""
    both = before.join(after, on="pair_id", suffix="_new").sort("pair_id")

    def changed(*names: str) -> pl.DataFrame:
        columns = [column for name in names for column in (name, f"{name}_new")]
        differs = pl.any_horizontal(pl.col(name) != pl.col(f"{name}_new") for name in names)
        return both.filter(differs).select("pair_id", *columns)

    return ReleaseDifference(
        added=after.join(before, on="pair_id", how="anti").sort("pair_id"),
        removed=before.join(after, on="pair_id", how="anti").sort("pair_id"),
        regenerated=changed("clip_id", "sha256"),
        recaptioned=changed("caption"),
        resplit=changed("split"),
        moved=changed("final_category"),
    )


def changed_figures(evaluations: pl.DataFrame, before: str, after: str) -> pl.DataFrame:
    """Figures of the newest evaluation of each model, benchmark and direction on either release.

    Columns: model, benchmark, direction, and for each figure its value on `before` and (`_new`) on `after`; null where
    the model was not evaluated on a release. Only rows with a difference; controls on shuffled captions never count.
    """
    rows = evaluations.filter(~pl.col("trained_on_shuffled").fill_null(False)).sort("at")

    def newest(release: str) -> pl.DataFrame:
        chosen = rows.filter(pl.col("release") == release).unique(_KEY, keep="last")
        return chosen.select(*_KEY, *FIGURES)

    both = newest(before).join(newest(after), on=_KEY, how="full", suffix="_new", coalesce=True).sort(_KEY)
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_new")) for name in FIGURES)
    return both.filter(differs)


def difference_markdown(found: ReleaseDifference, figures: pl.DataFrame) -> str:
    """The difference for people to read."""
    clips = found.regenerated.select("pair_id", "clip_id", "clip_id_new") if found.regenerated.height else None
    parts = [
        _counts(found),
        _pairs("Added", found.added, "final_category", "split"),
        _pairs("Removed", found.removed, "final_category", "split"),
        _changes("Regenerated", clips if clips is not None else found.regenerated),
        _changes("Another caption", found.recaptioned),
        _changes("Another split", found.resplit),
        _changes("Another final category", found.moved),
        _figures(figures),
    ]
    return "\n\n".join(part for part in parts if part)


def _counts(found: ReleaseDifference) -> str:
    counts = {
        "added": found.added, "removed": found.removed, "regenerated": found.regenerated,
        "with another caption": found.recaptioned, "with another split": found.resplit,
        "moved to another final category": found.moved,
    }  # fmt: skip
    said = [f"{frame.height} {name}" for name, frame in counts.items() if frame.height]
    return f"pairs: {', '.join(said)}" if said else "pairs: no difference"


def _pairs(title: str, rows: pl.DataFrame, *columns: str) -> str:
    lines = [
        f"- {row['pair_id']} ({', '.join(row[name] for name in columns)}): {row['caption']}"
        for row in rows.head(SHOWN).iter_rows(named=True)
    ]
    return _section(title, lines, rows.height)


def _changes(title: str, rows: pl.DataFrame) -> str:
    lines = [f"- {pair}: {old} -> {new}" for pair, old, new in rows.head(SHOWN).iter_rows()]
    return _section(title, lines, rows.height)


def _section(title: str, lines: list[str], count: int) -> str:
    if not lines:
        return ""
    more = [f"- and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join([f"**{title}** ({count})", "", *lines, *more])


def _figures(figures: pl.DataFrame) -> str:
    if figures.is_empty():
        return "evaluation figures: no difference, or not evaluated on both"
    names = ("R@1", "R@5", "R@10", "MdR", "MnR")
    lines = [f"| model | benchmark | direction | {' | '.join(names)} |", "|---" * (len(names) + 3) + "|"]
    for row in figures.iter_rows(named=True):
        cells = [f"{_shown(row[name])} -> {_shown(row[f'{name}_new'])}" for name in FIGURES]
        lines.append(f"| {' | '.join([*(row[name] for name in _KEY), *cells])} |")
    return "\n".join(["**Evaluation figures that changed**", "", *lines])


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
