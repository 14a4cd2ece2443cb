"""The ETA of long work: it ticks, it learns from what was timed, and it believes a step that says how long it takes."""

import pytest

from svta_assets.videos.produce import Eta
from svta_cli.progress import Steps, now_and_then, seconds_left


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("svta_cli.progress.time", made)
    return made


def test_the_eta_ticks_learns_and_ends_at_zero(clock: Clock) -> None:
    steps = Steps(["clips", "clips", "clips", "train"], {"clips": 10.0, "train": 60.0})
    assert steps.eta_s() == 90
    steps.start()
    clock.now += 4
    assert steps.eta_s() == 86
    steps.finish()
    assert steps.eta_s() == 4 + 4 + 60, "what the first one took"
    for _ in range(2):
        steps.start()
        clock.now += 4
        steps.finish()
    steps.start()
    steps.hear("training: epoch 5/24, loss 1.9, validation R@1 19.6, 30 s left")
    assert steps.eta_s() == 30, "the step knows better than the guess"
    clock.now += 45
    assert steps.eta_s() == 0, "never below zero"
    assert steps.finish() == 45
    assert steps.eta_s() == 0


def test_a_message_of_the_assets_is_understood() -> None:
    """The one form of progress that assets log; should it change, the ETA would silently stop listening."""
    said: list[str] = []
    Eta(said.append, "videos fire")(40, 40)
    assert seconds_left(said[0]) == 0
    assert seconds_left("labels written") is None


def test_a_log_file_gets_a_line_now_and_then(clock: Clock) -> None:
    said: list[str] = []
    hear = now_and_then(said.append, every_s=30)
    for second in range(100):
        clock.now += 1
        hear(str(second))
    assert said == ["29", "59", "89"]
