"""`svta review`: scores with their thresholds, the review sample, verdicts and the report; a retry through the real job."""

import json
import shutil

import polars as pl
import pytest

from svta_assets import gates
from svta_assets.videos.projection import project_clips
from svta_resources.profiles import Home
from svta_resources.video.scores import examine
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory
from tests.toy_home import DrillHome


def set_thresholds(monkeypatch: pytest.MonkeyPatch, **changed: object) -> None:
    """What editing the `clips` block of gates.yaml does."""
    settings = gates.gate_settings("demo")
    edited = {**settings, "clips": {**settings["clips"], **changed}}
    monkeypatch.setattr(gates, "gate_settings", lambda profile: edited)


# -- scores ----------------------------------------------------------------------------------------------------------


def test_scores_are_shown_with_their_thresholds_and_a_page(toy: ToyCategory, svta: Svta) -> None:
    code, out, _ = svta("review", "scores", CATEGORY)
    assert code == 0
    assert "movement: at least 2; 0 of 12 clips beyond it" in out
    assert "rejected: none" in out
    page = toy.work.home.path / "reports" / "quality" / f"{CATEGORY}.html"
    assert f"page: {page}" in out
    assert page.read_text().count("<img") > 12


def test_a_moved_threshold_shows_at_once_and_makes_nothing(
    toy: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_thresholds(monkeypatch, movement_min=255.0)
    before = sorted(path.name for path in (toy.work.home.path / "clips").rglob("*"))
    out = svta("review", "scores")[1]
    assert "movement: at least 255; 12 of 12 clips beyond it" in out
    assert "rejected: static: 12" in out
    assert f"verdicts changed in {CATEGORY}" in out
    assert sorted(path.name for path in (toy.work.home.path / "clips").rglob("*")) == before
    row = json.loads(svta("status", "--json", "-c", CATEGORY)[1])["categories"][0]
    assert (row["current"], row["rejected"]) == (0, 12)
    assert "retry_rejected" not in out
    assert "verdicts changed" not in svta("review", "scores")[1]


def test_status_shows_the_verdicts_of_moved_thresholds(
    toy: ToyCategory, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_thresholds(monkeypatch, movement_min=255.0)
    row = json.loads(svta("status", "--json", "-c", CATEGORY)[1])["categories"][0]
    assert (row["clips"], row["current"], row["rejected"], row["missing"]) == (12, 0, 12, 0)
    assert toy.generator.calls == 12


def test_without_clips_the_next_step_is_said(home: Home, svta: Svta) -> None:
    code, _, err = svta("review", "scores")
    assert (code, "run `make demo`" in err) == (1, True)
    home.prepare()
    code, _, err = svta("review", "scores", CATEGORY)
    assert (code, "has no clips yet" in err) == (1, True)
    code, _, err = svta("review", "clips", "--sample")
    assert (code, "no clip to review yet" in err) == (1, True)
    assert svta("review", "scores", "no-such-category")[0] == 2


# -- clips -----------------------------------------------------------------------------------------------------------


def test_the_sample_lists_ids_captions_and_files(released: ToyCategory, svta: Svta) -> None:
    code, out, _ = svta("review", "clips", "--sample", "--share", "0.5")
    assert code == 0
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("p")][:-1]
    assert len(listed) == 6
    for clip in listed:
        assert CAPTIONS[clip.removesuffix("-0")] in out
        assert f"clips/{CATEGORY}/{clip}-" in out
    assert "6 of 12 clips of release" in out
    assert svta("review", "clips", "--sample", "--share", "0.5")[1] == out
    page = next((released.work.home.path / "reports" / "review").glob("*.html"))
    assert str(page) in out


def test_verdicts_are_recorded_reported_and_can_be_undone(released: ToyCategory, svta: Svta) -> None:
    code, out, _ = svta("review", "clips", "--reject", "p1-0", "--reason", "too dark", "--by", "ann", "--keep", "p2-0")
    assert code == 0
    assert f"{CATEGORY}: 1 clip recorded as reject by ann" in out
    assert f"svta regen {CATEGORY} --mode retry_rejected" in out
    assert set(released.current) == set(CAPTIONS) - {"p1"}
    out = svta("review", "clips", "--report", "--share", "1")[1]
    assert (
        "2 of 12 clips of the sample reviewed, 1 kept: accepted share 50.0% (95% interval 9.5% to 90.5%, Wilson)" in out
    )
    facts = json.loads(svta("review", "clips", "--json", "--share", "1")[1])
    assert (facts["reviewed"], facts["kept"], facts["rejected"], facts["accepted_share"]) == (2, 1, 1, 0.5)
    assert svta("review", "clips", "--undo", "p1-0")[0] == 0
    assert set(released.current) == set(CAPTIONS)
    assert json.loads(svta("review", "clips", "--json", "--share", "1")[1])["reviewed"] == 1
    assert released.work.catalog.read("clip_reviews").height == 3


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--reject", "p1-0"), 1, "needs a reason"),
        (("--reject", "p1-0", "--reason", " "), 1, "needs a reason"),
        (("--keep", "p77-0"), 1, "no clip p77-0"),
        (("--keep", "p1-0", "--reason", "nice"), 2, "--reason says why"),
        (("--keep", "p1-0", "--undo", "p1-0"), 2, "choose one of"),
        (("--report", "--release", "v9"), 1, "no release 'v9'"),
        (("--sample", "--share", "0"), 1, "give a share above 0"),
    ],
)
def test_wrong_usage_is_said_and_records_nothing(
    released: ToyCategory, svta: Svta, arguments: tuple[str, ...], code: int, words: str
) -> None:
    found, _, err = svta("review", "clips", *arguments)
    assert (found, words in err) == (code, True), err
    assert released.work.catalog.read("clip_reviews").is_empty()


def test_a_clip_named_twice_is_recorded_once(released: ToyCategory, svta: Svta) -> None:
    assert svta("review", "clips", "--keep", "p1-0", "--keep", "p1-0")[0] == 0
    assert released.work.catalog.read("clip_reviews").height == 1


def test_a_release_follows_a_reviewers_reject(released: ToyCategory, svta: Svta) -> None:
    before = released.work.catalog.read("releases").height
    svta("review", "clips", "--reject", "p1-0", "--reason", "too dark")
    release_of(released)
    assert released.work.catalog.read("releases").height == before + 1


# -- similarity ------------------------------------------------------------------------------------------------------


def test_similarity_without_a_checkpoint_says_what_to_do(toy: ToyCategory, svta: Svta) -> None:
    code, _, err = svta("review", "similarity")
    assert (code, "materialize model_checkpoints" in err) == (1, True)


# -- the real job ----------------------------------------------------------------------------------------------------


@pytest.fixture
def real(own: DrillHome, monkeypatch: pytest.MonkeyPatch) -> DrillHome:
    for name, value in own.environment().items():
        monkeypatch.setenv(name, value)
    return own


def test_the_real_job_makes_another_take_of_a_near_duplicate(real: DrillHome, svta: Svta) -> None:
    """One clip's file is replaced by another's, as by a generator that drew the same pictures twice."""
    clips = real.work.catalog.read("clips", "fighting").sort("pair_id")
    original, repeated = clips.row(0, named=True), clips.row(1, named=True)
    target = real.path / repeated["uri"]
    shutil.copyfile(real.path / original["uri"], target)
    card = json.loads(target.with_suffix(".json").read_text())
    mp4 = target.read_bytes()
    target.with_suffix(".json").write_text(json.dumps({**card, **examine(mp4, card), "sha256": original["sha256"]}))

    project_clips(real.work.catalog, "fighting", gates.load_thresholds("demo"))
    row = (
        real.work.catalog.read("clips", "fighting").filter(pl.col("clip_id") == repeated["clip_id"]).row(0, named=True)
    )
    assert row["reject_reason"].startswith(f"near-duplicate of {original['clip_id']}: distance 0 <")

    code, out, err = svta("regen", "fighting", "--mode", "retry_rejected")
    assert code == 0, err
    assert "39 of take 0, 1 of take 1" in out
    now = real.work.catalog.read("clips", "fighting").filter(pl.col("pair_id") == repeated["pair_id"]).sort("take")
    assert now.select("status", "current").rows() == [("rejected", False), ("accepted", True)]
