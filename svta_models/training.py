"""Train a retrieval model on a release: decode once, learn, keep the epoch that is best on validation.

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
from svta_models.dataset import DecodedSplit, decode_split
from svta_models.errors import SvtaError
from svta_models.evaluation import encode_sides, similarity_of
from svta_models.media_store import MediaStore
from svta_models.metrics import retrieval_metrics
from svta_models.presets import ClipConfig, preset_values
from svta_models.published import build_model
from svta_models.recipe import Recipe
from svta_models.release import Release, ReleaseSplit
from svta_models.retrieval import RetrievalModel
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


@dataclass(frozen=True)
class _Data:
    """The training split in memory with its tokenised captions and which clips may be mirrored."""

    clips: DecodedSplit
    ids_NL: Tensor
    mask_NL: Tensor
    mirror_N: Tensor


@dataclass(frozen=True)
class _Run:
    """What one training works with."""

    recipe: Recipe
    model: RetrievalModel
    tokenizer: CaptionTokenizer
    data: _Data
    validation: DecodedSplit
    random: torch.Generator
    optimizer: torch.optim.Optimizer
    average: torch.optim.swa_utils.AveragedModel

    @property
    def judged(self) -> RetrievalModel:
        """The weights that are validated and kept: their running mean, or the weights themselves."""
        return cast(RetrievalModel, self.average.module) if self.recipe.average else self.model


@dataclass(frozen=True)
class _Fitted:
    """The curves of all epochs, the best epoch (from 1) and its weights."""

    curves: list[dict[str, float]]
    best_epoch: int
    state: dict[str, Tensor]


def train(
    release: Release | ReleaseSplit,
    store: MediaStore,
    prefix: str,
    recipe: Recipe | None = None,
    seed: int = 42,
    on_epoch: Callable[[EpochReport], None] | None = None,
    method: str = "clip4clip-meanP",
    device: str = "cpu",
) -> TrainResult:
    """Train `method` on a release's `train` pairs and write the best epoch to `<prefix>/<id>/` in `store`.

    `device` is where the model computes ("cpu", "cuda"); it is no part of the recipe, but rounds differently.

    Best = highest validation text-to-video R@1, then R@10, then the later epoch; validation always has the true
    captions. Raises SvtaError for a release without training or validation pairs, DamagedClip for a broken clip.
    """
    recipe = recipe or Recipe()
    whole = release.release if isinstance(release, ReleaseSplit) else release
    started = time.monotonic()
    with _torch_settings(recipe.threads, seed):
        run = _prepare(whole, recipe, seed, method, device)
        fitted = _fit(run, on_epoch)
        run.model.load_state_dict(fitted.state)
        facts = {
            "recipe": recipe.to_dict(),
            "release": whole.hash,
            "seed": seed,
            "best_epoch": fitted.best_epoch,
            "curves": fitted.curves,
        }
        checkpoint_id = save_checkpoint(store, prefix, run.model, run.tokenizer, facts)
    parameters = sum(tensor.numel() for tensor in run.model.parameters())
    return TrainResult(checkpoint_id, prefix, fitted.best_epoch, fitted.curves, time.monotonic() - started, parameters)


def _prepare(release: Release, recipe: Recipe, seed: int, method: str, device: str) -> _Run:
    """Decode, tokenise and build the model: everything before the first step."""
    shape = preset_values(recipe.preset) | {"max_words": recipe.max_words, "max_frames": recipe.max_frames}
    config = ClipConfig.from_mapping(shape)
    if method.lower() == "xclip" and recipe.train_frames != recipe.max_frames:
        raise SvtaError(
            f"X-CLIP's weights are made for all max_frames {recipe.max_frames} slots: set train_frames to it as well "
            f"(now {recipe.train_frames})"
        )
    train_split, val_split = release.split("train"), release.split("val")
    if len(train_split) < 2 or len(val_split) < 1:
        raise SvtaError(
            f"release {release.hash} has {len(train_split)} training and {len(val_split)} validation pairs: training "
            "needs at least 2 and 1. Add texts or categories and materialize `splits` again"
        )
    random = torch.Generator().manual_seed(seed)
    clips = decode_split(train_split, recipe.max_frames, config.image, config.fit)
    validation = decode_split(val_split, recipe.max_frames, config.image, config.fit)
    captions = list(clips.captions)
    tokenizer = CaptionTokenizer.train(captions, config.vocab)
    if recipe.shuffle_captions:
        captions = [captions[index] for index in _derangement(len(captions), random)]
    ids_NL, mask_NL = tokenizer.encode(captions, recipe.max_words)
    mirror_N = torch.tensor([recipe.flip and mirrorable(caption) for caption in captions])
    model = build_model(method, shape | {"vocab": tokenizer.size}).to(device)
    data = _Data(clips, ids_NL, mask_NL, mirror_N)
    return _Run(recipe, model, tokenizer, data, validation, random, _optimizer(model, recipe), _average(model, recipe))


def _fit(run: _Run, on_epoch: Callable[[EpochReport], None] | None) -> _Fitted:
    """Run all epochs and keep the best."""
    recipe, pairs = run.recipe, len(run.data.clips)
    total_steps = recipe.epochs * sum(1 for _ in _batches(torch.arange(pairs), recipe.batch_size))
    schedule = torch.optim.lr_scheduler.LambdaLR(run.optimizer, _warmup_cosine(recipe, total_steps))
    curves: list[dict[str, float]] = []
    best, best_state = (-1.0, -1.0, 0), dict[str, Tensor]()
    started = time.monotonic()
    for epoch in range(1, recipe.epochs + 1):
        losses = []
        for rows_B in _batches(torch.randperm(pairs, generator=run.random), recipe.batch_size):
            losses.append(_step(run, rows_B))
            schedule.step()
            run.average.update_parameters(run.model)
        recall = _validate(run)
        curves.append({"epoch": epoch, "loss": sum(losses) / len(losses), **recall})
        if (recall["r_at_1"], recall["r_at_10"], epoch) > best:
            best = (recall["r_at_1"], recall["r_at_10"], epoch)
            best_state = {name: tensor.detach().clone() for name, tensor in run.judged.state_dict().items()}
        if on_epoch is not None:
            on_epoch(_report(curves[-1], recipe.epochs, time.monotonic() - started))
    return _Fitted(curves, best[2], best_state)


def _report(record: dict[str, float], epochs: int, seconds: float) -> EpochReport:
    epoch = int(record["epoch"])
    eta_s = seconds / epoch * (epochs - epoch)
    return EpochReport(epoch, epochs, record["loss"], record["r_at_1"], record["r_at_10"], seconds, eta_s)


def _step(run: _Run, rows_B: Tensor) -> float:
    """One optimiser step on the pairs `rows_B`; returns the loss."""
    data, recipe, random = run.data, run.recipe, run.random
    run.model.train()
    slots_BT = pick_slots(data.clips.mask_NT[rows_B], recipe.train_frames, random)
    frames_BTCHW = data.clips.frames_NTCHW[rows_B[:, None], slots_BT]
    frame_mask_BT = data.clips.mask_NT[rows_B].gather(1, slots_BT)
    frames_BTCHW = augment_frames(frames_BTCHW, data.mirror_N[rows_B], recipe.shift, random)
    ids_BL = drop_words(data.ids_NL[rows_B], recipe.word_dropout, random)
    frames_BTCHW = to_clip_input(frames_BTCHW, frame_mask_BT)
    loss = run.model.loss(
        *(side.to(run.model.device) for side in (ids_BL, data.mask_NL[rows_B], frames_BTCHW, frame_mask_BT))
    )
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.model.clamp_logit_scale()
    value = float(loss.detach())
    if not math.isfinite(value):
        raise SvtaError(f"training diverged (loss {value}): lower the recipe's lr (now {recipe.lr}) or raise warmup")
    return value


def _validate(run: _Run) -> dict[str, float]:
    texts, clips = encode_sides(run.judged, run.tokenizer, run.validation, run.recipe.max_words)
    measured = retrieval_metrics(similarity_of(run.judged, texts, clips), ties="average")
    return {"r_at_1": measured["R@1"], "r_at_5": measured["R@5"], "r_at_10": measured["R@10"], "mdr": measured["MdR"]}


def _average(model: RetrievalModel, recipe: Recipe) -> torch.optim.swa_utils.AveragedModel:
    """Running mean of the weights."""
    decay = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)  # type: ignore[no-untyped-call]
    return torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=decay)


def _optimizer(model: RetrievalModel, recipe: Recipe) -> torch.optim.Optimizer:
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


def _batches(order_N: Tensor, size: int) -> Iterator[Tensor]:
    """Cut an order of row numbers into batches; a last single row joins its neighbour: one pair has no negatives."""
    parts = list(torch.split(order_N, size))
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
