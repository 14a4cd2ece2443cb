"""How many devices work on a plan at once, and what an estimate rests on before anything was made."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from svta_assets.videos.sizes import PAPER_CLIP_SECONDS, device_count, estimated_seconds
from svta_assets.workspace import Workspace
from svta_resources.gpu import Card
from svta_resources.profiles import PROFILES, Home
from svta_resources.video.generator import GeneratorError

LARGE, SMALL = Card("0", "GPU-a", "NVIDIA H200", 143771), Card("1", "GPU-b", "NVIDIA L4", 23034)


class OnDevice:
    """A generator that needs a device of its own; `on_cpu` says whether a processor will do."""

    def __init__(self, on_cpu: bool) -> None:
        self.on_cpu = on_cpu

    def begin(self, caption: str, seed: int, *, category: str | None = None) -> Callable[[], Any]:
        raise AssertionError("nothing is generated to count devices")

    def load(self) -> None:
        raise AssertionError("nothing is loaded to count devices")

    def check_device(self) -> None:
        if not self.on_cpu:
            raise GeneratorError("needs a CUDA device and none is visible")

    def usable(self, card: Card) -> bool:
        return (card.memory_mb or 0) > 40_000


def work_of(generator: Any, pool: str = "processes", workers: int = 0) -> Workspace:
    profile = replace(PROFILES["demo"], pool=pool, workers=workers)
    work = Workspace(Home(profile, Path("nowhere"), "nowhere"))
    work.__dict__["generator"] = generator
    return work


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six processors; two cards, of which one is too small."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(6)))
    monkeypatch.setattr("svta_resources.gpu.cards", lambda: [LARGE, LARGE, SMALL])


@pytest.mark.parametrize(("workers", "expected"), [(0, 2), (1, 1), (4, 2)])
def test_a_worker_for_each_card_that_can_hold_the_model(workers: int, expected: int) -> None:
    assert device_count(work_of(OnDevice(on_cpu=False), workers=workers)) == expected


def test_a_machine_without_a_card_plans_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("svta_resources.gpu.cards", list)
    assert device_count(work_of(OnDevice(on_cpu=False))) == 1
    assert device_count(work_of(OnDevice(on_cpu=True))) == 6


@pytest.mark.parametrize(("workers", "expected"), [(0, 6), (2, 2)])
def test_other_generators_work_on_every_processor(workers: int, expected: int) -> None:
    assert device_count(work_of(object(), workers=workers)) == expected


def test_a_pool_in_this_process_is_one() -> None:
    assert device_count(work_of(OnDevice(on_cpu=False), pool="inline")) == 1


def test_estimates_before_the_first_clip() -> None:
    assert estimated_seconds("wan:wan2.1-t2v-14b") == PAPER_CLIP_SECONDS
    assert estimated_seconds("procedural") < estimated_seconds("wan:tiny") < PAPER_CLIP_SECONDS
