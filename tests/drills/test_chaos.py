"""`benchmarks/chaos.py`, 90 s a store: whatever is killed, cut short, filled up or dropped, the end is as if nothing was."""

import json
import subprocess
import sys

import pytest

from svta_resources.profiles import project_root
from tests.toy_home import DrillHome

CATEGORIES = ("fighting", "falling")
STORM_S = 90  # on the clock


@pytest.mark.timeout(1500)  # a dozen commands one after another, on a machine that other tests share
@pytest.mark.parametrize(("store", "seed"), [("folder", 5), ("s3", 6)])
def test_after_the_chaos_verify_is_clean_and_nothing_differs(described_home: DrillHome, store: str, seed: int) -> None:
    """The seed fixes what is done; the moments are chance."""
    command = [sys.executable, "benchmarks/chaos.py", "--seconds", str(STORM_S), "--store", store, "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--categories", *CATEGORIES, "--described", str(described_home.path)],
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
        timeout=1400,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    report = json.loads(done.stdout.splitlines()[0])
    assert sum(report["done"].values()) >= 3, report
    assert "clean, and equal to a home that nobody disturbed" in done.stdout
