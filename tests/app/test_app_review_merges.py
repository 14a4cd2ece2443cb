"""Category merges: proposed and judged by people, applied together, approved like every version of the taxonomy."""

from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from svta_assets.clusters import merges, versions
from svta_assets.clusters.operations import OperationError
from svta_assets.workspace import Workspace
from svta_cli.main import run
from tests.app.conftest import ORIGIN, client_of
from tests.app.merge_home import LIKE, name_categories


@pytest.fixture
def named(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A home whose five anomaly names became five categories, though four of them are two."""
    return name_categories(work, monkeypatch)


def slug(work: Workspace, name: str) -> str:
    return str(versions.current(work).filter(pl.col("names").list.contains(name))["final_category"][0])


def pair(work: Workspace, one: str, other: str) -> merges.Pair:
    return merges.pair_of(slug(work, one), slug(work, other))


def post(client: TestClient, path: str, **values: str) -> Any:
    return client.post(path, json=values, headers={"accept": "application/json", "origin": ORIGIN})


def test_the_most_alike_pairs_come_first_and_never_a_normal_with_an_anomaly(named: Workspace) -> None:
    found = merges.candidates(named)
    first = set(found.select("first", "second").head(2).iter_rows())
    assert first == {pair(named, *one) for one in LIKE.items()}
    assert found.height == 10 and set(found["kind"]) == {"anomaly"}
    merges.record_merge(named, pair(named, "rob shop", "set fire"), "apart", "ann")
    assert merges.candidates(named).row(0)[:2] == pair(named, "rob shop", "set fire"), "what people named stays in view"


def test_merges_that_are_agreed_make_one_version_that_waits_for_approval(named: Workspace) -> None:
    ann, bob = client_of(named, "ann"), client_of(named, "bob")
    falls, fires = (pair(named, *one) for one in LIKE.items())
    before, fall = versions.current(named)["taxonomy"][0], slug(named, "fall from ladder")
    assert post(ann, "/review/merges", id="+".join(falls), verdict="merge", into="falling").status_code == 200
    assert post(ann, "/review/merges/propose", first=fires[0], second=fires[1]).status_code == 200
    assert post(bob, "/review/merges", id="+".join(fires), verdict="apart").status_code == 200
    assert merges.agreed(named) == [falls], "bob wants the fires apart"
    done = post(bob, "/review/merges/apply")
    assert done.status_code == 200 and "Merged" in done.json()["changes"]
    now = versions.current(named)
    assert now["taxonomy"][0] == done.json()["version"] != before
    assert slug(named, "fall on ice") == slug(named, "fall from ladder") == f"{fall[:10]}-falling"
    assigned = named.catalog.read("assignments")
    assert set(assigned["taxonomy"]) == {now["taxonomy"][0]}
    assert assigned.filter(final_category=slug(named, "fall on ice")).height == 7
    assert (versions.last_entry(named, now["taxonomy"][0]) or {})["by"] == "bob"
    assert not merges.agreed(named) and post(bob, "/review/merges/apply").status_code == 409
    assert not versions.is_approved(named, now["taxonomy"][0])
    assert post(bob, "/review/merges/approve", version=before).status_code == 409, "an outdated page approves nothing"
    assert post(bob, "/review/merges/approve", version=now["taxonomy"][0]).json()["by"] == "bob"
    assert versions.is_approved(named, now["taxonomy"][0])


def test_pairs_that_share_a_category_become_one_merge_unless_somebody_wants_two_of_them_apart(named: Workspace) -> None:
    for other in ("set fire", "rob shop"):
        merges.record_merge(named, pair(named, "fall on ice", other), "merge", "ann")
    wanted = merges.operations(named)
    assert [set(one["merge"]) for one in wanted] == [
        {slug(named, name) for name in ("fall on ice", "set fire", "rob shop")}
    ]
    merges.record_merge(named, pair(named, "rob shop", "set fire"), "apart", "bob")
    with pytest.raises(OperationError, match="bob says that they are apart"):
        merges.operations(named)
    merges.record_merge(named, pair(named, "rob shop", "set fire"), "undo", "bob")
    assert len(merges.operations(named)) == 1


def test_what_cannot_be_merged_is_refused_and_leaves_no_row(named: Workspace) -> None:
    client = client_of(named, "ann")
    fall, walk = slug(named, "fall on ice"), slug(named, "walk dog")
    for first, second in ((fall, walk), (fall, fall), (fall, "../../x")):
        answer = post(client, "/review/merges/propose", first=first, second=second)
        assert answer.status_code == 409, answer.text
    assert named.catalog.read("merge_reviews").is_empty()
    assert "Apply agreed merges" in client.get("/review/merges").text


def test_the_command_line_lists_what_was_said_and_applies_it(
    named: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["review", "merges"]) == 0 and "no merge is agreed on" in capsys.readouterr().out
    falls = pair(named, "fall on ice", "fall from ladder")
    merges.record_merge(named, falls, "merge", "ann", into="falling")
    assert run(["review", "merges"]) == 0
    shown = capsys.readouterr().out
    assert "ann merge" in shown and "as falling" in shown and "--apply" in shown
    assert run(["review", "merges", "--apply", "--by", "bob"]) == 0
    assert "taxonomy" in capsys.readouterr().out
    assert slug(named, "fall on ice") == slug(named, "fall from ladder")
    assert run(["review", "merges", "--by", "bob"]) == 2
