"""Encoded clips of a checkpoint on disk, by the sha256 of their file: only clips that are new are ever encoded again.

A segment holds a few dozen clips in two files. `pooled` is what the first stage compares; it is read whole. `rest` is
what a re-ranking model needs beside; of it single rows are read when they are asked for. A segment counts once its
`pooled` file exists, which is written last and renamed into place, so a killed build loses one segment at most.
"""

import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from svta_models.retrieval import Features

SEGMENT = 64  # clips of a segment
_CLIPS = "clips"  # key of a file's metadata: sha256s as JSON


class FeatureStore:
    """The segments of one checkpoint in a folder; it may be deleted, and is then built anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place: dict[str, tuple[str, int]] = {}  # sha256 -> segment and row
        self._read: set[str] = set()

    def known(self) -> set[str]:
        """Sha256 of every clip there are features of."""
        for file in sorted(self._folder.glob("*.pooled")):
            if file.stem not in self._read:
                self._place.update({sha: (file.stem, row) for row, sha in enumerate(_clips_of(file))})
                self._read.add(file.stem)
        return set(self._place)

    def add(self, sha256s: Sequence[str], pooled: "Features", rest: "Features") -> None:
        """Keep a segment. Tensors have one row a clip."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = secrets.token_hex(8)
        if rest:
            _write(self._folder / f"{name}.rest", sha256s, rest)
        _write(self._folder / f"{name}.pooled", sha256s, pooled)

    def pooled(self, sha256s: Sequence[str]) -> "Features":
        """First-stage tensors of these clips, in their order; all of them must be known."""
        import torch
        from safetensors.torch import load_file

        rows: dict[str, list[tuple[int, int]]] = {}
        for target, sha in enumerate(sha256s):
            segment, row = self._place[sha]
            rows.setdefault(segment, []).append((target, row))
        out: list[Tensor] = []
        for segment, places in rows.items():
            held = load_file(self._folder / f"{segment}.pooled")
            for number in range(len(held)):
                part = held[f"feature{number}"]
                if number == len(out):
                    out.append(torch.empty(len(sha256s), *part.shape[1:], dtype=part.dtype))
                targets, taken = (torch.tensor(column) for column in zip(*places, strict=True))
                out[number][targets] = part[taken]
        return tuple(out)

    def rest(self, sha256s: Sequence[str]) -> "Features":
        """What re-ranking needs of a few clips, in their order."""
        import torch
        from safetensors import safe_open

        rows: list[tuple[Tensor, ...]] = []
        for sha in sha256s:
            segment, row = self._place[sha]
            with safe_open(self._folder / f"{segment}.rest", framework="pt") as opened:
                count = len(list(opened.keys()))
                rows.append(tuple(opened.get_slice(f"feature{number}")[row : row + 1] for number in range(count)))
        return tuple(torch.cat(parts) for parts in zip(*rows, strict=True))


def _clips_of(file: Path) -> list[str]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        clips: list[str] = json.loads(opened.metadata()[_CLIPS])
        return clips


def _write(target: Path, sha256s: Sequence[str], features: "Features") -> None:
    from safetensors.torch import save_file

    # Cloned: the file format refuses tensors that share memory, as views of one another do.
    tensors = {f"feature{n}": tensor.detach().cpu().clone().contiguous() for n, tensor in enumerate(features)}
    unfinished = target.with_name(f".{target.name}.part")
    try:
        save_file(tensors, unfinished, metadata={_CLIPS: json.dumps(list(sha256s))})
        os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
