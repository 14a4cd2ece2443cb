"""The source report as Markdown: what a person reads in the asset's metadata."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

SHOWN_DIFFERENCES = 20


def report_markdown(report: Mapping[str, Any]) -> str:
    """Tables of a `source_report`, the longest lists cut with a word on how many there are."""
    totals = report["totals"]
    blocks = [
        f"**{totals['texts']:,} texts**: {totals['normal']:,} normal, {totals['anomalous']:,} anomalous",
        _sources(report["sources"]),
        _section("Generation categories", _table(("category", "texts"), report["categories"].items())),
        _section("Flags", _by_source(report["flags"])),
        _section("Cleaned", _by_source(report["cleaning"])),
        _section("Repeated texts", _repeats(report["repeats"])),
        _section(
            "Texts in several sources", _table(("source", "texts"), report["texts_in_several_sources"]["rows"].items())
        ),
        _section("Times", _by_source(report["times"])),
        _section("Videos with the most texts", _tails(report["heavy_tail"])),
        _section("UCF-Crime videos in both sources", _ucf(report["ucf"])),
        _section("English and Chinese name different colours", _colours(report["colour_differences"])),
        _section("Rejected rows", _table(("reason", "rows"), report["rejects"].items())),
        _section("Files left alone", _list(report["ignored_files"])),
        _section("Notes", _list(report["notes"])),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _sources(sources: Mapping[str, Mapping[str, Any]]) -> str:
    header = ("source", "texts", "videos", "normal", "anomalous", "mean words", "max words", "splits")
    rows = [
        (
            name, one["texts"], one["videos"], one["normal"], one["anomalous"], one["mean_words"], one["max_words"],
            ", ".join(f"{split} {count:,}" for split, count in one["splits"].items()),
        )
        for name, one in sources.items()
    ]  # fmt: skip
    return _section("Sources", _table(header, rows))


def _by_source(counts: Mapping[str, Mapping[str, Any]]) -> str:
    """One row per name, one column per source; a name that is 0 everywhere is left out."""
    names = list(dict.fromkeys(name for one in counts.values() for name in one))
    rows = [(name, *[one.get(name, "") for one in counts.values()]) for name in names]
    return _table(("", *counts), [row for row in rows if any(row[1:])])


def _repeats(repeats: Mapping[str, Mapping[str, Any]]) -> str:
    flat = {source: {k: v for k, v in one.items() if k != "most_repeated"} for source, one in repeats.items()}
    return _by_source(flat)


def _tails(tails: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for source, one in tails.items():
        top = ", ".join(f"{video} {count:,}" for video, count in one["videos"].items())
        lines.append(f"{source}: {len(one['videos'])} videos hold {one['texts']:,} texts ({one['share']:.0%}): {top}")
    return _list(lines)


def _ucf(meeting: Mapping[str, Any] | None) -> str:
    if meeting is None:
        return ""
    overlap = ", ".join(f"{split} {count}" for split, count in meeting["test_videos_by_uca_split"].items())
    without = meeting["videos_without_uca_text"]
    return _list(
        [
            f"UCFCrime-AR's test videos by UCA's split (training on UCA would leak): {overlap}",
            f"{len(without)} videos have no UCA text ({meeting['normal_videos_without_uca_text']} normal)",
        ]
    )


def _colours(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return ""
    rows = [
        (
            one["video"],
            one["kind"],
            "/".join(one["english"]),
            "/".join(one["chinese"]),
            one["caption"],
            one["caption_zh"],
        )
        for one in found[:SHOWN_DIFFERENCES]
    ]
    table = _table(("video", "kind", "English", "Chinese", "caption", "Chinese caption"), rows)
    more = len(found) - len(rows)
    return f"{len(found)} captions." + (f" The first {len(rows)}:" if more else "") + f"\n\n{table}"


def _section(title: str, body: str) -> str:
    return f"### {title}\n\n{body}" if body else ""


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    written = [_row(row) for row in rows]
    return "\n".join([_row(header), "|" + " --- |" * len(header), *written]) if written else ""


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: Any) -> str:
    shown = f"{value:,}" if isinstance(value, int) else str(value)
    return shown.replace("|", "\\|").replace("\n", " ")
