"""The measures are what their definitions say, on captions small enough to count by hand."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svta_assets.prompts import ATTRIBUTES, attributes
from svta_assets.schemas import DESCRIPTIONS, DIVERSITY, NOVELTY, REJECTS
from svta_assets.texts.diversity import category_markdown, closeness, coverage, distinct, measure, report_markdown
from svta_assets.texts.expand import Expansion

CAPTIONS = ["A man falls.", "A man runs, a dog runs."]


def expansion(captions: list[str]) -> Expansion:
    rows = [
        {"pair_id": f"p{n}", "category": "falling", "caption": caption, "slot": n, **attributes("falling", n)}
        for n, caption in enumerate(captions)
    ]
    return Expansion(
        DESCRIPTIONS.frame(rows), REJECTS.empty(), NOVELTY.empty(), near_duplicates=3, dropped=1, missing=2
    )


def embed(captions):
    return np.eye(2, dtype=np.float32)[: len(captions)]


def test_distinct_n_by_hand():
    words = [["a", "man", "falls"], ["a", "man", "runs", "a", "dog", "runs"]]
    assert distinct(words, 1) == pytest.approx(5 / 9)
    assert distinct(words, 2) == pytest.approx(6 / 7), "no pair runs over the end of a text; `a man` is there twice"
    assert distinct([], 1) is None and distinct([["a"]], 2) is None


@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=5), min_size=1, max_size=5), st.integers(1, 3))
def test_distinct_n_falls_when_texts_are_said_twice(texts, n):
    once = distinct(texts, n)
    assert once is None or (0 < once <= 1 and distinct(texts * 2, n) == pytest.approx(once / 2))


def test_closeness_by_hand():
    east, north = np.eye(2, dtype=np.float32)
    between = (east + north) / np.sqrt(2)
    found = closeness(np.stack([east, north, between]).astype(np.float32))
    assert found["mean_cosine"] == pytest.approx(2 * np.sqrt(0.5) / 3, abs=1e-4)
    assert (found["nearest_median"], found["nearest_max"]) == (0.7071, 0.7071)
    assert closeness(np.stack([east])) == dict.fromkeys(found)


def test_a_row_fits_its_table_and_is_measured_once(monkeypatch: pytest.MonkeyPatch):
    row = measure("falling", expansion(CAPTIONS), embed)
    stored = DIVERSITY.frame([row]).row(0, named=True)
    assert (stored["descriptions"], stored["missing"], stored["near_duplicates"], stored["dropped"]) == (2, 2, 3, 1)
    assert stored["words"] == 4.5 and stored["mean_cosine"] == 0.0

    def never(captions):
        raise AssertionError("embedded again")

    assert measure("falling", expansion(CAPTIONS), never, stored) == stored
    assert measure("falling", expansion(CAPTIONS[:1]), embed, stored)["descriptions"] == 1
    assert measure("falling", expansion([]), embed)["words"] is None


def test_coverage_counts_the_values_in_use():
    found = coverage("falling", expansion([f"caption {n}" for n in range(7)]).rows)
    assert found["age"] == {"in use": 5, "values": 5, "least": ("child", 1), "most": found["age"]["most"]}
    assert found["age"]["most"][1] == 2 and found["culture"]["in use"] == 7 and found["culture"]["least"][1] == 0
    drawn = pl.Series([attributes("falling", n)["camera"] for n in range(7)])
    assert found["camera"]["in use"] == drawn.n_unique()


def test_the_report_has_a_line_a_category():
    rows = [measure(key, expansion(CAPTIONS), embed) for key in ("falling", "fire")]
    text = report_markdown(reversed(rows))
    assert text.index("| falling | 2 | 2 | 3 | 1 | 4.5 | 0.556 | 0.857 | 0.000 |") < text.index("| fire | 2 |")
    assert all(name in text for name in ATTRIBUTES)
    assert json.loads(rows[0]["coverage"]).keys() == set(ATTRIBUTES)
    assert report_markdown([]) == "no description is written yet"


def test_a_category_alone_is_shown_a_line_a_figure():
    row = measure("falling", expansion(CAPTIONS), embed)
    lines = category_markdown(row).splitlines()
    assert all(line.count("|") == 3 for line in lines)
    assert "| near-duplicates | 3 |" in lines and "| distinct-2 | 0.857 |" in lines
    assert [line.split(" | ")[0] for line in lines[-len(ATTRIBUTES) :]] == [f"| {name}" for name in ATTRIBUTES]
