"""Labels: sourced facts stand whatever a model answers; only what is missing is asked, once per caption."""

import json
import tracemalloc
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.labels.labelling import GIVEN_UP, MOST_NAME_WORDS, NO_ANSWER, UNNAMED, Labels, label, open_requests
from svta_assets.labels.settings import LabelSettings, label_settings
from svta_assets.prompts import attribute_options, load_prompt
from svta_assets.schemas import DESCRIPTIONS, LABELS, TEXTS
from svta_assets.texts.expand import sourced
from svta_models.media_store import open_store
from svta_resources.answers import AnswerLog
from svta_resources.errors import SvtaError
from svta_resources.llm import EMBEDDED_BASE_URL, ChatModel, open_chat_model
from tests.language.servers import ATTRIBUTES, label_answer, scripted_chat


def text(
    text_id: str, category: str, is_anomaly: bool | None, caption: str, source: str, source_category: str = ""
) -> dict[str, Any]:
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
WRITTEN = {
    "pair_id": "w1", "category": "falling", "caption": "A boy falls.", "origin": "llm", "source": "llm",
    "age": "child", "gender": "male", "culture": "Pacific", "environment": "beach", "camera": "drone",
}  # fmt: skip
ASKED = list(dict.fromkeys(row["caption"] for row in ROWS))  # each distinct caption once, in order


def tables(rows: list[dict[str, Any]] = ROWS) -> tuple[pl.DataFrame, pl.DataFrame]:
    texts = TEXTS.frame(rows)
    return pl.concat([sourced(texts), DESCRIPTIONS.frame([WRITTEN])]), texts


def labelled(
    folder: Path,
    chat: ChatModel,
    rows: list[dict[str, Any]] = ROWS,
    settings: LabelSettings | None = None,
    ask_again: bool = False,
) -> Labels:
    descriptions, texts = tables(rows)
    with AnswerLog(open_store(folder), "answers/label/x", "run") as log:
        return label(descriptions, texts, chat, log, settings, ask_again)


def by_pair(rows: pl.DataFrame) -> dict[str, dict[str, Any]]:
    return {row["pair_id"]: row for row in rows.iter_rows(named=True)}


def asked(transport: Any) -> list[dict[str, Any]]:
    return [json.loads(body["messages"][1]["content"]) for body in transport.bodies]


def test_a_provider_in_this_process_hears_of_every_question_before_it_is_asked(tmp_path: Path) -> None:
    """The embedded rules work out together what they hear of."""
    heard: list[Any] = []

    def answer(payload: dict[str, Any], _: int) -> dict[str, Any]:
        assert payload in heard
        return label_answer()

    chat, transport = scripted_chat(answer)
    transport.expect = heard.extend
    labelled(tmp_path, chat)
    assert [payload["caption"] for payload in heard] == ASKED
    assert len(asked(transport)) == len(ASKED)


def test_sourced_facts_and_their_origins(tmp_path: Path) -> None:
    chat, _ = scripted_chat(lambda payload, n: label_answer())
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
    assert rows["n2"]["provider"] == "toy.test" and rows["w1"]["provider"] is None


def test_the_models_opinion_stands_beside_the_sourced_facts(tmp_path: Path) -> None:
    """Every opinion contradicts the source; nothing that the source says moves, and a name is that of its own side."""
    chat, _ = scripted_chat(
        lambda payload, n: label_answer(
            activity="drive car", anomaly="steal car", is_anomaly=payload["caption"] == ROWS[3]["caption"]
        )
    )
    rows = by_pair(labelled(tmp_path, chat).rows)
    assert (rows["u1"]["is_anomaly"], rows["u1"]["llm_is_anomaly"], rows["u1"]["llm_name"]) == (
        True,
        False,
        "drive car",
    )
    assert (rows["u1"]["name"], rows["u1"]["name_origin"]) == ("robbery", "source")
    assert (rows["n1"]["is_anomaly"], rows["n1"]["llm_is_anomaly"], rows["n1"]["llm_name"]) == (
        False,
        True,
        "steal car",
    )
    assert rows["n1"]["name"] == "drive car", "a normal text is named by what is ordinary in it"
    assert rows["o1"]["name"] == "steal car", "and a mishap by the mishap, whatever the model thinks of it"


def test_collected_texts_get_attributes_and_written_ones_keep_theirs(tmp_path: Path) -> None:
    chat, transport = scripted_chat(lambda payload, n: label_answer())
    rows = by_pair(labelled(tmp_path, chat).rows)
    assert {name: rows["u1"][name] for name in ATTRIBUTES} == ATTRIBUTES
    assert {name: rows["w1"][name] for name in ATTRIBUTES} == {name: WRITTEN[name] for name in ATTRIBUTES}
    assert (rows["u1"]["attributes_origin"], rows["w1"]["attributes_origin"]) == ("llm", "asked")
    assert (rows["w1"]["llm_is_anomaly"], rows["w1"]["llm_name"]) == (None, None)
    assert WRITTEN["caption"] not in {payload["caption"] for payload in asked(transport)}


def test_the_model_sees_the_caption_and_nothing_else_and_each_once(tmp_path: Path) -> None:
    chat, transport = scripted_chat(lambda payload, n: label_answer())
    first = labelled(tmp_path, chat)
    assert asked(transport) == [{"task": "label", "caption": caption} for caption in ASKED]
    assert first.tokens == 15 * len(ASKED) == 90
    again = labelled(tmp_path, chat)
    assert again.rows.equals(first.rows) and again.tokens == 0 and len(transport.bodies) == len(ASKED)


def test_equal_captions_of_a_normal_and_an_anomalous_video_are_one_question(tmp_path: Path) -> None:
    rows = [
        text("a", "normal-03", False, "A car stands on the road.", "uca", "Normal"),
        text("b", "unintentional-fall", True, "A car stands on the road.", "oops"),
    ]
    chat, transport = scripted_chat(lambda payload, n: label_answer(activity="park car", anomaly="block road"))
    found = by_pair(labelled(tmp_path, chat, rows).rows)
    assert len(transport.bodies) == 1
    assert (found["a"]["name"], found["b"]["name"]) == ("park car", "block road")


def test_a_user_may_have_only_unnamed_texts_asked(tmp_path: Path) -> None:
    chat, transport = scripted_chat(lambda payload, n: label_answer())
    rows = by_pair(labelled(tmp_path, chat, settings=LabelSettings(ask="unnamed")).rows)
    assert {payload["caption"] for payload in asked(transport)} == {ROWS[place]["caption"] for place in (3, 4, 6)}
    assert (rows["u1"]["llm_is_anomaly"], rows["u1"]["age"], rows["u1"]["name"]) == (None, None, "robbery")
    assert rows["n2"]["age"] == "child"


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.just("junk"),
            st.builds(label_answer, st.text(max_size=30), is_anomaly=st.booleans()),
            st.builds(
                label_answer, activity=st.text(max_size=30), age=st.sampled_from(["child", "unknown", "ancient"])
            ),
            st.fixed_dictionaries({"name": st.text(max_size=30)}),
            st.builds(label_answer, anomaly=st.integers()),
        ),
        min_size=1,
    )
)
def test_counts_of_normal_and_anomalous_hold_whatever_a_model_answers(
    tmp_path_factory: pytest.TempPathFactory, answers: list[Any]
) -> None:
    chat, _ = scripted_chat(lambda payload, n: answers[n % len(answers)])
    found = labelled(tmp_path_factory.mktemp("log"), chat)
    rows = found.rows
    assert rows.height == 8 and int(rows["is_anomaly"].sum()) == 5
    sourced_names = rows.filter(pl.col("name_origin") == "source")["name"].to_list()
    assert sourced_names == ["robbery", "robbery", "fighting", "falling"]
    assert rows["name"].null_count() == 0
    assert all(1 <= len(name.split()) <= MOST_NAME_WORDS and "\n" not in name for name in rows["name"])
    assert set(rows["age"].drop_nulls()) <= {"child", "unknown"}, "no value that the schema does not list"
    silent = set(rows.filter(pl.col("llm_is_anomaly").is_null())["pair_id"]) - {"w1"}
    assert silent == set(found.rejects["key"]), "every question without an opinion is a reject, and no other"
    assert set(rows.filter(pl.col("name") == UNNAMED)["pair_id"]) <= silent


def test_invalid_answers_become_rejects_with_the_raw_answer_and_are_asked_again(tmp_path: Path) -> None:
    bad, _ = scripted_chat(lambda payload, n: label_answer("a name that is much too long to be one"))
    failed = labelled(tmp_path, bad)
    assert set(failed.rejects["key"]) == {"u1", "u2", "f1", "n1", "n2", "n3", "o1"}
    assert failed.rejects["detail"].str.contains("too long").all()
    rows = by_pair(failed.rows)
    assert rows["n1"]["name"] == UNNAMED
    assert (rows["u1"]["name"], rows["u1"]["llm_is_anomaly"], rows["u1"]["age"]) == ("robbery", None, None)
    good, transport = scripted_chat(lambda payload, n: label_answer("Wait  for Bus"))
    repaired = labelled(tmp_path, good)
    assert by_pair(repaired.rows)["n3"]["name"] == "wait for bus"
    assert len(transport.bodies) == len(ASKED) and repaired.rejects.height == 0


def test_a_question_without_a_valid_answer_is_asked_in_so_many_runs_and_no_more(tmp_path: Path) -> None:
    """Else a model that cannot answer is paid for again with every run, for ever."""
    bad, transport = scripted_chat(lambda payload, n: "junk" if "bus" in payload["caption"] else label_answer())
    twice = LabelSettings(runs=2)
    assert set(labelled(tmp_path, bad, settings=twice).rejects["reason"]) == {NO_ANSWER}
    second = labelled(tmp_path, bad, settings=twice)
    assert second.rejects.select("key", "reason").rows() == [("n2", GIVEN_UP), ("n3", GIVEN_UP)]
    sent = len(transport.bodies)
    third = labelled(tmp_path, bad, settings=twice)
    assert len(transport.bodies) == sent, "an unchanged run sends nothing"
    assert third.rejects.equals(second.rejects) and third.rejects["detail"].str.contains("junk").all()
    assert by_pair(third.rows)["n2"]["name"] == UNNAMED and third.tokens == 0

    asked_again = labelled(tmp_path, bad, settings=twice, ask_again=True)
    assert len(transport.bodies) > sent and set(asked_again.rejects["reason"]) == {GIVEN_UP}
    good, _ = scripted_chat(lambda payload, n: label_answer("wait for bus"))
    repaired = labelled(tmp_path, good, settings=twice, ask_again=True)
    assert repaired.rejects.is_empty() and by_pair(repaired.rows)["n2"]["name"] == "wait for bus"


def test_another_model_is_asked_what_the_last_one_could_not_answer(tmp_path: Path) -> None:
    bad, _ = scripted_chat(lambda payload, n: "junk")
    once = LabelSettings(runs=1)
    labelled(tmp_path, bad, settings=once)
    other, transport = scripted_chat(lambda payload, n: label_answer())
    other.model = "another"
    assert labelled(tmp_path, other, settings=once).rejects.is_empty()
    assert len(transport.bodies) == len(ASKED)


def test_a_server_in_trouble_uses_up_no_attempt(tmp_path: Path) -> None:
    """What the server lost says nothing about the model: it is asked again however often that happened."""
    chat, _ = scripted_chat(lambda payload, n: label_answer())
    descriptions, texts = tables(ROWS[:1])
    with AnswerLog(open_store(tmp_path), "answers/label/x", "earlier") as log:
        [request, *_] = open_requests(descriptions, texts, chat, log)
        for _ in range(5):
            log.add({"request_sha": request.sha(chat), "error": "the server failed", "raw": "", "lost": True})
    found = labelled(tmp_path, chat, ROWS[:1], LabelSettings(runs=1))
    assert found.rejects.is_empty() and by_pair(found.rows)["u1"]["llm_name"] == "some name"


def test_of_two_answers_to_one_question_the_first_counts_in_every_run(tmp_path: Path) -> None:
    chat, _ = scripted_chat(lambda payload, n: label_answer())
    descriptions, texts = tables(ROWS[4:5])
    store = open_store(tmp_path)
    with AnswerLog(store, "answers/label/x", "a") as log:
        [request, *_] = open_requests(descriptions, texts, chat, log)
        row = {"request_sha": request.sha(chat), "provider": "p", "model": "m"}
        log.add({**row, **label_answer("later"), "at_ns": 2})
    with AnswerLog(store, "answers/label/x", "b") as log:
        log.add({**row, **label_answer("first"), "at_ns": 1})
    assert by_pair(labelled(tmp_path, chat, ROWS[4:5]).rows)["n2"]["name"] == "first"


def test_the_plan_counts_what_a_run_would_send(tmp_path: Path) -> None:
    descriptions, texts = tables()
    chat, _ = scripted_chat(lambda payload, n: "junk" if "bus" in payload["caption"] else label_answer())

    def open_captions(run: LabelSettings) -> list[str]:
        with AnswerLog(open_store(tmp_path), "answers/label/x", "reader") as log:
            return [str(request.payload["caption"]) for request in open_requests(descriptions, texts, chat, log, run)]

    assert open_captions(LabelSettings(runs=2)) == ASKED
    labelled(tmp_path, chat)
    assert open_captions(LabelSettings(runs=2)) == ["A man waits for the bus."]
    assert open_captions(LabelSettings(runs=1)) == []


@pytest.mark.parametrize(
    ("name", "value"), [("SVTA_LABEL_ASK", "some"), ("SVTA_LABEL_RUNS", "0"), ("SVTA_LABEL_RUNS", "two")]
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    assert label_settings({}) == LabelSettings("all", 3)
    assert label_settings({"SVTA_LABEL_ASK": "unnamed", "SVTA_LABEL_RUNS": "5"}) == LabelSettings("unnamed", 5)
    with pytest.raises(SvtaError, match=f"{name}='{value}'"):
        label_settings({name: value})


@pytest.mark.parametrize(("category", "expected"), [("normal-03", False), ("unintentional-fall", True)])
def test_a_text_without_a_label_takes_the_one_of_its_category(tmp_path: Path, category: str, expected: bool) -> None:
    chat, _ = scripted_chat(lambda payload, n: label_answer("thing"))
    row = text("c1", category, None, "Something happens.", "my_csv")
    assert by_pair(labelled(tmp_path, chat, [row]).rows)["c1"]["is_anomaly"] is expected


def test_recipe_is_the_question_and_never_the_clip(tmp_path: Path) -> None:
    chat, _ = scripted_chat(lambda payload, n: label_answer("one"))
    other, _ = scripted_chat(lambda payload, n: label_answer("two"))
    first, second = labelled(tmp_path / "a", chat).rows, labelled(tmp_path / "b", other).rows
    assert first["recipe_sha"].equals(second["recipe_sha"]), "an answer is no choice"
    rows = by_pair(first)
    assert rows["n2"]["recipe_sha"] == rows["n3"]["recipe_sha"] != rows["n1"]["recipe_sha"]
    assert first["clip_id"].null_count() == first.height


def test_embedded_labeller_names_what_is_missing(tmp_path: Path) -> None:
    chat = open_chat_model(base_url=EMBEDDED_BASE_URL, environ={})
    found = labelled(tmp_path, chat)
    rows = by_pair(found.rows)
    assert rows["n2"]["name"] == "wait for bus" and "fall" in rows["o1"]["name"]
    assert (rows["n1"]["is_anomaly"], rows["n1"]["llm_is_anomaly"]) == (False, True)
    assert (rows["n1"]["gender"], rows["n1"]["age"]) == ("female", "unknown")
    assert rows["n2"]["provider"] == rows["n2"]["model"] == "embedded-rules" and found.rejects.height == 0
    assert found.rows.schema == pl.Schema(LABELS.schema)


def test_empty_category_needs_no_model(tmp_path: Path) -> None:
    with AnswerLog(open_store(tmp_path), "answers/label/x", "run") as log:
        found = label(DESCRIPTIONS.empty(), TEXTS.empty(), scripted_chat(lambda p, n: "x")[0], log)
    assert found.rows.height == 0 and found.rows.schema == pl.Schema(LABELS.schema)


def test_values_of_written_descriptions_are_values_of_the_label_question() -> None:
    """So that the coverage of an attribute counts collected and written texts alike."""
    from svta_assets.categories import load_categories

    properties = load_prompt("label").schema["properties"]
    for one in load_categories():
        options = attribute_options(one.key) if one.origin == "seed" else {}
        for name, values in options.items():
            listed = properties[name.removeprefix("indoor ").removeprefix("outdoor ")]["enum"]
            assert set(values) <= set(listed), f"{name} of {one.key}: add the value in a new label.vN.yaml"
    assert all(properties[name]["enum"][-1] == "unknown" for name in ATTRIBUTES)


def test_what_is_held_for_a_question_stays_small(tmp_path: Path) -> None:
    """Answers of a hundred thousand texts must fit beside the rest: kept as dicts they would take 1.5 KB each."""
    from svta_assets.labels.answered import Answered

    row = {"provider": "p", "model": "m"}
    shas = [bytes([n % 256, n // 256]) * 16 for n in range(4000)]
    with AnswerLog(open_store(tmp_path), "answers/label/x", "run") as log:
        for n, sha in enumerate(shas):
            log.add({**row, **label_answer(f"name {n}"), "request_sha": sha.hex()})
    tracemalloc.start()
    try:
        answered = Answered(AnswerLog(open_store(tmp_path), "answers/label/x", "reader"), frozenset(shas))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answered.opinions) == 4000
    assert held / 4000 < 700
