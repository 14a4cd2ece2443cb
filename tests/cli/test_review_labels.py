"""`svta review labels`, and the whole way: labels, sample, verdicts, a shut gate, corrections, splits."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from svta_assets import gates
from svta_assets.clusters.assets import clusters
from svta_assets.labels.assets import labels
from svta_assets.splits.assets import splits
from svta_assets.workspace import Workspace
from svta_models.release import release_log
from svta_resources.home import HomeResource
from tests.cli.conftest import Svta
from tests.stages.labelled_home import LabelledHome
from tests.toy_home import DrillHome

SIZES = {"normal-03": 30, "fire": 30}


@pytest.fixture
def labelled(work: Workspace) -> LabelledHome:
    return LabelledHome(work, SIZES)


def fill(file: Path, **said: Any) -> None:
    """Fill in columns of a sample: values, or functions of a row."""
    table = pl.read_csv(file, infer_schema=False)
    rows = [
        {**row, **{name: value(row) if callable(value) else value for name, value in said.items()}}
        for row in table.iter_rows(named=True)
    ]
    pl.DataFrame(rows, schema=table.schema).write_csv(file)


def test_a_sample_goes_out_and_verdicts_come_back(labelled: LabelledHome, svta: Svta, tmp_path: Path) -> None:
    file = tmp_path / "sample.csv"
    code, out, _ = svta("review", "labels", "--sample", "--out", str(file))
    assert code == 0
    assert f"{file}: 6 labels, seed 42" in out
    code, _, err = svta("review", "labels", "--sample", "--out", str(file))
    assert code == 1
    assert "--force writes over it" in err
    fill(file, verdict=lambda row: "wrong" if row["category"] == "fire" else "right", correct_name="burn house")
    code, _, err = svta("review", "labels", "--file", str(file), "--by", "ann")
    assert code == 1
    assert "nothing is recorded" in err
    fill(file, correct_name=lambda row: "burn house" if row["category"] == "fire" else None)
    code, out, _ = svta("review", "labels", "--file", str(file), "--by", "ann")
    assert code == 0
    assert "6 verdicts recorded by ann" in out
    assert "3 corrections become labels when labels of fire are materialized again" in out
    report = json.loads(svta("review", "labels", "--json")[1])
    assert report["total"] | {"low": 0, "high": 0} == {
        "category": "all", "sample": 6, "right": 3, "wrong": 3, "unsure": 0, "share": 0.5, "low": 0, "high": 0,
    }  # fmt: skip
    assert report["waiting"] == 3
    shown = svta("review", "labels")[1]
    assert "| fire | 3 | 0 | 3 | 0 | 0.0% (0.0% to 56.1%) |" in shown
    assert "gate label_review: warn" in shown


def test_what_was_said_is_taken_back(labelled: LabelledHome, svta: Svta) -> None:
    labelled.say("fire-000", "ann", "wrong")
    code, _, err = svta("review", "labels", "--undo", "fire-000", "--by", "bob")
    assert code == 1
    assert "bob said nothing that stands of fire-000" in err
    assert svta("review", "labels", "--undo", "fire-000", "--by", "ann")[1] == "1 taken back by ann\n"
    assert labelled.work.catalog.read("label_reviews").sort("at")["verdict"].to_list() == ["wrong", "undo"]


def test_before_anything_is_labelled_the_next_step_is_said(work: Workspace, svta: Svta) -> None:
    code, _, err = svta("review", "labels", "--sample")
    assert code == 1
    assert "materialize labels" in err
    assert "0 of 0 labels judged" in svta("review", "labels")[1]


def test_a_wrong_share_is_refused(labelled: LabelledHome, svta: Svta) -> None:
    code, _, err = svta("review", "labels", "--sample", "--share", "7")
    assert code == 1
    assert "give a share above 0" in err


def run(asset: dg.AssetsDefinition, work: Workspace, key: str | None = None) -> dg.ExecuteInProcessResult:
    """Materialize one asset as a run does."""
    resources = {"home": HomeResource()}
    return dg.materialize([asset], partition_key=key, resources=resources, raise_on_error=False, selection=[asset])


def test_splits_wait_for_reviewed_labels(
    real: DrillHome, svta: Svta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels by the embedded rules; people find 90% right; corrections of them all, and splits may run."""
    strict = {**gates.gate_settings("demo"), "label_review": "shut"}
    monkeypatch.setattr(gates, "gate_settings", lambda profile: strict)
    releases = len(release_log(real.work.store))

    def refusal() -> str:
        found = run(splits, real.work)
        assert not found.success
        assert len(release_log(real.work.store)) == releases, "a shut gate writes nothing"
        event = found.filter_events(lambda event: event.is_step_failure)[0]
        return str(event.step_failure_data.error_display_string)

    assert "labels are not reviewed yet" in refusal()
    file = tmp_path / "all.csv"
    assert svta("review", "labels", "--sample", "--share", "1.0", "--out", str(file))[0] == 0
    pairs = pl.read_csv(file)["pair_id"].to_list()
    wrong = set(pairs[::10])
    fill(
        file,
        verdict=lambda row: "wrong" if row["pair_id"] in wrong else "right",
        correct_name=lambda row: "do something else" if row["pair_id"] in wrong else None,
    )
    assert svta("review", "labels", "--file", str(file), "--by", "ann")[0] == 0
    said = refusal()
    assert f"; {len(wrong)} corrections wait: materialize labels" in said
    assert "svta_assets.gates.GateShut: gate label_review is shut: 90.0% of the labels are right" in said
    stored = gates.stored_verdicts(real.work, ["label_review"])
    assert [(verdict.level, verdict.passed) for verdict in stored] == [("shut", False)]

    for key in ("fighting", "normal-00"):
        done = run(labels, real.work, key)
        assert done.success
        assert done.asset_materializations_for_node("labels")[0].metadata["corrected by reviewers"].value != 0
    corrected = real.work.catalog.read("labels").filter(pl.col("name_origin") == "reviewer")
    assert set(corrected["pair_id"]) == wrong
    assert set(corrected["name"]) == {"do something else"}
    assert run(clusters, real.work).success
    done = run(splits, real.work)
    assert done.success
    shown = str(done.asset_materializations_for_node("splits")[0].metadata["label review"].value)
    assert "right as they stand, estimated: 100.0%" in shown
    assert gates.stored_verdicts(real.work, ["label_review"])[0].level == "ok"
