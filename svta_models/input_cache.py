"""Decoded and resized frames on disk, so that a split need not fit into memory and is decoded once.

One file a clip, named by the clip's sha256 and by what was done to it: `<folder>/<2 digits>/<hash>.npy`, uint8
(T', 3, S, S) with the frames that exist and none of the empty slots. Files are written under a temporary name and
renamed, so any number of processes may write the same clip. The folder is bounded: what was unused longest goes first.
"""

import hashlib
import os
import secrets
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from svta_models.frames import DecodeError, decode_video, probe_video
from svta_models.gallery import FrameChoice
from svta_models.identity import canonical_json
from svta_models.release import DamagedClip, ReleaseSplit

FORMAT = 1
UNFINISHED_MAX_AGE_S = 3600.0  # no frame file takes this long: its writer is gone
DEFAULT_LIMIT = 64 << 30
_HEADER = 128  # bytes of a .npy file before its numbers


@dataclass(frozen=True)
class ClipView:
    """What a model sees of a clip: which frames, how large, and how they were resized."""

    choice: FrameChoice

    def key(self, sha256: str) -> str:
        """Name of this view of the clip with these bytes (64 hex digits)."""
        seen = {"format": FORMAT, "clip": sha256, **asdict(self.choice)}
        return hashlib.sha256(canonical_json(seen).encode()).hexdigest()

    def read(self, split: ReleaseSplit, row: dict[str, Any]) -> np.ndarray:
        """Decode a clip of a release: (T', 3, S, S) uint8, T' <= max_frames. Raises DamagedClip."""
        data = split.clip_bytes(row)
        try:
            frames = decode_video(data, self.choice.indices(probe_video(data)))
        except (DecodeError, ValueError) as error:
            raise DamagedClip(
                f"clip {row['clip_id']} does not decode ({error}). Run `svta verify`, then materialize `videos` for "
                f"{row['category']!r} again"
            ) from error
        return self.choice.fitted(frames)

    @property
    def bytes_per_clip(self) -> int:
        """The most that a clip takes."""
        return _HEADER + self.choice.max_frames * 3 * self.choice.size**2


class FrameCache:
    """Frames on disk, at most `limit` bytes of them (several processes together may exceed it by what they add)."""

    def __init__(self, folder: Path, limit: int = DEFAULT_LIMIT) -> None:
        self.folder, self.limit = folder, limit
        self._used: int | None = None

    def read_into(self, key: str, slots: np.ndarray) -> int | None:
        """Read the frames of a key into the first of its slots (T, 3, S, S), contiguous; returns how many they are.

        None when they are not here. A file that is not whole is removed.
        """
        try:
            # Reading is half the work of mapping: no page of the file is mapped for bytes that are copied anyway.
            with open(self._path(key), "rb", buffering=0) as file:
                count = _frames_announced(file, slots)
                wanted = slots[:count].reshape(-1).data
                if file.readinto(wanted) == len(wanted):
                    return count
        except FileNotFoundError:
            return None
        except (ValueError, EOFError, OSError):
            pass
        self._path(key).unlink(missing_ok=True)
        return None

    def count(self, key: str) -> int | None:
        """How many frames a key has, from the file's header and size alone; None when they are not here."""
        frames = self._mapped(key)
        return None if frames is None else len(frames)

    def _mapped(self, key: str) -> np.ndarray | None:
        """The frames of a key, not read yet. A file that is not whole is removed."""
        path = self._path(key)
        try:
            return cast(np.ndarray, np.load(path, mmap_mode="r", allow_pickle=False))
        except FileNotFoundError:
            return None
        except (ValueError, EOFError, OSError):
            path.unlink(missing_ok=True)
            return None

    def put(self, key: str, frames: np.ndarray) -> bool:
        """Keep frames; False when the cache is full, or its disk."""
        if self._measured() + _HEADER + frames.nbytes > self.limit:
            return False
        path = self._path(key)
        unfinished = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(unfinished, "wb") as file:
                np.save(file, frames, allow_pickle=False)
            os.replace(unfinished, path)
        except OSError:  # a full disk: the training goes on without a cache
            with suppress(OSError):
                unfinished.unlink()
            return False
        self._used = self._measured() + _HEADER + frames.nbytes
        return True

    def make_room(self, needed: int, keep: Collection[str]) -> None:
        """Remove what was not used longest until `needed` more bytes fit; the keys in `keep` stay and count as used."""
        now = time.time()
        for key in keep:
            with suppress(OSError):
                os.utime(self._path(key), (now, now))
        kept = {self._path(key).name for key in keep}
        files = sorted(self._files(), key=lambda entry: entry[2])
        used = sum(size for _, size, _ in files)
        for path, size, modified in files:
            abandoned = path.suffix == ".part" and now - modified > UNFINISHED_MAX_AGE_S
            if abandoned or (used + needed > self.limit and path.suffix == ".npy" and path.name not in kept):
                path.unlink(missing_ok=True)
                used -= size
        self._used = used

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def _measured(self) -> int:
        if self._used is None:
            self._used = sum(size for _, size, _ in self._files())
        return self._used

    def _files(self) -> Iterable[tuple[Path, int, float]]:
        for part in self.folder.glob("[0-9a-f][0-9a-f]"):
            for entry in os.scandir(part):
                with suppress(FileNotFoundError):
                    facts = entry.stat()
                    yield Path(entry.path), facts.st_size, facts.st_mtime


def _frames_announced(file: Any, slots: np.ndarray) -> int:
    """How many frames a file says that it holds. Raises ValueError when they do not fit the slots."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("not written by this cache")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if dtype != np.uint8 or shape[1:] != slots.shape[1:] or not shape[0] <= len(slots):
        raise ValueError(f"frames {shape} of {dtype} do not fit slots {slots.shape}")
    return int(shape[0])
