"""What an evaluation reads: captions, and the frames of one clip at a time.

A gallery is a release split, or the videos of a real benchmark. Both give frames by the same rule, the one of the
model that is evaluated. Shape letters: T frame slots, C = 3 channels, S x S pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from svta_models.errors import SvtaError
from svta_models.frames import (
    RESIZES,
    DecodeError,
    Fit,
    Resize,
    VideoInfo,
    decode_video,
    probe_video,
    resize_frames,
    sample_indices,
    uniform_indices,
)
from svta_models.gram.frames import eval_indices
from svta_models.gram.hearing import Heard, SoundChoice
from svta_models.gram.sound import AudioError
from svta_models.identity import canonical_json
from svta_models.long_video import index_video, read_frames
from svta_models.release import DamagedClip, ReleaseSplit

DATA_HASH_LENGTH = 16

Rule = Literal["sampled", "segments"]
"""`sampled`: the CLIP models' rule. `segments`: GRAM's, the middle frame of each of `max_frames` equal segments."""


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of a clip a model sees, how large, and how they are resized.

    With the rule `sampled`, `feature_framerate` None spreads `max_frames` over the whole clip (SVTA's own recipes); a
    number chooses as the published loaders do, with `slice_framepos` where that gives too many.
    """

    max_frames: int
    size: int
    fit: Fit = "crop"
    feature_framerate: int | None = None
    slice_framepos: int = 2
    rule: Rule = "sampled"
    resize: Resize = "exact"

    def indices(self, info: VideoInfo) -> list[int]:
        """Numbers of the source frames. Raises DecodeError for a video that says it has no frame or no rate."""
        try:
            if self.rule == "segments":
                return eval_indices(info.frames, self.max_frames)
            if self.feature_framerate is None:
                return uniform_indices(info.frames, self.max_frames)
            return sample_indices(info.frames, info.fps, self.feature_framerate, self.max_frames, self.slice_framepos)
        except ValueError as error:
            raise DecodeError(str(error)) from error

    def fitted(self, frames: np.ndarray) -> np.ndarray:
        """Frames (T', H, W, 3) uint8 as the model sees them, (T', 3, S, S) uint8."""
        return resize_frames(frames, self.size, self.fit, self.resize)

    def slots(self, frames: np.ndarray) -> tuple[Tensor, Tensor]:
        """Frames (T', H, W, 3) uint8 in T slots: (T, 3, S, S) uint8, empty ones zero, and the mask (T,) int64."""
        resized = self.fitted(frames)
        slots = np.zeros((self.max_frames, *resized.shape[1:]), dtype=np.uint8)
        slots[: len(resized)] = resized
        return torch.from_numpy(slots), (torch.arange(self.max_frames) < len(resized)).long()

    @property
    def in_words(self) -> str:
        """The choice for a table's reader."""
        if self.rule == "segments":
            which = "middles of equal segments"
        elif self.feature_framerate is None:
            which = "spread over the clip"
        else:
            which = f"at {self.feature_framerate} a second"
        return f"{self.max_frames} frames {which}, {self.resize} resize"


class Gallery(Protocol):
    """Caption i belongs to clip i. `clip_keys`: clips with equal keys are the same pixels and are encoded once."""

    @property
    def pair_ids(self) -> Sequence[str]: ...
    @property
    def captions(self) -> Sequence[str]: ...
    @property
    def categories(self) -> Sequence[str]: ...
    @property
    def clip_keys(self) -> Sequence[str]: ...

    def frames(self, number: int, choice: FrameChoice) -> tuple[Tensor, Tensor]:
        """Frames (T, 3, S, S) uint8 and mask (T,) of one clip; called from several threads at once."""
        ...

    def sound(self, number: int, choice: SoundChoice) -> Heard:
        """What is heard of one clip, for models that hear; called from several threads at once."""
        ...


def data_sha(gallery: Gallery) -> str:
    """Hash of what is evaluated: captions and clips, in order (16 hex digits)."""
    digest = hashlib.sha256()
    for row in zip(gallery.pair_ids, gallery.captions, gallery.clip_keys, strict=True):
        digest.update(canonical_json(list(row)).encode() + b"\n")
    return digest.hexdigest()[:DATA_HASH_LENGTH]


class ReleaseGallery:
    """The pairs of a release split. A broken clip raises DamagedClip: nothing is ever evaluated without it."""

    def __init__(self, split: ReleaseSplit) -> None:
        if not len(split):
            raise SvtaError(
                f"split {split.name!r} of release {split.hash} has no pairs"
                + (f" of category {split.category!r}" if split.category else "")
                + ": choose another split or add texts and materialize `splits` again"
            )
        self._split, self._rows = split, split.frame.to_dicts()
        self.pair_ids: list[str] = split.frame["pair_id"].to_list()
        self.captions: list[str] = split.frame["caption"].to_list()
        self.categories: list[str] = split.frame["final_category"].to_list()
        self.clip_keys: list[str] = split.frame["sha256"].to_list()

    def frames(self, number: int, choice: FrameChoice) -> tuple[Tensor, Tensor]:
        """Frames of one clip, checked against the release's sha256. Raises DamagedClip."""
        row = self._rows[number]
        data = self._split.clip_bytes(row)
        try:
            return choice.slots(decode_video(data, choice.indices(probe_video(data))))
        except (DecodeError, ValueError) as error:
            raise DamagedClip(
                f"clip {row['clip_id']} does not decode ({error}). Run `svta verify`, then materialize `videos` for "
                f"{row['category']!r} again"
            ) from error

    def sound(self, number: int, choice: SoundChoice) -> Heard:
        """The clip's audio track. Raises DamagedClip for one that does not decode; none at all is no damage."""
        row = self._rows[number]
        try:
            return choice.hear(self._split.clip_bytes(row))
        except AudioError as error:
            raise DamagedClip(f"clip {row['clip_id']}: {error}") from error


@dataclass(frozen=True)
class VideoGallery:
    """Real videos in files: one caption and one path each. Frames raise DecodeError where a file is broken, sound
    AudioError."""

    pair_ids: list[str]
    captions: list[str]
    categories: list[str]
    paths: list[Path]

    @property
    def clip_keys(self) -> list[str]:
        """A file's name and size: hashing hundreds of gigabytes anew for each model would take longer than reading."""
        return [f"{path.name}:{path.stat().st_size}" for path in self.paths]

    def frames(self, number: int, choice: FrameChoice) -> tuple[Tensor, Tensor]:
        """Frames of one video, sought one by one: a long video is never decoded whole."""
        path = self.paths[number]
        index = index_video(path)
        return choice.slots(read_frames(path, index, choice.indices(index.info)))

    def sound(self, number: int, choice: SoundChoice) -> Heard:
        """The video's audio track, decoded whole."""
        return choice.hear(self.paths[number])


def frame_choice(recipe: dict[str, Any], size: int, fit: str) -> FrameChoice:
    """The frames a checkpoint was trained to see, from its recipe; a setting that it lacks is of before the setting."""
    rate, resize = recipe.get("feature_framerate"), recipe.get("resize")
    return FrameChoice(
        max_frames=int(recipe["max_frames"]),
        size=size,
        fit="squash" if fit == "squash" else "crop",
        feature_framerate=None if rate is None else int(rate),
        slice_framepos=int(recipe.get("slice_framepos", 2)),
        rule="segments" if recipe.get("frame_rule") == "segments" else "sampled",
        resize=next((known for known in RESIZES if known == resize), "exact"),
    )
