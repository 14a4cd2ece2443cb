"""The larger groups of final categories, as `groups.yaml` lists them."""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

Embed = Callable[[list[str]], np.ndarray]


@cache
def groups() -> dict[str, dict[str, list[str]]]:
    """Groups of each kind with their examples: kind -> group -> label names."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load((files("svta_assets") / "clusters" / "groups.yaml").read_text("utf-8"))
    return loaded


def propose(names: list[str], kind: str, embed: Embed) -> list[str]:
    """The group whose nearest example is most similar to each name; the first listed wins a tie."""
    if not names:
        return []
    examples = [(group, example) for group, listed in groups()[kind].items() for example in listed]
    similarity = embed(names) @ embed([example for _, example in examples]).T
    return [examples[index][0] for index in similarity.argmax(axis=1)]
