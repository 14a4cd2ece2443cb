"""The `svta` command as a user types it: messages, exit codes, and what it changes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from svta_cli.main import cli, main
from svta_models.release import release_log
from svta_resources.profiles import Home, project_root
from tests.toy_home import DrillHome

SVTA = str(Path(sys.executable).with_name("svta"))


def svta(home: DrillHome, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SVTA, *arguments],
        env=home.environment(COLUMNS="160"),
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def splits_of(home: DrillHome) -> dict[str, str]:
    return dict(home.work.catalog.read("splits").select("pair_id", "split").iter_rows())


@pytest.fixture
def own(filled_home: DrillHome, tmp_path: Path) -> DrillHome:
    """The filled home, to change."""
    return filled_home.copy(tmp_path / "home")


def test_help_imports_neither_dagster_nor_torch() -> None:
    code = (
        "import sys; from svta_cli.main import cli; cli(['--help'], standalone_mode=False); "
        "print([name for name in ('dagster', 'torch', 'polars', 'duckdb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "regen" in done.stdout


def test_a_fresh_home_is_told_what_to_do_and_stays_unwritten(home: Home) -> None:
    done = invoke("status")
    assert done.exit_code == 0
    assert "make demo" in done.output
    assert not home.path.exists()


def test_plan_writes_nothing(home: Home) -> None:
    assert invoke("plan").exit_code == 0
    assert not home.path.exists()


def test_an_unknown_category_is_named_with_its_neighbours(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["svta", "regen", "figthing"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "fighting" in capsys.readouterr().err


def test_another_profiles_home_is_refused_with_the_setting_to_use(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home.prepare()
    monkeypatch.setenv("SVTA_PROFILE", "gpu")
    monkeypatch.setattr(sys, "argv", ["svta", "status"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "SVTA_PROFILE=demo" in capsys.readouterr().err


def test_an_unknown_mode_is_a_usage_error(home: Home) -> None:
    assert invoke("plan", "--mode", "everything").exit_code == 2


def test_status_counts_what_is_there(own: DrillHome) -> None:
    done = svta(own, "status", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    rows = {row["category"]: row for row in facts["categories"]}
    assert set(rows) == {"fighting", "normal-00"}
    assert (rows["fighting"]["pairs"], rows["fighting"]["current"], rows["fighting"]["stale"]) == (40, 40, 0)
    assert facts["release"] == release_log(own.work.store)[-1].hash


def test_regenerating_a_category_changes_it_alone_and_rolls_back(own: DrillHome) -> None:
    before = {key: own.files(key) for key in ("fighting", "normal-00")}
    splits, first = splits_of(own), release_log(own.work.store)[-1].hash
    current = set(own.work.catalog.read("clips", "fighting").filter("current")["sha256"])

    done = svta(own, "regen", "fighting")
    assert done.returncode == 0, done.stderr
    clips = own.work.catalog.read("clips", "fighting").filter("current")
    assert set(clips["take"]) == {1}
    assert not current & set(clips["sha256"])
    assert own.files("normal-00") == before["normal-00"]
    assert splits_of(own) == splits
    assert release_log(own.work.store)[-1].hash != first

    done = svta(own, "regen", "fighting", "--rollback")
    assert done.returncode == 0, done.stderr
    assert set(own.work.catalog.read("clips", "fighting").filter("current")["sha256"]) == current
    assert release_log(own.work.store)[-1].hash == first


def test_plan_before_regeneration_says_how_many_and_makes_none(own: DrillHome) -> None:
    done = svta(own, "regen", "fighting", "--plan")
    assert "40 clips to render" in done.stdout
    assert len(own.files("fighting")) == 40


def test_a_truncated_clip_is_found_named_and_made_again(own: DrillHome) -> None:
    before = own.files("fighting")
    name = sorted(before)[3]
    broken = own.path / "clips" / "fighting" / name
    broken.write_bytes(broken.read_bytes()[:500])

    found = svta(own, "verify")
    assert found.returncode == 1
    assert name in found.stdout
    assert (own.path / "damaged" / "clips" / "fighting" / name).exists()

    assert svta(own, "regen", "fighting", "--mode", "missing").returncode == 0
    assert own.files("fighting") == before
    clean = svta(own, "verify")
    assert clean.returncode == 0, clean.stdout


def test_gc_keeps_everything_a_release_names(own: DrillHome) -> None:
    assert svta(own, "regen", "fighting").returncode == 0
    done = svta(own, "gc", "--yes")
    assert done.returncode == 0
    assert len(own.files("fighting")) == 80  # both takes are in a release
    assert svta(own, "verify").returncode == 0


def test_releases_are_listed_shown_and_named_once(own: DrillHome) -> None:
    digest = release_log(own.work.store)[-1].hash
    assert digest in svta(own, "release", "list").stdout
    assert "80 pairs" in svta(own, "release", "show").stdout
    assert svta(own, "release", "cut", "v1").returncode == 0
    assert digest in svta(own, "release", "show", "v1").stdout
    missing = svta(own, "release", "show", "v9")
    assert missing.returncode == 1
    assert "v1" in missing.stderr


def test_doctor_names_a_generator_that_is_not_there(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert invoke("doctor").exit_code == 0
    monkeypatch.setenv("SVTA_VIDEO_GENERATOR", "sora")
    done = invoke("doctor")
    assert done.exit_code == 1
    assert "sora" in done.output
