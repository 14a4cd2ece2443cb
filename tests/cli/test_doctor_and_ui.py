"""`svta doctor` names each problem with the next step and never shows a key; `svta ui` checks its port first."""

import socket

import pytest

from svta_cli import doctor
from svta_resources.profiles import Home
from tests.cli.conftest import Svta


def _lines(svta: Svta) -> tuple[int, dict[str, str]]:
    code, out, err = svta("doctor")
    assert err == ""
    return code, {line[9:].partition(":")[0]: line for line in out.splitlines()}


def test_a_fresh_checkout_is_fine_and_stays_as_it_is(svta: Svta, home: Home) -> None:
    code, lines = _lines(svta)
    assert code == 0, lines
    assert set(lines) == set(doctor.CHECKS)
    assert "not made yet" in lines["home"]
    assert not home.path.exists()


@pytest.mark.parametrize(
    ("name", "value", "check", "says"),
    [
        ("SVTA_VIDEO_GENERATOR", "sora", "video generator", "procedural"),
        ("SVTA_VIDEO_GENERATOR", "wan:wan2.1-t2v-14b", "video generator", "SVTA_VIDEO_GENERATOR"),
        ("SVTA_SOURCES_DIR", "/no/such/folder", "sources", "unset it"),
        ("SVTA_LLM_MODEL", "gpt", "language model", "OPENAI_API_KEY"),
        ("SVTA_PROFILE", "huge", "home", "demo, gpu, production"),
        ("SVTA_MEDIA_URL", "ftp://x", "media", "SVTA_MEDIA_URL"),
    ],
)
def test_a_wrong_setting_is_a_problem_with_its_next_step(
    svta: Svta, monkeypatch: pytest.MonkeyPatch, name: str, value: str, check: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    code, lines = _lines(svta)
    assert code == 1
    assert lines[check].startswith("problem")
    assert says in lines[check]


def test_another_profiles_home_is_a_problem(svta: Svta, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.prepare()
    monkeypatch.setenv("SVTA_PROFILE", "gpu")
    assert "SVTA_PROFILE=demo" in _lines(svta)[1]["home"]


def test_a_disk_that_is_nearly_full_is_a_problem(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LEAST_FREE_GB", 1e9)
    assert "free space or set SVTA_HOME" in _lines(svta)[1]["disk"]


def test_a_home_below_a_file_is_not_writable(svta: Svta, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.path.parent.mkdir(parents=True, exist_ok=True)
    home.path.with_name("file").write_text("")
    monkeypatch.setenv("SVTA_HOME", str(home.path.with_name("file")))
    assert _lines(svta)[1]["writable"].startswith("problem")


def test_neither_key_nor_password_is_shown(svta: Svta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVTA_LLM_MODEL", "qwen")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://ann:secret@gpu.example:8000/v1")
    code, lines = _lines(svta)
    assert code == 0
    assert "qwen at http://gpu.example:8000/v1" in lines["language model"]
    said = " ".join(lines.values())
    assert "sk-hidden" not in said
    assert "secret" not in said


def test_a_port_in_use_is_said_before_anything_starts(svta: Svta, home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = svta("ui", "--port", str(port))
    assert code == 1
    assert f"--port {port + 1}" in err
    assert not home.path.exists()
