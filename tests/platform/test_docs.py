"""The generated parts of docs/ say what the code says."""

import importlib.util

import pytest

from svta_resources.profiles import project_root

_SPEC = importlib.util.spec_from_file_location("docs_generate", project_root() / "docs" / "generate.py")
assert _SPEC is not None
assert _SPEC.loader is not None
_GENERATE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_GENERATE)
_OUTPUTS = _GENERATE.outputs()


@pytest.mark.parametrize("path", sorted(_OUTPUTS), ids=lambda path: path.name)
def test_generated_docs_are_current(path) -> None:  # type: ignore[no-untyped-def]
    assert path.read_text() == _OUTPUTS[path], "run `make docs` and commit the result"


def test_every_path_the_documents_link_to_exists() -> None:
    import re

    root = project_root()
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(root)} links to {target}"
