"""The dataset card of a release: Markdown in which every figure is computed from the data."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import polars as pl

from svta_assets.exports.job import ExportJob, open_job
from svta_assets.exports.limits import known_limits
from svta_assets.exports.privacy import Privacy, ask_privacy
from svta_assets.exports.table1 import our_row, plain, table1
from svta_assets.exports.terms import generator_terms, source_terms
from svta_assets.workspace import Workspace
from svta_models.release import SPLITS

UNKNOWN = "not recorded"
EMBEDDED = "embedded-rules"  # provider and model of the demo's answers


@dataclass(frozen=True)
class Card:
    """A dataset card and what it is built on. `table`: the paper's Table 1 with our row."""

    job: ExportJob
    privacy: Privacy
    name: str
    text: str
    table: str


def make_card(work: Workspace, ref: str = "latest") -> Card:
    """Write the card of a release (latest, a name or a hash). Raises ReleaseError."""
    job = open_job(work, ref)
    privacy = ask_privacy(work, job.release)
    name = job.names[0] if job.names else job.release.hash
    table = table1(our_row(job.rows, f"{name} (ours)", privacy.not_synthetic == 0))
    sections = {
        f"Dataset card: {plain(name)}": _head(work, job),
        "Pairs": _pairs(job),
        "Table 1": table,
        "Sources of the texts": _sources(job),
        "Models": _models(work, job),
        "Review by people": _reviews(work, job),
        "Leakage between the splits": _leakage(work, job),
        "Contamination of the zero-shot benchmarks": _contamination(work, job),
        "Privacy": _privacy(privacy),
        "Known limits": "\n".join(f"- {line}" for line in known_limits(work, job)),
    }
    parts = [f"{'#' if place == 0 else '##'} {title}\n\n{text}" for place, (title, text) in enumerate(sections.items())]
    return Card(job, privacy, name, "\n\n".join(parts) + "\n", table)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as a Markdown table; numbers with separators, texts as they are and harmless."""
    lines = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    for row in rows:
        lines.append(f"| {' | '.join(_cell(value) for value in row)} |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else plain(str(value))


def _head(work: Workspace, job: ExportJob) -> str:
    log = work.catalog.read("releases").filter(release=job.release.hash).sort("at")
    taxonomy, at = (log["taxonomy"][-1], log["at"][-1][:10]) if log.height else (UNKNOWN, UNKNOWN)
    called = f", named {', '.join(job.names)}" if job.names else ""
    return (
        f"Captions of anomalous and normal events, each with a clip. Release `{job.release.hash}`{called}, written on "
        f"{at}; taxonomy version `{taxonomy}`; SVTA {version('svta')}. All figures are computed from the release and "
        "the tables of its home (`svta card`); it follows the SVTA benchmark (Yang et al., arXiv 2506.01466)."
    )


def _pairs(job: ExportJob) -> str:
    rows = job.rows
    counted = [(name, *_by_split(part)) for name, part in [("all", rows), *_parts(rows, "kind")]]
    groups = [
        (f"{kind}: {group or UNKNOWN}", *_by_split(part))
        for (kind, group), part in rows.sort("kind", "group").group_by("kind", "group", maintain_order=True)
    ]
    categories = ", ".join(
        f"{count} {kind}"
        for kind, count in rows.group_by("kind").agg(pl.col("final_category").n_unique()).sort("kind").iter_rows()
    )
    return (
        f"{markdown_table(('pairs', *SPLITS, 'in all'), [*counted, *groups])}\n\n"
        f"Final categories: {categories}. Distinct captions: {rows['caption'].n_unique():,}; distinct clips by their "
        f"bytes: {rows['sha256'].n_unique():,}. Words a caption: {_words(rows)}."
    )


def _parts(rows: pl.DataFrame, column: str) -> list[tuple[str, pl.DataFrame]]:
    parts = rows.sort(column).group_by(column, maintain_order=True)
    return [(str(value), part) for (value,), part in parts]


def _by_split(rows: pl.DataFrame) -> list[int]:
    return [*(int((rows["split"] == split).sum()) for split in SPLITS), rows.height]


def _words(rows: pl.DataFrame) -> str:
    words = rows["caption"].str.count_matches(r"\S+")
    return f"{words.cast(pl.Float64).to_numpy().mean():.1f} on average, at most {words.sort()[-1]}"


def _sources(job: ExportJob) -> str:
    counts = job.rows["source"].value_counts(sort=True).sort("count", "source", descending=[True, False])
    rows = []
    for source, count in counts.iter_rows():
        terms = source_terms(source or "unknown")
        rows.append((source or UNKNOWN, count, terms.title, terms.terms))
    return markdown_table(("source", "pairs", "what it is", "terms"), rows)


def _models(work: Workspace, job: ExportJob) -> str:
    pairs = job.rows.select("pair_id")
    described = work.catalog.read("descriptions").filter(origin="llm").join(pairs, on="pair_id")
    labels = work.catalog.read("labels").join(pairs, on="pair_id")
    rows: list[tuple[Any, ...]] = []
    rows += [
        ("wrote descriptions", _model(*found), count) for *found, count in _counted(described, "provider", "model")
    ]
    named = labels.filter(pl.col("provider").is_not_null())
    rows += [
        ("read labels in captions", _model(*found), count) for *found, count in _counted(named, "provider", "model")
    ]
    for generator, count in _counted(job.rows, "generator"):
        rows.append(("made clips", f"{generator or UNKNOWN} ({generator_terms(generator or '').title})", count))
    trained = work.catalog.read("checkpoints").filter(release=job.release.hash).sort("model", "made_at")
    rows += [("retrieval, trained on it", _checkpoint(row), None) for row in trained.iter_rows(named=True)]
    return markdown_table(("use", "model", "pairs"), [(*row[:2], "" if row[2] is None else row[2]) for row in rows])


def _model(provider: str | None, model: str | None) -> str:
    if provider == model == EMBEDDED:
        return f"{EMBEDDED} (a grammar, no language model)"
    return f"{model or UNKNOWN} by {provider or UNKNOWN}"


def _counted(rows: pl.DataFrame, *columns: str) -> list[tuple[Any, ...]]:
    return rows.group_by(columns).len().sort("len", *columns, descending=[True, *(False for _ in columns)]).rows()


def _checkpoint(row: dict[str, Any]) -> str:
    recipe = json.loads(row["recipe"]) if row["recipe"] else {}
    settings = ", ".join(str(recipe[name]) for name in ("name", "preset") if name in recipe)
    return f"{row['model']}, checkpoint {row['checkpoint_id']}" + (f" ({settings})" if settings else "")


def _reviews(work: Workspace, job: ExportJob) -> str:
    from svta_assets.gates import gate_settings
    from svta_assets.labels.review_report import label_report
    from svta_assets.texts.drops import newest_verdicts
    from svta_assets.videos.reviews import review_summary

    lines = []
    verdicts = [row["verdict"] for row in newest_verdicts(work.catalog).values()]
    kept, dropped = verdicts.count("keep"), verdicts.count("drop")
    lines.append(
        f"Descriptions: {kept:,} kept and {dropped:,} dropped by reviewers." if verdicts else _nobody("descriptions")
    )
    labels = label_report(work, gate_settings(work.profile.name)["labels"]["sample"])
    total = labels.total
    if total.share is None:
        lines.append(_nobody("labels"))
    else:
        lines.append(
            f"Labels: {total.share:.1%} right as labelled (95% interval {total.low:.1%} to {total.high:.1%}), by "
            f"{total.judged:,} judged of a sample of {total.sample:,}; {labels.now:.1%} as they stand, corrected."
        )
    clips = review_summary(work, job.release.hash)
    if clips.accepted_share is None:
        lines.append(_nobody("clips"))
    else:
        lines.append(
            f"Clips: {clips.kept:,} kept and {clips.rejected:,} rejected of {clips.reviewed:,} reviewed in a sample of "
            f"{clips.sample:,} ({clips.accepted_share:.1%} accepted, 95% interval {clips.low:.1%} to {clips.high:.1%})."
        )
    return "\n".join(f"- {line}" for line in lines)


def _nobody(what: str) -> str:
    return f"Nobody has reviewed {what}."


def _leakage(work: Workspace, job: ExportJob) -> str:
    rows = work.catalog.read("leakage", job.release.hash)
    if rows.is_empty():
        return "Not recorded for this release; `svta release leakage` computes it."
    shown = rows.filter(split="test").select("kind", "other", "pairs", "share").rows()
    title = "Test pairs that share something with a pair of another split:"
    table = markdown_table(
        ("shared", "with", "test pairs", "share"), ((kind.replace("_", " "), *rest) for kind, *rest in shown)
    )
    return f"{title}\n\n{table}"


def _contamination(work: Workspace, job: ExportJob) -> str:
    rows = work.catalog.read("contamination").filter(release=job.release.hash, part="train or val")
    if rows.is_empty():
        return "No zero-shot benchmark was evaluated on this release."
    shown = rows.sort("benchmark", "kind").select("benchmark", "kind", "pairs", "of").rows()
    title = "Benchmark pairs that a text of the training or validation split meets:"
    lines = [(name, kind.replace("_", " "), pairs, of, pairs / of if of else 0.0) for name, kind, pairs, of in shown]
    return f"{title}\n\n{markdown_table(('benchmark', 'shared', 'pairs', 'of', 'share'), lines)}"


def _privacy(privacy: Privacy) -> str:
    if privacy.not_synthetic == 0:
        said = f"All {privacy.clips:,} clips were made by a generator that uses no recording: no real person is shown."
    else:
        said = (
            f"**{privacy.not_synthetic:,} of {privacy.clips:,} clips are not known to be synthetic**: they may show "
            "real people. See the generators above and their terms."
        )
    return (
        f"{said} The query below answers {privacy.not_synthetic:,}; run it in the home with DuckDB on `svta.duckdb` "
        f"(where the media lie in a bucket, copy the release file from there first).\n\n```sql\n{privacy.sql}\n```"
    )
