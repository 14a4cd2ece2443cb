"""Where source and model disagree: a list for people, from the answers that were asked for anyway."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from svta_assets.labels.disagreements import disagreement_share, disagreements, disagreements_markdown
from svta_assets.labels.facts import label_category
from svta_assets.labels.reviews import record
from svta_assets.schemas import LABELS, TEXTS
from svta_assets.texts.expand import sourced
from svta_assets.workspace import Workspace
from tests.language.servers import label_answer, scripted_chat

KEY = "robbery"
TEXTS_OF_VIDEOS = TEXTS.frame(
    [
        {"text_id": pair, "category": KEY, "is_anomaly": True, "caption": caption, "source": "uca"}
        | {"source_category": "Robbery", "source_video": video, "start_s": start}
        for pair, caption, video, start in (
            ("a", "A car stands on the road.", "Robbery002", 4.0),
            ("b", "A man robs | a shop.", "Robbery001", 0.0),
            ("c", "A car drives by.", "Robbery001", 9.0),
        )
    ]
)


@pytest.fixture
def asked(work: Workspace) -> Workspace:
    """A home whose model takes only the robbery for anomalous."""
    work.catalog.publish("texts", "all", TEXTS_OF_VIDEOS)
    work.catalog.publish("descriptions", KEY, sourced(TEXTS_OF_VIDEOS))
    chat, _ = scripted_chat(lambda payload, n: label_answer("stand", is_anomaly="robs" in payload["caption"]))
    work.__dict__["chat"] = chat
    return work


def file_of(work: Workspace) -> Path:
    return work.home.path / "reports" / "disagreements" / f"{KEY}.csv"


def correct(work: Workspace, pair: str) -> None:
    row = work.catalog.read("labels", KEY).filter(pl.col("pair_id") == pair).row(0, named=True)
    caption = TEXTS_OF_VIDEOS.filter(pl.col("text_id") == pair)["caption"][0]
    said: dict[str, Any] = {name: row[name] for name in ("pair_id", "category", "name", "is_anomaly", "recipe_sha")}
    record(work, [{**said, "caption": caption, "verdict": "wrong", "correct_is_anomaly": False}], "ann")


def test_the_list_has_what_differs_in_the_order_of_the_videos(asked: Workspace) -> None:
    found = label_category(asked, KEY, "run").disagreements
    assert found.select("pair_id", "source_video", "start_s", "is_anomaly", "llm_is_anomaly", "name", "llm_name").rows() == [
        ("c", "Robbery001", 9.0, True, False, "robbery", "stand"),
        ("a", "Robbery002", 4.0, True, False, "robbery", "stand"),
    ]  # fmt: skip
    assert pl.read_csv(file_of(asked))["pair_id"].to_list() == ["c", "a"]
    assert disagreement_share(asked.catalog.read("labels", KEY)) == pytest.approx(2 / 3)
    assert disagreements_markdown(found).startswith("2 texts")


def test_what_a_reviewer_decided_leaves_the_list_and_an_empty_one_the_folder(asked: Workspace) -> None:
    label_category(asked, KEY, "run")
    correct(asked, "a")
    rows = label_category(asked, KEY, "run2").rows
    assert pl.read_csv(file_of(asked))["pair_id"].to_list() == ["c"]
    assert disagreement_share(rows) == pytest.approx(1 / 2)
    correct(asked, "c")
    found = label_category(asked, KEY, "run3")
    assert found.disagreements.is_empty() and not file_of(asked).exists()
    assert disagreements_markdown(found.disagreements) == "none"
    assert dict(found.rows.select("pair_id", "is_anomaly").iter_rows()) == {"a": False, "b": True, "c": False}
    assert found.tokens == 0, "a correction asks nothing"


def test_labels_without_an_opinion_are_in_no_list() -> None:
    row = {"pair_id": "a", "category": KEY, "is_anomaly": True, "is_anomaly_origin": "source"}
    labels = LABELS.frame([row])
    assert disagreements(labels, TEXTS_OF_VIDEOS).is_empty()
    assert disagreement_share(labels) is None


def test_ten_are_shown_and_a_caption_does_not_break_the_table() -> None:
    rows = [
        {
            "pair_id": f"t{n}",
            "category": KEY,
            "is_anomaly": False,
            "is_anomaly_origin": "source",
            "llm_is_anomaly": True,
        }
        for n in range(12)
    ]
    texts = TEXTS.frame([{"text_id": f"t{n}", "caption": "A | B", "source": "uca"} for n in range(12)])
    shown = disagreements_markdown(disagreements(LABELS.frame(rows), texts)).splitlines()
    assert shown[0] == "12 texts"
    assert len([line for line in shown if line.startswith("| A / B | normal | anomalous |")]) == 10
