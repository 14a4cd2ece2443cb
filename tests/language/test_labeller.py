"""The embedded labeller: its accuracy on real captions has a floor, its names mean something."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from svta_assets.prompts import load_prompt
from svta_resources.embedded_llm.labeller import Labeller
from svta_resources.embedded_llm.phrases import PhraseFinder
from svta_resources.embedder import get_embedder
from svta_resources.llm import EMBEDDED_BASE_URL, Request, open_chat_model

FLOOR = 0.84
PACKAGED = Path(__file__).parents[2] / "svta_assets" / "texts" / "packaged"


def packaged(key: str) -> list[str]:
    return [line for line in (PACKAGED / f"{key}.txt").read_text().splitlines() if line.strip()]


@pytest.mark.skipif(not os.environ.get("SVTA_SOURCES_DIR"), reason="needs the real sources (SVTA_SOURCES_DIR)")
def test_opinion_on_the_290_real_test_captions_reaches_the_floor():
    """The prototypes were written after reading captions of the training split only; nothing was tuned on these 290."""
    path = Path(os.environ["SVTA_SOURCES_DIR"]) / "ucfcrime_ar" / "ucf_crime_test.xlsx"
    rows = pl.read_excel(path).select("Video Name", "English Text").drop_nulls().rows()
    truth = np.array(["Normal" not in video for video, _ in rows])
    found = Labeller().opinions([caption for _, caption in rows])
    confusion = {
        "true anomalies": int((truth & found).sum()),
        "missed anomalies": int((truth & ~found).sum()),
        "false alarms": int((~truth & found).sum()),
        "true normals": int((~truth & ~found).sum()),
    }
    assert len(rows) == 290 and int(truth.sum()) == 140
    assert (truth == found).mean() >= FLOOR, confusion


def test_packaged_ordinary_life_is_called_normal_and_crimes_are_not():
    labeller = Labeller()
    assert labeller.opinions(packaged("normal-00") + packaged("normal-01")).mean() <= 0.1
    # real captions: 5% false alarms, 21% of the anomalies missed; ours should be no harder
    assert labeller.opinions(packaged("robbery") + packaged("explosion")).mean() >= 0.79


def test_names_are_verb_and_object():
    captions = [
        "A man sets fire to a car at night.",
        "A woman in a red coat walks along the street in the morning.",
        "An elderly woman is robbed in the park.",
        "A boy picks up a bag.",
    ]
    names = Labeller().names(captions, [True, False, True, False])
    assert names == ["set fire", "walk along street", "rob woman", "pick up bag"]


def test_anomalous_caption_is_named_by_its_anomaly_and_a_normal_one_by_its_routine():
    caption = "A man waits for the bus, and then a thief steals his wallet."
    anomalous, normal = Labeller().names([caption, caption], [True, False])
    assert "steal" in anomalous and "steal" not in normal


@pytest.mark.parametrize("caption", ["", ".", "?!", "123", "Busy street.", "The", "a " * 300, "中文"])
def test_every_caption_gets_some_name(caption):
    name = Labeller().names([caption], [False])[0]
    assert name.strip() and len(name) <= 60


def test_walking_and_traffic_are_named_apart():
    walking = Labeller().names(packaged("normal-00"), [False] * 40)
    traffic = Labeller().names(packaged("normal-01"), [False] * 40)
    assert sum("walk" in name or "stroll" in name for name in walking) >= 30
    assert sum("walk" in name or "stroll" in name for name in traffic) == 0
    assert sum(any(verb in name for verb in ("drive", "park", "wait", "ride", "stop")) for name in traffic) >= 25


def test_phrases_keep_clothes_and_times_out():
    found = PhraseFinder().candidates(["A man wearing a hat runs at night."])[0]
    assert found == ["run"]


@pytest.fixture
def embeddings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many texts each call of the model embeds; nothing is remembered between calls."""
    from svta_resources.embedded_llm import transport

    calls: list[int] = []
    model = get_embedder().model

    class Counting:
        def encode(self, texts):
            calls.append(len(texts))
            return model.embed(list(texts))

    labeller = Labeller(Counting())
    labeller.margins(["A man walks."])  # embeds the prototypes
    models = transport._Models()
    models.__dict__["labeller"] = labeller
    monkeypatch.setattr(transport, "_models", lambda: models)
    calls.clear()
    return calls


CAPTIONS = packaged("normal-00")[:10] + packaged("robbery")[:10]


def test_answers_through_the_client_have_every_field_and_cost_two_embeddings(embeddings: list[int]):
    """One for the caption, one for all its phrases."""
    chat, prompt = open_chat_model(base_url=EMBEDDED_BASE_URL, environ={}), load_prompt("label")
    for caption in CAPTIONS:
        answer = chat.ask("label", {"caption": caption}, prompt)
        assert set(answer.data) == set(prompt.schema["required"])
    assert len(embeddings) == 2 * len(CAPTIONS)


def test_captions_that_are_expected_cost_two_embeddings_together_and_are_answered_as_alone(embeddings: list[int]):
    """Tens of thousands are labelled by the rules."""
    chat, prompt = open_chat_model(base_url=EMBEDDED_BASE_URL, environ={}), load_prompt("label")
    requests = [Request(caption, "label", {"caption": caption}, prompt) for caption in CAPTIONS]
    alone = [chat.ask("label", request.payload, prompt).data for request in requests]
    embeddings.clear()
    together = [chat.ask("label", request.payload, prompt).data for request in chat.expecting(requests)]
    assert together == alone
    assert len(embeddings) == 2


def test_other_processes_label_the_same():
    captions = [*packaged("robbery")[:10], *packaged("normal-00")[:10]]
    program = (
        "import json,sys;from svta_resources.embedded_llm.labeller import Labeller;"
        "c=json.loads(sys.argv[1]);L=Labeller();"
        "print(json.dumps([L.margins(c[::-1])[::-1].tolist(), L.names(c, [True]*len(c))]))"
    )
    command = [sys.executable, "-c", program, json.dumps(captions)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    margins, names = json.loads(printed.stdout)
    labeller = Labeller()
    np.testing.assert_allclose(labeller.margins(captions), margins, atol=1e-4)
    assert labeller.names(captions, [True] * len(captions)) == names
