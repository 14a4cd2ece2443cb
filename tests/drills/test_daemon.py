"""A backfill through the real daemon, with a killed command in front of it and a killed run in the middle of it."""

from pathlib import Path

import pytest

from tests.drills.daemon_drill import (
    CATEGORIES,
    PAIRS,
    SLOT_FREE_WITHIN_S,
    backfill,
    clips,
    daemon,
    kill_command,
    kill_run,
    status,
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
