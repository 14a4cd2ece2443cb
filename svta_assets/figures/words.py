"""The most frequent words of captions."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

import polars as pl

_WORD = r"\w[\w'’]*\w"  # two letters at least, as scikit-learn and others count words; isn't is one


def word_counts(captions: Sequence[str], kinds: Sequence[str], most: int) -> dict[str, dict[str, int]]:
    """The most frequent words, most frequent first, with their occurrences by kind. English stop words are left out."""
    found = (
        pl.DataFrame({"caption": captions, "kind": kinds}, schema={"caption": pl.String, "kind": pl.String})
        .select("kind", word=pl.col("caption").str.to_lowercase().str.replace_all("’", "'").str.extract_all(_WORD))
        .explode("word")
        .drop_nulls()
        .filter(~pl.col("word").is_in(sorted(stop_words())), pl.col("word").str.contains(r"\p{L}"))
        .group_by("word", "kind")
        .len()
        .with_columns(total=pl.col("len").sum().over("word"))
        .sort(["total", "word", "kind"], descending=[True, False, False])
    )
    words = found["word"].unique(maintain_order=True).head(most).to_list()
    counts: dict[str, dict[str, int]] = {word: {} for word in words}
    for word, kind, count in found.filter(pl.col("word").is_in(words)).select("word", "kind", "len").iter_rows():
        counts[word][kind] = count
    return counts


@cache
def stop_words() -> frozenset[str]:
    """spaCy's English stop words, from its file: importing spaCy for a list takes seconds."""
    found = find_spec("spacy")
    folders = found.submodule_search_locations if found else None
    assert folders, "spacy is installed with svta"
    names = run_path(str(Path(folders[0]) / "lang" / "en" / "stop_words.py"))
    return frozenset(names["STOP_WORDS"])
