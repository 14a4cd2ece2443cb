"""Requests are rows: added by anybody at once, never lost, with a state that can be read to the end."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from svta_assets.regeneration.requests import MADE, ask, categories_of, report, requests
from svta_assets.regeneration.texts import asked_for, requests_markdown, standing_of
from svta_assets.workspace import Workspace, open_workspace
from svta_resources.errors import SvtaError


def _state(work: Workspace, request: str) -> str:
    return str(requests(work).filter(request_id=request)["state"].item())


def test_writers_at_the_same_time_lose_nothing(work: Workspace) -> None:
    def write(writer: int) -> list[str]:
        own = open_workspace(work.home)  # a catalog of its own, as another process has
        made = [ask(own, categories=["fire"], by=f"w{writer}") for _ in range(5)]
        for request in made:
            report(own, request, "running", run_id="r")
        return made

    with ThreadPoolExecutor(8) as writers:
        asked = [request for part in writers.map(write, range(8)) for request in part]
    rows = requests(work)
    assert sorted(rows["request_id"]) == sorted(asked)
    assert len(set(asked)) == 40
    assert set(rows["state"]) == {"running"}


def test_a_request_is_followed_to_its_end(work: Workspace) -> None:
    request = ask(work, categories=["fire", "falling"], filters={"below": {"motion": 2}}, by="ann", why="dull")
    assert _state(work, request) == "waiting"
    for state in ("launched", "running"):
        report(work, request, state, run_id="run-1")
        assert _state(work, request) == state
    report(work, request, "running", run_id="run-1", category="fire", made=4, accepted=3, device_seconds=2.5)
    report(work, request, "running", run_id="run-1", category="falling", made=2, accepted=2, device_seconds=1.0)
    report(work, request, MADE, run_id="run-1")
    [row] = requests(work).to_dicts()
    assert (row["state"], row["settling"], row["run_id"]) == ("running", True, "run-1")
    assert (row["made"], row["accepted"], row["device_seconds"]) == (6, 5, 3.5)
    assert categories_of(work, request) == ["fire", "falling"]
    report(work, request, "done")
    [row] = requests(work).to_dicts()
    assert (row["state"], row["settling"], row["made"]) == ("done", False, 6)
    assert standing_of(row) == "done: 6 clips made, 5 accepted, 4 s of one device"
    assert asked_for(row) == "new_take of fire, falling; motion below 2; test pairs spared"


def test_a_failure_that_a_later_run_overcame_is_no_reason_any_more(work: Workspace) -> None:
    request = ask(work, categories=["fire"], by="ann")
    report(work, request, "failed", run_id="run-1", reason="the disk was full")
    assert requests(work)["reason"].to_list() == ["the disk was full"]
    report(work, request, "running", run_id="run-2")
    report(work, request, "done")
    [row] = requests(work).to_dicts()
    assert (row["state"], row["run_id"], row["reason"]) == ("done", "run-2", None)


def test_what_is_asked_on_a_fixed_occasion_is_one_request_however_often(work: Workspace) -> None:
    for why in ("first", "again"):
        assert ask(work, categories=["fire"], by="nightly", why=why, request_id="nightly-2026-11-21-weakest")
    [row] = requests(work).to_dicts()
    assert row["why"] == "first"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"categories": ["fire"], "by": " "}, "somebody who asks"),
        ({"categories": "fire", "by": "ann"}, "list of names"),
        ({"categories": ["fire"], "by": "ann", "filters": {"below": {1, 2}}}, "cannot be written down"),
    ],
)
def test_what_cannot_be_written_down_is_refused_at_once(work: Workspace, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(SvtaError, match=said):
        ask(work, **wrong)
    assert requests(work).is_empty()


def test_a_table_of_requests_stays_one_whatever_a_reason_holds(work: Workspace) -> None:
    request = ask(work, categories=["fire"], by="ann")
    report(work, request, "refused", reason="a | b\nand more")
    lines = requests_markdown(requests(work).to_dicts()).splitlines()
    assert len(lines) == 3
    assert lines[2].endswith("| a / b and more |")


def test_rows_that_others_wrote_by_hand_can_be_read(work: Workspace) -> None:
    row = {
        "request_id": "x",
        "categories": ["fire"],
        "filters": "{not json",
        "mode": "new_take",
        "by": "ann",
        "at": "2",
    }
    work.catalog.append("regeneration_requests", "2026-11", [row])
    assert _state(work, "x") == "waiting"
    assert "filters {not json" in asked_for(requests(work).to_dicts()[0])
    assert json.dumps(requests(work).to_dicts()), "plain values, for a page or a script"
