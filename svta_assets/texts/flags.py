r"""Flags say what is unusual about a text, so that people can filter; no flag ever removes a text.

Each flag reads the text as the source wrote it (`raw`), its cleaned caption, or its times. Patterns are Rust regexes.
"""

import polars as pl

SHORT_WORDS = 4  # fewer words than this: "Above", "MAN LEAVE"
LONG_WORDS = 77  # more words than this can never fit CLIP's 77 tokens (Radford et al. 2021, section 2.4)
INSTANT_SECONDS = 0.5  # UCA has 26 events shorter than this, down to 0.1 s

# Words that ask for another: a sentence that ends in one was cut off. "by", "in" and "on" end many whole ones
# ("a woman walked by"), "while" ends a whole one in "for a while".
_DANGLING_WORD = (
    r"(?i)\b(?:a|an|the|and|or|but|of|to|at|with|his|their|its|my|then|because|as|is|was|are|were|into)\s*$"
    r"|(?i)[^a]\s+while\s*$"
)
_CAMERA = "(?:camera|screen|lens|shot|scene|picture|perspective|footage)"
# The camera itself must be the subject of its clause: people also "switch off the camera" or stand where "a man on the
# left of the screen moves away".
_CAMERA_META = (
    rf"(?i)\b{_CAMERA} transitions?\b"
    rf"|(?:^|[.,;:] ?|\b(?:and|then|but|as|when|before) )(?:then )?(?:the |a |this )?{_CAMERA}(?: view| angle)?"
    r"(?: then| suddenly| slowly| is| was| has been)? (?:switch(?:es|ed)?|cuts?|chang(?:es|ed)|zoom(?:s|ed)"
    r"|pan(?:s|ned)|shift(?:s|ed)|shakes|shook|shaking|transition(?:s|ed)|rotat(?:es|ed)|mov(?:es|ed)|turn(?:s|ed)?)\b"
)


def flag_columns() -> dict[str, pl.Expr]:
    """Each flag's condition over the columns raw, caption, source, start_s, end_s; a caption is repeated per source."""
    raw, caption = pl.col("raw").str.strip_chars(), pl.col("caption")
    words = caption.str.split(" ").list.len()
    return {
        "short": words < SHORT_WORDS,
        "long": words > LONG_WORDS,
        "fragment": raw.str.contains(r"^[,;a-z]"),  # starts with a comma or in lower case: its subject was cut
        "lower_case": raw.str.contains(r"^[a-z]"),
        "dangling": raw.str.contains(r"[,;]$") | raw.str.contains(_DANGLING_WORD),
        "question": raw.str.ends_with("?"),
        "shouting": caption.str.contains(r"[A-Z]{2}") & (caption == caption.str.to_uppercase()),
        "stray_prefix": raw.str.contains(r"^(?:\d+|[a-z]) (?:A|An|The|Ms|Mr)\b"),  # "4 A woman with yellow hair"
        "camera_meta": caption.str.contains(_CAMERA_META),
        "instant": (pl.col("end_s") - pl.col("start_s") < INSTANT_SECONDS).fill_null(False),
        "repeated": (pl.len().over("source", "caption") > 1),
    }


def with_flags(texts: pl.DataFrame) -> pl.DataFrame:
    """Add the column `flags`: the names of the flags that hold, in the order above."""
    columns = flag_columns()
    marks = [pl.when(condition).then(pl.lit(name)) for name, condition in columns.items()]
    return texts.with_columns(flags=pl.concat_list(marks).list.drop_nulls())
