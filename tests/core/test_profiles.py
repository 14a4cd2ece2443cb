"""A home belongs to one profile; nothing is created before something is written; settings come from the environment."""

import json
import os
from pathlib import Path

import pytest

from svta_assets.gates import gate_settings, load_thresholds
from svta_assets.workspace import open_workspace, prepare_workspace
from svta_resources import profiles
from svta_resources.errors import SvtaError
from svta_resources.profiles import (
    PROFILES,
    Home,
    HomeError,
    check_instance_file,
    home_from,
    profile_from,
    project_root,
)
from svta_resources.video.scores import DEFAULT_THRESHOLDS


def test_opening_a_home_creates_nothing(home: Home) -> None:
    open_workspace(home).catalog.read("clips")
    assert not home.path.exists()


def test_a_prepared_home_records_its_profile_and_stays_as_it_is(home: Home) -> None:
    home.prepare()
    marker = home.path / "home.json"
    assert json.loads(marker.read_text())["profile"] == "demo"
    before = marker.read_text()
    home.prepare()
    assert marker.read_text() == before


def test_another_profiles_home_is_refused_with_the_command_to_use(home: Home) -> None:
    home.prepare()
    other = Home(PROFILES["gpu"], home.path, str(home.path))
    for call in (other.check, other.prepare, other.prepare_dagster, lambda: open_workspace(other)):
        with pytest.raises(HomeError, match="belongs to profile 'demo', not 'gpu'.*SVTA_PROFILE=demo.*SVTA_HOME"):
            call()
    assert json.loads((home.path / "home.json").read_text())["profile"] == "demo"


def test_a_folder_without_a_marker_is_adopted_whatever_else_lies_in_it(home: Home) -> None:
    home.path.mkdir()
    (home.path / "holiday.jpg").write_bytes(b"x")
    prepare_workspace(home)
    assert json.loads((home.path / "home.json").read_text())["profile"] == "demo"
    assert (home.path / "holiday.jpg").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", "demo", "null"])
def test_an_unreadable_marker_is_named(home: Home, content: str) -> None:
    home.path.mkdir()
    (home.path / "home.json").write_text(content)
    with pytest.raises(HomeError, match=r"home\.json cannot be read"):
        home.check()


def test_relative_homes_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "d")
    found = home_from({"SVTA_HOME": "here"})
    assert (found.path, found.media_url) == (tmp_path / "here", str(tmp_path / "here"))
    assert found.dagster_home == tmp_path / "d"


def test_without_settings_each_profile_has_its_own_home_below_the_project() -> None:
    homes = {name: home_from({"SVTA_PROFILE": name}).path for name in PROFILES}
    assert homes == {name: project_root() / ".svta" / name for name in PROFILES}


def test_settings_override_the_profile() -> None:
    environ = {
        "SVTA_VIDEO_GENERATOR": "wan:tiny",
        "SVTA_LLM_MODEL": "some-model",
        "OPENAI_BASE_URL": "http://127.0.0.1:8000/v1",
        "SVTA_MEDIA_URL": "s3://bucket/x",
    }
    found = home_from(environ)
    assert found.profile.generator == "wan:tiny"
    assert (found.profile.llm_model, found.profile.llm_base_url) == ("some-model", "http://127.0.0.1:8000/v1")
    assert found.media_url == "s3://bucket/x"
    assert profile_from({}) == PROFILES["demo"]


def test_an_unknown_profile_lists_the_known_ones() -> None:
    with pytest.raises(SvtaError, match="SVTA_PROFILE='huge'.*demo, gpu, production"):
        profile_from({"SVTA_PROFILE": "huge"})


def test_the_dagster_folder_gets_the_profiles_instance_file_once(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home.prepare_dagster()
    target = folder / "dagster.yaml"
    assert folder == home.path / "dagster"
    assert target.read_text() == (project_root() / "dagster.yaml").read_text()
    target.write_text("# mine\n")
    assert home.prepare_dagster() == folder
    assert target.read_text() == "# mine\n"


def test_an_interrupted_instance_file_is_never_left_half_written(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.prepare()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(profiles.os, "replace", full)
    with pytest.raises(HomeError, match=r"dagster\.yaml cannot be written \(No space left on device\)"):
        home.prepare_dagster()
    assert list((home.path / "dagster").iterdir()) == []


def test_an_instance_file_that_is_no_yaml_is_named(home: Home) -> None:
    home.dagster_home.mkdir(parents=True)
    (home.dagster_home / "dagster.yaml").write_text("storage: [")
    with pytest.raises(HomeError, match=r"dagster\.yaml cannot be read as YAML"):
        home.prepare_dagster()


def test_an_instance_file_may_not_ask_for_what_is_not_there(tmp_path: Path) -> None:
    file = tmp_path / "dagster.yaml"
    file.write_text(
        "storage: {postgres: {postgres_url: {env: THE_DATABASE}}}\n"
        "sensors: {list: [{env: SECOND}]}\n"
        "run_launcher: {module: nowhere_launcher.core, class: Launcher, config: {}}\n"
    )
    with pytest.raises(HomeError, match=r"dagster\.yaml reads .*, of which THE_DATABASE, SECOND must still be set"):
        check_instance_file(file, {})
    with pytest.raises(HomeError, match=r"of which SECOND must"):
        check_instance_file(file, {"THE_DATABASE": ""})
    with pytest.raises(HomeError, match=r"needs the package nowhere_launcher.*production"):
        check_instance_file(file, {"THE_DATABASE": "x", "SECOND": "y"})


def test_the_gates_name_thresholds_that_the_scores_know() -> None:
    """A threshold under another name would be ignored without a word."""
    for name in PROFILES:
        assert set(load_thresholds(name)) == set(DEFAULT_THRESHOLDS)
        assert gate_settings(name)["taxonomy_approval"] in {"auto", "people"}
        assert gate_settings(name)["label_review"] in {"warn", "shut"}


def test_the_environment_of_tests_is_not_the_developers(home: Home) -> None:
    assert os.environ["SVTA_HOME"] == str(home.path)
    assert "SVTA_MEDIA_URL" not in os.environ
