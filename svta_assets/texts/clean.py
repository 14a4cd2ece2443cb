r"""Cleaning changes how a sentence is written, never what it says.

Every rule leaves the sequence of letters and digits as it was (a test holds each rule to that), so a caption can always
be traced to its sentence. The counts are of the real sources (docs name them quirks 7-10 and 23).
Patterns are RE2-style (Rust's regex: no look-around).
"""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Rule:
    """Replace every match of `pattern` (Rust regex) by `replacement`."""

    name: str
    pattern: str
    replacement: str


RULES = (
    Rule("typographic apostrophe", "[\u2018\u2019\u02bc\u2032]", "'"),  # 75 UCA sentences
    Rule("typographic quotation mark", "[\u201c\u201d]", '"'),
    Rule("invisible character", "[\u200b\u200c\u200d\u2060\ufeff\x00-\x08\x0e-\x1f\x7f]", ""),
    Rule("tab, line break or run of spaces", r"[\t\r\n\v\f\u00a0]\s*|\s{2,}", " "),  # 2 tabs in UCA, 3 runs in AR
    Rule("outer space", r"^\s+|\s+$", ""),  # 1,244 in UCA
    Rule("stray #", r"^[#\s]+", ""),  # 2 in UCA: its text form separates with "##"
    Rule("leading or trailing comma", r"^[\s,;#]+|[\s,;]+$", ""),  # the cut subject is flagged `fragment`, `dangling`
    Rule("doubled punctuation", r"(?:[.,;]\s+)+([,;])", "$1"),  # "the street. , there are"
    Rule("doubled full stop", r"(?:\.\s+)+(\.+)(\s|$)", "$1$2"),
    Rule("space before comma", r"\s+([,;])", "$1"),
    # A full stop only before a space or the end: "a .22 rifle" keeps its space.
    Rule("space before final mark", r"\s+([.:!?])(\s|$)", "$1$2"),
    Rule("no space after comma", r"([,;])([A-Za-z])", "$1 $2"),
)


def cleaned(raw: pl.Expr) -> pl.Expr:
    """The caption of a text as read."""
    for rule in RULES:
        raw = raw.str.replace_all(rule.pattern, rule.replacement)
    return raw


def clean_text(raw: str) -> str:
    """`cleaned` for a single text."""
    return str(pl.select(cleaned(pl.lit(raw, dtype=pl.String))).item())


def cleaning_counts(raw: pl.Series) -> dict[str, int]:
    """How many texts each rule changes, when the rules are applied in their order."""
    counts = {}
    for rule in RULES:
        after = raw.str.replace_all(rule.pattern, rule.replacement)
        counts[rule.name] = int((after != raw).sum())
        raw = after
    return counts
