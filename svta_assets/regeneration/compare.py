"""New takes beside the clips that stand: yield, scores, and pictures of both in the same order."""

import hashlib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.regeneration.filters import SCORES
from svta_assets.videos.costs import Yield, outcome_of
from svta_assets.videos.takes import candidates
from svta_assets.workspace import Workspace
from svta_models.errors import SvtaError
from svta_models.media_store import MissingObject

SHOWN = 8  # pairs on a sheet
ON_PAGE = 24  # pairs on the page of a category; a clip is decoded for each picture
FOLDER = "candidates"  # below `reports/` of the home
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
table { border-collapse: collapse } th, td { text-align: left; padding: .3rem .8rem .3rem 0; vertical-align: top }
td.n { text-align: right } img { width: 200px; border-radius: 4px } .rejected img { outline: 3px solid #d33 }
p, small { color: #777 } code { user-select: all }
"""


@dataclass(frozen=True)
class Delta:
    """Medians of one score over the pairs that have it on both sides."""

    score: str
    stood: float
    new: float
    pairs: int


@dataclass(frozen=True)
class Comparison:
    """New clips of a category beside those that stood for their pairs.

    Attributes:
        stood, new: rows of `clips`; `new` has one row a pair, its newest.
        yield_stood: of all other clips of the category; yield_new: of the new ones.
    """

    category: str
    stood: pl.DataFrame
    new: pl.DataFrame
    yield_stood: Yield
    yield_new: Yield

    @property
    def deltas(self) -> list[Delta]:
        """Scores of accepted new clips against those that stood, where both were measured."""
        accepted = self.new.filter(pl.col("status") == "accepted")
        both = accepted.join(self.stood, on="pair_id", suffix="_stood")
        found = []
        for score in SCORES:
            rows = both.select(pl.col(score).alias("new"), pl.col(f"{score}_stood").alias("stood")).drop_nulls()
            if rows.height:
                stood, new = rows.select(pl.col("stood").median(), pl.col("new").median()).row(0)
                found.append(Delta(score, float(stood), float(new), rows.height))
        return found

    def pairs(self, count: int) -> list[str]:
        """Pairs with a clip on both sides, at most `count`, spread over the captions by hash."""
        both = self.new.join(self.stood, on="pair_id", how="semi")["pair_id"]
        return sorted(both, key=lambda pair: hashlib.sha256(f"beside/{pair}".encode()).digest())[:count]


def compare(category: str, stood: pl.DataFrame, clips: pl.DataFrame, new: pl.DataFrame) -> Comparison:
    """Compare clips that were just made, or wait for a decision, with those that stood for their pairs before.

    Args:
        stood: rows of `clips` that stood. clips: all rows of the category. new: the new rows among them.
    """
    others = clips.filter(~pl.col("clip_id").is_in(new["clip_id"].to_list()))
    newest = new.sort("take").unique("pair_id", keep="last", maintain_order=True)
    replaced = stood.filter(~pl.col("clip_id").is_in(newest["clip_id"].to_list()))
    return Comparison(category, replaced, newest, outcome_of(others), outcome_of(new))


def waiting(work: Workspace, category: str) -> Comparison:
    """The candidates of a category beside what stands, with the rejected takes that were made after it."""
    clips = work.catalog.read("clips", category)
    current = clips.filter("current")
    found = candidates(clips, work.catalog.read("promotions", category))
    rows = clips.filter(pl.col("clip_id").is_in(found["clip_id"].to_list()))
    later = clips.join(current.select("pair_id", pl.col("take").alias("standing")), on="pair_id")
    rejected = later.filter((pl.col("take") > pl.col("standing")) & (pl.col("status") == "rejected")).drop("standing")
    rejected = rejected.filter(~pl.col("pair_id").is_in(rows["pair_id"].to_list()))
    return compare(category, current, clips, pl.concat([rows, rejected]))


def comparison_lines(one: Comparison) -> list[str]:
    """What changed, a line each: yield, then every score."""
    lines = [f"yield {_share(one.yield_new)} new, {_share(one.yield_stood)} before"]
    lines += [
        f"{delta.score} {delta.new:.4g} new, {delta.stood:.4g} before ({delta.new - delta.stood:+.3g}; median of "
        f"{delta.pairs} pairs)"
        for delta in one.deltas
    ]
    return lines


def comparison_markdown(work: Workspace, one: Comparison) -> str:
    """Yield, score deltas and two moving sheets side by side, for the metadata of an event."""
    rows = [f"| yield | {_share(one.yield_stood)} | {_share(one.yield_new)} | |"]
    rows += [f"| {d.score} | {d.stood:.4g} | {d.new:.4g} | {d.new - d.stood:+.3g} |" for d in one.deltas]
    parts = ["\n".join(["| | before | new | change |", "|---|---|---|---|", *rows])]
    if sheets := _sheets(work, one):
        parts.append("\n".join(["| before | new |", "|---|---|", f"| {sheets[0]} | {sheets[1]} |"]))
        captions = dict(one.new.select("pair_id", "caption").iter_rows())
        parts += [f"{number}. {captions[pair]}" for number, pair in enumerate(one.pairs(SHOWN), start=1)]
    return "\n\n".join(parts)


def _sheets(work: Workspace, one: Comparison) -> tuple[str, str] | None:
    """A sheet of what stood and one of the new clips, the same pair in the same cell; None where a file is gone."""
    from svta_models.frames import decode_video
    from svta_resources.video.sheet import contact_sheet, sheet_markdown

    pairs = one.pairs(SHOWN)
    if not pairs:
        return None
    made = []
    for rows, title in ((one.stood, "before"), (one.new, "new")):
        by_pair = {row["pair_id"]: row for row in rows.iter_rows(named=True)}
        labels = [_label(number, by_pair[pair]) for number, pair in enumerate(pairs, start=1)]
        try:
            frames = [decode_video(work.store.get(by_pair[pair]["uri"])) for pair in pairs]
        except (SvtaError, MissingObject):
            return None
        made.append(sheet_markdown(contact_sheet(frames, labels), title))
    return made[0], made[1]


def _label(number: int, row: dict[str, Any]) -> str:
    return f"{number} take {row['take']}" + (" rejected" if row["status"] == "rejected" else "")


def write_page(work: Workspace, one: Comparison) -> Path:
    """Write `reports/candidates/<category>.html`: every pair shown has both clips in one row, with its scores."""
    from svta_assets.videos.pages import REPORTS, Thumbnails

    thumbnails = Thumbnails(work)
    stood = {row["pair_id"]: row for row in one.stood.iter_rows(named=True)}
    new = {row["pair_id"]: row for row in one.new.iter_rows(named=True)}
    shown = one.pairs(ON_PAGE)
    rows = "".join(_row(stood[pair], new[pair], thumbnails) for pair in shown)
    key = escape(one.category)
    body = [
        f"<h1>{key}: {len(new)} new clips beside what stood</h1>",
        f"<p>{'<br>'.join(escape(line) for line in comparison_lines(one))}</p>",
        f"<p>{len(shown)} of {len(new)} pairs are shown. Decide with <code>svta regen {key} --promote</code> or "
        f"<code>svta regen {key} --discard</code>, for some of them with <code>--only PAIR_ID</code>; take a promotion "
        f"back with <code>svta regen {key} --rollback</code>.</p>",
        f"<table><tr><th>before<th>new<th>caption and scores</tr>{rows}</table>",
    ]
    target = work.home.path / REPORTS / FOLDER / f"{one.category}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{key}: new takes</title>'
    target.write_text(f"{head}<style>{_STYLE}</style><body>{''.join(body)}</body></html>\n", encoding="utf-8")
    return target


def _row(stood: dict[str, Any], new: dict[str, Any], thumbnails: Any) -> str:
    cells = "".join(
        f'<td class="{row["status"]}">{thumbnails.image(row)}<br><small>take {row["take"]}{_why(row)}</small></td>'
        for row in (stood, new)
    )
    scores = "".join(
        f'<tr><td>{score}<td class="n">{stood[score]:.4g}<td class="n">{new[score]:.4g}</tr>'
        for score in SCORES
        if stood[score] is not None and new[score] is not None
    )
    return (
        f"<tr>{cells}<td>{escape(new['caption'])}<br><code>{escape(new['pair_id'])}</code>"
        f"<table><tr><th><th>before<th>new</tr>{scores}</table></tr>"
    )


def _why(row: dict[str, Any]) -> str:
    return f": {escape(row['reject_reason'])}" if row["reject_reason"] else ""


def _share(seen: Yield) -> str:
    return "-" if seen.share is None else f"{seen.share:.0%} ({seen.accepted} of {seen.made})"
