"""The real sources, read once; tests on them are skipped where SVTA_SOURCES_DIR is not set."""

import os
from pathlib import Path

import pytest
from text_sources import never_embed

from svta_assets.texts.collect import Collected, collect_texts


@pytest.fixture(scope="session")
def real_dir() -> Path:
    folder = os.environ.get("SVTA_SOURCES_DIR")
    if not folder:
        pytest.skip("SVTA_SOURCES_DIR is not set")
    return Path(folder)


@pytest.fixture(scope="session")
def real(real_dir: Path) -> Collected:
    return collect_texts(real_dir, never_embed)
