"""Labels: sourced facts stand whatever a model answers; only what is missing is asked, once per caption."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.labels.labelling import MOST_NAME_WORDS, UNNAMED, label
from svta_assets.schemas import DESCRIPTIONS, LABELS, TEXTS
from svta_assets.texts.expand import sourced
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from svta_resources.llm import EMBEDDED_BASE_URL, open_chat_model
from tests.language.servers import scripted_chat


def text(text_id: str, category: str, is_anomaly: bool | None, caption: str, source: str, source_category: str = ""):
    return {
        "text_id": text_id,
        "category": category,
        "is_anomaly": is_anomaly,
        "caption": caption,
        "source": source,
        "source_category": source_category,
    }


ROWS = [
    text("u1", "robbery", True, "A man robs a shop.", "uca", "Robbery"),
    text("u2", "robbery", True, "A car stands on the road.", "uca", "Robbery"),
    text("f1", "fighting", True, "Two men fight.", "ucfcrime_ar", "Fighting"),
    text("n1", "normal-03", False, "A woman steals a car and shoots at the police.", "uca", "Normal"),
    text("n2", "normal-03", False, "A man waits for the bus.", "uca", "Normal"),
    text("n3", "normal-04", False, "A man waits for the bus.", "ucfcrime_ar", "Normal"),
    text("o1", "unintentional-fall", True, "She falls off the table while dancing.", "oops"),
]
WRITTEN = {"pair_id": "w1", "category": "falling", "caption": "A boy falls.", "origin": "llm", "source": "llm"}


def tables(rows=ROWS) -> tuple[pl.DataFrame, pl.DataFrame]:
    texts = TEXTS.frame(rows)
    return pl.concat([sourced(texts), DESCRIPTIONS.frame([WRITTEN])]), texts


def labelled(folder: Path, chat, rows=ROWS):
    descriptions, texts = tables(rows)
    with AnswerLog(open_store(folder), "answers/label/x", "run") as log:
        return label(descriptions, texts, chat, log)


def by_pair(rows: pl.DataFrame) -> dict[str, dict]:
    return {row["pair_id"]: row for row in rows.iter_rows(named=True)}


def test_sourced_facts_and_their_origins(tmp_path: Path):
    chat, _ = scripted_chat(lambda payload, n: {"name": "some name"})
    rows = by_pair(labelled(tmp_path, chat).rows)
    assert {pair: row["is_anomaly"] for pair, row in rows.items()} == {
        **dict.fromkeys(("u1", "u2", "f1", "o1", "w1"), True),
        **dict.fromkeys(("n1", "n2", "n3"), False),
    }
    assert {row["is_anomaly_origin"] for row in rows.values()} == {"source"}
    named = {pair: (rows[pair]["name"], rows[pair]["name_origin"]) for pair in rows}
    assert named["u1"] == named["u2"] == ("robbery", "source")
    assert named["f1"] == ("fighting", "source") and named["w1"] == ("falling", "source")
    assert named["n1"] == named["o1"] == ("some name", "llm")
    assert rows["n2"]["provider"] == "toy.test" and rows["u1"]["provider"] is None


def test_only_missing_facts_are_asked_and_equal_captions_once(tmp_path: Path):
    chat, transport = scripted_chat(lambda payload, n: {"name": "some name"})
    first = labelled(tmp_path, chat)
    payloads = [json.loads(body["messages"][1]["content"]) for body in transport.bodies]
    assert [payload["caption"] for payload in payloads] == [ROWS[3]["caption"], ROWS[4]["caption"], ROWS[6]["caption"]]
    assert all(payload["want"] == ["name"] for payload in payloads)
    assert first.tokens == 45
    again = labelled(tmp_path, chat)
    assert again.rows.equals(first.rows) and again.tokens == 0 and len(transport.bodies) == 3


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.just("junk"),
            st.fixed_dictionaries({"name": st.text(max_size=30), "is_anomaly": st.booleans()}),
            st.fixed_dictionaries({"name": st.text(max_size=30)}),
            st.fixed_dictionaries({"name": st.integers()}),
        ),
        min_size=1,
    )
)
def test_counts_of_normal_and_anomalous_hold_whatever_a_model_answers(tmp_path_factory, answers):
    chat, _ = scripted_chat(lambda payload, n: answers[n % len(answers)])
    found = labelled(tmp_path_factory.mktemp("log"), chat)
    rows = found.rows
    assert rows.height == 8 and int(rows["is_anomaly"].sum()) == 5
    assert rows.filter(pl.col("name_origin") == "source")["name"].to_list() == [
        "robbery",
        "robbery",
        "fighting",
        "falling",
    ]
    assert rows["name"].null_count() == 0
    assert all(1 <= len(name.split()) <= MOST_NAME_WORDS and "\n" not in name for name in rows["name"])
    assert set(rows.filter(pl.col("name") == UNNAMED)["pair_id"]) >= set(found.rejects["key"])


def test_invalid_names_become_rejects_with_the_raw_answer_and_are_asked_again(tmp_path: Path):
    bad, _ = scripted_chat(lambda payload, n: {"name": "a name that is much too long to be one"})
    failed = labelled(tmp_path, bad)
    assert (
        set(failed.rejects["key"]) == {"n1", "n2", "n3", "o1"}
        and failed.rejects["detail"].str.contains("too long").all()
    )
    assert by_pair(failed.rows)["n1"]["name"] == UNNAMED
    good, transport = scripted_chat(lambda payload, n: {"name": "Wait  for Bus"})
    repaired = labelled(tmp_path, good)
    assert by_pair(repaired.rows)["n3"]["name"] == "wait for bus"
    assert len(transport.bodies) == 3 and repaired.rejects.height == 0


@pytest.mark.parametrize(("category", "expected"), [("normal-03", False), ("unintentional-fall", True)])
def test_a_text_without_a_label_takes_the_one_of_its_category(tmp_path: Path, category, expected):
    chat, _ = scripted_chat(lambda payload, n: {"name": "thing"})
    row = text("c1", category, None, "Something happens.", "my_csv")
    assert by_pair(labelled(tmp_path, chat, [row]).rows)["c1"]["is_anomaly"] is expected


def test_recipe_is_the_question_and_never_the_clip(tmp_path: Path):
    chat, _ = scripted_chat(lambda payload, n: {"name": "one"})
    other, _ = scripted_chat(lambda payload, n: {"name": "two"})
    first, second = labelled(tmp_path / "a", chat).rows, labelled(tmp_path / "b", other).rows
    assert first["recipe_sha"].equals(second["recipe_sha"]), "an answer is no choice"
    rows = by_pair(first)
    assert rows["n2"]["recipe_sha"] == rows["n3"]["recipe_sha"] != rows["n1"]["recipe_sha"]
    assert first["clip_id"].null_count() == first.height


def test_embedded_labeller_names_what_is_missing(tmp_path: Path):
    chat = open_chat_model(base_url=EMBEDDED_BASE_URL, environ={})
    found = labelled(tmp_path, chat)
    rows = by_pair(found.rows)
    assert rows["n2"]["name"] == "wait for bus" and "fall" in rows["o1"]["name"]
    assert rows["n1"]["is_anomaly"] is False, "its opinion on a sourced fact is not used"
    assert rows["n2"]["provider"] == rows["n2"]["model"] == "embedded-rules" and found.rejects.height == 0
    assert found.rows.schema == pl.Schema(LABELS.schema)


def test_empty_category_needs_no_model(tmp_path: Path):
    with AnswerLog(open_store(tmp_path), "answers/label/x", "run") as log:
        found = label(DESCRIPTIONS.empty(), TEXTS.empty(), scripted_chat(lambda p, n: "x")[0], log)
    assert found.rows.height == 0 and found.rows.schema == pl.Schema(LABELS.schema)
