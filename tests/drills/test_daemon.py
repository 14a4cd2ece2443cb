"""Through the real daemon: a backfill with a killed command before it and a killed run in it; requests and a night."""

from collections import Counter
from pathlib import Path

import pytest

from svta_assets.regeneration.requests import ask
from svta_assets.regeneration.settle import release_is_behind
from tests.drills.daemon_drill import (
    CATEGORIES,
    PAIRS,
    SLOT_FREE_WITHIN_S,
    backfill,
    clips,
    daemon,
    kill_command,
    kill_run,
    remove_clips,
    request_states,
    start_schedule,
    status,
    ticks,
    wait_for,
    wait_for_first_clips,
    wait_until_made,
    wait_until_taken,
)
from tests.toy_home import DrillHome


@pytest.mark.timeout(1200)  # waits for runs of 40 clips each and for the daemon's own intervals
def test_killed_runs_hold_no_slot_and_a_backfill_makes_three_categories(
    described_home: DrillHome, tmp_path: Path
) -> None:
    home = described_home.copy(tmp_path / "home")
    first, second, third = CATEGORIES
    with daemon(home) as instance:
        killed = kill_command(home, second)
        backfill(home, CATEGORIES)
        assert wait_until_taken(instance, first, since=killed) <= SLOT_FREE_WITHIN_S

        wait_for_first_clips(home, second, more_than=clips(home, second))
        assert status(instance, third) == "QUEUED"
        killed = kill_run(instance, second)
        assert 0 < clips(home, second) < PAIRS, "the run was not killed in the middle of its clips"
        assert wait_until_taken(instance, third, since=killed) <= SLOT_FREE_WITHIN_S

        backfill(home, (second,))  # Dagster does not retry a run whose backfill has queued everything
        for category in CATEGORIES:
            wait_until_made(home, instance, category)
    assert home.partials() == []


@pytest.mark.timeout(1200)  # waits for runs, for the sensor's interval and for two ticks of a schedule, a minute apart
def test_requests_are_served_and_a_night_makes_what_is_missing_once(filled_home: DrillHome, tmp_path: Path) -> None:
    home = filled_home.copy(tmp_path / "home")
    home.settings["SVTA_CRON_NIGHTLY"] = "* * * * *"
    spared = set(home.work.catalog.read("splits").filter(split="test")["pair_id"])
    missing = [pair for pair in home.work.catalog.read("clips", "normal-00")["pair_id"] if pair not in spared][:2]
    before = home.files("normal-00")
    remove_clips(home, "normal-00", missing)
    pair = home.work.catalog.read("descriptions", "fighting")["pair_id"][0]
    bad = ask(home.work, categories=["figthing"], by="ann")
    good = ask(home.work, categories=["fighting"], filters={"only": [pair]}, include_test=True, by="ann")
    start_schedule(home, "nightly")
    with daemon(home) as instance:
        wait_for("the night", lambda: any(runs for _, runs, _ in ticks(instance, "nightly")), 240)
        wait_for("its second tick", lambda: ticks(instance, "nightly")[-1][:2] == ("SKIPPED", 0), 240)
        ended = {"done", "failed", "refused"}
        wait_for(
            "requests", lambda: len(request_states(home)) == 3 and set(request_states(home).values()) <= ended, 400
        )
        [night] = set(request_states(home)) - {bad, good}
        assert request_states(home) == {bad: "refused", good: "done", night: "done"}
        assert night.startswith("nightly-") and night.endswith("-missing")
        assert sum(runs for _, runs, _ in ticks(instance, "nightly")) == 1, "one night, one run"
        jobs = Counter(run.job_name for run in instance.get_runs() if "svta/request" in run.tags)
    assert (jobs["regenerate"], jobs["generate"]) == (2, 1), "one run a request, and labels of the good one"
    assert 1 <= jobs["organize"] <= 2, "a second release where the night's clips came after the first"
    assert home.files("normal-00") == before, "the same clips again, and nothing else"
    takes = home.work.catalog.read("clips", "fighting").filter(pair_id=pair)["take"].to_list()
    assert sorted(takes) == [0, 1]
    labels = home.work.catalog.read("labels", "fighting").filter(pair_id=pair)["clip_id"].to_list()
    assert labels == [f"{pair}-1"]
    assert not release_is_behind(home.work)
