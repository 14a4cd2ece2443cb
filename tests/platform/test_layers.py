"""Imports go one way (svta_cli -> svta_assets -> svta_resources -> svta_models), and files stay readable."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from svta_resources.profiles import project_root

ROOT = project_root()
LAYERS = ("svta_models", "svta_resources", "svta_assets", "svta_cli")  # each may import itself and those before it
ONLY_ABOVE_MODELS = ("dagster", "dagster_aws", "openai")
LONGEST = 400  # lines


def _files(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every imported module, at module level, in functions and for type checkers alike."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""


@pytest.mark.parametrize("package", LAYERS)
def test_a_layer_imports_only_itself_and_the_layers_below(package: str) -> None:
    allowed = LAYERS[: LAYERS.index(package) + 1]
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in _files(package)
        for line, module in _imports(path)
        if (top := module.split(".")[0]).startswith("svta_") and top not in allowed
    ]
    assert wrong == []


def test_the_models_never_import_dagster() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in _files("svta_models")
        for line, module in _imports(path)
        if module.split(".")[0] in ONLY_ABOVE_MODELS
    ]
    assert wrong == []


def test_only_asset_modules_know_dagster() -> None:
    """The plain modules of a stage can be used, and tested, without it."""
    knowing = {
        path.relative_to(ROOT / "svta_assets").as_posix()
        for path in _files("svta_assets")
        for _, module in _imports(path)
        if module.split(".")[0] == "dagster"
    }
    allowed = {"definitions.py", "partitions.py", "checks.py", "results.py"}
    assert {name for name in knowing if not name.endswith("/assets.py") and "automation/" not in name} <= allowed


def test_no_layer_imports_the_tests_or_examples() -> None:
    for package in LAYERS:
        for path in _files(package):
            assert not [m for _, m in _imports(path) if m.split(".")[0] in {"tests", "examples", "benchmarks"}], path


def test_no_file_is_too_long_to_read() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for package in (*LAYERS, "tests", "benchmarks", "examples", "docs")
        for path in _files(package)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_asset_bodies_are_short() -> None:
    """An asset body reads tables, calls one plain function, writes, and returns its result (at most 30 lines)."""
    too_long = []
    for path in (ROOT / "svta_assets").rglob("assets.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            decorated = isinstance(node, ast.FunctionDef) and any(
                "asset" in ast.unparse(d) for d in node.decorator_list
            )
            if decorated and node.end_lineno - node.body[0].lineno + 1 > 30:  # type: ignore[attr-defined, operator]
                too_long.append(f"{path.name}: {node.name}")  # type: ignore[attr-defined]
    assert too_long == []
