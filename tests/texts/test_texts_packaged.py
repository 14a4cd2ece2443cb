"""The packaged sentences: enough of each named key, all distinct, and naming what the generator can draw."""

import re

import polars as pl
from text_sources import never_embed

from svta_assets.categories import load_categories
from svta_assets.texts.collect import collect_texts

COLOURS = {"red", "blue", "green", "yellow", "black", "white", "orange", "purple", "pink", "grey", "brown", "silver"}
PEOPLE = {
    "man", "men", "woman", "women", "boy", "boys", "girl", "girls", "couple", "officer", "officers", "nurse", "robber",
    "guard", "driver", "attendant", "cook",
}  # fmt: skip
TIMES = {
    "morning", "noon", "afternoon", "evening", "night", "midnight", "sunset", "sunrise", "dusk", "dawn", "dark",
    "daylight", "daytime", "rain", "rainy", "snow", "snowy", "fog", "foggy",
}  # fmt: skip


def packaged() -> pl.DataFrame:
    return collect_texts(None, never_embed).texts


def words(sentence: str) -> set[str]:
    return set(re.findall(r"[a-z]+", sentence.lower()))


def test_every_named_key_but_seeds_and_oops_has_sentences() -> None:
    counts = dict(packaged().group_by("category").len().rows())
    for one in load_categories():
        if one.origin == "ucf" or one.key in ("normal-00", "normal-01"):
            assert counts.pop(one.key) == (40 if one.demo else 5), one.key
    assert not counts


def test_sentences_are_distinct_and_unremarkable() -> None:
    texts = packaged()
    assert texts["caption"].str.to_lowercase().n_unique() == texts.height == 205
    assert texts["flags"].list.len().sum() == 0
    assert texts["caption"].str.contains(r"^[A-Z].*\.$").all()


def test_sentences_keep_their_files_key_and_label() -> None:
    kinds = {one.key: one.is_anomaly for one in load_categories()}
    for key, is_anomaly, source in packaged().select("category", "is_anomaly", "source").rows():
        assert is_anomaly == kinds[key] and source == "packaged"


def test_each_sentence_names_a_colour_and_a_time() -> None:
    for sentence in packaged()["caption"]:
        assert words(sentence) & COLOURS and words(sentence) & TIMES, sentence


def test_anomalies_and_walkers_name_a_person() -> None:
    people = packaged().filter(pl.col("category") != "normal-01")
    assert [one for one in people["caption"] if not words(one) & PEOPLE] == []


def test_the_two_normal_keys_are_two_kinds_of_life() -> None:
    walking, traffic = (packaged().filter(pl.col("category") == key)["caption"] for key in ("normal-00", "normal-01"))
    assert (
        walking.str.contains(r"\b(walks?|strolls?)\b").all() and not walking.str.contains(r"\b(car|bus|truck)\b").any()
    )
    vehicles = r"(?i)\b(cars?|bus|buses|trucks?|vans?|taxis?|traffic|motorcycle|scooter|tractor)\b"
    assert traffic.str.contains(vehicles).all() and not traffic.str.contains(r"\b(walks?|strolls?)\b").any()
