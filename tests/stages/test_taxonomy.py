"""Final categories depend on the names alone, stay while the names stay, and cover every labelled pair."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.clusters.assets import organize_labels
from svta_assets.clusters.taxonomy import fit, inputs_sha, stored
from svta_assets.workspace import Workspace

THEMES = ("fire", "fall", "walk", "drive")


def _embed(names: list[str]) -> np.ndarray:
    """Unit vectors near one axis per first word: clear clusters, no model."""
    vectors = []
    for name in names:
        rng = np.random.default_rng(list(name.encode()))
        vector = np.eye(len(THEMES) + 1)[THEMES.index(name.split()[0])] + rng.normal(0, 0.05, len(THEMES) + 1)
        vectors.append(vector / np.linalg.norm(vector))
    return np.asarray(vectors)


def _labels(names: dict[str, int], is_anomaly: bool) -> pl.DataFrame:
    rows = [
        {"pair_id": f"{is_anomaly}-{name}-{n}", "category": "c", "is_anomaly": is_anomaly, "name": name}
        for name, count in names.items()
        for n in range(count)
    ]
    return pl.DataFrame(rows)


ANOMALIES = {"fire in house": 3, "fire in car": 2, "fall from ladder": 4, "fall on ice": 1}
NORMALS = {"walk dog": 2, "walk home": 2, "drive bus": 5}
LABELS = pl.concat([_labels(ANOMALIES, True), _labels(NORMALS, False)])
WANTED = {"normal": 2, "anomaly": 2}


def test_normal_and_anomaly_are_clustered_apart_and_numbered_by_size() -> None:
    found = fit(LABELS, WANTED, _embed).categories
    by_name = {row["final_category"]: row for row in found.iter_rows(named=True)}
    shape = [(row["kind"], row["number"], row["pairs"], row["names"]) for row in by_name.values()]
    assert shape == [
        ("normal", 1, 5, ["drive bus"]),
        ("normal", 2, 4, ["walk dog", "walk home"]),
        ("anomaly", 1, 5, ["fall from ladder", "fall on ice"]),
        ("anomaly", 2, 5, ["fire in car", "fire in house"]),
    ]
    assert next(iter(by_name)) == "normal-01-drive-bus"
    assert all(row["name"] in row["names"] for row in by_name.values())


def test_every_labelled_pair_gets_a_category_of_its_own_kind() -> None:
    assigned = fit(LABELS, WANTED, _embed).assign(LABELS)
    assert assigned.height == LABELS.height
    kinds = dict(assigned.select("pair_id", "kind").iter_rows())
    assert kinds == {
        row["pair_id"]: "anomaly" if row["is_anomaly"] else "normal" for row in LABELS.iter_rows(named=True)
    }


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=10)
def test_the_order_of_labels_does_not_matter(seed: int) -> None:
    order = list(range(LABELS.height))
    random.Random(seed).shuffle(order)
    one, other = fit(LABELS, WANTED, _embed), fit(LABELS[order], WANTED, _embed)
    assert one.version == other.version
    assert one.categories.equals(other.categories)
    assert inputs_sha(LABELS, WANTED) == inputs_sha(LABELS[order], WANTED)


@pytest.mark.parametrize("k", [3, 30])
def test_fewer_names_than_categories_give_one_category_a_name(k: int) -> None:
    found = fit(_labels(NORMALS, False), {"normal": k, "anomaly": k}, _embed).categories
    assert found.height == 3
    assert found["kind"].unique().to_list() == ["normal"]


def test_a_stored_taxonomy_assigns_as_the_fitted_one() -> None:
    fitted = fit(LABELS, WANTED, _embed)
    assert stored(fitted.categories).assign(LABELS).equals(fitted.assign(LABELS))


class _Embedder:
    def __init__(self) -> None:
        self.calls = 0

    def encode(self, names: list[str]) -> np.ndarray:
        self.calls += 1
        return _embed(names)


def test_unchanged_names_keep_the_version_and_ask_nothing_again(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = _Embedder()
    monkeypatch.setattr(Workspace, "embedder", lambda self: embedder)
    work.catalog.publish("labels", "c", LABELS)
    categories, _ = organize_labels(work)
    asked = embedder.calls
    more = LABELS.with_columns((pl.col("pair_id") + "-again").alias("pair_id"))
    work.catalog.publish("labels", "c", pl.concat([LABELS, more]))
    again, assignments = organize_labels(work)
    assert again["taxonomy"][0] == categories["taxonomy"][0]
    assert embedder.calls == asked
    assert assignments.height == 2 * LABELS.height
    work.catalog.publish("labels", "d", _labels({"fire in bin": 1}, True).with_columns(pl.lit("d").alias("category")))
    changed, _ = organize_labels(work)
    assert changed["taxonomy"][0] != categories["taxonomy"][0]
    assert sum(changed["pairs"]) == 2 * LABELS.height + 1


def test_a_pair_that_left_a_category_is_assigned_once(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old category has not been labelled again yet, so it stands in two files."""
    monkeypatch.setattr(Workspace, "embedder", lambda self: _Embedder())
    work.catalog.publish("labels", "zebra", LABELS)
    work.catalog.publish("labels", "c", LABELS.head(1).with_columns(pl.lit("moved").alias("category")))
    _, assignments = organize_labels(work)
    assert assignments.height == LABELS.height
    assert assignments.filter(category="moved")["pair_id"].to_list() == [LABELS["pair_id"][0]]


def test_without_labels_the_next_step_is_named(work: Workspace) -> None:
    import dagster as dg

    with pytest.raises(dg.Failure, match="materialize labels"):
        organize_labels(work)


def test_no_module_of_the_fit_needs_dagster(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = "import sys, svta_assets.clusters.taxonomy; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False).returncode == 0
