"""What a step of each recipe is: model, optimiser, batches, and what the model sees of them.

Shape letters: N training pairs, B pairs of a batch, R pairs of this process's part of it, T frame slots, L tokens,
C = 3 channels, H x W pixels.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from svta_models.augment import augment_frames, drop_words, mirrorable, pick_slots, to_clip_input
from svta_models.clip_input import FrameBuffers
from svta_models.clip_tokenizer import AnyTokenizer, ClipTokenizer
from svta_models.dataset import DecodedSplit
from svta_models.errors import SvtaError
from svta_models.loader import BatchLoader
from svta_models.optim import freeze_layers, published_optimizer, published_step
from svta_models.placement import Placement
from svta_models.published import build_model, from_clip, open_published
from svta_models.recipe import AnyRecipe, FineTuning, Recipe
from svta_models.retrieval import RetrievalModel
from svta_models.shapes import model_shape, vocabulary, with_vocabulary
from svta_models.tokenizer import CaptionTokenizer


@dataclass(frozen=True)
class Inputs:
    """What the model is given of one process's part of a batch; frames uint8."""

    ids_RL: Tensor
    mask_RL: Tensor
    frames_RTCHW: Tensor
    frame_mask_RT: Tensor


class Trainer(ABC):
    """One model being trained. `steps` makes the steps of an epoch; everything that a step changes is in `state`."""

    model: RetrievalModel
    optimizer: torch.optim.Optimizer
    tokenizer: AnyTokenizer
    drops_last: ClassVar[bool]
    """Whether a last incomplete batch is left out."""

    def __init__(self, recipe: AnyRecipe, clips: DecodedSplit, random: torch.Generator, place: Placement) -> None:
        self.clips, self.random, self.place = clips, random, place
        self.captions = list(clips.captions)
        self._batch_size, self._drop = recipe.batch_size, self.drops_last
        self.waited_s = 0.0

    @property
    def judged(self) -> RetrievalModel:
        """The weights that are validated and kept."""
        return self.model

    def batches(self, order_N: Tensor) -> list[Tensor]:
        """Cut an order of row numbers into batches."""
        parts = list(torch.split(order_N, self._batch_size))
        if self._drop and len(parts[-1]) < self._batch_size:
            parts.pop()
        elif len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]  # a last single row joins its neighbour: one pair has no negatives
        return parts

    @abstractmethod
    def steps(self, batches: Sequence[Tensor]) -> Iterator[float]:
        """Make one optimiser step a batch of row numbers; yields each step's loss (nats) after it."""

    def state(self) -> dict[str, Any]:
        """Everything that a step changes."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "random": self.random.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.random.set_state(state["random"])


class ScratchTrainer(Trainer):
    """The recipe `scratch`: all clips in memory, augmentation, AdamW, a running mean of the weights."""

    drops_last = False

    def __init__(
        self, recipe: Recipe, method: str, clips: DecodedSplit, random: torch.Generator, place: Placement
    ) -> None:
        super().__init__(recipe, clips, random, place)
        shape = model_shape(recipe)
        tokenizer = CaptionTokenizer.train(self.captions, vocabulary(shape))
        if recipe.shuffle_captions:
            self.captions = shuffled(self.captions, random)
        self.ids_NL, self.mask_NL = tokenizer.encode(self.captions, recipe.max_words)
        self.mirror_N = torch.tensor([recipe.flip and mirrorable(caption) for caption in self.captions])
        self.recipe, self.tokenizer = recipe, tokenizer
        self.model = build_model(method, with_vocabulary(shape, tokenizer.size))
        place.take(self.model)
        self.optimizer = _adamw(self.model, recipe)
        total = recipe.epochs * len(self.batches(torch.arange(len(clips))))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, _warmup_cosine(recipe, total))
        decay = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
        self.average = torch.optim.swa_utils.AveragedModel(self.model, multi_avg_fn=decay)

    @property
    def judged(self) -> RetrievalModel:
        return cast(RetrievalModel, self.average.module) if self.recipe.average else self.model

    def steps(self, batches: Sequence[Tensor]) -> Iterator[float]:
        for rows_B in batches:
            value = self._step(rows_B)
            self.schedule.step()
            self.average.update_parameters(self.model)
            yield value

    def _step(self, rows_B: Tensor) -> float:
        recipe, random = self.recipe, self.random
        self.model.train()
        frames_BSCHW = self.clips.frames_NTCHW[rows_B]
        slots_BT = pick_slots(self.clips.mask_NT[rows_B], recipe.train_frames, random)
        frames_BTCHW = frames_BSCHW[torch.arange(len(rows_B))[:, None], slots_BT]
        frame_mask_BT = self.clips.mask_NT[rows_B].gather(1, slots_BT)
        frames_BTCHW = augment_frames(frames_BTCHW, self.mirror_N[rows_B], recipe.shift, random)
        ids_BL = drop_words(self.ids_NL[rows_B], recipe.word_dropout, random)
        frames_BTCHW = to_clip_input(frames_BTCHW, frame_mask_BT)
        sounds = self.clips.sounds
        heard = {} if sounds is None else {"spectrograms_BASF": sounds.drawn(rows_B.tolist(), random)}
        loss = self.place.loss(ids_BL, self.mask_NL[rows_B], frames_BTCHW, frame_mask_BT, also=heard)
        self.optimizer.zero_grad()
        self.place.backward(loss)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.model.clamp_logit_scale()
        return finite(float(loss.detach()), recipe)

    def state(self) -> dict[str, Any]:
        return {
            **super().state(),
            "schedule": self.schedule.state_dict(),
            "average": self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.schedule.load_state_dict(state["schedule"])
        self.average.load_state_dict(state["average"])


class FineTuner(Trainer):
    """The recipes `paper` and `svta`: CLIP's weights from a file, the published optimiser, whole batches only.

    Every process goes through the same batches and takes its own part of each, so that the number of processes does
    not change what a step sees. Its part stands for the published ranks that fall to it.
    """

    drops_last = True

    def __init__(
        self,
        recipe: FineTuning,
        method: str,
        weights: Path,
        clips: DecodedSplit,
        random: torch.Generator,
        place: Placement,
    ) -> None:
        super().__init__(recipe, clips, random, place)
        if len(clips) < recipe.batch_size:
            raise SvtaError(
                f"recipe {recipe.name} drops incomplete batches: {len(clips)} training pairs do not fill one of "
                f"{recipe.batch_size}. Lower batch_size or train on a larger release"
            )
        if recipe.shuffle_captions:
            self.captions = shuffled(self.captions, random)
        self.recipe, self.tokenizer = recipe, ClipTokenizer()
        self.ids_NL, self.mask_NL = self.tokenizer.encode(self.captions, recipe.max_words)
        build = open_published if recipe.start else from_clip
        self.model = build(method, weights, model_shape(recipe) | {"dropout": recipe.dropout})
        freeze_layers(self.model, recipe.freeze_layers)
        place.take(self.model)
        total = recipe.epochs * len(self.batches(torch.arange(len(clips))))
        self.published = published_optimizer(
            self.model, total, recipe.lr, recipe.coef_lr, recipe.warmup, recipe.weight_decay
        )
        self.optimizer = self.published
        self._ranks = recipe.ranks // place.world
        self._buffers = FrameBuffers(clips.frames_NTCHW, pinned=place.device.type == "cuda")
        if place.world > 1:
            # The model was drawn alike in all processes; from here on each draws its own dropout.
            torch.manual_seed(torch.initial_seed() + place.rank)

    def steps(self, batches: Sequence[Tensor]) -> Iterator[float]:
        loader = BatchLoader(self._read)
        for inputs in loader.batches(batches):
            value = self._step(inputs)
            self.waited_s, loader.waited_s = self.waited_s + loader.waited_s, 0.0
            yield value

    def _read(self, rows_B: Tensor, slot: int) -> Inputs:
        rows_R = rows_B.chunk(self.place.world)[self.place.rank]
        frames_RTCHW = self._buffers.read(rows_R, slot)
        return Inputs(self.ids_NL[rows_R], self.mask_NL[rows_R], frames_RTCHW, self.clips.mask_NT[rows_R])

    def _step(self, inputs: Inputs) -> float:
        self.model.train()
        frame_mask_RT = inputs.frame_mask_RT.to(self.place.device, non_blocking=True)
        frames_RTCHW = inputs.frames_RTCHW.to(self.place.device, non_blocking=True)  # as bytes: a quarter to transfer
        frames_RTCHW = to_clip_input(frames_RTCHW, frame_mask_RT)
        loss = self.place.loss(inputs.ids_RL, inputs.mask_RL, frames_RTCHW, frame_mask_RT, ranks=self._ranks)
        self.place.backward(loss)
        published_step(self.model, self.published)
        return finite(self.place.mean(loss), self.recipe)


def shuffled(captions: list[str], random: torch.Generator) -> list[str]:
    """Captions in an order in which none keeps its place: each goes to another clip."""
    order = torch.randperm(len(captions), generator=random).tolist()
    successor = dict(zip(order, order[1:] + order[:1], strict=True))  # one big cycle has no fixed point
    return [captions[successor[index]] for index in range(len(captions))]


def finite(loss: float, recipe: AnyRecipe) -> float:
    """A step's loss. Raises SvtaError when the training has diverged."""
    if not math.isfinite(loss):
        raise SvtaError(f"training diverged (loss {loss}): lower the recipe's lr (now {recipe.lr}) or raise warmup")
    return loss


def _adamw(model: RetrievalModel, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; matrices decay, everything one-dimensional (norms, biases, logit scale) does not."""
    matrices = [tensor for tensor in model.parameters() if tensor.ndim >= 2]
    others = [tensor for tensor in model.parameters() if tensor.ndim < 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=(0.9, 0.98), eps=1e-6)


def _warmup_cosine(recipe: Recipe, total_steps: int) -> Callable[[int], float]:
    warm = max(1, round(total_steps * recipe.warmup))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, total_steps - warm))))

    return factor
