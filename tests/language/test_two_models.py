"""Two models behind real ports write one category through the asset: who wrote what, and what happens when one is down."""

import json
import socket
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from svta_assets.texts.assets import llm_descriptions
from svta_assets.workspace import Workspace, prepare_workspace
from svta_resources import llm_models
from svta_resources.answers import AnswerLog
from svta_resources.chat_retry import Backoff
from svta_resources.home import HomeResource
from svta_resources.llm import ChatModel
from svta_resources.profiles import PROFILES, Home, home_from
from tests.language.writing_server import WritingServer, serving

THOUGHT = "The user wants a caption about falling; a stairway would do."
REPEATED = frozenset({4, 9, 11, 20})  # whoever writes these slots says nearly the same


def list_models(folder: Path, monkeypatch: pytest.MonkeyPatch, **urls: str) -> None:
    """Write the file of models, and set what a person would set."""
    monkeypatch.setenv("DEEP_KEY", "sk-deep")
    extra = {"deep": "    api_key_env: DEEP_KEY\n    price_in: 1.0\n    price_out: 10.0\n", "quick": "    share: 3\n"}
    lines = [f"  - name: {name}\n    base_url: {url}\n{extra[name]}" for name, url in urls.items()]
    (folder / "models.yaml").write_text("models:\n" + "".join(lines))
    monkeypatch.setenv("SVTA_LLM_MODELS", str(folder / "models.yaml"))


def materialize(category: str = "falling") -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [llm_descriptions], partition_key=category, resources={"home": HomeResource()}, raise_on_error=False
    )


def failure_of(done: dg.ExecuteInProcessResult) -> str:
    (event,) = done.get_step_failure_events()
    return str(event.step_failure_data.error)


def answers(work: Workspace) -> list[dict]:
    return list(AnswerLog(work.store, "answers/describe/falling", "reader").rows())


@pytest.fixture(autouse=True)
def _few_descriptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PROFILES, "demo", replace(PROFILES["demo"], descriptions_per_seed=24))


@pytest.fixture
def texts(home: Home) -> Workspace:
    work = prepare_workspace(home_from())
    work.catalog.publish("texts", "all", work.catalog.tables["texts"].empty())
    assert work.profile.descriptions_per_seed == 24
    return work


def test_two_models_write_a_category_and_nothing_is_asked_twice(
    texts: Workspace, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = texts.profile.descriptions_per_seed
    deep_server = WritingServer(thinking=THOUGHT, beside=True, repeated=REPEATED)
    quick_server = WritingServer(nonce=7, thinking=THOUGHT, beside=False, repeated=REPEATED)
    with serving(deep_server) as deep, serving(quick_server) as quick:
        list_models(tmp_path, monkeypatch, deep=deep.url, quick=quick.url)
        done = materialize()
        assert done.success, failure_of(done)
        rows = prepare_workspace(home_from()).catalog.read("descriptions", "falling")
        assert rows.height == count == rows["caption"].n_unique()
        by_model = dict(rows["model"].value_counts().iter_rows())
        assert set(by_model) == {"deep", "quick"} and by_model["quick"] > by_model["deep"], "three to one"
        assert rows["provider"].unique().to_list() == ["127.0.0.1"]
        assert {row["index"] for row in deep.asked}.isdisjoint(row["index"] for row in quick.asked)
        assert (deep.models, quick.models, deep.keys) == ({"deep"}, {"quick"}, {"Bearer sk-deep"})

        # slot 4 was the first to say so; the later ones gave way to slots behind the last
        assert set(range(count)) - set(rows["slot"]) == {9, 11, 20} and rows["slot"].max() == count + 2
        rejects = prepare_workspace(home_from()).catalog.read("rejects", "llm_descriptions.falling")
        assert rejects["reason"].unique().to_list() == ["nearly repeats another description"]
        assert len(deep.asked) + len(quick.asked) == count + 3

        # thoughts are kept with the answers, and nowhere in a caption
        kept = answers(texts)
        assert {row["thinking"] for row in kept} == {THOUGHT} and len(kept) == count + 3
        assert not any("think" in row["caption"] or "user" in row["caption"] for row in kept)
        assert all(("price" in row) == (row["model"] == "deep") for row in kept)

        asked = len(deep.asked), len(quick.asked)
        again = materialize()
        assert again.success and (len(deep.asked), len(quick.asked)) == asked
        assert prepare_workspace(home_from()).catalog.read("descriptions", "falling").equals(rows)
    (event,) = done.get_asset_materialization_events()
    shown = {name: value.value for name, value in event.materialization.metadata.items() if hasattr(value, "value")}
    assert f"| written | {count} |\n| missing | 0 |\n| near-duplicates | 3 |" in shown["diversity"]
    assert "| quick | this |" in shown["language model"] and "| deep | this |" in shown["language model"]
    assert f"| falling | {count} | 0 | 3 | 0 |" in (home.path / "reports" / "diversity.md").read_text()
    diversity = prepare_workspace(home_from()).catalog.read("diversity", "falling").row(0, named=True)
    assert diversity["nearest_max"] < 0.9 and json.loads(diversity["coverage"])["age"]["in use"] == 5


def test_a_server_that_is_down_is_named_and_asked_alone_later(
    texts: Workspace, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llm_models, "ChatModel", partial(ChatModel, backoff=Backoff(0, 0)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        closed = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    with serving(WritingServer(nonce=7)) as quick:
        list_models(tmp_path, monkeypatch, deep=closed, quick=quick.url)
        said = failure_of(materialize())
        assert closed in said and "deep:" in said and "the other models' answers are kept" in said
        assert "falling" not in prepare_workspace(home_from()).catalog.partitions("descriptions")
        assert len(answers(texts)) == len(quick.asked) > 0
        before = len(quick.asked)
        with serving(WritingServer()) as deep:
            list_models(tmp_path, monkeypatch, deep=deep.url, quick=quick.url)
            assert materialize().success
            assert len(quick.asked) == before, "its answers were kept"
            assert len(deep.asked) == texts.profile.descriptions_per_seed - before


def test_models_are_asked_at_the_same_time(
    texts: Workspace, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each server holds its first answer back until the other one is asked too."""
    both = threading.Barrier(2, timeout=30)
    waiting = {"deep": threading.Lock(), "quick": threading.Lock()}

    def meet(name: str):
        def wait() -> None:
            if waiting[name].acquire(blocking=False):  # only the first question of each
                both.wait()

        return wait

    with serving(WritingServer(), meet("deep")) as deep, serving(WritingServer(nonce=7), meet("quick")) as quick:
        list_models(tmp_path, monkeypatch, deep=deep.url, quick=quick.url)
        assert materialize().success
    assert not both.broken and deep.asked and quick.asked


def test_labels_are_asked_of_the_model_that_the_file_chooses(
    texts: Workspace, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_models(tmp_path, monkeypatch, deep="http://127.0.0.1:9/v1", quick="http://127.0.0.1:9/v1")
    assert prepare_workspace(home_from()).chat.model == "deep"
    file = tmp_path / "models.yaml"
    file.write_text(file.read_text() + "    labels: true\n")
    assert prepare_workspace(home_from()).chat.model == "quick"
    assert [chat.model for chat in prepare_workspace(home_from()).writers.chats] == ["deep", "quick"]


def test_a_model_that_repeats_itself_gets_a_warning_not_an_endless_bill(
    texts: Workspace, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = texts.profile.descriptions_per_seed
    with serving(WritingServer(repeated=frozenset(range(3, 1000)))) as quick:
        list_models(tmp_path, monkeypatch, quick=quick.url)
        done = materialize()
        assert done.success
        asked = len(quick.asked)
        assert materialize().success and len(quick.asked) == asked
    rows = prepare_workspace(home_from()).catalog.read("descriptions", "falling")
    assert rows["slot"].sort().to_list()[:3] == [0, 1, 2] and rows.filter(pl.col("provider") == "127.0.0.1").height >= 4
    (event,) = done.get_asset_materialization_events()
    warning = event.materialization.metadata["warning"].value
    assert f"of {count} descriptions are missing" in warning and "attributes.yaml" in warning
