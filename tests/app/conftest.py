"""Homes to look at: real clips of a few pixels, every text as nasty as texts of sources and models can be."""

import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from svta_assets.splits.release import write_splits_and_release
from svta_assets.workspace import Workspace
from svta_cli.app.server import make_app
from svta_cli.app.site import cache_folder
from tests.stages.toy_category import CATEGORY, ToyCategory

ORIGIN = "http://127.0.0.1:8050"

SCRIPT = '<script>alert("caption")</script>'
NASTY = {
    "script": f"A man {SCRIPT} runs.",
    "quote": """A "quoted" sign' onmouseover='alert(1)' falls on <b>him</b> & her.""",
    "long": "fire " * 2000,  # 10,000 characters
    "emoji": "A house burns 🔥👩🏽‍🚒 at night.",
    "chinese": "一个男人在街上摔倒了。",
    "template": "{{ 7 * 7 }} {% raw %} of ${people}",
}
CAPTIONS = NASTY | {f"p{n}": f"House {n} burns." for n in range(8)}
CLIMBING = "../../x"  # a final category people named so


def client_of(work: Workspace, reviewer: str | None = None) -> TestClient:
    """A browser's tab on the application over a home, without a network."""
    return TestClient(
        make_app(work, reviewer), base_url=ORIGIN, client=("127.0.0.1", 50000), raise_server_exceptions=True
    )


def write_labels_and_release(toy: ToyCategory, final_category: str = CLIMBING) -> str:
    """Labels, categories and a release of what stands, by hand; returns the release's hash."""
    catalog, current = toy.work.catalog, toy.current
    labels = [
        {
            "pair_id": pair,
            "category": CATEGORY,
            "is_anomaly": True,
            "is_anomaly_origin": "source",
            "name": SCRIPT,
            "name_origin": "llm",
            "clip_id": current.get(pair),
        }
        for pair in CAPTIONS
    ]
    catalog.publish("labels", CATEGORY, labels)
    of = {"taxonomy": "v0", "final_category": final_category, "kind": "anomaly", "group": "g"}
    catalog.publish("assignments", "all", [{"pair_id": pair, "category": CATEGORY, **of} for pair in CAPTIONS])
    named = {"number": 1, "name": SCRIPT, "names": [SCRIPT], "pairs": len(CAPTIONS)}
    catalog.publish("categories", "all", [{**of, **named}])
    release = write_splits_and_release(toy.work).release
    toy.work.refresh()
    return release


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> ToyCategory:
    """A category whose texts want to break the pages, with labels, a final category and a release. To look at only."""
    made = ToyCategory(tmp_path_factory.mktemp("shown") / "home", CAPTIONS)
    made.run()
    write_labels_and_release(made)
    return made


@pytest.fixture
def released(shown: ToyCategory, tmp_path: Path) -> ToyCategory:
    """A copy of it, to change; without pictures that other tests have looked at."""
    shutil.copytree(shown.work.home.path, tmp_path / "home")
    toy = ToyCategory(tmp_path / "home", CAPTIONS)
    shutil.rmtree(cache_folder(toy.work), ignore_errors=True)
    return toy


@pytest.fixture(scope="session")
def reader(shown: ToyCategory) -> TestClient:
    """A tab of somebody who only looks."""
    return client_of(shown.work)


@pytest.fixture
def reviewer(released: ToyCategory) -> TestClient:
    """A tab of a reviewer named ada."""
    return client_of(released.work, "ada")


@pytest.fixture
def clip_file(released: ToyCategory) -> Path:
    """The mp4 of the pair `p0`."""
    return released.file(released.current["p0"])
