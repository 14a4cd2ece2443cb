"""The generation categories: the paper's seeds verbatim, and keys that never change."""

import hashlib
import re
import subprocess
import sys

import pytest

from svta_assets.categories import (
    Category,
    UnknownCategory,
    category,
    category_of_ucf_class,
    find_category,
    load_categories,
    near_matches,
)

SEEDS = [
    "throw", "running", "falling", "fighting", "sleeping", "crawling", "having a seizure", "laying down", "dancing",
    "stealing", "rotating 360 degrees", "shuffling", "walking injured", "walking drunk", "stumbling walk",
    "people and car accident", "car crash", "running injured", "fire", "smoke", "jaywalking", "driving outside lane",
    "jumping",
]  # fmt: skip
DEMO = [
    "falling", "fighting", "crawling", "having-a-seizure", "dancing", "car-crash", "fire", "jumping", "explosion",
    "robbery", "normal-00", "normal-01",
]  # fmt: skip


def of_origin(origin: str) -> list[Category]:
    return [one for one in load_categories() if one.origin == origin]


def test_seeds_are_the_papers_23_verbatim_and_in_order() -> None:
    assert [one.name for one in of_origin("seed")] == SEEDS


def test_thirteen_ucf_classes_two_of_them_seeds() -> None:
    classes = {one.ucf_class: one for one in load_categories() if one.ucf_class}
    assert len(classes) == 13 and len(of_origin("ucf")) == 11
    assert {one.key for one in classes.values() if one.origin == "seed"} == {"fighting", "stealing"}
    assert category_of_ucf_class("RoadAccidents") is category("road-accidents")
    assert category_of_ucf_class("Normal") is None


def test_kinds_and_shards() -> None:
    assert [one.key for one in of_origin("normal")] == [f"normal-{shard:02d}" for shard in range(16)]
    assert all(one.is_anomaly == (one.origin != "normal") for one in load_categories())
    assert 20 <= len(of_origin("oops")) <= 30
    assert [one.key for one in of_origin("oops") if not one.prototypes] == ["unintentional-other"]


def test_demo_has_its_twelve_keys() -> None:
    assert sorted(one.key for one in load_categories() if one.demo) == sorted(DEMO)


def test_keys_are_unique_slugs() -> None:
    keys = [one.key for one in load_categories()]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", key) for key in keys)


def test_keys_are_append_only() -> None:
    """Clips lie in folders of these names: never rename, reorder or delete one of the first 78; append instead."""
    keys = " ".join(one.key for one in load_categories()[:78])
    assert hashlib.sha256(keys.encode()).hexdigest()[:16] == "2b3c967825c90399"


def test_unknown_key_offers_near_ones() -> None:
    with pytest.raises(UnknownCategory, match=r"'figthing'; did you mean fighting"):
        category("figthing")
    with pytest.raises(UnknownCategory, match=r"categories\.yaml lists"):
        category("qqqqqqqq")
    assert near_matches("road accident")[0] == "road-accidents"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("having a seizure", "having-a-seizure"),
        ("RoadAccidents", "road-accidents"),
        ("FIRE", "fire"),
        ("Normal 03", "normal-03"),
    ],
)
def test_people_may_write_names_in_words(words: str, key: str) -> None:
    found = find_category(words)
    assert found is not None and found.key == key


def test_loading_imports_nothing_heavy() -> None:
    """Every load of the definitions, and every run and step, pays for it again."""
    code = "import sys; from svta_assets.categories import load_categories; load_categories(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    heavy = {"dagster", "polars", "numpy", "pyarrow", "duckdb", "torch", "sklearn", "spacy", "openai", "pydantic"}
    assert "yaml" in loaded and not heavy.intersection(loaded)
