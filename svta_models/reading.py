"""The clips of a gallery, read ahead in threads: while a block is worked on, the next one is decoded.

Two blocks are all that is held. Shape letters: T frame slots, C = 3 channels, H x W pixels.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from typing import NamedTuple

from torch import Tensor

from svta_models.frames import DecodeError
from svta_models.gallery import FrameChoice, Gallery
from svta_models.gram.hearing import Heard, SoundChoice
from svta_models.gram.sound import AudioError

_DECODERS = 8  # threads that decode ahead; more wait for the disk


class ClipRead(NamedTuple):
    """Frames uint8 (T, C, H, W) and mask (T,) of a clip; what is heard of it, for a model that hears."""

    frames_TCHW: Tensor
    mask_T: Tensor
    heard: Heard | None = None


def read_ahead(
    gallery: Gallery, blocks: Sequence[Sequence[int]], choice: FrameChoice, sound: SoundChoice | None = None
) -> Iterator[dict[int, ClipRead | str]]:
    """Yield the clips of each block of numbers; for a clip that does not decode, what is wrong with it.

    Raises what else a gallery raises (DamagedClip of a release).
    """

    def read(number: int) -> ClipRead | str:
        try:
            frames, mask = gallery.frames(number, choice)
            return ClipRead(frames, mask, None if sound is None else gallery.sound(number, sound))
        except (DecodeError, AudioError) as error:
            return str(error)

    with ThreadPoolExecutor(min(_DECODERS, os.cpu_count() or 1)) as pool:
        waiting = [[pool.submit(read, number) for number in block] for block in blocks[:1]]
        for block, following in zip_longest(blocks, blocks[1:]):
            read_now = waiting.pop()
            waiting.append([pool.submit(read, number) for number in following or ()])
            yield {number: future.result() for number, future in zip(block, read_now, strict=True)}
