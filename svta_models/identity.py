"""Names that never change: texts, pairs, clips and recipes are identified by what they are.

`text_id` depends on the source's own key, never on file order. One text is one pair, so `pair_id = text_id`.
A recipe hashes only what the user chose; library versions, devices and times are provenance and stay out of it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

ID_LENGTH = 20  # hex digits: 80 bits, so a million texts collide with probability 4e-13


def text_id(source: str, record_key: str, occurrence: int = 0) -> str:
    """Identify the `occurrence`-th text with the source's own `record_key` (20 hex digits)."""
    joined = "\x1f".join((source, record_key, str(occurrence)))
    return hashlib.sha256(joined.encode()).hexdigest()[:ID_LENGTH]


def clip_id(pair_id: str, take: int) -> str:
    """Name the clip of `pair_id`'s attempt number `take` (0, 1, 2, ...)."""
    return f"{pair_id}-{take}"


def canonical_json(value: Any) -> str:
    """Write `value` so that equal values give equal text: sorted keys, no spaces, Unicode kept."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def recipe_sha(recipe: Mapping[str, Any]) -> str:
    """Hash a recipe (64 hex digits of sha256 over its canonical JSON)."""
    return hashlib.sha256(canonical_json(recipe).encode()).hexdigest()


def take_seed(base_seed: int, take: int) -> int:
    """Give the seed of a take: the base seed itself for take 0, derived from (base, take) after.

    The paper renders every clip with seed 42 (SVTA paper, generation settings), which is take 0 here.
    """
    if take == 0:
        return base_seed
    digest = hashlib.sha256(f"{base_seed}/{take}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
