"""`svta evaluate --model` and `--misses`: a model of one's own in the tables, and what it missed."""

from pathlib import Path

import polars as pl
import pytest

from svta_resources.profiles import project_root
from tests.cli.conftest import Svta
from tests.stages.toy_category import ToyCategory

EXAMPLE = str(project_root() / "examples" / "own_model.py")


@pytest.fixture(autouse=True)
def _no_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SVTA_BENCHMARKS", "SVTA_MODELS"):
        monkeypatch.delenv(name, raising=False)


def test_a_model_file_is_evaluated_into_the_tables_and_its_misses_are_listed(
    svta: Svta, released: ToyCategory, tmp_path: Path
) -> None:
    code, out, err = svta("evaluate", "--model", EXAMPLE, "--release", "latest")
    assert code == 0, err
    assert "colour-words, ours" in out
    assert (released.work.home.path / "reports" / "table2.tex").exists()
    code, out, err = svta("evaluate", "colour-words", "--misses", "--limit", "1", "--csv", f"{tmp_path}/misses.csv")
    assert code == 0, err
    written = pl.read_csv(tmp_path / "misses.csv")
    # No caption names a colour: every query ties with all others, so none has the right answer alone at the top.
    assert f"{written.height} queries of colour-words on svta, t2v are not answered first" in out
    assert written["caption"][0] in out and written["wrong_file"][0] in out
    assert out.count("\nrank ") == 1
    assert '"style": "plain"' in out or '"style":"plain"' in out, "the recipe of the clip"


def test_a_registered_model_goes_by_its_name(
    svta: Svta, released: ToyCategory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVTA_MODELS", EXAMPLE)
    assert svta("evaluate", "--model", "colour-words")[0] == 0
    rows = released.work.catalog.read("evaluations", "colour-words")
    assert rows.select("model", "benchmark").unique().rows() == [("colour-words", "svta")]


def test_what_cannot_be_evaluated_is_refused_by_name(svta: Svta, released: ToyCategory, tmp_path: Path) -> None:
    code, _, err = svta("evaluate", "--model", f"{tmp_path}/absent.py")
    assert (code, "absent.py does not exist" in err) == (1, True)
    code, _, err = svta("evaluate", "--model", EXAMPLE, "--benchmark", "oops")
    assert (code, "no benchmark oops is configured" in err) == (1, True)
    code, _, err = svta("evaluate", "clip4clip-meanp", "--misses")
    assert (code, "has not been evaluated on svta" in err) == (1, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("mine",),
        ("--category", "fire"),
        ("--csv", "misses.csv"),
        ("--misses", "--benchmark", "svta", "--benchmark", "oops"),
        ("--model", EXAMPLE, "--similarity", EXAMPLE),
    ],
)
def test_wrong_usage_of_the_new_options_is_told_apart(
    svta: Svta, released: ToyCategory, arguments: tuple[str, ...]
) -> None:
    assert svta("evaluate", *arguments)[0] == 2
