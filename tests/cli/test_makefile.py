"""The Makefile: its help lists every target, and a wrong Python is refused before anything is made."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from svta_resources.profiles import project_root

MAKEFILE = project_root() / "Makefile"


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
    )


def test_make_alone_lists_every_target() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE.read_text(), re.MULTILINE)[0].split())
    listed = {line.split()[0] for line in make(project_root()).stdout.splitlines()}
    assert listed == targets
    assert {"env", "demo", "demo-all", "ui", "test", "lint", "bench", "clean"} <= targets


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """What the target env depends on, without an environment."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(project_root() / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("python", ["old", "absent", "no-venv"])
def test_a_python_that_will_not_do_is_refused_with_the_setting_to_use(bare: Path, python: str) -> None:
    program = bare / python
    if python != "absent":
        # `old` fails the first question (its version), `no-venv` only the second (whether it can make environments)
        program.write_text(f'#!/bin/sh\ncase "$2" in *version*) exit {int(python == "old")};; *) exit 1;; esac\n')
        program.chmod(0o755)
    done = make(bare, "env", f"PYTHON={program}")
    assert done.returncode != 0
    assert str(program) in done.stdout
    assert ("python3-venv" if python == "no-venv" else "make env PYTHON=python3.11") in done.stdout
    assert not (bare / ".venv").exists()


def test_the_environment_is_made_again_only_when_its_inputs_change(bare: Path) -> None:
    stamp = bare / ".venv" / ".installed"
    stamp.parent.mkdir()
    stamp.touch()
    _dated(bare, 1_000)
    _dated(bare, 2_000, ".venv/.installed")
    assert make(bare, "-n", "env").stdout.count("--editable") == 0
    _dated(bare, 3_000, "constraints.txt")
    assert make(bare, "-n", "env").stdout.count("--editable") == 1


def _dated(folder: Path, when: int, name: str | None = None) -> None:
    """Give the inputs, or one file, a modification time; the clock's own steps are too coarse for a test."""
    for path in [folder / name] if name else [folder / "pyproject.toml", folder / "constraints.txt"]:
        os.utime(path, (when, when))
