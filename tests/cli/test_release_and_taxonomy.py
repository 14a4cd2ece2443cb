"""`svta release` and `svta taxonomy`: names are for ever, approvals are of what was looked at."""

import io
import json

import polars as pl
import pytest

from svta_assets.gates import taxonomy_approval
from svta_assets.videos.plan import Mode
from svta_assets.workspace import Workspace
from svta_models.release import release_log
from svta_resources.profiles import PROFILES, Home
from tests.cli.conftest import Svta, release_of
from tests.stages.toy_category import ToyCategory
from tests.toy_home import DrillHome


def test_releases_are_listed_with_names_and_the_latest_marked(released: ToyCategory, svta: Svta) -> None:
    first = release_log(released.work.store)[-1].hash
    assert svta("release", "name", "latest", "v1")[1] == f"v1 is release {first}\n"
    released.run(Mode.NEW_TAKE)
    second = release_of(released)
    for arguments in (("release",), ("release", "list")):
        lines = svta(*arguments)[1].splitlines()
        assert [line.split("  ", 1)[1] for line in lines] == [
            f"{first}  12 pairs  v1",
            f"{second}  12 pairs  latest",
        ]


@pytest.mark.parametrize("ref", ["latest", "v1"])
def test_a_release_is_shown_by_split(released: ToyCategory, svta: Svta, ref: str) -> None:
    svta("release", "name", "latest", "v1")
    out = svta("release", "show", ref)[1]
    assert "12 pairs (train 8, val 1, test 3)" in out
    assert "anomaly-01-burn" in out


def test_a_name_never_moves(released: ToyCategory, svta: Svta) -> None:
    first = release_log(released.work.store)[-1].hash
    svta("release", "name", "latest", "v1")
    released.run(Mode.NEW_TAKE)
    release_of(released)
    code, _, err = svta("release", "name", "latest", "v1")
    assert code == 1
    assert first in err
    code, _, err = svta("release", "cut", "v1")
    assert code == 1
    assert "names never move" in err


def test_an_unknown_release_is_answered_with_the_known_ones(released: ToyCategory, svta: Svta) -> None:
    svta("release", "name", "latest", "v1")
    code, _, err = svta("release", "show", "v9")
    assert code == 1
    assert "v1" in err


def test_only_resplit_draws_splits_anew(real: DrillHome, svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    """It asks first, moves pairs within their categories, and the same seed gives the same draw."""
    before = real.work.catalog.read("splits")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert "nothing changed" in svta("release", "--resplit", "--seed", "7")[1]
    assert real.work.catalog.read("splits").equals(before)

    code, out, err = svta("release", "--resplit", "--seed", "7", "--yes")
    assert code == 0, err
    after = real.work.catalog.read("splits")
    moved = after.join(before, on="pair_id").filter(pl.col("split") != pl.col("split_right")).height
    assert 0 < moved < before.height
    assert f"{moved} of {before.height} pairs changed their split" in out
    counts = ["final_category", "split"]
    assert after.group_by(counts).len().sort(counts).equals(before.group_by(counts).len().sort(counts))

    assert "0 of" in svta("release", "--resplit", "--seed", "7", "--yes")[1]
    svta("release", "--resplit", "--yes")
    assert real.work.catalog.read("splits").drop("assigned_at").equals(before.drop("assigned_at"))


def test_resplit_needs_splits_and_stands_alone(home: Home, svta: Svta) -> None:
    assert "nothing is split yet" in svta("release", "--resplit", "--yes")[2]
    assert svta("release", "--resplit", "list")[0] == 2
    assert svta("release", "--seed", "7")[0] == 2


def test_cutting_without_labels_fails_with_the_runs_own_message(home: Home, svta: Svta) -> None:
    """A real Dagster run that fails: its message and next step, no traceback."""
    code, out, err = svta("release", "cut", "v1")
    assert code == 1
    assert "failed in clusters: there are no labels yet: materialize labels" in err
    assert "Traceback" not in out + err


def test_the_taxonomy_is_shown_and_approved_once(released: ToyCategory, svta: Svta) -> None:
    code, out, _ = svta("taxonomy")
    assert code == 0
    assert "burn, catch fire" in out
    assert "approved by ann" in svta("taxonomy", "--approve", "--by", "ann")[1]
    assert "approved by ann" in svta("taxonomy", "--approve", "v0", "--by", "bob")[1], "the first one stays"
    facts = json.loads(released.work.store.get("taxonomy/approved/v0"))
    assert facts["by"] == "ann"
    assert facts["at"] > "2020"


def test_approving_opens_the_gate_of_profiles_that_ask_people(released: ToyCategory, svta: Svta) -> None:
    home = released.work.home
    strict = Workspace(Home(PROFILES["gpu"], home.path, home.media_url))
    assert not taxonomy_approval(strict).passed
    svta("taxonomy", "--approve")
    assert taxonomy_approval(strict).passed


@pytest.mark.parametrize("version", ["v1", "0123456789abcdef"])
def test_another_version_than_the_one_shown_is_not_approved(released: ToyCategory, svta: Svta, version: str) -> None:
    code, _, err = svta("taxonomy", "--approve", version)
    assert code == 1
    assert "v0" in err
    assert released.work.store.list("taxonomy/approved") == []
