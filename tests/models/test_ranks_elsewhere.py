"""Processes of a training that somebody else starts: what is made of what they say, and where they meet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from svta_models import ranks as ranks_module
from svta_models.child import Failure, start_child
from svta_models.errors import SvtaError
from svta_models.execution import EpochReport, Execution, Say, TrainingJob, TrainResult
from svta_models.media_store import FolderStore, open_store
from svta_models.placement import Listening, Meeting, rank_environment
from svta_models.ranks import Ranks, train_in_processes
from svta_models.recipe import Recipe
from svta_models.training_state import StateInBucket, TrainingState, remove_states, states_in

JOB = TrainingJob(FolderStore("nowhere"), "r", "x", Recipe(), 42, "clip4clip-meanP", Execution(processes=2))
RESULT = TrainResult("id", "x", 1, [], 1.0, 10, {})
LOST = Failure("RuntimeError: connection closed by peer", expected=False)


class Told:
    """Says what it was given."""

    others_speak_s = 5.0

    def __init__(self, script: list[tuple[int, Any]]) -> None:
        self.script = list(script)

    def hear(self, timeout_s: float | None = None) -> tuple[int, Any] | None:
        return self.script.pop(0) if self.script else None

    def name(self, rank: int) -> str:
        return f"process {rank} on node-{rank}"

    def how_it_died(self, rank: int) -> str:
        return "is lost (its node died)"


def outcome(*script: tuple[int, Any]) -> tuple[TrainResult, list[int], list[str]]:
    epochs: list[int] = []
    lines: list[str] = []

    @contextmanager
    def start(job: TrainingJob, say: Say) -> Iterator[Ranks]:
        yield Told(list(script))

    result = train_in_processes(JOB, lambda report: epochs.append(report.epoch), lines.append, start)
    return result, epochs, lines


def test_what_the_processes_say_reaches_whoever_listens() -> None:
    report = EpochReport(1, 2, 0.5, 10.0, 50.0, 1.0, 1.0)
    other = TrainResult("", "x", 1, [], 1.0, 10, {})
    result, epochs, lines = outcome((0, "going on"), (0, report), (1, other), (1, None), (0, RESULT), (0, None))
    assert result is RESULT, "the first process's"
    assert (epochs, lines) == ([1], ["going on"])


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (((0, LOST), (1, None)), r"^process 1 on node-1 is lost \(its node died\)$"),
        (((1, None), (0, LOST)), r"^process 1 on node-1 is lost"),
        (((0, LOST), (0, None), (1, "late line"), (1, Failure("the disk is full", True))), "^the disk is full$"),
        (((0, LOST),), "^process 0 on node-0 failed: RuntimeError: connection closed by peer$"),
        (((1, RESULT), (1, None), (0, LOST), (0, None)), "^process 0 on node-0 failed"),
    ],
    ids=["peer heard first", "death heard first", "an error of ours", "nobody else speaks", "the other has finished"],
)
def test_of_all_that_fail_together_the_one_that_says_most_is_told(script: Any, said: str) -> None:
    with pytest.raises(SvtaError, match=said):
        outcome(*script)


def test_only_processes_of_one_machine_are_kept_to_its_loopback() -> None:
    here = rank_environment(Meeting(1, 2, "file:///tmp/m", card=1, leads=False))
    assert (here["LOCAL_RANK"], here["GLOO_SOCKET_IFNAME"]) == ("1", "lo")
    elsewhere = rank_environment(Meeting(1, 2, "tcp://node-a:4711"))
    assert elsewhere["LOCAL_RANK"] == "0", "a process that Ray starts sees its own card only"
    assert (elsewhere["MASTER_ADDR"], elsewhere["MASTER_PORT"]) == ("node-a", "4711")
    assert not {"GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"} & set(elsewhere)


def tell_what_all_hold(connection: Any, meeting: Meeting) -> None:
    """In a child: meet, and send what the two processes hold."""
    from svta_models.placement import placed

    with placed("cpu", "fp32", meeting) as place:
        connection.send((place.rank, place.world, place.leads, place.of_all(f"from {place.rank}")))


def test_processes_meet_at_a_port_of_the_first_ones_machine() -> None:
    listening = Listening("127.0.0.1")
    meetings = [Meeting(rank, 2, listening.where, leads=rank == 0) for rank in (0, 1)]
    children = [
        start_child(tell_what_all_hold, (meeting,), rank_environment(meeting) | {"GLOO_SOCKET_IFNAME": "lo"})
        for meeting in meetings
    ]
    try:
        seen = [child.connection.recv() for child in children]
    finally:
        for child in children:
            child.end()
    assert seen == [(0, 2, True, ["from 0", "from 1"]), (1, 2, False, ["from 0", "from 1"])]


def test_a_first_process_that_is_not_there_is_told_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from svta_models import placement

    monkeypatch.setattr(placement, "MEETING_TIMEOUT", timedelta(seconds=0.2))
    listening = Listening("127.0.0.1")
    where = listening.where
    del listening
    with (
        pytest.raises(SvtaError, match=r"first process does not answer at 127.0.0.1:\d+: every node must reach"),
        placement.placed("cpu", "fp32", Meeting(1, 2, where)),
    ):
        pass


@pytest.fixture(params=["folder", "bucket"])
def states(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], TrainingState]:
    """Opens the states of a training in a store, as every process of it does."""
    if request.param == "folder":
        return lambda: states_in(open_store(tmp_path), "checkpoints/x/.training/y")
    url = request.getfixturevalue("new_bucket")()
    return lambda: states_in(open_store(url), "checkpoints/x/.training/y")


def test_states_in_a_store_are_found_by_every_process_and_damaged_ones_are_not(
    states: Callable[[], TrainingState],
) -> None:
    said: list[str] = []
    with states() as first:
        assert first.newest() is None
        for step in range(3):
            first.write({"step": step})
    with states() as again:
        again._say = said.append
        found = again.newest()
        assert found == {"step": 2}
        assert states().named(again.found) == {"step": 2}
        assert again.newest(lambda state: state["step"] == 1) == {"step": 1}
        again.write({"step": 9})
    assert "00000003-" in said[0]
    assert "belongs to other training pairs" in said[0]
    with states() as third:
        assert third.newest() == {"step": 9}, "its number follows the one that was set aside"
        with pytest.raises(SvtaError, match="every machine of a training must see the same store"):
            third.named("00000003-0123456789abcdef.pt")


def test_a_bucket_keeps_whole_states_and_none_when_the_training_has_ended(new_bucket: Callable[[], str]) -> None:
    store = open_store(new_bucket())
    with states_in(store, "t/y") as kept:
        assert isinstance(kept, StateInBucket)
        for step in range(4):
            kept.write({"step": step})
    names = [found.key for found in store.list("t")]
    assert len(names) == 2
    store.put(names[-1], store.get(names[-1])[:-5])
    assert states_in(store, "t/y", lambda line: None).newest() == {"step": 2}
    assert [found.key for found in store.list("t/y/damaged")] == [names[-1].replace("t/y/", "t/y/damaged/")]
    remove_states(store, "t/y")
    assert store.list("t") == []


def test_one_machine_starts_its_own_children_without_being_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TrainingJob] = []

    @contextmanager
    def start(job: TrainingJob, say: Say) -> Iterator[Ranks]:
        asked.append(job)
        yield Told([(0, RESULT), (1, RESULT)])

    monkeypatch.setattr(ranks_module, "on_this_machine", start)
    assert train_in_processes(JOB, None, lambda line: None) is RESULT
    assert asked == [JOB]
