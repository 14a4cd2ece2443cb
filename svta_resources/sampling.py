"""Draws that depend on nothing but their arguments: the same in every process, on every machine and Python."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def pick(options: Sequence[T], *salt: str | int) -> T:
    """Choose one option by a hash of `salt`."""
    return options[_number(*salt) % len(options)]


def balanced(options: Sequence[T], index: int, *salt: str | int) -> T:
    """Choose the option of slot `index` so that any len(options) neighbouring slots of a block use every option once.

    Plain draws leave some options out of 50 slots; this covers each equally often, in an order that `salt` shuffles.
    """
    block, position = divmod(index, len(options))
    order = sorted(range(len(options)), key=lambda i: _number(*salt, block, i))
    return options[order[position]]


def _number(*salt: str | int) -> int:
    joined = "\x1f".join(map(str, salt))
    return int.from_bytes(hashlib.sha256(joined.encode()).digest()[:8], "big")
