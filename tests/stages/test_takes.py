"""Takes: what a click makes, what stands for a pair, and that nothing done to one pair touches another."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from svta_assets.videos.plan import Mode
from svta_assets.videos.projection import project_clips
from svta_assets.videos.sizes import PAPER_CLIP_SECONDS, PlanTooLarge, confirm_size, seconds_per_clip
from svta_assets.videos.takes import discard, promote, rollback
from svta_models.identity import take_seed
from svta_models.media_store import sha256_hex
from svta_resources.errors import SvtaError
from svta_resources.query import query
from tests.stages.toy_category import CATEGORY, ToyCategory

CAPTIONS = {"p1": "A house burns.", "p2": "A car burns.", "p3": "A field burns."}


@pytest.fixture
def toy(tmp_path: Path) -> ToyCategory:
    return ToyCategory(tmp_path / "home", CAPTIONS)


@pytest.fixture
def manual(tmp_path: Path) -> ToyCategory:
    """A profile in which people promote."""
    return ToyCategory(tmp_path / "home", CAPTIONS, promote="manual")


def _project(toy: ToyCategory) -> None:
    from svta_assets.gates import load_thresholds

    project_clips(toy.work.catalog, CATEGORY, load_thresholds("demo"))


def test_a_plain_run_makes_what_is_missing_and_a_second_one_nothing(toy: ToyCategory) -> None:
    assert toy.run().made == 3
    assert toy.current == {"p1": "p1-0", "p2": "p2-0", "p3": "p3-0"}
    assert toy.clips["seed"].to_list() == [42, 42, 42]
    again = toy.run()
    assert (again.made, again.plan.current, toy.generator.calls) == (0, 3, 3)


def test_a_row_tells_what_the_file_holds(toy: ToyCategory) -> None:
    toy.run()
    row = toy.clips.row(0, named=True)
    assert row["sha256"] == sha256_hex(toy.file("p1-0").read_bytes())
    assert row["uri"] == f"clips/fire/p1-0-{row['recipe_sha'][:12]}.mp4"
    assert (row["frames"], row["height"], row["width"], row["fps"]) == (3, 16, 16, 8.0)
    assert '"library": "1.0"' in row["provenance"]


def test_only_restricts_a_run_and_an_unknown_pair_is_named(toy: ToyCategory) -> None:
    assert toy.run(only=["p2"]).made == 1
    assert list(toy.current) == ["p2"]
    with pytest.raises(SvtaError, match="fire has no pair p9"):
        toy.run(only=["p1", "p9"])
    assert list(toy.current) == ["p2"]


def test_a_new_take_replaces_every_clip_and_keeps_the_old_files(toy: ToyCategory) -> None:
    toy.run()
    before = dict(toy.clips.select("clip_id", "sha256").iter_rows())
    outcome = toy.run(Mode.NEW_TAKE)
    assert (outcome.made, outcome.promoted) == (3, 3)
    assert toy.current == {"p1": "p1-1", "p2": "p2-1", "p3": "p3-1"}
    after = dict(toy.clips.select("clip_id", "sha256").iter_rows())
    assert {clip: after[clip] for clip in before} == before
    assert len(set(after.values())) == 6
    assert set(toy.clips.filter("current")["seed"]) == {take_seed(42, 1)}


def test_where_people_promote_new_takes_wait_as_candidates(manual: ToyCategory) -> None:
    manual.run()
    standing = manual.current
    assert manual.run(Mode.NEW_TAKE).promoted == 0
    assert manual.current == standing
    waiting = manual.plan(Mode.NEW_TAKE)
    assert (waiting.jobs, waiting.waiting) == ((), 3)
    assert promote(manual.work.catalog, CATEGORY, by="ann", only=["p1"]) == 1
    _project(manual)
    assert manual.current == {**standing, "p1": "p1-1"}
    assert discard(manual.work.catalog, CATEGORY, by="ann") == 2
    _project(manual)
    assert manual.current == {**standing, "p1": "p1-1"}
    assert {job.clip_id for job in manual.plan(Mode.NEW_TAKE).jobs} == {"p1-2", "p2-2", "p3-2"}


def test_a_rollback_restores_what_stood_before_and_can_be_repeated(toy: ToyCategory) -> None:
    toy.run()
    history = [toy.current]
    for _ in range(2):
        toy.run(Mode.NEW_TAKE)
        history.append(toy.current)
    for expected in (history[1], history[0]):
        assert rollback(toy.work.catalog, CATEGORY, by="ann") == 3
        _project(toy)
        assert toy.current == expected
    with pytest.raises(SvtaError, match="no promotion to roll back"):
        rollback(toy.work.catalog, CATEGORY, by="ann")
    toy.run()
    assert toy.current == history[0], "a plain run does not bring rolled-back takes back"


def test_a_take_number_is_never_used_twice(toy: ToyCategory) -> None:
    toy.run()
    toy.run(Mode.NEW_TAKE)
    rollback(toy.work.catalog, CATEGORY, by="ann")
    _project(toy)
    for clip in ("p1-1", "p2-1", "p3-1"):  # what `svta gc` removes: neither current nor in a release
        mp4 = toy.file(clip)
        mp4.with_suffix(".json").unlink()
        mp4.unlink()
    toy.run(Mode.NEW_TAKE)
    assert toy.current == {"p1": "p1-2", "p2": "p2-2", "p3": "p3-2"}


def test_a_rejected_clip_stands_for_nobody_and_is_retried_only_when_asked(toy: ToyCategory) -> None:
    toy.generator.still = {("A car burns.", 42)}
    toy.run()
    assert list(toy.current) == ["p1", "p3"]
    rejected = toy.clips.filter(pl.col("status") == "rejected")
    assert rejected["reject_reason"].to_list()[0].startswith("static: motion")
    assert toy.file("p2-0").exists(), "rejected clips are kept"
    assert toy.run().made == 0
    assert toy.run(Mode.RETRY_REJECTED).made == 1
    assert toy.current["p2"] == "p2-1"


def test_a_rejected_candidate_does_not_hold_up_the_next_take(manual: ToyCategory) -> None:
    """Nobody can promote or discard it, so waiting for a decision would be waiting for ever."""
    manual.run()
    manual.generator.still = {("A car burns.", take_seed(42, 1))}
    manual.run(Mode.NEW_TAKE)
    plan = manual.plan(Mode.NEW_TAKE)
    assert [job.clip_id for job in plan.jobs] == ["p2-2"]
    assert plan.waiting == 2


def test_retrying_rejected_clips_promotes_nobody_elses_candidates(manual: ToyCategory) -> None:
    manual.generator.still = {("A car burns.", 42)}
    manual.run()
    manual.run(Mode.NEW_TAKE, only=["p1"])
    manual.run(Mode.RETRY_REJECTED)
    assert manual.current == {"p1": "p1-0", "p2": "p2-1", "p3": "p3-0"}


def test_new_thresholds_judge_stored_scores_without_rendering(toy: ToyCategory) -> None:
    toy.run()
    strict = project_clips(toy.work.catalog, CATEGORY, {"motion_min": 255.0})
    assert strict["status"].to_list() == ["rejected"] * 3
    assert not strict["current"].any()
    _project(toy)
    assert len(toy.current) == 3
    assert toy.generator.calls == 3


# -- stale ---------------------------------------------------------------------------------------------------------


def test_upgrading_a_library_makes_nothing_stale(toy: ToyCategory) -> None:
    toy.run()
    toy.generator.library = "2.0"
    plan = toy.plan(Mode.STALE)
    assert (plan.jobs, plan.stale, plan.current) == ((), {}, 3)


def test_a_changed_setting_makes_clips_stale_and_is_named(toy: ToyCategory) -> None:
    toy.run()
    toy.generator.style = "baroque"
    assert toy.plan().stale == dict.fromkeys(CAPTIONS, ["generator.style"])
    assert toy.run().made == 0, "a plain run does not remake what is stale"
    assert toy.run(Mode.STALE).made == 3
    assert toy.current == {"p1": "p1-1", "p2": "p2-1", "p3": "p3-1"}
    assert set(toy.clips["seed"]) == {42}, "stale clips are remade with their seed"
    assert toy.plan(Mode.STALE).jobs == ()


def test_a_changed_caption_makes_one_clip_stale(toy: ToyCategory) -> None:
    toy.run()
    rows = toy.work.catalog.read("descriptions", CATEGORY)
    edited = rows.with_columns(
        pl.when(pl.col("pair_id") == "p2").then(pl.lit("A bus burns.")).otherwise("caption").alias("caption")
    )
    toy.work.catalog.publish("descriptions", CATEGORY, edited)
    assert toy.plan(Mode.STALE).stale == {"p2": ["caption"]}
    assert [job.clip_id for job in toy.plan(Mode.STALE).jobs] == ["p2-1"]


def test_stale_clips_that_wait_for_promotion_are_not_made_again(manual: ToyCategory) -> None:
    manual.run()
    manual.generator.style = "baroque"
    assert manual.run(Mode.STALE).made == 3
    again = manual.plan(Mode.STALE)
    assert (again.jobs, again.waiting, len(again.stale)) == ((), 3, 3)
    manual.generator.style = "cubist"
    assert {job.clip_id for job in manual.plan(Mode.STALE).jobs} == {"p1-2", "p2-2", "p3-2"}


# -- damage --------------------------------------------------------------------------------------------------------


def test_a_lost_clip_is_made_again_under_its_own_name(toy: ToyCategory) -> None:
    toy.run()
    before = toy.clips.select("clip_id", "uri", "sha256").rows()
    toy.file("p2-0").unlink()
    assert [(job.clip_id, job.repair) for job in toy.plan().jobs] == [("p2-0", True)]
    assert toy.run().made == 1
    assert toy.clips.select("clip_id", "uri", "sha256").rows() == before


def test_a_lost_clip_is_never_replaced_by_a_new_take(toy: ToyCategory) -> None:
    toy.run()
    toy.file("p2-0").unlink()
    assert {job.clip_id for job in toy.plan(Mode.NEW_TAKE).jobs} == {"p1-1", "p3-1"}


def test_a_lost_clip_remade_under_other_settings_is_made_once(toy: ToyCategory) -> None:
    toy.run()
    toy.file("p2-0").unlink()
    toy.generator.style = "baroque"
    assert toy.run().made == 1
    assert toy.run().made == 0
    assert toy.current["p2"] == "p2-0"


def test_a_file_without_a_card_gets_one_and_keeps_its_bytes(toy: ToyCategory) -> None:
    """What a worker killed between the two leaves behind."""
    toy.run()
    mp4 = toy.file("p1-0")
    bytes_before, inode = mp4.read_bytes(), mp4.stat().st_ino
    mp4.with_suffix(".json").unlink()
    assert [job.clip_id for job in toy.plan().jobs] == ["p1-0"]
    toy.run()
    assert (mp4.read_bytes(), mp4.stat().st_ino) == (bytes_before, inode)
    assert toy.current["p1"] == "p1-0"


# -- equal captions ------------------------------------------------------------------------------------------------


def test_equal_captions_are_rendered_once_and_copied(tmp_path: Path) -> None:
    toy = ToyCategory(tmp_path / "home", {"a": "Fire.", "b": "Fire.", "c": "Smoke."})
    outcome = toy.run()
    assert (outcome.made, toy.generator.calls) == (3, 2)
    rows = {row["clip_id"]: row for row in toy.clips.iter_rows(named=True)}
    assert rows["b-0"]["same_pixels_as"] == "a-0"
    assert rows["a-0"]["same_pixels_as"] is rows["c-0"]["same_pixels_as"] is None
    assert rows["a-0"]["sha256"] == rows["b-0"]["sha256"] != rows["c-0"]["sha256"]
    assert toy.file("b-0").read_bytes() == toy.file("a-0").read_bytes()
    assert toy.file("b-0") != toy.file("a-0"), "one mp4 a clip row"


def test_a_caption_rendered_in_another_category_is_copied_from_there(tmp_path: Path) -> None:
    first = ToyCategory(tmp_path / "home", {"a": "Fire."})
    first.run()
    second = ToyCategory(tmp_path / "home", {"z": "Fire."}, category="explosion")
    assert second.plan().renders == 0
    second.run()
    assert second.generator.calls == 0
    assert second.clips["same_pixels_as"].to_list() == ["a-0"]


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:200])])
def test_a_copy_whose_source_is_gone_or_damaged_is_rendered(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    first = ToyCategory(tmp_path / "home", {"a": "Fire."})
    first.run()
    damage(first.file("a-0"))
    second = ToyCategory(tmp_path / "home", {"z": "Fire."}, category="explosion")
    second.run()
    assert second.generator.calls == 1
    assert second.clips["same_pixels_as"].to_list() == [None]


# -- failures ------------------------------------------------------------------------------------------------------


def test_a_clip_that_cannot_be_rendered_is_a_reject_until_it_can(toy: ToyCategory) -> None:
    toy.generator.broken = {"A car burns."}
    outcome = toy.run()
    assert (outcome.made, len(outcome.failed)) == (2, 1)
    rejects = toy.work.catalog.read("rejects", f"videos.{CATEGORY}")
    assert rejects.select("key", "reason").rows() == [("p2-0", "not rendered")]
    assert "no picture for A car burns." in rejects["detail"][0]
    assert toy.clips.height == 2, "a clip that was never rendered is no clip"
    toy.generator.broken = ()
    assert toy.run().made == 1
    assert toy.work.catalog.read("rejects", f"videos.{CATEGORY}").height == 0


def test_an_interrupted_run_has_its_finished_clips_on_record(toy: ToyCategory) -> None:
    original = toy.generator.generate

    def interrupt(caption: str, seed: int, *, category: str | None = None) -> object:
        if toy.generator.calls == 2:
            raise KeyboardInterrupt
        return original(caption, seed, category=category)

    toy.generator.generate = interrupt  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        toy.run()
    assert toy.clips.height == 2


def test_an_orphan_that_finishes_last_hides_nothing(toy: ToyCategory) -> None:
    """A run that listed the cards before another one finished publishes after it."""
    import time

    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import clip_rows, read_cards

    toy.run(only=["p1"])
    orphan_began = time.time_ns()
    orphan = clip_rows(read_cards(toy.work.store, CATEGORY).whole, load_thresholds("demo"))
    toy.run()
    toy.work.catalog.publish("clips", CATEGORY, orphan, as_of_ns=orphan_began)
    assert toy.clips["clip_id"].to_list() == ["p1-0", "p2-0", "p3-0"]


def test_a_bucket_keeps_every_promise_of_a_folder(tmp_path: Path, new_bucket: Callable[[], str]) -> None:
    """Clips and metadata in S3, only the queryable database in the home."""
    toy = ToyCategory(tmp_path / "home", CAPTIONS, media_url=new_bucket())
    assert (toy.run().made, toy.run().made) == (3, 0)
    first = toy.clips.select("clip_id", "uri", "sha256").rows()
    toy.run(Mode.NEW_TAKE)
    rollback(toy.work.catalog, CATEGORY, by="ann")
    _project(toy)
    assert set(toy.current.values()) == {"p1-0", "p2-0", "p3-0"}
    toy.work.store.delete([first[1][1]])
    assert toy.run().made == 1
    assert toy.clips.filter("current").select("clip_id", "uri", "sha256").rows() == first
    target = toy.work.refresh()
    assert query(target.parent, "select count(*) as n from clips")["n"].to_list() == [6]
    assert sorted(path.name for path in target.parent.iterdir()) == [".svta.duckdb.lock", "home.json", "svta.duckdb"]


# -- size ----------------------------------------------------------------------------------------------------------


def test_a_run_beyond_the_limit_stops_with_its_plan_unless_confirmed(tmp_path: Path) -> None:
    from dataclasses import replace

    from svta_assets.workspace import Workspace

    toy = ToyCategory(tmp_path / "home", {f"p{n}": f"Fire {n}." for n in range(200)})
    profile = replace(toy.work.profile, generator="wan:wan2.1-t2v-14b", confirm_above_gpu_hours=1.0)
    work = Workspace(replace(toy.work.home, profile=profile))
    work.__dict__["generator"] = toy.generator
    assert seconds_per_clip(work) == PAPER_CLIP_SECONDS
    with pytest.raises(PlanTooLarge, match=r"fire: 200 clips would take about 2\.5 generator hours.*confirm"):
        confirm_size(work, CATEGORY, Mode.MISSING, None, confirmed=False)
    confirm_size(work, CATEGORY, Mode.MISSING, None, confirmed=True)
    confirm_size(work, CATEGORY, Mode.MISSING, ["p1", "p2"], confirmed=False)
