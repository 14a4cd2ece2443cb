"""`svta release diff` and `leakage`: what changed between releases, what their splits share."""

from svta_assets.videos.plan import Mode
from svta_models.release import release_log
from tests.cli.conftest import Svta, release_of
from tests.stages.toy_category import ToyCategory
from tests.toy_home import DrillHome


def test_two_releases_are_compared_by_name(released: ToyCategory, svta: Svta) -> None:
    svta("release", "name", "latest", "v1")
    released.run(Mode.NEW_TAKE, only=["p3", "p4"])
    second = release_of(released)
    code, out, err = svta("release", "diff", "v1", "latest")
    assert code == 0, err
    assert f"to {second} (latest)" in out
    assert "pairs: 2 regenerated\n" in out
    assert "- p3: p3-0 -> p3-1" in out
    assert "evaluation figures: no difference" in out
    assert "pairs: no difference" in svta("release", "diff", "v1", "v1")[1]
    assert "no release 'v9'" in svta("release", "diff", "v1", "v9")[2]


def test_figures_that_changed_stand_below(released: ToyCategory, svta: Svta) -> None:
    svta("release", "name", "latest", "v1")
    released.run(Mode.NEW_TAKE, only=["p3"])
    second = release_of(released)
    first = release_log(released.work.store)[0].hash
    rows = [
        {"checkpoint_id": "c", "model": "gram", "release": release, "benchmark": "svta", "direction": "t2v", "r1": r1,
         "trained_on_shuffled": False, "at": release}
        for release, r1 in ((first, 40.0), (second, 45.5))
    ]  # fmt: skip
    released.work.catalog.publish("evaluations", "gram", rows)
    assert "| gram | svta | t2v | 40.0 -> 45.5 |" in svta("release", "diff", "v1")[1]


def test_leakage_of_a_release_is_shown_with_the_gates_verdict(released: ToyCategory, svta: Svta) -> None:
    out = svta("release", "leakage")[1]
    assert "| equal captions | test | train | 0 | 0.0% |" in out
    assert "| equal or near captions | test | train |" in out
    assert "gate leakage: ok" in out


def test_a_new_draw_may_group_and_a_cut_may_leave_out_benchmarks(real: DrillHome, svta: Svta) -> None:
    assert svta("release", "--strategy", "grouped")[0] == 2
    code, out, err = svta("release", "--resplit", "--strategy", "grouped", "--yes")
    assert code == 0, err
    assert set(real.work.catalog.read("splits")["strategy"]) == {"grouped"}
    leaks = svta("release", "leakage")[1]
    assert "| equal or near captions | test | train | 0 | 0.0% |" in leaks
    assert "| shared source videos | test | train | 0 | 0.0% |" in leaks
    code, out, err = svta("release", "cut", "v1", "--exclude-benchmarks")
    assert code == 0, err
    assert "0 pairs left out because they are in a benchmark's test set" in out
