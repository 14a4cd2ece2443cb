"""`svta taxonomy export, apply, diff, log`: a person's edit becomes a version, which waits for approval."""

from pathlib import Path

import pytest

from svta_assets.clusters.versions import is_approved
from svta_assets.gates import taxonomy_approval
from svta_assets.workspace import Workspace
from svta_resources.profiles import PROFILES, Home
from tests.cli.conftest import Svta
from tests.stages.toy_category import ToyCategory
from tests.toy_home import DrillHome


def test_an_edit_is_applied_compared_and_approved(real: DrillHome, svta: Svta, tmp_path: Path) -> None:
    file = tmp_path / "taxonomy.yaml"
    before = real.work.catalog.read("categories")
    first, slug = before["taxonomy"][0], before.filter(kind="anomaly")["final_category"][0]
    assert svta("taxonomy", "export", str(file))[0] == 0
    text = file.read_text()
    file.write_text(text.replace("operations: []", f"operations: [{{rename: {slug}, to: brawl}}]"))
    code, _, err = svta("taxonomy", "export", str(file))
    assert code == 1
    assert "--force" in err

    code, out, err = svta("taxonomy", "apply", str(file), "--by", "ann")
    assert code == 0, err
    assert f"- `{slug}` to `anomaly-01-brawl`" in out
    work = real.work
    second = work.catalog.read("categories")["taxonomy"][0]
    assert second != first
    assert "anomaly-01-brawl" in work.catalog.read("assignments")["final_category"].to_list()
    strict = Workspace(Home(PROFILES["gpu"], work.home.path, work.home.media_url))
    assert f"svta taxonomy diff {first} {second}" in taxonomy_approval(strict).reason

    assert "`anomaly-01-brawl`" in svta("taxonomy", "diff", first)[1]
    assert svta("taxonomy", "diff", first, first)[1].endswith("No difference.\n")
    assert "no taxonomy version 'nix'" in svta("taxonomy", "diff", "nix")[2]
    assert "approved by bob" in svta("taxonomy", "approve", "--by", "bob")[1]
    assert taxonomy_approval(strict).passed
    lines = svta("taxonomy", "log")[1].splitlines()
    assert [line.split("  ")[1] for line in lines] == [first, second]
    assert "review by ann" in lines[-1]
    assert lines[-1].endswith("approved")
    assert not lines[0].endswith("  approved")

    code, _, err = svta("taxonomy", "apply", str(file), "--by", "ann")
    assert code == 1
    assert f"the current one is {second}: export it again" in err


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("taxonomy: v0\noperations: [{rename: nix, to: x}]", "there is no category 'nix'; nearest: anomaly-01-burn"),
        ("taxonomy: v0\noperations: []", "has no operations"),
        ("taxonomy: [", "is not valid YAML"),
        ("operations: []", "has no `taxonomy:` line"),
        ("taxonomy: v0\noperations: [{rename: burn, to: burn}]", "changes nothing"),
    ],
)
def test_a_file_that_cannot_be_applied_changes_nothing(
    released: ToyCategory, svta: Svta, tmp_path: Path, written: str, said: str
) -> None:
    file = tmp_path / "taxonomy.yaml"
    file.write_text(written)
    code, _, err = svta("taxonomy", "apply", str(file), "--by", "ann")
    assert code == 1
    assert said in err
    assert str(file) in err
    assert released.work.catalog.read("taxonomies").is_empty()


def test_options_of_another_command_are_not_swallowed(released: ToyCategory, svta: Svta) -> None:
    assert svta("taxonomy", "--by", "ann", "log")[0] == 2
    assert svta("taxonomy", "apply", "file.yaml")[0] == 2
    assert svta("taxonomy", "show")[1] == svta("taxonomy")[1]
    assert not is_approved(released.work, "v0")


def test_there_is_nothing_to_export_before_the_first_fit(home: Home, svta: Svta, tmp_path: Path) -> None:
    assert "no taxonomy yet" in svta("taxonomy", "export", str(tmp_path / "t.yaml"))[2]
    assert "no taxonomy yet" in svta("taxonomy", "log")[1]
