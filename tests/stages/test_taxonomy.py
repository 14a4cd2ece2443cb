"""Final categories depend on the names alone, stay while the names stay, and cover every labelled pair."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_assets.clusters.groups import groups
from svta_assets.clusters.kmeans import candidates, choose_k, measure
from svta_assets.clusters.organize import NoLabels, organize_labels
from svta_assets.clusters.taxonomy import fit, inputs_sha, stored
from svta_assets.workspace import Workspace

THEMES = ("fire", "fall", "walk", "drive")


def _embed(names: list[str]) -> np.ndarray:
    """Unit vectors near one axis per first word: clear clusters, no model. Words of no theme share an axis."""
    vectors = []
    for name in names:
        rng = np.random.default_rng(list(name.encode()))
        theme = name.split()[0]
        vector = np.eye(len(THEMES) + 1)[THEMES.index(theme) if theme in THEMES else -1] + rng.normal(
            0, 0.05, len(THEMES) + 1
        )
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


def test_every_category_is_put_into_one_of_the_papers_groups() -> None:
    found = fit(LABELS, WANTED, _embed)
    assert {kind: len(listed) for kind, listed in groups().items()} == {"anomaly": 4, "normal": 2}
    for row in found.categories.iter_rows(named=True):
        assert row["group"] in groups()[row["kind"]]
    assert {row["group"] for row in found.categories.iter_rows(named=True) if row["name"].startswith("fire")} == {
        "environmental anomalies"
    }
    assert set(found.assign(LABELS)["group"]) <= {group for listed in groups().values() for group in listed}


def test_a_chosen_k_finds_the_clusters_that_are_there() -> None:
    names = [f"{theme} {n}" for theme in THEMES for n in range(12)]
    vectors = _embed(names)
    assert choose_k(vectors, np.ones(len(names))) == len(THEMES)
    shuffled = fit(_labels(dict.fromkeys(names, 1), True), {"normal": 0, "anomaly": 0}, _embed)
    assert shuffled.categories.height == len(THEMES)


@pytest.mark.parametrize(("names", "expected"), [(1, []), (3, []), (4, [2]), (12, [2, 3, 4, 5, 6])])
def test_the_k_tried_are_few_and_fit_the_names(names: int, expected: list[int]) -> None:
    assert candidates(names) == expected
    assert candidates(100_000)[-1] <= 120


def test_quality_counts_pairs_and_names_what_lies_far_off() -> None:
    vectors = np.array([[1.0, 0.0]] * 30 + [[0.0, 1.0]] * 30 + [[-1.0, 0.0]])
    numbers = np.array([0] * 30 + [1] * 31)
    names = [f"n{place}" for place in range(61)]
    found = measure(names, vectors, numbers, np.ones(61))
    assert (found.k, found.sizes, found.outliers) == (2, [31, 30], ["n60"])
    centre = np.array([-1.0, 30.0]) / 31
    expected = 30 * ((centre - [0, 1]) ** 2).sum() + ((centre - [-1, 0]) ** 2).sum()
    assert found.inertia == pytest.approx(expected, abs=1e-4)
    assert found.silhouette is not None
    assert 0.9 < found.silhouette < 1


def test_a_stored_taxonomy_assigns_as_the_fitted_one() -> None:
    fitted = fit(LABELS, WANTED, _embed)
    assert stored(fitted.categories).assign(LABELS).equals(fitted.assign(LABELS))


class _Embedder:
    def __init__(self, model: str = "counting") -> None:
        self.calls = 0
        self.model = model

    def identity(self) -> dict[str, str]:
        return {"model": self.model}

    def encode(self, names: list[str]) -> np.ndarray:
        self.calls += 1
        return _embed(names)


def test_unchanged_names_keep_the_version_and_ask_nothing_again(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = _Embedder()
    monkeypatch.setattr(Workspace, "embedder", lambda self: embedder)
    work.catalog.publish("labels", "c", LABELS)
    categories = organize_labels(work).categories
    asked = embedder.calls
    more = LABELS.with_columns((pl.col("pair_id") + "-again").alias("pair_id"))
    work.catalog.publish("labels", "c", pl.concat([LABELS, more]))
    organized = organize_labels(work)
    again, assignments = organized.categories, organized.assignments
    assert again["taxonomy"][0] == categories["taxonomy"][0]
    assert embedder.calls == asked
    assert assignments.height == 2 * LABELS.height
    work.catalog.publish("labels", "d", _labels({"fire in bin": 1}, True).with_columns(pl.lit("d").alias("category")))
    changed = organize_labels(work).categories
    assert changed["taxonomy"][0] != categories["taxonomy"][0]
    assert sum(changed["pairs"]) == 2 * LABELS.height + 1


def test_another_embedding_model_is_another_input(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = _Embedder(), _Embedder("another")
    work.catalog.publish("labels", "c", LABELS)
    monkeypatch.setattr(Workspace, "embedder", lambda self: one)
    before = organize_labels(work).categories
    monkeypatch.setattr(Workspace, "embedder", lambda self: two)
    after = organize_labels(work).categories
    assert two.calls and before["inputs_sha"][0] != after["inputs_sha"][0]


def test_a_pair_that_left_a_category_is_assigned_once(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old category has not been labelled again yet, so it stands in two files."""
    monkeypatch.setattr(Workspace, "embedder", lambda self: _Embedder())
    work.catalog.publish("labels", "zebra", LABELS)
    work.catalog.publish("labels", "c", LABELS.head(1).with_columns(pl.lit("moved").alias("category")))
    assignments = organize_labels(work).assignments
    assert assignments.height == LABELS.height
    assert assignments.filter(category="moved")["pair_id"].to_list() == [LABELS["pair_id"][0]]


def test_without_labels_the_next_step_is_named(work: Workspace) -> None:
    with pytest.raises(NoLabels, match="materialize labels"):
        organize_labels(work)


def test_no_module_of_the_fit_needs_dagster(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = "import sys, svta_assets.clusters.taxonomy; sys.exit('dagster' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False).returncode == 0
