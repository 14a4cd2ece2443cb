"""What the platform must survive: killed runs, runs side by side, regeneration and rollback, damaged files."""

import random
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from svta_assets.definitions import defs
from svta_assets.gates import load_thresholds
from svta_assets.videos.plan import Mode
from svta_assets.videos.projection import project_clips
from svta_assets.videos.takes import rollback
from svta_models import open_release
from svta_resources.video.resident import close_resident_pools
from tests.drills.kill_drill import CATEGORY, PAIRS, kill_and_rerun
from tests.toy_home import DrillHome, clean_environment


@pytest.mark.parametrize("moment", [1, 2])
def test_a_killed_run_loses_nothing_and_the_next_makes_only_the_rest(
    described_home: DrillHome, filled_home: DrillHome, tmp_path: Path, moment: int
) -> None:
    """Early in the run, and late in it; the exact moment is drawn anew each time."""
    finished = random.randrange(0, PAIRS // 2) if moment == 1 else random.randrange(PAIRS // 2, PAIRS - 4)
    home = described_home.copy(tmp_path / "home")
    report = kill_and_rerun(home, finished, random.uniform(0, 0.05))
    assert 0 < report.made_by_rerun <= PAIRS
    assert home.files(CATEGORY) == filled_home.files(CATEGORY), "as if nothing had happened"
    rows = home.work.catalog.read("clips", CATEGORY)
    assert dict(rows.select("uri", "sha256").iter_rows()) == {
        f"clips/{CATEGORY}/{name}": sha for name, sha in home.files(CATEGORY).items()
    }


def test_two_runs_of_one_category_at_once_lose_no_row(described_home: DrillHome, tmp_path: Path) -> None:
    home = described_home.copy(tmp_path / "home")
    pairs = home.work.catalog.read("descriptions", CATEGORY)["pair_id"].sort().to_list()
    shares = (pairs[:12], pairs[8:20])  # four pairs are asked for twice
    runs = [home.start("videos", CATEGORY, {"videos": {"only": share}}) for share in shares]
    assert [run.wait(120) for run in runs] == [0, 0]
    rows = home.work.catalog.read("clips", CATEGORY)
    assert rows["pair_id"].to_list() == pairs[:20]
    assert rows["current"].all()
    assert dict(rows.select(pl.col("uri").str.split("/").list.last(), "sha256").iter_rows()) == home.files(CATEGORY)
    assert home.partials() == []


def test_a_truncated_clip_is_found_named_and_replaced(filled_home: DrillHome, tmp_path: Path) -> None:
    """Through the commands a person would type; the new file has the old name and the old bytes."""
    home = filled_home.copy(tmp_path / "home")
    before = home.files(CATEGORY)
    assert home.svta("verify").returncode == 0
    name = sorted(before)[3]
    victim = home.path / "clips" / CATEGORY / name
    victim.write_bytes(victim.read_bytes()[:5000])
    found = home.svta("verify")
    assert found.returncode == 1
    assert f"clips/{CATEGORY}/{name}" in found.stdout
    assert (home.path / "damaged" / "clips" / CATEGORY / name).exists()
    assert home.work.catalog.read("clips", CATEGORY).height == PAIRS - 1
    assert home.materialize("videos", CATEGORY).returncode == 0
    assert home.files(CATEGORY) == before
    assert home.svta("verify").returncode == 0


# -- in this process: the same jobs, without paying for an interpreter each time -------------------------------------


@pytest.fixture
def changed(filled_home: DrillHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A copy of the filled home that this process works in; its worker pool is closed at the end."""
    drill = filled_home.copy(tmp_path / "home")
    for name, value in clean_environment(drill.path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    yield drill
    close_resident_pools()


def _run(job: str, partition: str | None = None, config: dict[str, Any] | None = None, only: str | None = None) -> None:
    done = defs.resolve_job_def(job).execute_in_process(
        partition_key=partition, run_config=config, asset_selection=[dg.AssetKey(only)] if only else None
    )
    assert done.success


def _release(home: DrillHome) -> tuple[str, pl.DataFrame]:
    opened = open_release(home.path, split="all")
    return opened.hash, opened.frame


def test_regenerating_a_category_changes_every_clip_there_and_nothing_else(changed: DrillHome) -> None:
    first_hash, first = _release(changed)
    other = changed.files("normal-00")
    _run("regenerate", config={"ops": {"regenerate_categories": {"config": {"categories": [CATEGORY]}}}})
    _run("generate", CATEGORY, only="labels")
    _run("organize")
    second_hash, second = _release(changed)
    assert second_hash != first_hash
    assert second["pair_id"].equals(first["pair_id"])
    assert second["split"].equals(first["split"])
    assert second["final_category"].equals(first["final_category"])
    differs = first["sha256"] != second["sha256"]
    assert set(first.filter(differs)["category"]) == {CATEGORY}
    assert first.filter(category=CATEGORY).height == differs.sum() == PAIRS
    assert changed.files("normal-00") == other
    labels = changed.work.catalog.read("labels", CATEGORY)
    assert set(labels["clip_id"].str.slice(-2)) == {"-1"}

    assert rollback(changed.work.catalog, CATEGORY, by="ann") == PAIRS
    project_clips(changed.work.catalog, CATEGORY, load_thresholds("demo"))
    _run("generate", CATEGORY, only="labels")
    _run("organize")
    third_hash, third = _release(changed)
    assert third_hash == first_hash
    assert third.equals(first)


def test_each_category_of_a_regeneration_is_reported_when_it_is_done(changed: DrillHome) -> None:
    """One run over scattered categories; a typing error in the second stops it before the first clip."""
    pair = changed.work.catalog.read("descriptions", CATEGORY)["pair_id"][0]
    other = changed.work.catalog.read("descriptions", "normal-00")["pair_id"][0]
    config = {"categories": [CATEGORY, "normal-00"], "only": [pair, other]}
    job = defs.resolve_job_def("regenerate")
    done = job.execute_in_process(run_config={"ops": {"regenerate_categories": {"config": config}}})
    events = [event for event in done.all_events if event.event_type_value == "ASSET_MATERIALIZATION"]
    assert [event.partition for event in events] == [CATEGORY, "normal-00"]
    versions = [event.materialization.tags["dagster/data_version"] for event in events]
    assert len(set(versions)) == 2
    clips = changed.work.catalog.read("clips").filter(pl.col("take") == 1)
    assert sorted(clips["pair_id"]) == sorted([pair, other])

    wrong = {"ops": {"regenerate_categories": {"config": {"categories": [CATEGORY, "figthing"]}}}}
    failed = job.execute_in_process(run_config=wrong, raise_on_error=False)
    assert not failed.success
    assert changed.work.catalog.read("clips").filter(pl.col("take") > 1).height == 0


def test_upgrading_a_library_plans_no_clip(changed: DrillHome, monkeypatch: pytest.MonkeyPatch) -> None:
    from svta_assets.videos.produce import plan_category

    work = changed.work
    monkeypatch.setattr(type(work.generator), "provenance", lambda self: {"skia": "999.0", "device": "another"})
    for category in (CATEGORY, "normal-00"):
        plan = plan_category(work, category, Mode.STALE)
        standing = int(work.catalog.read("clips", category)["current"].sum())
        assert (plan.jobs, plan.stale, plan.current) == ((), {}, standing)
        assert standing > 30, "there is something that could have become stale"


def test_a_data_version_is_the_content_of_the_partition(changed: DrillHome) -> None:
    """The same rows give the same version, another take another."""

    def version() -> str:
        config = {"ops": {"videos": {"config": {"mode": "missing"}}}}
        done = defs.resolve_job_def("generate").execute_in_process(
            partition_key=CATEGORY, run_config=config, asset_selection=[dg.AssetKey("videos")]
        )
        (event,) = done.asset_materializations_for_node("videos")
        return str(event.tags["dagster/data_version"])

    first = version()
    assert version() == first
    pair = changed.work.catalog.read("descriptions", CATEGORY)["pair_id"][0]
    new_take = {"mode": "new_take", "categories": [CATEGORY], "only": [pair]}
    _run("regenerate", config={"ops": {"regenerate_categories": {"config": new_take}}})
    assert version() != first
