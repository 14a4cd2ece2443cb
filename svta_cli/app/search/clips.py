"""The distinct clips of a release: each file once, whatever number of pairs share its pixels; none that is broken."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import polars as pl

from svta_models.errors import SvtaError
from svta_models.frames import DecodeError
from svta_models.gallery import FrameChoice, ReleaseGallery
from svta_models.gram.encoder import GramEncoder, stacked
from svta_models.reading import read_ahead

if TYPE_CHECKING:
    from torch import Tensor

    from svta_models.encoders import CheckpointEncoder
    from svta_models.gram.hearing import Heard, SoundChoice
    from svta_models.release import ReleaseSplit


class Clips(ReleaseGallery):
    """Clips of a release by number; `rows` has their rows, `number` among them. Unlike an evaluation, a search goes on
    where one is broken."""

    def __init__(self, release: "ReleaseSplit") -> None:
        super().__init__(release)
        self.rows: pl.DataFrame = release.frame.with_row_index("number").unique(
            "sha256", keep="first", maintain_order=True
        )

    def frames(self, number: int, choice: FrameChoice) -> "tuple[Tensor, Tensor]":
        try:
            return super().frames(number, choice)
        except SvtaError as error:
            raise DecodeError(str(error)) from error

    def sound(self, number: int, choice: "SoundChoice") -> "Heard":
        try:
            return super().sound(number, choice)
        except SvtaError as error:
            raise DecodeError(str(error)) from error

    def inputs(
        self, encoder: "CheckpointEncoder", blocks: Sequence[Sequence[int]]
    ) -> "Iterator[tuple[list[int], tuple[Tensor, ...]]]":
        """Of each block the clips that decode, and what `encoder.clips` takes of them; the next block is read ahead."""
        sound = encoder.sound if isinstance(encoder, GramEncoder) else None
        for answers in read_ahead(self, blocks, encoder.choice, sound):
            read = {number: clip for number, clip in answers.items() if not isinstance(clip, str)}
            if read:
                frames_BTCHW, mask_BT, spectrograms_BASF = stacked(list(read.values()))
                heard = () if spectrograms_BASF is None else (spectrograms_BASF,)
                yield list(read), (frames_BTCHW, mask_BT, *heard)
            else:
                yield [], ()
