"""A small release of real clips: 24 pairs of two categories with captions that formats must survive."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from svta_assets.splits.release import write_splits_and_release
from svta_assets.workspace import Workspace
from svta_cli.main import run
from svta_models.release import Release, name_release
from svta_resources.profiles import PROFILES, Home
from tests.stages.toy_category import ToyCategory

ODD = ('He said "stop", then <script>alert(1)</script>.', "人在街上跑。", "Fire 🔥\nin the second line", "x" * 10_000)
PAIRS = 12  # of each category

Svta = Callable[..., tuple[int, str, str]]


def fill(root: Path, media_url: str | None = None) -> Workspace:
    """Make clips and a release named v1 in a home; returns the home, opened."""
    assignments: list[dict[str, object]] = []
    for category, kind in (("fire", "anomaly"), ("normal-00", "normal")):
        captions = {f"{category[:4]}{n:02d}": f"Somebody sees {category} number {n}." for n in range(PAIRS)}
        captions |= {f"{category[:4]}{n:02d}": text for n, text in enumerate(ODD)} if category == "fire" else {}
        toy = ToyCategory(root, captions, category=category, media_url=media_url)
        toy.run()
        final = {"final_category": f"{kind}-01-{category}", "kind": kind, "group": "g" if kind == "anomaly" else None}
        assignments += [{"pair_id": pair, "category": category, **final} for pair in captions]
    work = toy.work
    work.catalog.publish("assignments", "all", assignments)
    names = sorted({str(row["final_category"]) for row in assignments})
    work.catalog.publish("categories", "all", [{"taxonomy": "v0", "final_category": name} for name in names])
    write_splits_and_release(work)
    name_release(work.store, "v1")
    return work


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home with the release v1, to read only."""
    return fill(tmp_path_factory.mktemp("exports") / "home")


@pytest.fixture
def own_copy(small: Workspace, tmp_path: Path) -> Workspace:
    """The same home elsewhere, to damage."""
    import shutil

    shutil.copytree(small.home.path, tmp_path / "home")
    return Workspace(Home(PROFILES["demo"], tmp_path / "home", str(tmp_path / "home")))


@pytest.fixture(scope="session")
def rows(small: Workspace) -> pl.DataFrame:
    """Rows of the release v1."""
    return Release(small.store, name_release(small.store, "v1")).frame


@pytest.fixture
def svta(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Svta:
    """Run a command line in this process: (exit code, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "160")

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command
