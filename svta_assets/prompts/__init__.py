"""Prompts and attributes as files that people read and edit; what is current is decided here."""

from functools import cache
from importlib import resources
from typing import Any

import yaml

from svta_resources.llm import Prompt
from svta_resources.sampling import balanced

CURRENT = {"describe": "v1", "label": "v2"}
ATTRIBUTES = ("age", "gender", "culture", "environment", "camera")


@cache
def load_prompt(task: str) -> Prompt:
    """Read the current prompt of a task (`describe`, `label`)."""
    data = _read(f"{task}.{CURRENT[task]}.yaml")
    return Prompt(task=data["task"], version=data["version"], system=data["system"], schema=data["schema"])


def attributes(category: str, index: int) -> dict[str, str]:
    """Draw what description number `index` of a category shows; even over the slots, the same for ever.

    Returns age, gender, culture, environment and camera (SVTA paper, expansion of the 23 anomalies).
    """
    options = attribute_options(category)
    drawn = {name: balanced(options[name], index, category, name) for name in ATTRIBUTES if name in options}
    side = "indoor" if drawn["environment"] in _read("attributes.yaml")["indoor"] else "outdoor"
    drawn["camera"] = balanced(options[f"{side} camera"], index, category, "camera")
    return drawn


@cache
def attribute_options(category: str) -> dict[str, list[str]]:
    """The values each attribute of a category is drawn from; cameras by `indoor camera` and `outdoor camera`."""
    data = _read("attributes.yaml")
    special = data["categories"].get(category, {})
    options: dict[str, list[str]] = {name: special.get(name, data[name]) for name in ("age", "gender", "culture")}
    options["environment"] = data["environments"][special.get("environments", "anywhere")]
    cameras = data["camera"] | special.get("camera", {})
    return options | {f"{side} camera": values for side, values in cameras.items()}


@cache
def _read(name: str) -> dict[str, Any]:
    text = resources.files("svta_assets.prompts").joinpath(name).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data
