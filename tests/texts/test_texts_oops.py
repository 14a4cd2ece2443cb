"""OOPS!: its published form, "don't know", and categories by nearest prototype."""

from pathlib import Path

import numpy as np
import pytest
from text_sources import words_embedding, write_json

from svta_assets.categories import OOPS_FALLBACK, load_categories
from svta_assets.texts.collect import Collected, collect_texts
from svta_assets.texts.oops_categories import assign_oops
from svta_assets.texts.records import SourceError


def collect_json(tmp_path: Path, value: object, name: str = "val.json") -> Collected:
    write_json(tmp_path / "oops" / name, value)
    return collect_texts(tmp_path, words_embedding)


def annotation(text: str, goal: str = "to jump") -> dict[str, object]:
    return {"goal": goal, "wentwrong": text, "kgoalsvos": [["he", "jump"]], "kwentwrongsvos": []}


def test_published_form_gives_one_text_per_worker(tmp_path: Path) -> None:
    fell, missed = "He fell on the floor.", "he missed the ramp"
    collected = collect_json(tmp_path, {"Fails v1.0 (2018)12": [annotation(fell), annotation(missed)]})
    assert set(collected.texts["caption"]) == {fell, missed}
    assert collected.texts["source_video"].unique().to_list() == ["Fails v1.0 (2018)12"]
    assert collected.texts["source_split"].unique().to_list() == ["val"] and collected.texts["is_anomaly"].all()


@pytest.mark.parametrize("text", ["don't know", "I DON'T KNOW", "i Don\u2019t  know why", "dont know", "Don`t know."])
def test_dont_know_goes_to_the_rejects(tmp_path: Path, text: str) -> None:
    collected = collect_json(tmp_path, {"a": [annotation(text), annotation("He does not know the ice is thin.")]})
    assert collected.texts["caption"].to_list() == ["He does not know the ice is thin."]
    reject = collected.rejects.row(0, named=True)
    assert (reject["stage"], reject["reason"], reject["detail"]) == ("raw_texts", "dont_know", text)
    assert reject["key"] == "oops/val.json, a, annotation 1"


def test_word_lists_of_the_archive_are_not_texts(tmp_path: Path) -> None:
    write_json(tmp_path / "oops" / "vocab.json", ["fall", "jump"])
    write_json(tmp_path / "oops" / "corrections.json", {"fal": "fall"})
    collected = collect_json(tmp_path, {"a": [annotation("He fell.")]})
    assert collected.texts.height == 1
    assert collected.report["ignored_files"] == ["corrections.json", "vocab.json"]


def test_two_workers_may_write_the_same(tmp_path: Path) -> None:
    collected = collect_json(tmp_path, {"a": [annotation("He fell."), annotation("He fell.")]})
    assert collected.texts["text_id"].n_unique() == 2


def test_settings_choose_the_caption_fields(tmp_path: Path) -> None:
    (tmp_path / "sources.yaml").write_text("oops: {caption: [goal, wentwrong]}\n")
    collected = collect_json(tmp_path, {"a": [annotation("He fell.", goal="To jump over it.")]})
    assert collected.texts["caption"].item() == "To jump over it. He fell"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("val.csv", "video_id,description\na,He fell.\n"),
        ("val.jsonl", '{"video": "a", "description": "He fell."}\n'),
        ("val.json", '[{"filename": "a.mp4", "caption": "He fell."}]'),
        ("val.json", '{"a": "He fell."}'),
        ("val.json", '{"a": ["He fell."]}'),
    ],
)
def test_other_forms(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "oops").mkdir()
    (tmp_path / "oops" / name).write_text(content)
    row = collect_texts(tmp_path, words_embedding).texts.row(0, named=True)
    assert (row["source_video"], row["caption"], row["source_split"]) == ("a", "He fell.", "val")


@pytest.mark.parametrize(
    ("value", "named"),
    [({"a": [{"goal": "x"}]}, "video a, annotation 1"), (7, "JSON int"), ({"a": 3}, "video a"), ([{"x": "y"}], "'x'")],
)
def test_other_json_is_refused_by_name(tmp_path: Path, value: object, named: str) -> None:
    with pytest.raises(SourceError, match=r"val\.json") as error:
        collect_json(tmp_path, value)
    assert named in str(error.value)


def test_each_prototype_lies_in_its_own_category() -> None:
    for one in load_categories():
        assert assign_oops(one.prototypes, words_embedding) == [one.key] * len(one.prototypes)


def test_what_is_near_nothing_is_other() -> None:
    def apart(sentences: list[str]) -> np.ndarray:
        return np.array([[0.0, 1.0] if sentence == "Qwerty." else [1.0, 0.0] for sentence in sentences])

    assert assign_oops(["Qwerty."], apart) == [OOPS_FALLBACK]
    assert assign_oops([], apart) == []


def test_each_distinct_caption_is_embedded_once() -> None:
    seen: list[str] = []

    def counting(sentences: list[str]) -> np.ndarray:
        seen.extend(sentences)
        return words_embedding(sentences)

    assign_oops(["He fell."] * 3 + ["She slipped."], counting)
    assert seen.count("He fell.") == 1


def test_real_sentence_model_finds_the_category_people_would() -> None:
    from svta_resources.embedder import get_embedder

    expected = {
        "he slipped on ice": "unintentional-slip",
        "the guy lost control of his motorcycle and fell": "unintentional-motorcycle",
        "He fell off his skateboard and landed on the concrete": "unintentional-skateboard",
        "The bull threw him off": "unintentional-animal",
        "The surfer fell off the wave": "unintentional-boat",
        "he forgot his lines": OOPS_FALLBACK,
    }
    assert assign_oops(list(expected), get_embedder().encode) == list(expected.values())
