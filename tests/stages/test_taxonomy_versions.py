"""Versions of the taxonomy: what people decided stays, new names join it, and more than that waits for approval."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import adjusted_rand_score

from svta_assets.clusters import versions
from svta_assets.clusters.organize import organize_labels
from svta_assets.clusters.review import apply_file, export_yaml
from svta_assets.clusters.taxonomy import final_categories, fit_kind, refit
from svta_assets.workspace import Workspace
from svta_resources.embedder import get_embedder
from svta_resources.profiles import project_root

ANOMALIES = ["fire in house", "fire in car", "fall from ladder", "fall on ice", "fall off chair"]
NORMALS = ["walk dog", "walk home", "drive bus"]
Label = Callable[..., None]


@pytest.fixture
def label(work: Workspace) -> Label:
    """Give the home these anomaly names (one pair each) and the three normal ones."""

    def publish(anomalies: list[str]) -> None:
        rows = [(name, True) for name in anomalies] + [(name, False) for name in NORMALS]
        frame = pl.DataFrame(rows, schema=["name", "is_anomaly"], orient="row")
        frame = frame.with_columns(pair_id=pl.format("p-{}", "name"), category=pl.lit("c"))
        work.catalog.publish("labels", "c", frame)

    return publish


def _version(work: Workspace) -> str:
    return str(versions.current(work)["taxonomy"][0])


def _slugs(work: Workspace) -> dict[str, str]:
    """Label name -> slug."""
    return {name: one.slug for one in final_categories(versions.current(work)) for name in one.names}


def _edit(work: Workspace, file: Path, *operations: str) -> None:
    lines = "operations:\n" + "".join(f"  - {{{one}}}\n" for one in operations)
    file.write_text(export_yaml(work).replace("operations: []\n", lines))


def test_nobody_looked_at_it_so_it_is_fitted_from_nothing(work: Workspace, label: Label) -> None:
    label(ANOMALIES[:2])
    organize_labels(work, {"normal": 2, "anomaly": 2})
    label(ANOMALIES)
    organize_labels(work)
    log = work.catalog.read("taxonomies").sort("at")
    assert log["origin"].to_list() == ["fit", "fit"]
    assert log["parent"].to_list() == [None, log["taxonomy"][0]]
    assert {_slugs(work)[name] for name in ANOMALIES[:2]} != {_slugs(work)[name] for name in ANOMALIES[2:]}


def test_names_join_an_approved_version_and_that_approves_itself(work: Workspace, label: Label) -> None:
    label(ANOMALIES[:-1])
    organize_labels(work, {"normal": 2, "anomaly": 2})
    first, before = _version(work), _slugs(work)
    versions.approve(work, first, "ann")
    label(ANOMALIES)
    organize_labels(work)
    after = _slugs(work)
    assert {name: after[name] for name in before} == before
    assert after["fall off chair"] == before["fall on ice"]
    assert _version(work) != first
    assert versions.is_approved(work, _version(work))
    entry = versions.last_entry(work, _version(work))
    assert entry is not None
    assert (entry["origin"], entry["needs_approval"], entry["parent"]) == ("texts", False, first)
    assert "fall off chair" in entry["changes"]


def test_adding_to_a_version_that_waits_approves_nothing(work: Workspace, label: Label, tmp_path: Path) -> None:
    label(ANOMALIES[:-1])
    organize_labels(work, {"normal": 2, "anomaly": 2})
    versions.approve(work, _version(work), "ann")
    file = tmp_path / "taxonomy.yaml"
    _edit(work, file, f"rename: {_slugs(work)['fire in car']}, to: arson")
    version, difference = apply_file(work, file, "bob")
    assert difference.needs_approval
    label(ANOMALIES)
    organize_labels(work)
    assert _version(work) != version
    assert not versions.is_approved(work, _version(work))
    assert _slugs(work)["fire in car"] == _slugs(work)["fire in house"]
    assert "arson" in _slugs(work)["fire in car"], "what a person did is built on, approved or not"


def test_an_edited_version_stays_while_the_names_stay(work: Workspace, label: Label, tmp_path: Path) -> None:
    label(ANOMALIES)
    organize_labels(work, {"normal": 2, "anomaly": 2})
    file = tmp_path / "taxonomy.yaml"
    fires = _slugs(work)["fire in car"]
    _edit(work, file, f"split: {fires}, names: [fire in car], name: car fire", f"kind: {fires}, to: normal")
    version, _ = apply_file(work, file, "bob")
    assigned = organize_labels(work).assignments
    assert _version(work) == version
    kinds = dict(assigned.select("pair_id", "kind").iter_rows())
    assert (kinds["p-fire in house"], kinds["p-fire in car"], kinds["p-walk dog"]) == ("normal", "anomaly", "normal")
    entry = versions.last_entry(work, version)
    assert entry is not None
    assert (entry["by"], entry["origin"]) == ("bob", "review")
    assert "car fire" in entry["operations"]


def test_a_fit_anew_keeps_what_was_merged_and_waits_for_approval(work: Workspace, label: Label) -> None:
    label(ANOMALIES)
    organize_labels(work, {"normal": 2, "anomaly": 2})
    versions.approve(work, _version(work), "ann")
    label([*ANOMALIES, "throw stone", "throw bottle", "throw glass"])
    organize_labels(work, {"normal": 2, "anomaly": 3})
    entry = versions.last_entry(work, _version(work))
    assert entry is not None
    assert (entry["origin"], entry["anomaly"], entry["needs_approval"]) == ("refit", 3, True)
    assert not versions.is_approved(work, _version(work))
    assert versions.fit_figures(entry)["anomaly"]["k"] == 3


def test_going_back_gives_the_first_version_with_its_approval(work: Workspace, label: Label) -> None:
    label(ANOMALIES)
    organize_labels(work, {"normal": 2, "anomaly": 2})
    first = _version(work)
    versions.approve(work, first, "ann")
    label([*ANOMALIES, "fall off roof"])
    organize_labels(work)
    label(ANOMALIES)
    organize_labels(work)
    assert _version(work) == first
    assert versions.read_version(work, first) == final_categories(versions.current(work))


def test_what_a_version_was_fitted_with_is_stored(work: Workspace, label: Label) -> None:
    label(ANOMALIES)
    organize_labels(work, {"normal": 0, "anomaly": 2})
    figures = versions.fit_figures(versions.last_entry(work, _version(work)))
    assert (figures["normal"]["wanted"], figures["anomaly"]["wanted"], figures["anomaly"]["k"]) == (0, 2, 2)
    assert figures["anomaly"]["sizes"] == [3, 2]
    assert figures["anomaly"]["inertia"] > 0
    assert -1 <= figures["anomaly"]["silhouette"] <= 1
    assert figures["anomaly"]["outliers"] == []


def test_an_older_version_without_a_log_entry_is_kept_and_compared(work: Workspace) -> None:
    row = {"taxonomy": "old", "final_category": "anomaly-01-fire", "kind": "anomaly", "number": 1, "name": "fire",
           "group": "anomaly", "names": ["fire"]}  # fmt: skip
    work.catalog.publish("categories", "all", [row])
    assert versions.read_version(work, "old")[0].labelled_kind == "anomaly"
    with pytest.raises(Exception, match="no taxonomy version 'older'"):
        versions.read_version(work, "older")


def test_one_percent_more_names_keep_the_categories() -> None:
    """Real sentences, real embeddings; the seeded fit is held against the version it started from."""
    folder = project_root() / "svta_assets" / "texts" / "packaged"
    lines = {line.strip() for file in sorted(folder.glob("*.txt")) for line in file.read_text().splitlines()}
    names = sorted(line for line in lines if line and not line.startswith("#"))
    embed = get_embedder().encode
    held_back = names[50::100]
    first = {name: 1 for name in names if name not in held_back}
    assert len(held_back) >= len(names) // 100
    base = fit_kind(first, "anomaly", 12, embed)
    after = refit(base, dict.fromkeys(names, 1), "anomaly", 12, embed, 12)
    old = {name: one.slug for one in base for name in one.names}
    new = {name: one.slug for one in after for name in one.names}
    assert set(new) == set(names)
    assert adjusted_rand_score([old[name] for name in first], [new[name] for name in first]) >= 0.9
    assert np.mean([old[name] == new[name] for name in first]) >= 0.9, "categories keep their identity too"
