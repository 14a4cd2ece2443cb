"""What the shell sees: 0 fine, 1 a problem with one clear message, 2 wrong usage, 130 interrupted."""

import subprocess
import sys

import click
import pytest

from svta_cli import main as main_module
from svta_models.errors import SvtaError
from svta_resources.profiles import Home
from tests.cli.conftest import Svta


def _raising(error: BaseException) -> click.Command:
    @click.command()
    def command() -> None:
        raise error

    return command


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Makes every command raise the error."""

    def fail_with(error: BaseException) -> None:
        monkeypatch.setattr(main_module.LazyGroup, "get_command", lambda *_: _raising(error))

    return fail_with


def test_an_error_of_ours_is_one_line_on_stderr(svta: Svta, failing) -> None:  # type: ignore[no-untyped-def]
    failing(SvtaError("clip x is damaged: run `svta verify`"))
    assert svta("status") == (1, "", "svta: clip x is damaged: run `svta verify`\n")


@pytest.mark.parametrize("how", ["option", "variable"])
def test_debug_shows_the_traceback(svta: Svta, failing, monkeypatch: pytest.MonkeyPatch, how: str) -> None:  # type: ignore[no-untyped-def]
    failing(SvtaError("clip x"))
    if how == "variable":
        monkeypatch.setenv("SVTA_DEBUG", "1")
    with pytest.raises(SvtaError, match="clip x"):
        svta("--debug", "status") if how == "option" else svta("status")


def test_ctrl_c_says_that_nothing_is_lost(svta: Svta, failing) -> None:  # type: ignore[no-untyped-def]
    failing(KeyboardInterrupt())
    code, out, err = svta("regen")
    assert (code, out) == (130, "")
    assert "What was finished is kept" in err
    assert "Traceback" not in err


def test_an_error_that_is_not_ours_is_not_hidden(svta: Svta, failing) -> None:  # type: ignore[no-untyped-def]
    failing(ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        svta("status")


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("regen",),
        ("plan", "--mode", "everything"),
        ("regen", "fire", "--promote", "--rollback"),
        ("regen", "fire", "--plan", "--discard"),
        ("regen", "fire", "--rollback", "--only", "p1"),
        ("evaluate", "bert"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_makes_no_home(svta: Svta, home: Home, arguments: tuple[str, ...]) -> None:
    assert svta(*arguments)[0] == 2
    assert not home.path.exists()


@pytest.mark.parametrize("command", ["regen", "plan", "status"])
def test_an_unknown_category_is_named_with_its_neighbours(svta: Svta, home: Home, command: str) -> None:
    code, _, err = svta(command, *(["-c"] if command == "status" else []), "figthing")
    assert code == 2
    assert "'figthing'" in err
    assert "fighting" in err
    assert not home.path.exists()


def test_a_category_may_be_named_in_words(svta: Svta, home: Home) -> None:
    code, _, err = svta("regen", "Car Crash")
    assert code == 1
    assert "car-crash: no descriptions yet" in err


def test_the_demo_has_a_profile_of_its_own(svta: Svta, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVTA_PROFILE", "gpu")
    code, _, err = svta("demo")
    assert code == 2
    assert "unset SVTA_PROFILE" in err
    assert not home.path.exists()


@pytest.mark.parametrize("command", ["status", "plan", "verify", "gc", "release", "taxonomy"])
def test_looking_at_a_home_that_is_not_there_makes_none(svta: Svta, home: Home, command: str) -> None:
    code, out, err = svta(command)
    assert (code, err) == (0, "")
    assert out
    assert not home.path.exists()


@pytest.mark.parametrize("command", ["status", "plan", "verify", "gc", "release", "taxonomy", "regen"])
def test_another_profiles_home_is_refused_with_the_setting_to_use(
    svta: Svta, home: Home, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    home.prepare()
    monkeypatch.setenv("SVTA_PROFILE", "gpu")
    code, _, err = svta(command, *(["fire"] if command == "regen" else []))
    assert code == 1
    assert "SVTA_PROFILE=demo" in err


def test_every_command_of_the_help_exists(svta: Svta) -> None:
    for name in main_module.COMMANDS:
        code, out, _ = svta(name, "--help")
        assert code == 0, name
        assert "Usage: svta" in out


def test_help_imports_nothing_slow() -> None:
    code = (
        "import sys; from svta_cli.main import run; run(['--help']); "
        "print([name for name in ('dagster', 'torch', 'polars', 'duckdb', 'rich', 'yaml') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
