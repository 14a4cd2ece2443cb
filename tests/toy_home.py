"""Homes for tests: what the environment of a fresh user looks like, and the real commands run in one."""

import os
from pathlib import Path
from typing import Any


class DrillHome:
    def __init__(self, path: Path) -> None:
        self.path = path


def clean_environment(home: Path) -> dict[str, str | None]:
    """Environment of a user of the demo profile with this home; None means the variable must not be set."""
    return {
        "SVTA_HOME": str(home),
        "DAGSTER_HOME": None,
        **dict.fromkeys(_NOT_SET),
    }


_NOT_SET = (
    "SVTA_PROFILE", "SVTA_SOURCES_DIR", "SVTA_MEDIA_URL", "SVTA_LLM_MODEL", "SVTA_VIDEO_GENERATOR", "SVTA_WAN_DIR",
    "OPENAI_BASE_URL", "OPENAI_API_KEY", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE",
)  # fmt: skip
