"""Vectors kept on disk: computed or paid for once, whatever process asks again.

A folder holds immutable segments, written whole under a temporary name: the sorted sha256 of each text, then the
vectors. Any number of processes write below one folder without locks, on network drives too; what two of them compute
at the same time stands there twice until segments are merged. Texts themselves are not stored. A damaged segment is
removed, so the worst that can happen is that a vector is computed again. The folder may be deleted at any time.
"""

import hashlib
import logging
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from svta_resources.embeddings.model import Vectors

_LOG = logging.getLogger(__name__)
SUFFIX = ".vectors"
SMALL = 4096  # rows; a segment of at least as many is never merged
MOST_SMALL = 32  # more small segments are merged when the folder is opened: at most 200 MB for a width of 384
UNIT_TOLERANCE = 1e-3  # of a vector's length; a torn page shows here

Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class _Segment:
    """keys_N4 in memory (32 bytes a text), vectors_ND mapped from the file."""

    keys_N4: Keys
    vectors_ND: Vectors

    def find(self, wanted_M4: Keys) -> tuple[npt.NDArray[np.intp], Vectors]:
        """Which of the wanted keys (M, 4) are here with a sound vector -> (their places in M, their vectors)."""
        places_M = np.searchsorted(self.keys_N4[:, 0], wanted_M4[:, 0])
        places_M[places_M == len(self.keys_N4)] = 0
        hits = np.flatnonzero((self.keys_N4[places_M] == wanted_M4).all(axis=1))
        vectors = np.asarray(self.vectors_ND[places_M[hits]])
        sound = _sound(vectors)
        return hits[sound], vectors[sound]


class DiskVectors:
    """Vectors of one model below `folder`.

    A folder that cannot be written to is used for reading; the log says so once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._segments: dict[str, _Segment] = {}
        self._writable = True
        self._refresh()
        small = {name: one for name, one in self._segments.items() if len(one.keys_N4) < SMALL}
        if len(small) > MOST_SMALL:
            self._merge(small)

    def get(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """Vectors (D,) of those texts that are known."""
        self._refresh()
        missing = list(texts)
        keys_M4 = _keys(missing)
        found: dict[str, Vectors] = {}
        for segment in self._segments.values():
            if not missing:
                break
            hits, vectors = segment.find(keys_M4)
            found.update((missing[place], vector) for place, vector in zip(hits.tolist(), vectors, strict=True))
            rest = np.setdiff1d(np.arange(len(missing)), hits)
            missing, keys_M4 = [missing[place] for place in rest], keys_M4[rest]
        return found

    def put(self, texts: list[str], vectors_ND: Vectors) -> None:
        """Keep the vectors of distinct texts as one segment."""
        if texts and self._writable:
            self._write(_keys(texts), vectors_ND)

    def _write(self, keys_N4: Keys, vectors_ND: Vectors) -> bool:
        name = secrets.token_hex(8) + SUFFIX
        target, temporary = self.folder / name, self.folder / f".{name}"
        order = np.argsort(keys_N4[:, 0], kind="stable")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                np.save(file, keys_N4[order])
                np.save(file, np.ascontiguousarray(vectors_ND[order], dtype="<f4"))
            os.replace(temporary, target)
        except OSError as error:
            self._writable = False
            _LOG.warning("embeddings cannot be kept in %s (%s): a next run makes them again", self.folder, error)
            with suppress(OSError):
                temporary.unlink()
            return False
        self._open(target)
        return True

    def _refresh(self) -> None:
        """Open what other processes have written, forget what they have merged."""
        try:
            names = {entry.name for entry in os.scandir(self.folder) if _is_segment(entry.name)}
        except OSError:  # not there yet, or not ours to read: then `_write` will say so
            names = set()
        for name in self._segments.keys() - names:
            del self._segments[name]  # its rows stand in a merged one
        for name in sorted(names - self._segments.keys()):
            self._open(self.folder / name)

    def _open(self, path: Path) -> None:
        try:
            self._segments[path.name] = _read(path)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):  # merged by another process between listing and now
                _LOG.warning("%s cannot be read (%s); its embeddings are made again", path, error)
        except (ValueError, TypeError, EOFError) as error:
            _LOG.warning("%s is damaged (%s) and removed; its embeddings are made again", path, error)
            with suppress(OSError):
                path.unlink()

    def _merge(self, small: dict[str, _Segment]) -> None:
        """Write small segments as one, then remove them; another process doing the same only doubles rows."""
        if len({one.vectors_ND.shape[1] for one in small.values()}) != 1:
            return
        keys_N4 = np.concatenate([one.keys_N4 for one in small.values()])
        vectors_ND = np.concatenate([one.vectors_ND for one in small.values()])
        sound = _sound(vectors_ND)
        keys_N4, first = np.unique(keys_N4[sound], axis=0, return_index=True)
        if self._write(keys_N4, vectors_ND[sound][first]):
            for name in small:
                with suppress(OSError):
                    (self.folder / name).unlink()
            self._refresh()


def _read(path: Path) -> _Segment:
    """Raises OSError, ValueError, TypeError or EOFError for what is no whole segment."""
    with path.open("rb") as file:
        keys_N4: Any = np.load(file, allow_pickle=False)
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError("an unknown layout")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if keys_N4.dtype != "<u8" or dtype != "<f4" or keys_N4.shape != (shape[0], 4) or 0 in shape or len(shape) != 2:
            raise ValueError("an unknown layout")
        vectors_ND: Any = np.memmap(path, dtype, "r", file.tell(), shape)
    return _Segment(keys_N4, vectors_ND)


def _is_segment(name: str) -> bool:
    return name.endswith(SUFFIX) and not name.startswith(".")


def _sound(vectors_ND: Vectors) -> npt.NDArray[np.bool_]:
    sound: npt.NDArray[np.bool_] = np.abs(np.linalg.norm(vectors_ND, axis=1) - 1) < UNIT_TOLERANCE
    return sound


def _keys(texts: list[str]) -> Keys:
    """sha256 of each text as four numbers (N, 4); the first is what segments are sorted by."""
    # surrogates: a model may send half a pair
    raw = b"".join(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts)
    return np.frombuffer(raw, dtype="<u8").reshape(-1, 4)
