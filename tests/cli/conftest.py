"""Homes for tests of the command: real clips of a few pixels, labels' results and a release, all in milliseconds."""

from collections.abc import Callable
from pathlib import Path

import pytest

from svta_assets.splits.release import write_splits_and_release
from svta_cli.main import run
from svta_resources.profiles import Home
from tests.stages.toy_category import CATEGORY, ToyCategory
from tests.toy_home import DrillHome, clean_environment

CAPTIONS = {f"p{n}": f"House {n} burns." for n in range(12)}

Svta = Callable[..., tuple[int, str, str]]


def release_of(toy: ToyCategory) -> str:
    """Label the category by hand and write a release of what stands; returns its hash."""
    current = toy.current
    labels = [
        {"pair_id": pair, "category": CATEGORY, "name": "burn", "clip_id": current.get(pair)} for pair in CAPTIONS
    ]
    toy.work.catalog.publish("labels", CATEGORY, labels)
    rows = [
        {"pair_id": pair, "category": CATEGORY, "final_category": "anomaly-01-burn", "kind": "anomaly", "group": "g"}
        for pair in CAPTIONS
    ]
    toy.work.catalog.publish("assignments", "all", rows)
    taxonomy = {
        "taxonomy": "v0",
        "final_category": "anomaly-01-burn",
        "kind": "anomaly",
        "number": 1,
        "name": "burn",
        "names": ["burn", "catch fire"],
        "pairs": len(CAPTIONS),
    }
    toy.work.catalog.publish("categories", "all", [taxonomy])
    return write_splits_and_release(toy.work).release


@pytest.fixture
def toy(home: Home) -> ToyCategory:
    """A category with one clip a pair in the home that the environment leads to."""
    made = ToyCategory(home.path, CAPTIONS)
    made.run()
    return made


@pytest.fixture
def released(toy: ToyCategory) -> ToyCategory:
    """The same with a release."""
    release_of(toy)
    return toy


@pytest.fixture
def own(filled_home: DrillHome, tmp_path: Path) -> DrillHome:
    """The home that real runs have filled, to change."""
    return filled_home.copy(tmp_path / "home")


@pytest.fixture
def real(own: DrillHome, svta: Svta, monkeypatch: pytest.MonkeyPatch) -> DrillHome:
    """The filled home, where this process's commands work."""
    for name, value in clean_environment(own.path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    return own


@pytest.fixture
def svta(home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Svta:
    """Run a command line in this process as the script does: (exit code, stdout, stderr)."""
    monkeypatch.setenv("SVTA_DEBUG", "")  # --debug sets it; put back after the test
    monkeypatch.setenv("COLUMNS", "160")

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command
