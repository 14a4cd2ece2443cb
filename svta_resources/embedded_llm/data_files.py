"""The package's YAML files, read once per process."""

from functools import cache
from importlib import resources
from typing import Any

import yaml


@cache
def read_data(name: str) -> dict[str, Any]:
    """Read `data/<name>.yaml`. Callers must not change what they get."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    file = resources.files("svta_resources.embedded_llm").joinpath("data", f"{name}.yaml")
    loaded: dict[str, Any] = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)
    return loaded
