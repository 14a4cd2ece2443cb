"""Category merges: proposed and judged by people, applied together, approved like every version of the taxonomy."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from svta_assets.clusters import merges, versions
from svta_assets.clusters.operations import OperationError
from svta_assets.clusters.organize import organize_labels
from svta_assets.workspace import Workspace
from svta_cli.main import run
from tests.app.conftest import ORIGIN, client_of

NAMES = {"fall from ladder": 4, "fall on ice": 3, "set fire": 3, "burn house": 2, "rob shop": 2}
LIKE = {"fall on ice": "fall from ladder", "burn house": "set fire"}


class _Embedder:
    """Unit vectors by name; names that are alike lie near each other."""

    def identity(self) -> dict[str, str]:
        return {"model": "toy"}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors_ND = np.stack([_noise(LIKE.get(text, text)) + 0.3 * _noise(f"{text}!") for text in texts])
        unit_ND: np.ndarray = vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)
        return unit_ND.astype(np.float32)


def _noise(text: str) -> np.ndarray:
    seed = list(hashlib.sha256(text.encode()).digest())
    vector_D: np.ndarray = np.random.default_rng(seed).normal(size=64) / 8
    return vector_D


@pytest.fixture
def named(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A home whose five anomaly names became five categories, though four of them are two."""
    embedder = _Embedder()
    monkeypatch.setattr(Workspace, "embedder", lambda self: embedder)
    rows = [(f"{name}-{n}", name, True) for name, count in NAMES.items() for n in range(count)]
    rows += [(f"walk-{n}", "walk dog", False) for n in range(3)]
    frame = pl.DataFrame(rows, schema=["pair_id", "name", "is_anomaly"], orient="row")
    work.catalog.publish("labels", "c", frame.with_columns(category=pl.lit("c")))
    organize_labels(work, {"normal": 1, "anomaly": 5})
    work.refresh()
    return work


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
