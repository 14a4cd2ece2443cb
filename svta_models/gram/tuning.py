"""Fine-tuning GRAM from its published pre-trained weights (recipes `paper` and `svta`).

Shape letters: N training pairs, B pairs of a batch, R pairs of this process's part of it, P frames kept of a clip,
T frames of a step, A windows, S frames of a spectrogram, F mel bins, C = 3 channels, H x W pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from svta_models.augment import to_clip_input
from svta_models.clip_input import FrameBuffers
from svta_models.dataset import DecodedSplit
from svta_models.errors import SvtaError
from svta_models.gram.bert_tokenizer import BertTokenizer
from svta_models.gram.files import words_of
from svta_models.gram.frames import train_indices
from svta_models.gram.model import Gram
from svta_models.gram.optim import gram_optimizer
from svta_models.gram.weights import open_gram
from svta_models.loader import BatchLoader
from svta_models.placement import Placement
from svta_models.recipe import GramTuning
from svta_models.trainers import Trainer, finite, shuffled


@dataclass(frozen=True)
class _Inputs:
    ids_RL: Tensor
    mask_RL: Tensor
    frames_RTCHW: Tensor
    frame_mask_RT: Tensor
    heard: dict[str, Tensor]


def open_run(weights: Path, preset: str, changed: Mapping[str, Any]) -> tuple[Gram, BertTokenizer]:
    """The model of a published run with some settings changed, and its tokenizer. Raises WrongWeights, SvtaError."""
    model = open_gram(weights, preset=preset, changed=changed)
    tokenizer = BertTokenizer.from_file(words_of(weights))
    if tokenizer.size != model.config.bert.vocab_size:
        raise SvtaError(
            f"{words_of(weights)} has {tokenizer.size} words, the weights {weights} have "
            f"{model.config.bert.vocab_size}: put the vocabulary there that the weights were trained with"
        )
    return model, tokenizer


class GramTuner(Trainer):
    """One training from published GRAM weights; whole batches only, the published optimiser.

    As with `FineTuner` the number of processes does not change what a step sees. What a step draws (frames of the
    segments, mirroring, windows of long tracks) depends on the seed and on the step's number alone, so batches may be
    read ahead in threads, and a training that went on draws what it would have drawn.
    """

    drops_last = True

    def __init__(
        self, recipe: GramTuning, weights: Path, clips: DecodedSplit, random: torch.Generator, place: Placement
    ) -> None:
        super().__init__(recipe, clips, random, place)
        if len(clips) < recipe.batch_size:
            raise SvtaError(
                f"recipe {recipe.name} drops incomplete batches: {len(clips)} training pairs do not fill one of "
                f"{recipe.batch_size}. Lower batch_size or train on a larger release"
            )
        self._drawn_from = int(torch.randint(2**31, (1,), generator=random))
        self._made = 0
        if recipe.shuffle_captions:
            self.captions = shuffled(self.captions, random)
        self.recipe = recipe
        changed = {"audio": recipe.audio, "max_caption_len": recipe.max_words}
        self.model, self.tokenizer = open_run(weights, recipe.preset, changed)
        self.ids_NL, self.mask_NL = self.tokenizer.encode(self.captions, recipe.max_words)
        place.take(self.model)
        total = recipe.epochs * len(self.batches(torch.arange(len(clips))))
        self.optimizer = gram_optimizer(
            self.model, total, recipe.lr, recipe.vision_lr, recipe.warmup, recipe.weight_decay
        )
        self._ranks = recipe.ranks // place.world
        self._buffers = FrameBuffers(clips.frames_NTCHW)
        if place.world > 1:
            # The model was drawn alike in all processes; from here on each draws its own dropout and wrong pairs.
            torch.manual_seed(torch.initial_seed() + place.rank)

    def steps(self, batches: Sequence[Tensor]) -> Iterator[float]:
        loader = BatchLoader(self._read)
        for inputs in loader.batches([(rows_B, self._made + place) for place, rows_B in enumerate(batches)]):
            value = self._step(inputs)
            self._made += 1
            self.waited_s, loader.waited_s = self.waited_s + loader.waited_s, 0.0
            yield value

    def _read(self, wanted: tuple[Tensor, int], slot: int) -> _Inputs:
        rows_B, number = wanted
        world, rank = self.place.world, self.place.rank
        rows_R = rows_B.chunk(world)[rank]
        random = torch.Generator().manual_seed((self._drawn_from + number) * world + rank)
        pool_RPCHW, pool_mask_RP = self._buffers.read(rows_R, slot), self.clips.mask_NT[rows_R]
        frames_RTCHW, frame_mask_RT = draw_frames(pool_RPCHW, pool_mask_RP, self.recipe.train_frames, random)
        if self.recipe.flip:
            mirror_R = torch.rand(len(rows_R), generator=random) < 0.5
            frames_RTCHW[mirror_R] = frames_RTCHW[mirror_R].flip(-1)
        sounds = self.clips.sounds
        heard = {} if sounds is None else {"spectrograms_BASF": sounds.drawn(rows_R.tolist(), random)}
        return _Inputs(self.ids_NL[rows_R], self.mask_NL[rows_R], frames_RTCHW, frame_mask_RT, heard)

    def _step(self, inputs: _Inputs) -> float:
        self.model.train()
        frame_mask_RT = inputs.frame_mask_RT.to(self.place.device)
        frames_RTCHW = to_clip_input(inputs.frames_RTCHW.to(self.place.device), frame_mask_RT)
        loss = self.place.loss(
            inputs.ids_RL, inputs.mask_RL, frames_RTCHW, frame_mask_RT, ranks=self._ranks, also=inputs.heard
        )
        self.optimizer.zero_grad()
        self.place.backward(loss)
        self.optimizer.step()
        self.model.clamp_logit_scale()
        return finite(self.place.mean(loss), self.recipe)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "made": self._made}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self._made = state["made"]


def draw_frames(pool_RPCHW: Tensor, pool_mask_RP: Tensor, count: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """A frame of each of `count` segments of a clip's kept frames: (R, T, C, H, W) and mask (R, T) int64.

    A clip with fewer kept frames gives all of them; its other slots are empty.
    """
    frames_RTCHW = pool_RPCHW.new_zeros(len(pool_RPCHW), count, *pool_RPCHW.shape[2:])
    mask_RT = torch.zeros(len(pool_RPCHW), count, dtype=torch.long)
    for row, kept in enumerate(pool_mask_RP.sum(dim=1).tolist()):
        chosen = train_indices(kept, random, count)
        frames_RTCHW[row, : len(chosen)] = pool_RPCHW[row, chosen]
        mask_RT[row, : len(chosen)] = 1
    return frames_RTCHW, mask_RT
