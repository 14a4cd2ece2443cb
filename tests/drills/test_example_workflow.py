"""`examples/ci.yml` is run as GitHub runs it: each step in a shell of its own, in order, until one fails."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from svta_models import open_release
from svta_resources.profiles import project_root
from tests.toy_home import DrillHome

WORKFLOW = yaml.safe_load((project_root() / "examples" / "ci.yml").read_text())
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["categories"]["steps"]
COMMANDS = [step for step in STEPS if "run" in step and step["run"] != "make env"]
GATED = "Categories, splits and release"
pytestmark = pytest.mark.timeout(1200)  # whichever test comes first runs the job: 120 clips and a training


@dataclass(frozen=True)
class Done:
    """How one step went."""

    code: int
    output: str


class Checkout:
    """A folder that stands for a runner's workspace: the project's files, and a home that the steps fill."""

    def __init__(self, workspace: Path) -> None:
        self.workspace, self.home = workspace, DrillHome(workspace / "home")
        self.summary = workspace.with_name(f"{workspace.name}-summary.md")
        workspace.mkdir()
        for entry in project_root().iterdir():
            if not entry.name.startswith("."):
                (workspace / entry.name).symlink_to(entry)

    def run(self, steps: list[dict[str, Any]], **changed: str) -> dict[str, Done]:
        """Run steps as GitHub does: `bash -e`, and after a failure only those with `if: always()`."""
        done: dict[str, Done] = {}
        for step in steps:
            if all(one.code == 0 for one in done.values()) or step.get("if") == "always()":
                done[step["name"]] = self._run_step(step["run"], changed)
        return done

    def _run_step(self, script: str, changed: dict[str, str]) -> Done:
        script = script.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
        assert "${{" not in script
        here = {name: self._evaluate(value) for name, value in WORKFLOW["env"].items()}
        environment = self.home.environment(**here, GITHUB_STEP_SUMMARY=str(self.summary), **changed)
        ran = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=400,
        )
        return Done(ran.returncode, ran.stdout)

    def _evaluate(self, value: str) -> str:
        evaluated = value.replace("${{ github.workspace }}", str(self.workspace))
        assert "${{" not in evaluated
        return evaluated

    def artifacts(self) -> list[Path]:
        """What `upload-artifact` would find, by the step's own paths."""
        [upload] = [step for step in STEPS if "upload-artifact" in step.get("uses", "")]
        assert upload["if"] == "always()"
        return [self.workspace / path for path in upload["with"]["path"].split()]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("workflow") / "checkout")


@pytest.fixture(scope="module")
def done(checkout: Checkout) -> dict[str, Done]:
    """The whole job, run once."""
    return checkout.run(COMMANDS)


def test_every_step_of_the_example_workflow_succeeds(done: dict[str, Done]) -> None:
    failed = {name: one.output[-3000:] for name, one in done.items() if one.code}
    assert failed == {}
    assert list(done) == [step["name"] for step in COMMANDS]


def test_it_makes_three_categories_and_their_release(checkout: Checkout, done: dict[str, Done]) -> None:
    release = open_release(checkout.home.path, split="all").frame
    assert set(release["category"]) == {"fighting", "falling", "normal-00"}
    assert release.height == checkout.home.work.catalog.read("clips")["current"].sum()


def test_what_it_uploads_is_there_and_is_read_by_people(checkout: Checkout, done: dict[str, Done]) -> None:
    assert [path for path in checkout.artifacts() if not path.exists()] == []
    reports = checkout.home.path / "reports"
    for category in ("fighting", "falling", "normal-00"):
        assert f"\n{category} " in (reports / "status.md").read_text()
    assert "R@10" in (reports / "table2.md").read_text()
    assert checkout.summary.read_text() == "".join(path.read_text() for path in sorted(reports.glob("*.md")))


def test_a_shut_gate_fails_the_step_and_the_tables_are_uploaded_all_the_same(
    checkout: Checkout, done: dict[str, Done], tmp_path: Path
) -> None:
    """The same steps on the same clips in a home of the profile `gpu`, whose gates require people."""
    shut = Checkout(tmp_path / "shut")
    shutil.copytree(checkout.home.path, shut.home.path, ignore=shutil.ignore_patterns("reports", "releases"))
    marker = shut.home.path / "home.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "profile": "gpu"}))
    names = [step["name"] for step in COMMANDS]
    after = shut.run(COMMANDS[names.index(GATED) :], SVTA_PROFILE="gpu", SVTA_VIDEO_GENERATOR="procedural")
    assert {name: one.code for name, one in after.items()} == {GATED: 1, "Tables": 0}
    assert "gate label_review is shut: labels are not reviewed yet: review the 10% sample" in after[GATED].output
    assert not (shut.home.path / "releases").exists(), "nothing of the next stage is written"
    verdicts = shut.home.work.catalog.read("gates", "all").sort("at").tail(2)
    assert dict(verdicts.select("gate", "level").iter_rows()) == {"label_review": "shut", "taxonomy_approval": "shut"}
    table = (shut.home.path / "reports" / "status.md").read_text()
    assert "gate label_review (all): shut" in table
    assert "\nfighting " in table
    assert any(path.exists() for path in shut.artifacts()), "upload-artifact fails only where it finds nothing"
