"""Pages to look at clips with: scores at each decile, and the review sample. One HTML file each, pictures inside."""

import base64
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.videos.quality import Deciles, deciles, nearest_pairs
from svta_assets.videos.reviews import Summary
from svta_assets.workspace import Workspace
from svta_models.errors import SvtaError
from svta_models.media_store import MissingObject
from svta_resources.video.scores import DEFAULT_THRESHOLDS

REPORTS = "reports"
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 98rem; padding: 0 1rem }
h2 { margin: 2rem 0 .2rem } p { margin: .2rem 0 .6rem; color: #777 }
.row { display: flex; gap: 6px; overflow-x: auto; align-items: stretch }
figure { margin: 0; width: 132px; flex: none }
figure img { width: 132px; border-radius: 4px; border: 3px solid transparent }
.rejected img { border-color: #d33 } figcaption { font-size: 12px } figcaption b { font-size: 15px }
.limit { flex: none; width: 4px; background: #d33; border-radius: 2px; position: relative; margin: 0 14px }
.limit span { position: absolute; bottom: 0; left: -14px; width: 32px; text-align: center; color: #d33; font-size: 12px;
  background: Canvas }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr)); gap: 14px }
.grid figure, .grid img { width: 200px } code { font-size: 11px; user-select: all } .keep img { border-color: #2a2 }
"""


class Thumbnails:
    """Small moving pictures of clips as data URIs, each made once."""

    def __init__(self, work: Workspace) -> None:
        self._store, self._made = work.store, dict[str, str]()

    def image(self, row: Mapping[str, Any]) -> str:
        """An `img` element; a note where the file is gone or does not decode."""
        uri = row["uri"]
        if uri not in self._made:
            self._made[uri] = self._draw(uri)
        return self._made[uri]

    def _draw(self, uri: str) -> str:
        from svta_models.frames import decode_video
        from svta_resources.video.sheet import contact_sheet

        try:
            frames = decode_video(self._store.get(uri))
        except (SvtaError, MissingObject) as error:
            return f"<p>no picture: {escape(str(error)[:120])}</p>"
        data = base64.b64encode(contact_sheet([frames])).decode()
        return f'<img loading="lazy" alt="" src="data:image/webp;base64,{data}">'


def write_scores_page(work: Workspace, clips: pl.DataFrame, thresholds: Mapping[str, Any], name: str) -> Path:
    """Write `reports/quality/<name>.html`: ten clips by rising value for each score, with the threshold marked."""
    thumbnails = Thumbnails(work)
    parts = [f"<h1>Scores of {clips.height} clips: {escape(name)}</h1>", _how_to_read()]
    parts += [_score_row(one, thumbnails) for one in deciles(clips, thresholds)]
    parts.append(_pairs_row(clips, {**DEFAULT_THRESHOLDS, **thresholds}["distance_min"], thumbnails))
    return _write(work, f"quality/{name}.html", f"Scores: {name}", parts)


def _how_to_read() -> str:
    return (
        "<p>Each row shows one clip per decile by rising value. The red bar is the threshold of "
        "<code>svta_assets/gates.yaml</code>; clips with a red frame are rejected, by this score or another. "
        "After a change of a threshold run <code>svta review scores</code> again: nothing is rendered.</p>"
    )


def _score_row(one: Deciles, thumbnails: Thumbnails) -> str:
    cells, marks = [], {"low": one.low, "high": one.high}
    for row in one.examples:
        value = row[one.score]
        if marks["low"] is not None and value >= marks["low"]:
            cells.append(_bar(marks.pop("low")))
            marks["low"] = None
        if marks["high"] is not None and value > marks["high"]:
            cells.append(_bar(marks.pop("high")))
            marks["high"] = None
        cells.append(_figure(row, f"<b>{value:.4g}</b><br>", thumbnails))
    cells += [_bar(mark) for mark in marks.values() if mark is not None]
    head = f"<h2>{one.score}</h2><p>{escape(one.meaning)}. {escape(one.says)}.</p>"
    return f'{head}<div class="row">{"".join(cells)}</div>'


def _pairs_row(clips: pl.DataFrame, limit: float, thumbnails: Thumbnails) -> str:
    """The nearest pairs, each clip above the earlier one that it is like."""
    cells, marked = [], False
    for distance, clip, other in nearest_pairs(clips):
        if not marked and distance >= limit:
            cells.append(_bar(limit))
            marked = True
        above = _figure(clip, f"<b>{distance:.4g}</b><br>", thumbnails)
        cells.append(f"<div>{above}{_figure(other, '', thumbnails)}</div>")
    cells += [] if marked else [_bar(limit)]
    head = (
        "<h2>near-duplicates</h2><p>The pairs most alike: greatest difference of a fingerprint's cell, 0..255. Below "
        f"{limit:g} the upper clip is rejected, unless the lower one is.</p>"
    )
    return f'{head}<div class="row">{"".join(cells)}</div>'


def _bar(value: float | None) -> str:
    return f'<div class="limit"><span>{value:g}</span></div>'


def _figure(row: Mapping[str, Any], said: str, thumbnails: Thumbnails) -> str:
    why = f"<br>{escape(row['reject_reason'])}" if row.get("reject_reason") else ""
    title = escape(f"{row['clip_id']}: {row['caption']}", quote=True)
    kind = "rejected" if why else ""
    caption = f"<figcaption>{said}{escape(row['category'])}{why}</figcaption>"
    return f'<figure class="{kind}" title="{title}">{thumbnails.image(row)}{caption}</figure>'


def write_sample_page(
    work: Workspace, sample: pl.DataFrame, said: Mapping[str, Mapping[str, Any]], summary: Summary
) -> Path:
    """Write `reports/review/<release>.html`: the sample's clips with captions and what was said of them so far."""
    thumbnails = Thumbnails(work)
    of = f"release {summary.release}" if summary.release else "the current clips"
    parts = [
        f"<h1>{sample.height} clips to look at, {summary.share:.0%} of {of}</h1>",
        "<p>Does the clip show what the caption says, without faults? Record it with "
        "<code>svta review clips --keep CLIP_ID</code> or "
        "<code>svta review clips --reject CLIP_ID --reason '...'</code>.</p>",
        f"<p>{escape(summary_line(summary))}</p>",
    ]
    figures = "".join(_sample_figure(row, said, thumbnails) for row in sample.iter_rows(named=True))
    parts.append(f'<div class="grid">{figures}</div>')
    return _write(work, f"review/{summary.release or 'current'}.html", "Clip review", parts)


def _sample_figure(row: Mapping[str, Any], said: Mapping[str, Mapping[str, Any]], thumbnails: Thumbnails) -> str:
    review = said.get(row["clip_id"], {})
    verdict = review.get("verdict", "")
    note = f"<b>{verdict}</b> by {escape(review['by'])} {escape(review['reason'] or '')}<br>" if review else ""
    kind = {"keep": "keep", "reject": "rejected"}.get(verdict, "")
    caption = f"{escape(row['category'])}<br>{note}{escape(row['caption'])}<br><code>{row['clip_id']}</code>"
    return f'<figure class="{kind}">{thumbnails.image(row)}<figcaption>{caption}</figcaption></figure>'


def summary_line(summary: Summary) -> str:
    """The review's result in a sentence."""
    if summary.accepted_share is None or summary.low is None or summary.high is None:
        return f"0 of {summary.sample} clips of the sample reviewed"
    return (
        f"{summary.reviewed} of {summary.sample} clips of the sample reviewed, {summary.kept} kept: accepted share "
        f"{summary.accepted_share:.1%} (95% interval {summary.low:.1%} to {summary.high:.1%}, Wilson)"
    )


def _write(work: Workspace, name: str, title: str, parts: list[str]) -> Path:
    target = work.home.path / REPORTS / name
    target.parent.mkdir(parents=True, exist_ok=True)
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    target.write_text(f"{head}<body>{''.join(parts)}</body></html>\n")
    return target
