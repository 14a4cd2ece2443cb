"""Train CLIP4Clip-MeanP on a release: decode once, learn, keep the epoch that is best on validation.

Shape letters: N training pairs, B pairs of a batch, T frame slots, L tokens, C = 3 channels, H x W pixels.
The test split is never opened here. Everything random is drawn from one seeded generator, so equal seed, recipe and
thread count give equal weights.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from svta_models.augment import augment_frames, drop_words, mirrorable, pick_slots, to_clip_input
from svta_models.checkpoint import save_checkpoint
from svta_models.clip4clip import Clip4ClipMeanP
from svta_models.dataset import DecodedSplit, decode_split
from svta_models.errors import SvtaError
from svta_models.evaluation import encode_split, similarity_of
from svta_models.media_store import MediaStore
from svta_models.metrics import retrieval_metrics
from svta_models.presets import preset
from svta_models.recipe import Recipe
from svta_models.release import Release, ReleaseSplit
from svta_models.tokenizer import CaptionTokenizer


@dataclass(frozen=True)
class EpochReport:
    """Told to `on_epoch`: epoch counts from 1; loss in nats; R@K on validation in percent; times in seconds."""

    epoch: int
    epochs: int
    loss: float
    r_at_1: float
    r_at_10: float
    seconds: float
    eta_s: float


@dataclass(frozen=True)
class TrainResult:
    """`checkpoint_id` below `prefix`; `seconds` is wall time with decoding.

    `curves`: one record per epoch with epoch, loss (nats), r_at_1, r_at_5, r_at_10 (percent) and mdr on validation.
    """

    checkpoint_id: str
    prefix: str
    best_epoch: int
    curves: list[dict[str, float]]
    seconds: float
    parameters: int


@dataclass
class _Data:
    """The training split in memory with its tokenised captions."""

    clips: DecodedSplit
    ids_NL: Tensor
    mask_NL: Tensor
    mirror_N: Tensor


def train(
    release: Release | ReleaseSplit,
    store: MediaStore,
    prefix: str,
    recipe: Recipe | None = None,
    seed: int = 42,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> TrainResult:
    """Train on a release's `train` pairs and write the best epoch to `<prefix>/<id>/` in `store`.

    Best = highest validation text-to-video R@1, then R@10, then the later epoch; validation always has the true
    captions. Raises SvtaError for a release without training or validation pairs, DamagedClip for a broken clip.
    """
    recipe = recipe or Recipe()
    whole = release.release if isinstance(release, ReleaseSplit) else release
    started = time.monotonic()
    with _torch_settings(recipe.threads, seed):
        random = torch.Generator().manual_seed(seed)
        data, validation, tokenizer = _prepare(whole, recipe, random)
        model = Clip4ClipMeanP(preset(recipe.preset).with_vocab(tokenizer.size))
        curves, best_epoch, best_state = _fit(model, data, validation, tokenizer, recipe, random, on_epoch)
        model.load_state_dict(best_state)
        facts = {
            "recipe": recipe.to_dict(),
            "release": whole.hash,
            "seed": seed,
            "best_epoch": best_epoch,
            "curves": curves,
        }
        checkpoint_id = save_checkpoint(store, prefix, model, tokenizer, facts)
    parameters = sum(tensor.numel() for tensor in model.parameters())
    return TrainResult(checkpoint_id, prefix, best_epoch, curves, time.monotonic() - started, parameters)


def _prepare(release: Release, recipe: Recipe, random: torch.Generator) -> tuple[_Data, DecodedSplit, CaptionTokenizer]:
    config = preset(recipe.preset)
    train_split, val_split = release.split("train"), release.split("val")
    if len(train_split) < 2 or len(val_split) < 1:
        raise SvtaError(
            f"release {release.hash} has {len(train_split)} training and {len(val_split)} validation pairs: training "
            "needs at least 2 and 1. Add texts or categories and materialize `splits` again"
        )
    clips = decode_split(train_split, recipe.max_frames, config.image, config.fit)
    validation = decode_split(val_split, recipe.max_frames, config.image, config.fit)
    captions = list(clips.captions)
    tokenizer = CaptionTokenizer.train(captions, config.vocab)
    if recipe.shuffle_captions:
        captions = [captions[index] for index in _derangement(len(captions), random)]
    ids_NL, mask_NL = tokenizer.encode(captions, recipe.max_words)
    mirror_N = torch.tensor([recipe.flip and mirrorable(caption) for caption in captions])
    return _Data(clips, ids_NL, mask_NL, mirror_N), validation, tokenizer


def _fit(
    model: Clip4ClipMeanP,
    data: _Data,
    validation: DecodedSplit,
    tokenizer: CaptionTokenizer,
    recipe: Recipe,
    random: torch.Generator,
    on_epoch: Callable[[EpochReport], None] | None,
) -> tuple[list[dict[str, float]], int, dict[str, Tensor]]:
    """Run all epochs; return the curves, the best epoch (from 1) and its weights."""
    optimizer = _optimizer(model, recipe)
    steps_per_epoch = max(1, math.ceil(len(data.clips) / recipe.batch_size))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _warmup_cosine(recipe, steps_per_epoch * recipe.epochs))
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
    )
    curves: list[dict[str, float]] = []
    best: tuple[float, float, int] = (-1.0, -1.0, 0)
    best_state: dict[str, Tensor] = {}
    started = time.monotonic()
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        for rows_B in _batches(len(data.clips), recipe.batch_size, random):
            losses.append(_step(model, optimizer, data, rows_B, recipe, random))
            schedule.step()
            average.update_parameters(model)
        current = cast(Clip4ClipMeanP, average.module) if recipe.average else model
        recall = _validate(current, validation, tokenizer, recipe.max_words)
        curves.append({"epoch": epoch, "loss": sum(losses) / len(losses), **recall})
        if (recall["r_at_1"], recall["r_at_10"], epoch) >= best:
            best = (recall["r_at_1"], recall["r_at_10"], epoch)
            best_state = {name: tensor.detach().clone() for name, tensor in current.state_dict().items()}
        if on_epoch is not None:
            spent = time.monotonic() - started
            eta = spent / epoch * (recipe.epochs - epoch)
            on_epoch(EpochReport(epoch, recipe.epochs, curves[-1]["loss"], recall["r_at_1"], recall["r_at_10"], spent, eta))
    return curves, best[2], best_state


def _step(
    model: Clip4ClipMeanP,
    optimizer: torch.optim.Optimizer,
    data: _Data,
    rows_B: Tensor,
    recipe: Recipe,
    random: torch.Generator,
) -> float:
    model.train()
    slots_BT = pick_slots(data.clips.mask_NT[rows_B], recipe.train_frames, random)
    frames_BTCHW = data.clips.frames_NTCHW[rows_B[:, None], slots_BT]
    frame_mask_BT = data.clips.mask_NT[rows_B].gather(1, slots_BT)
    frames_BTCHW = augment_frames(frames_BTCHW, data.mirror_N[rows_B], recipe.shift, random)
    ids_BL = drop_words(data.ids_NL[rows_B], recipe.word_dropout, random)
    loss = model.loss(ids_BL, data.mask_NL[rows_B], to_clip_input(frames_BTCHW, frame_mask_BT), frame_mask_BT)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    model.clamp_logit_scale()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise SvtaError(f"training diverged (loss {value}): lower the recipe's lr (now {recipe.lr}) or raise warmup")
    return value


def _validate(
    model: Clip4ClipMeanP, validation: DecodedSplit, tokenizer: CaptionTokenizer, max_words: int
) -> dict[str, float]:
    text_ND, clip_ND = encode_split(model, tokenizer, validation, max_words)
    measured = retrieval_metrics(similarity_of(model, text_ND, clip_ND), ties="average")
    return {"r_at_1": measured["R@1"], "r_at_5": measured["R@5"], "r_at_10": measured["R@10"], "mdr": measured["MdR"]}


def _optimizer(model: Clip4ClipMeanP, recipe: Recipe) -> torch.optim.Optimizer:
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


def _batches(count: int, size: int, random: torch.Generator) -> Iterator[Tensor]:
    """Shuffled row numbers; a last single row joins its neighbour, because one pair has no negatives."""
    parts = list(torch.split(torch.randperm(count, generator=random), size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    yield from parts


def _derangement(count: int, random: torch.Generator) -> list[int]:
    """An order in which nothing keeps its place: every caption goes to another clip."""
    order = torch.randperm(count, generator=random).tolist()
    successor = dict(zip(order, order[1:] + order[:1], strict=True))  # one big cycle has no fixed point
    return [successor[index] for index in range(count)]


@contextmanager
def _torch_settings(threads: int, seed: int) -> Iterator[None]:
    """Seed and thread count for the training alone; the caller's are put back."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
