"""`svta regen --pilot`: what it makes, what it says, what it leaves alone; once with real runs on a real home."""

import re
import shutil
from typing import Any

import dagster as dg
import pytest

from svta_assets.videos.pilot import start_pilot
from svta_assets.videos.plan import Mode
from svta_cli.runs import RunFailed
from svta_models.release import release_log
from svta_resources.profiles import Home
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory
from tests.toy_home import DrillHome

REAL = "fighting"


class Recorder:
    """Stands where the runner does: remembers what would run, and makes a pilot's clips with the toy generator."""

    def __init__(self, toys: dict[str, ToyCategory]) -> None:
        self.toys = toys
        self.ran: list[str] = []
        self.configs: list[dict[str, Any]] = []
        self.fails_after: str | None = None

    def run(self, job: str, partition: str | None = None, assets: Any = None, config: Any = None) -> None:
        self.ran.append(job)
        if job == "regenerate":
            chosen = config["ops"]["regenerate_categories"]["config"]
            self.configs.append(chosen)
            for key in chosen["categories"]:
                _, pairs = start_pilot(self.toys[key].work, key, Mode(chosen["mode"]), None, chosen["pilot"])
                self.toys[key].run(Mode(chosen["mode"]), only=pairs)
                if key == self.fails_after:
                    raise RunFailed("run 1234 (regenerate) failed in the second category")


@pytest.fixture
def two(home: Home, monkeypatch: pytest.MonkeyPatch) -> dict[str, ToyCategory]:
    """Two described categories of twelve pairs without a clip; the command generates as they do."""
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "toy")
    toys = {
        key: ToyCategory(
            home.path, {f"{key}-{pair}": f"{key}: {text}" for pair, text in CAPTIONS.items()}, category=key
        )
        for key in (CATEGORY, "falling")
    }
    monkeypatch.setattr("svta_resources.video.generator.open_generator", lambda spec: toys[CATEGORY].generator)
    return toys


@pytest.fixture
def runner(two: dict[str, ToyCategory], monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(two)

    class Opened:
        def __enter__(self) -> Recorder:
            return recorder

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("svta_cli.runs.open_runner", lambda **_: Opened())
    return recorder


def test_four_clips_of_each_category_then_the_rest_is_projected(
    two: dict[str, ToyCategory], runner: Recorder, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_GPU_HOUR_PRICE", "1000000")
    code, out, err = svta("regen", CATEGORY, "falling", "--mode", "missing", "--pilot", "4")
    assert (code, err) == (0, "")
    assert {key: toy.clips.height for key, toy in two.items()} == {CATEGORY: 4, "falling": 4}
    table = {line.split()[0]: line.split()[1:5] for line in out.splitlines()[:4]}
    assert table["category"] == ["made", "yield", "(95%)", "render"]
    assert table[CATEGORY] == ["4", "100%", "(51-100)", "8"]
    assert table["all"] == ["8", "100%", "(68-100)", "16"]
    assert out.splitlines()[3].endswith("16 (11-16) "), "expected to pass, with the interval of all eight"
    assert re.search(r"one device makes \d+ clips an hour, .* \(median of 8 clips\)", out)
    assert "price of the rest: " in out
    assert out.splitlines()[-1] == f"  svta regen {CATEGORY} falling --mode missing"


def test_a_pilot_runs_nothing_but_the_clips(runner: Recorder, svta: Svta) -> None:
    svta("regen", CATEGORY, "--mode", "missing", "--pilot", "2", "--confirm")
    assert runner.ran == ["regenerate"], "neither labels nor a release"
    assert runner.configs == [{"categories": [CATEGORY], "mode": "missing", "confirm": True, "pilot": 2}]


def test_new_takes_of_a_pilot_are_said_to_be_candidates(
    two: dict[str, ToyCategory], runner: Recorder, svta: Svta
) -> None:
    two[CATEGORY].run()
    out = svta("regen", CATEGORY, "--pilot", "2")[1]
    assert "new takes of a pilot are candidates; nothing that stands has changed" in out
    assert f"svta regen {CATEGORY} --mode new_take" in out


def test_a_pilot_larger_than_the_plan_says_so_and_how_to_finish(runner: Recorder, svta: Svta) -> None:
    out = svta("regen", CATEGORY, "--mode", "missing", "--pilot", "50")[1]
    assert f"{CATEGORY}: only 12 of 50 clips are left to render" in out
    assert "nothing is left to make; labels and release follow with:" in out
    assert out.splitlines()[-1] == f"  svta regen {CATEGORY} --mode missing"


def test_a_category_that_is_complete_is_left_out_of_the_run(
    two: dict[str, ToyCategory], runner: Recorder, svta: Svta
) -> None:
    two["falling"].run()
    svta("regen", CATEGORY, "falling", "--mode", "missing", "--pilot", "2")
    assert runner.configs[0]["categories"] == [CATEGORY]


@pytest.mark.parametrize(
    ("mode", "said"), [("missing", "for another take of each pair use --mode new_take"), ("stale", "with mode stale")]
)
def test_nothing_to_make_starts_no_run(
    two: dict[str, ToyCategory], runner: Recorder, svta: Svta, mode: str, said: str
) -> None:
    two[CATEGORY].run()
    code, out, _ = svta("regen", CATEGORY, "--mode", mode, "--pilot", "2")
    assert code == 0
    assert "nothing to make in fire" in out
    assert said in out
    assert runner.ran == []


def test_where_all_takes_wait_for_a_decision_that_is_the_next_step(
    two: dict[str, ToyCategory], runner: Recorder, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_assets.videos.produce.promote", lambda *_, **__: 0)
    two[CATEGORY].run()
    two[CATEGORY].run(Mode.NEW_TAKE)
    out = svta("regen", CATEGORY, "--pilot", "2")[1]
    assert "12 candidates wait for `svta regen --promote` or `--discard`" in out
    assert runner.ran == []


def test_only_copies_need_no_pilot(two: dict[str, ToyCategory], runner: Recorder, svta: Svta) -> None:
    toy = two[CATEGORY]
    toy.run()
    rows = toy.work.catalog.read("descriptions", CATEGORY).to_dicts()
    twin = {**rows[0], "pair_id": "twin"}
    toy.work.catalog.publish("descriptions", CATEGORY, [*rows, twin])
    out = svta("regen", CATEGORY, "--mode", "missing", "--pilot", "2")[1]
    assert "1 clips are copies of others; make them without --pilot" in out
    assert runner.ran == []


def test_what_was_made_before_a_failure_is_projected_and_it_is_still_a_failure(runner: Recorder, svta: Svta) -> None:
    runner.fails_after = CATEGORY
    code, out, err = svta("regen", CATEGORY, "falling", "--mode", "missing", "--pilot", "4")
    assert code == 1
    assert "second category" in err
    rows = {line.split()[0]: line.split()[1:4] for line in out.splitlines() if line}
    assert rows[CATEGORY] == ["4", "100%", "(51-100)"]
    assert rows["falling"][0] == "-", "nothing was made there"


@pytest.mark.usefixtures("two")
def test_a_plan_of_a_pilot_counts_what_it_would_make(runner: Recorder, svta: Svta) -> None:
    out = svta("regen", CATEGORY, "falling", "--mode", "missing", "--pilot", "3", "--plan")[1]
    assert "6 clips to render" in out
    assert runner.ran == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--pilot", "0"), 2, "0 is not in the range x>=1"),
        (("--pilot", "-3"), 2, "-3 is not in the range x>=1"),
        (("--pilot", "few"), 2, "'few' is not a valid integer range"),
        (("--pilot", "2", "--promote"), 2, "--pilot makes clips; it goes without --promote"),
        (("--pilot", "2", "--mode", "missing", "fyre"), 2, "did you mean fire"),
        (("--pilot", "2", "running"), 1, "running: no descriptions yet"),
    ],
)
def test_wrong_usage_is_said_before_anything_is_made(
    runner: Recorder, svta: Svta, arguments: tuple[str, ...], code: int, said: str
) -> None:
    got, _, err = svta("regen", CATEGORY, *arguments)
    assert (got, runner.ran) == (code, [])
    assert said in err


def test_the_release_is_left_alone_until_the_rest_is_made(
    two: dict[str, ToyCategory], runner: Recorder, svta: Svta
) -> None:
    toy = ToyCategory(two[CATEGORY].work.home.path, CAPTIONS)
    toy.run()
    before = release_of(toy)
    svta("regen", "falling", "--mode", "missing", "--pilot", "4")
    assert release_log(toy.work.store)[-1].hash == before


# -- real runs -----------------------------------------------------------------------------------------------------


def test_pilot_and_rest_make_the_category_as_one_run_does(real: DrillHome, svta: Svta) -> None:
    """The very first generation of a category: four clips, their projection, then the other thirty-six."""
    original, release = real.files(REAL), release_log(real.work.store)[-1].hash
    for folder in ("clips", "metadata/clips"):
        shutil.rmtree(real.path / folder / REAL)
    videos = dg.AssetKey("videos")
    with dg.DagsterInstance.from_config(str(real.path / "dagster")) as instance:
        made_before = instance.fetch_materializations(videos, limit=1000).records

    code, out, err = svta("regen", REAL, "--mode", "missing", "--pilot", "4")
    assert code == 0, err
    assert len(real.files(REAL)) == 4
    assert real.files(REAL).items() <= original.items()
    assert f"svta regen {REAL} --mode missing" in out
    assert release_log(real.work.store)[-1].hash == release
    with dg.DagsterInstance.from_config(str(real.path / "dagster")) as instance:
        seen = instance.fetch_observations(videos, limit=1).records[0].asset_observation
        made = instance.fetch_materializations(videos, limit=1000).records
    assert seen is not None
    assert seen.partition == REAL
    assert seen.metadata["pilot: command for the rest"].value == f"svta regen {REAL} --mode missing"
    assert seen.metadata["pilot: clips to render"].value == 36
    assert len(made) == len(made_before), "a pilot is an observation: the partition does not count as made"

    code, out, err = svta("regen", REAL, "--mode", "missing")
    assert code == 0, err
    assert real.files(REAL) == original
    assert release_log(real.work.store)[-1].hash == release


def test_a_pilot_beyond_the_limit_stops_with_its_own_plan(
    real: DrillHome, svta: Svta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_assets.videos.sizes.seconds_per_clip", lambda work: 1000.0)
    code, _, err = svta("regen", REAL, "--pilot", "4")
    assert code == 1
    assert f"{REAL}: 4 clips would take about 1.1 generator hours" in err
    assert len(real.files(REAL)) == 40
