"""A text is itself wherever its file and row stand, and keeps its category for ever."""

import random
import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from text_sources import never_embed, words_embedding, write_ar, write_json, write_uca

from svta_assets.texts.collect import collect_texts, normal_shard
from svta_models.identity import text_id

NAMES = ("Abuse001_x264", "Normal_Videos001_x264", "Normal_Videos_003_x264", "Robbery010_x264")
SENTENCES = ("A man walks.", " A man walks.", "A woman runs away", "Two cars wait, ", "What is it?")
EVENTS = st.lists(
    st.tuples(st.sampled_from([0.0, 1.5, 3.0]), st.sampled_from([3.5, 9.0]), st.sampled_from(SENTENCES)),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), EVENTS, min_size=1), st.randoms(use_true_random=False))
def test_collection_does_not_depend_on_the_order_of_videos_and_sentences(videos: dict, order: random.Random) -> None:
    names = list(videos)
    order.shuffle(names)
    shuffled = {name: order.sample(videos[name], len(videos[name])) for name in names}
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        write_uca(Path(first) / "uca", videos)
        write_uca(Path(second) / "uca", shuffled)
        one, other = (collect_texts(Path(folder), never_embed).texts for folder in (first, second))
    assert one.equals(other)


def test_repeats_in_two_splits_get_the_same_ids_whichever_file_comes_first(tmp_path: Path) -> None:
    event = {"Abuse001_x264": [(0, 2, "A man walks.")]}
    for split in ("Test", "Train"):
        write_uca(tmp_path / "a" / "uca", event, split)
    for split in ("Train", "Test"):
        write_uca(tmp_path / "b" / "uca", event, split)
    assert collect_texts(tmp_path / "a", never_embed).texts.equals(collect_texts(tmp_path / "b", never_embed).texts)


def test_one_more_text_renames_none(tmp_path: Path) -> None:
    rows = [(f"Abuse00{n}_x264.mp4\n", "男子", f"Man {n} walks along the street.") for n in range(1, 6)]
    write_ar(tmp_path / "a" / "ucfcrime_ar", rows[1:])
    write_ar(tmp_path / "b" / "ucfcrime_ar", rows)
    before, after = (set(collect_texts(tmp_path / name, never_embed).texts["text_id"]) for name in "ab")
    assert before < after and len(after) == 5


def test_ids_can_be_recomputed_from_the_table(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(0, 2, "A man."), (0, 2, "A man."), (0, 2, "A dog.")]})
    texts = collect_texts(tmp_path, never_embed).texts
    expected = {
        text_id("uca", key, occurrence)
        for key, count in texts.group_by("source_key").len().rows()
        for occurrence in range(count)
    }
    assert set(texts["text_id"]) == expected and texts["source_key"].n_unique() == 2


def test_a_text_keeps_its_earlier_category(tmp_path: Path) -> None:
    write_json(
        tmp_path / "oops" / "val.json", {"clip 1": [{"goal": "to ride", "wentwrong": "The boy fell off his bicycle."}]}
    )
    first = collect_texts(tmp_path, words_embedding).texts
    identity = first["text_id"].item()
    kept = collect_texts(tmp_path, never_embed, {identity: "unintentional-water"}).texts
    assert first["category"].item() == "unintentional-bicycle"
    assert kept["category"].item() == "unintentional-water", "and a text whose category is known is not embedded again"


def test_an_earlier_category_of_the_other_kind_is_ignored(tmp_path: Path) -> None:
    write_uca(tmp_path / "uca", {"Abuse001_x264": [(0, 2, "A man shouts at a dog.")]})
    identity = collect_texts(tmp_path, never_embed).texts["text_id"].item()
    assert collect_texts(tmp_path, never_embed, {identity: "normal-03"}).texts["category"].item() == "abuse"


def test_normal_shards_follow_the_id() -> None:
    ids = [text_id("uca", str(n)) for n in range(4000)]
    counts = pl.Series([normal_shard(one) for one in ids]).value_counts()["count"]
    assert counts.len() == 16 and counts.min() > 190 and counts.max() < 310
