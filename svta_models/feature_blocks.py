"""Encoded captions or clips on disk, a block a file: a killed evaluation goes on, and memory holds a block at a time.

A block file is written under a temporary name and renamed, so one that exists is whole. It holds the features of a
few items, and which of them they are (`rows`), since an item that cannot be read has none.
"""

import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from svta_models.retrieval import Features

BLOCK = 32
"""Items of one file; what is encoded, kept and lost together."""
_HEARD = "heard"


class Side(Protocol):
    """Captions or clips of a similarity: features that can be asked for by range."""

    def __len__(self) -> int: ...

    def take(self, rows: slice) -> Features:
        """Features of a range of items."""
        ...


class HeldSide:
    """Features in memory, on whichever device."""

    def __init__(self, features: Features) -> None:
        self.features = features

    def __len__(self) -> int:
        return len(self.features[0])

    def take(self, rows: slice) -> Features:
        return tuple(tensor[rows] for tensor in self.features)


class FeatureBlocks:
    """The block files of one side in a folder (`<name>-<first item>.safetensors`)."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        folder.mkdir(parents=True, exist_ok=True)

    def missing(self, count: int) -> list[range]:
        """The blocks of `count` items that are not on disk yet."""
        blocks = [range(first, min(first + BLOCK, count)) for first in range(0, count, BLOCK)]
        return [block for block in blocks if not self._file(block.start).exists()]

    def write(self, first: int, rows: Sequence[int], features: Features, heard: int | None = None) -> None:
        """Keep a block: `features` of the items `rows`; `first` is the block's first item, read or not.

        `heard`: how many of them have an audio track, where that was looked at.
        """
        from safetensors.torch import save_file

        tensors = {f"feature{place}": tensor.detach().cpu().contiguous() for place, tensor in enumerate(features)}
        target = self._file(first)
        unfinished = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            facts = None if heard is None else {_HEARD: str(heard)}
            save_file({"rows": torch.tensor(rows, dtype=torch.long), **tensors}, unfinished, facts)
            os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)

    def side(self, count: int, device: torch.device | str = "cpu") -> "StoredSide":
        """All items that have features, in their order."""
        return StoredSide([self._file(first) for first in range(0, count, BLOCK)], device)

    def _file(self, first: int) -> Path:
        return self._folder / f"{self._name}-{first:08d}.safetensors"


class StoredSide:
    """Features read from block files when they are asked for. `rows`: the items there are, in order."""

    def __init__(self, files: Sequence[Path], device: torch.device | str = "cpu") -> None:
        self._files, self._device = list(files), device
        self._counts = [_rows(file) for file in self._files]
        self.rows = [row for rows in self._counts for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def heard(self) -> int | None:
        """How many items have an audio track; None where that was not looked at."""
        found = [count for file in self._files if (count := _heard(file)) is not None]
        return sum(found) if found else None

    def take(self, rows: slice) -> Features:
        start, stop, _ = rows.indices(len(self))
        parts, first = [], 0
        for file, held in zip(self._files, self._counts, strict=True):
            last = first + len(held)
            if held and first < stop and last > start:
                parts.append(_features(file, slice(max(0, start - first), min(len(held), stop - first))))
            first = last
        return tuple(torch.cat(tensors).to(self._device) for tensors in zip(*parts, strict=True))


def _rows(file: Path) -> list[int]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        rows: list[int] = opened.get_tensor("rows").tolist()
        return rows


def _heard(file: Path) -> int | None:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        said = (opened.metadata() or {}).get(_HEARD)
    return None if said is None else int(said)


def _features(file: Path, rows: slice) -> list[Tensor]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        names = sorted((name for name in opened.keys() if name != "rows"), key=lambda name: int(name[7:]))  # noqa: SIM118
        return [opened.get_slice(name)[rows] for name in names]
