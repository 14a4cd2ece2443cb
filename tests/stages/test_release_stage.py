"""`splits` writes a release exactly when something changed, from current clips and final categories."""

import polars as pl
import pytest

from svta_assets.splits.release import write_splits_and_release
from svta_assets.workspace import Workspace
from svta_models.release import Release, release_log
from svta_resources.errors import SvtaError


def _fill(work: Workspace, pairs: int = 20, take: int = 0) -> None:
    ids = [f"p{n:02d}" for n in range(pairs)]
    clips = [
        {
            "clip_id": f"{pair}-{take}",
            "pair_id": pair,
            "take": take,
            "category": "fire",
            "caption": f"Fire {pair}.",
            "status": "accepted",
            "current": pair != "p03",
            "uri": f"clips/fire/{pair}-{take}.mp4",
            "sha256": f"{take}" * 64,
            "generator": "procedural",
        }
        for pair in ids
    ]
    assignments = [
        {"pair_id": pair, "category": "fire", "final_category": "anomaly-01-fire", "kind": "anomaly", "group": "g"}
        for pair in ids
        if pair != "p04"
    ]
    work.catalog.publish("clips", "fire", clips)
    work.catalog.publish("assignments", "all", assignments)
    work.catalog.publish("categories", "all", [{"taxonomy": "v0", "final_category": "anomaly-01-fire"}])


def test_a_release_holds_the_pairs_with_a_current_clip_and_a_category(work: Workspace) -> None:
    _fill(work)
    written = write_splits_and_release(work)
    release = Release(work.store, written.release).frame
    assert set(release["pair_id"]) == {f"p{n:02d}" for n in range(20)} - {"p03", "p04"}
    assert dict(release["split"].value_counts().iter_rows()) == {"train": 12, "val": 1, "test": 5}
    assert written.small == []


def test_nothing_new_writes_no_release_and_a_new_take_writes_one(work: Workspace) -> None:
    _fill(work)
    first = write_splits_and_release(work)
    again = write_splits_and_release(work)
    assert (first.is_new, again.is_new, again.release) == (True, False, first.release)
    splits = work.catalog.read("splits")
    _fill(work, take=1)
    second = write_splits_and_release(work)
    assert second.release != first.release
    assert work.catalog.read("splits").equals(splits)
    _fill(work, take=0)
    third = write_splits_and_release(work)
    assert (third.release, third.is_new) == (first.release, True), "going back gives the first hash again"
    assert work.catalog.read("releases")["release"].to_list() == [first.release, second.release, first.release]
    assert [entry.hash for entry in release_log(work.store)] == [first.release, second.release, first.release]


def test_a_run_killed_after_writing_the_release_is_recorded_by_the_next(
    work: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(work)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("svta_assets.splits.release._record", killed)
        with pytest.raises(KeyboardInterrupt):
            write_splits_and_release(work)
    assert work.catalog.read("releases").height == 0
    written = write_splits_and_release(work)
    assert work.catalog.read("releases")["release"].to_list() == [written.release]
    assert len(release_log(work.store)) == 1


def test_without_clips_or_labels_the_next_step_is_named(work: Workspace) -> None:
    with pytest.raises(SvtaError, match="materialize videos and labels"):
        write_splits_and_release(work)


def _videos(work: Workspace, **videos: str) -> None:
    texts = [
        {
            "text_id": pair,
            "source": "ucfcrime_ar",
            "source_split": split,
            "source_video": f"v{pair[:2]}",
            "caption": "x",
        }
        for pair, split in videos.items()
    ]
    work.catalog.publish("texts", "all", texts)


def test_grouped_splits_are_kept_and_another_strategy_needs_another_draw(work: Workspace) -> None:
    _fill(work)
    _videos(work, **dict.fromkeys((f"p{n:02d}" for n in range(20)), "train"))
    grouped = write_splits_and_release(work, strategy="grouped")
    rows = work.catalog.read("splits")
    assert set(rows["strategy"]) == {"grouped"}
    for (_,), pairs in rows.group_by("source_video"):
        assert pairs["split"].n_unique() == 1
    assert write_splits_and_release(work).strategy == "grouped", "the home keeps its strategy"
    assert work.catalog.read("splits").equals(rows)
    with pytest.raises(SvtaError, match="--resplit --strategy paper"):
        write_splits_and_release(work, strategy="paper")
    paper = write_splits_and_release(work, draw_anew=True, strategy="paper")
    assert paper.release != grouped.release
    assert set(work.catalog.read("splits")["strategy"]) == {"paper"}


def test_splits_of_before_the_strategies_are_the_papers(work: Workspace) -> None:
    _fill(work)
    write_splits_and_release(work)
    old = work.catalog.read("splits").with_columns(pl.lit(None, pl.String).alias("strategy"))
    work.catalog.publish("splits", "all", old)
    assert write_splits_and_release(work).strategy == "paper"
    with pytest.raises(SvtaError, match="drawn by the strategy paper"):
        write_splits_and_release(work, strategy="grouped")


def test_pairs_of_benchmark_test_sets_are_left_out_on_request_and_come_back(work: Workspace) -> None:
    _fill(work)
    _videos(work, p01="test", p11="train")
    full = write_splits_and_release(work)
    less = write_splits_and_release(work, exclude_benchmarks=True)
    gone = set(Release(work.store, full.release).frame["pair_id"]) - set(
        Release(work.store, less.release).frame["pair_id"]
    )
    assert gone == {"p01"}
    assert less.left_out == {"p01": "its source video is in the test set of ucfcrime_ar"}
    assert work.catalog.read("rejects", "splits")["key"].to_list() == ["p01"]
    assert write_splits_and_release(work).release == full.release
    assert work.catalog.read("rejects", "splits").is_empty()


def test_the_leakage_of_every_release_is_stored_with_it(work: Workspace) -> None:
    _fill(work)
    first = write_splits_and_release(work)
    _fill(work, take=1)
    second = write_splits_and_release(work)
    stored = work.catalog.read("leakage")
    assert set(stored["release"]) == {first.release, second.release}
    same_pixels = stored.filter(release=first.release, kind="same_pixels", split="test", other="train")
    assert same_pixels["pairs"][0] == 5, "all clips of this home have one hash"
