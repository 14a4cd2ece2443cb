"""Gates: what each profile demands, stored verdicts, and that a shut one stops the next stage before it writes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from svta_assets.gates import (
    GATES_BEFORE,
    GateShut,
    Verdict,
    gate_settings,
    label_review,
    leakage,
    one_generator,
    require,
    stored_verdicts,
    taxonomy_approval,
    train_meets_test,
)
from svta_assets.reviewing import wilson_interval
from svta_assets.workspace import Workspace
from svta_models.release import Release, write_release
from svta_resources.profiles import PROFILES
from tests.stages.labelled_home import LabelledHome

RELEASE_ROW = {"sha256": "0" * 64, "category": "fire", "final_category": "anomaly-01-fire", "kind": "anomaly"}


def _as(work: Workspace, profile: str) -> Workspace:
    """The same home seen with another profile's demands."""
    return Workspace(replace(work.home, profile=PROFILES[profile]))


def _set_labels(monkeypatch: pytest.MonkeyPatch, **changed: float) -> None:
    """What editing the `labels` block of gates.yaml does."""
    edited = {
        name: {**gate_settings(name), "labels": {**gate_settings(name)["labels"], **changed}} for name in PROFILES
    }
    monkeypatch.setattr("svta_assets.gates.gate_settings", lambda profile: edited[profile])


def _release(work: Workspace, pairs: dict[str, tuple[str, str]], generator: str = "procedural") -> Release:
    """pairs: pair_id -> (caption, split)."""
    rows: list[dict[str, Any]] = [
        {**RELEASE_ROW, "pair_id": pair, "clip_id": f"{pair}-0", "uri": f"clips/fire/{pair}-0.mp4", "group": None}
        | {"caption": caption, "split": split, "sha256": pair * 64}
        for pair, (caption, split) in pairs.items()
    ]
    clips = [{"clip_id": row["clip_id"], "pair_id": row["pair_id"], "generator": generator} for row in rows]
    work.catalog.publish("clips", "fire", clips)
    return Release(work.store, write_release(work.store, pl.DataFrame(rows)))


def _taxonomy(work: Workspace, version: str = "v0") -> None:
    work.catalog.publish("categories", "all", [{"taxonomy": version, "final_category": "anomaly-01-fire"}])


def test_a_demo_warns_that_nobody_reviewed_and_a_gpu_run_waits_for_people(work: Workspace) -> None:
    assert (label_review(work).passed, label_review(work).level) == (True, "warn")
    shut = label_review(_as(work, "gpu"))
    assert not shut.passed
    assert "97%" in shut.reason
    assert "svta review labels --sample" in shut.reason


def _review(work: Workspace, tmp_path: Path, wrong: int, blank: int = 0) -> LabelledHome:
    """A home of 100 labels in one category of which all are in the sample: `wrong` of them wrong, `blank` not judged."""
    labelled = LabelledHome(work, {"fire": 100})
    said = ["wrong"] * wrong + [""] * blank + ["right"] * (100 - wrong - blank)
    labelled.judge(labelled.sample(tmp_path, share=1.0), "ann", lambda row: {"verdict": said.pop()})
    return labelled


@pytest.mark.parametrize(("wrong", "passed"), [(0, True), (3, True), (4, False), (10, False)])
def test_the_accuracy_of_the_reviewed_sample_is_held_against_the_bar(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int, passed: bool
) -> None:
    _set_labels(monkeypatch, sample=1.0)
    _review(work, tmp_path, wrong)
    strict = label_review(_as(work, "gpu"))
    assert (strict.passed, strict.level) == (passed, "ok" if passed else "shut")
    assert f"{(100 - wrong) / 100:.1%} of the labels are right by 100 of a sample of 100" in strict.reason
    assert "bar 97%" in strict.reason
    low, high = wilson_interval(100 - wrong, 100)
    assert f"95% interval {low:.1%} to {high:.1%}" in strict.reason
    assert label_review(work).level == ("ok" if passed else "warn"), "a demo is told and goes on"


def test_too_small_a_part_of_the_sample_decides_nothing(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else somebody judges the easy ones and leaves the rest."""
    _set_labels(monkeypatch, sample=1.0)
    _review(work, tmp_path, wrong=0, blank=6)
    strict = label_review(_as(work, "production"))
    assert not strict.passed
    assert "by 94 of a sample of 100, of which 95% must be judged" in strict.reason
    _set_labels(monkeypatch, sample=1.0, reviewed=0.9)
    assert label_review(_as(work, "production")).passed


def test_corrections_that_wait_are_named(work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _set_labels(monkeypatch, sample=1.0)
    labelled = LabelledHome(work, {"fire": 20})
    wrong = {"verdict": "wrong", "correct_name": "burn house"}
    said = [wrong] * 2 + [{"verdict": "right"}] * 18
    labelled.judge(labelled.sample(tmp_path, share=1.0), "ann", lambda row: said.pop())
    assert "; 2 corrections wait: materialize labels" in label_review(_as(work, "gpu")).reason
    labelled.materialize()
    assert label_review(_as(work, "gpu")).passed, "every label was looked at and those that were wrong are corrected"


def test_a_taxonomy_must_exist_and_be_approved_where_people_decide(work: Workspace) -> None:
    assert "materialize clusters" in taxonomy_approval(work).reason
    assert not taxonomy_approval(work).passed
    _taxonomy(work)
    assert taxonomy_approval(work).passed
    strict = _as(work, "production")
    assert "svta taxonomy --approve" in taxonomy_approval(strict).reason
    work.store.put_new("taxonomy/approved/v0", b"{}")
    assert taxonomy_approval(strict).passed
    _taxonomy(work, "v1")
    assert not taxonomy_approval(strict).passed, "an approval holds for its own version only"


def test_test_captions_that_stand_in_training_are_counted(work: Workspace) -> None:
    pairs = {"a": ("Fire.", "train"), "b": ("FIRE.", "test"), "c": ("Smoke.", "test"), "d": ("Smoke.", "val")}
    release = _release(work, pairs)
    assert leakage(work, release).level == "warn"
    strict = leakage(_as(work, "gpu"), release)
    assert not strict.passed
    assert strict.reason.startswith("50.0% of the test captions also stand in training (ceiling 5%)")
    assert leakage(_as(work, "gpu"), _release(work, {"a": ("Fire.", "train"), "c": ("Smoke.", "test")})).level == "ok"


def test_pixels_and_nearly_equal_captions_have_ceilings_of_their_own(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = {"a": ("The man walks to the red car.", "train"), "b": ("A man walks to red car!", "test")}
    release = _release(work, pairs)
    strict = leakage(_as(work, "gpu"), release)
    assert strict.reason.startswith("100.0% of the test captions stand nearly so in training (ceiling 15%): raise")
    assert leakage(work, release).level == "ok"
    frame = release.frame.with_columns(sha256=pl.lit("0" * 64), caption=pl.Series(["Fire.", "Smoke."]))
    same = Release(work.store, write_release(work.store, frame))
    assert "100.0% of the test clips also stand in training" in leakage(_as(work, "gpu"), same).reason
    assert leakage(work, same).level == "warn"
    settings = {**gate_settings("gpu"), "max_leakage": {"captions": 0.05}}
    monkeypatch.setattr("svta_assets.gates.gate_settings", lambda profile: settings)
    assert leakage(work, same).passed, "a kind that gates.yaml does not list is not asked"


def test_source_videos_are_asked_where_gates_yaml_lists_them(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [{"text_id": pair, "source_video": "v1", "caption": "x"} for pair in "ab"]
    work.catalog.publish("texts", "all", texts)
    release = _release(work, {"a": ("Fire.", "train"), "b": ("Smoke.", "test")})
    assert leakage(_as(work, "gpu"), release).level == "ok"
    settings = {**gate_settings("gpu"), "max_leakage": {"source_videos": 0.0}}
    monkeypatch.setattr("svta_assets.gates.gate_settings", lambda profile: settings)
    assert "100.0% of the test pairs share their source video" in leakage(work, release).reason


def test_clips_of_two_generators_are_never_trained_on_together(work: Workspace) -> None:
    release = _release(work, {"a": ("Fire.", "train"), "b": ("Smoke.", "test")})
    assert one_generator(work, release).passed
    clips = work.catalog.read("clips").with_columns(pl.Series("generator", ["procedural", "wan:tiny"]))
    work.catalog.publish("clips", "fire", clips)
    shut = one_generator(work, release)
    assert not shut.passed
    assert "procedural, wan:tiny" in shut.reason


def test_pairs_that_were_trained_on_are_not_evaluated_on(work: Workspace) -> None:
    old = _release(work, {"a": ("Fire.", "train"), "b": ("Smoke.", "test")})
    new = _release(work, {"a": ("Fire.", "test"), "b": ("Smoke.", "train")})
    assert train_meets_test(work, old, old).passed
    shut = train_meets_test(work, old, new)
    assert not shut.passed
    assert f"1 of 1 test pairs were trained on: train on release {new.hash} first" in shut.reason


def test_a_shut_gate_stops_with_its_reason_and_every_verdict_is_stored(work: Workspace) -> None:
    verdicts = [
        Verdict.of("one", "ok", "fine"),
        Verdict.of("two", "shut", "do this"),
        Verdict.of("three", "warn", "hm"),
    ]
    with pytest.raises(GateShut, match="gate two is shut: do this"):
        require(work, verdicts)
    assert sorted(stored_verdicts(work, ["one", "two", "three"]), key=str) == sorted(verdicts, key=str)
    assert stored_verdicts(work, ["never-asked"]) == []


def test_the_newest_verdict_counts_and_partitions_are_apart(work: Workspace) -> None:
    require(work, [Verdict.of("one", "warn", "first")], "clip4clip-meanp")
    require(work, [Verdict.of("one", "ok", "second")], "clip4clip-meanp")
    assert [verdict.reason for verdict in stored_verdicts(work, ["one"], "clip4clip-meanp")] == ["second"]
    assert stored_verdicts(work, ["one"], "gram") == []


def test_the_gates_before_each_stage_are_the_ones_designed() -> None:
    assert GATES_BEFORE == {
        "splits": ("label_review", "taxonomy_approval"),
        "model_checkpoints": ("leakage", "one_generator"),
        "eval_tables": ("train_meets_test",),
    }
