"""Train a retrieval model on a release: read the clips, learn, keep the epoch that is best on validation.

The test split is never opened here. Everything random is drawn from seeded generators, so equal seed, recipe and
thread count give equal weights, also when the training was killed and went on.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch

from svta_models.checkpoint import save_checkpoint
from svta_models.clip_input import ClipInput, read_clips
from svta_models.errors import SvtaError
from svta_models.execution import EpochReport, Execution, Say, TrainingJob, TrainResult
from svta_models.fitting import Fitting, Progress
from svta_models.gallery import frame_choice
from svta_models.gram.tuning import GramTuner
from svta_models.input_cache import ClipView, FrameCache
from svta_models.media_store import MediaStore
from svta_models.placement import Meeting, Placement, placed
from svta_models.ranks import StartRanks, train_in_processes
from svta_models.recipe import AnyRecipe, GramTuning, Recipe
from svta_models.release import Release, ReleaseSplit
from svta_models.shapes import model_shape, picture_of, sound_of
from svta_models.starting import starting_weights
from svta_models.trainers import FineTuner, ScratchTrainer, Trainer
from svta_models.training_state import TrainingState, states_in

OnEpoch = Callable[[EpochReport], None]


def train(
    release: Release | ReleaseSplit,
    store: MediaStore,
    prefix: str,
    recipe: AnyRecipe | None = None,
    seed: int = 42,
    on_epoch: OnEpoch | None = None,
    method: str = "clip4clip-meanP",
    device: str = "cpu",
    how: Execution | None = None,
    say: Say = lambda line: None,
    start: StartRanks | None = None,
) -> TrainResult:
    """Train `method` on a release's `train` pairs and write the best epoch to `<prefix>/<id>/` in `store`.

    `device` is where the model computes ("cpu", "cuda"); it is no part of the recipe, but rounds differently. `how`
    says more (processes, states, frame cache) and then names the device too. `say` hears what a person should know.
    `start` starts the processes; by default several ones are children of this process.

    Best = highest validation text-to-video R@1, then R@10, then the later epoch; validation always has the true
    captions. Raises SvtaError for a release without training or validation pairs and for weights that are not there,
    DamagedClip when more clips are broken than `how.max_broken` allows.
    """
    recipe, how = recipe or Recipe(), how or Execution(device=device)
    whole = release.release if isinstance(release, ReleaseSplit) else release
    how.check(recipe)
    job = TrainingJob(store, whole.hash, prefix, recipe, seed, method, how)
    if not isinstance(recipe, Recipe) and (weights := starting_weights(recipe, store, prefix)) is not None:
        job = replace(job, recipe=replace(recipe, weights=weights.sha256), weights=weights.path)
    if how.processes > 1 or start is not None:
        return train_in_processes(job, on_epoch, say, start)
    return train_here(whole, job, on_epoch, say)


def train_here(
    release: Release, job: TrainingJob, on_epoch: OnEpoch | None, say: Say, meeting: Meeting | None = None
) -> TrainResult:
    """Train in this process; with `meeting` it is one of several, of which the first writes and reports."""
    started, recipe = time.monotonic(), job.recipe
    precision = "fp32" if isinstance(recipe, Recipe) else recipe.precision
    with ExitStack() as stack:
        stack.enter_context(_torch_settings(recipe.threads, job.seed, job.how.device))
        place = stack.enter_context(placed(job.how.device, precision, meeting))
        fitting, broken = _prepare(release, job, place, say)
        if job.how.folder is not None or job.how.states:
            _resume(stack, fitting, job, place, say)
        fitting.on_epoch = on_epoch
        resumed_at, before_s = fitting.progress.made, fitting.progress.seconds
        progress = fitting.run()
        checkpoint_id = _save(release, job, fitting.trainer, progress, broken) if place.first else ""
    return TrainResult(
        checkpoint_id,
        job.prefix,
        progress.best[2],
        progress.curves,
        before_s + time.monotonic() - started,
        sum(tensor.numel() for tensor in fitting.trainer.model.parameters()),
        broken,
        resumed_at,
        fitting.trainer.waited_s,
    )


def _prepare(release: Release, job: TrainingJob, place: Placement, say: Say) -> tuple[Fitting, dict[str, str]]:
    """Read the clips and build the model: everything before the first step. Also the clips that are broken."""
    recipe = job.recipe
    if job.method.lower() == "xclip" and isinstance(recipe, Recipe) and recipe.train_frames != recipe.max_frames:
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
    random = torch.Generator().manual_seed(job.seed)
    clips = _clips(train_split, job, place, say)
    validation = _read(val_split, job, say) if place.first else None
    if min(len(clips.clips) - 1, 1 if validation is None else len(validation.clips)) < 1:
        raise SvtaError(
            f"release {release.hash} has too few clips that are not broken: {next(iter(clips.broken.values()))}"
        )
    trainer = _trainer(job, clips, random, place)
    pairs = hashlib.sha256("\n".join(clips.clips.pair_ids).encode()).hexdigest()
    fitting = Fitting(trainer, validation.clips if validation else None, recipe.max_words, recipe.epochs, pairs)
    return fitting, clips.broken | (validation.broken if validation else {})


def _clips(split: ReleaseSplit, job: TrainingJob, place: Placement, say: Say) -> ClipInput:
    """The training clips. The first process decodes; what it finds broken the others do not look at.

    On every other machine its first process decodes for those there: a frame cache belongs to a machine.
    """
    read = _read(split, job, say, training=True) if place.first else None
    broken = place.of_all(read.broken if read else {})[0]
    rest = replace(split, frame=split.frame.filter(~split.frame["pair_id"].is_in(list(broken))))
    if read is None and place.leads:
        read = _read(rest, job, say, training=True)
    place.wait()
    return read or _read(rest, job, lambda line: None, training=True)


def _read(split: ReleaseSplit, job: TrainingJob, say: Say, training: bool = False) -> ClipInput:
    shape, seen = model_shape(job.recipe), job.recipe.to_dict()
    if training and isinstance(job.recipe, GramTuning):  # it draws its frames anew in every step
        seen |= {"max_frames": job.recipe.pool_frames}
    view = ClipView(frame_choice(seen, *picture_of(shape)))
    cache = FrameCache(job.how.frame_cache, job.how.frame_cache_bytes) if job.how.frame_cache else None
    return read_clips(split, view, cache, job.how.decode_workers, job.how.max_broken, say, sound_of(shape))


def _trainer(job: TrainingJob, clips: ClipInput, random: torch.Generator, place: Placement) -> Trainer:
    if isinstance(job.recipe, Recipe):
        return ScratchTrainer(job.recipe, job.method, clips.clips, random, place)
    assert job.weights is not None, "train finds the weights"
    if isinstance(job.recipe, GramTuning):
        return GramTuner(job.recipe, job.weights, clips.clips, random, place)
    return FineTuner(job.recipe, job.method, job.weights, clips.clips, random, place)


def _resume(stack: ExitStack, fitting: Fitting, job: TrainingJob, place: Placement, say: Say) -> None:
    """Go on from the newest state, and write states from here on. All processes read the same one."""
    how, found = job.how, None
    kept = TrainingState(how.folder, say) if how.folder is not None else states_in(job.store, how.states, say)
    if place.first:
        fitting.kept = stack.enter_context(kept)
        found = kept.newest(lambda state: bool(state["pairs"] == fitting.pairs))
    name = place.of_all(kept.found)[0]
    if name and not place.first:
        found = kept.named(name)
    fitting.every = how.checkpoint_every
    fitting.resume(found)
    if found is not None and place.first:
        say(f"going on after step {fitting.progress.made}, in epoch {fitting.progress.epoch} of {fitting.epochs}")


def _save(release: Release, job: TrainingJob, trainer: Trainer, progress: Progress, broken: dict[str, str]) -> str:
    trainer.model.load_state_dict(progress.best_state)
    facts = {
        "recipe": job.recipe.to_dict(),
        "release": release.hash,
        "seed": job.seed,
        "best_epoch": progress.best[2],
        "curves": progress.curves,
    }
    if broken:
        facts["without_pairs"] = sorted(broken)
    return save_checkpoint(job.store, job.prefix, trainer.model, trainer.tokenizer, facts)


@contextmanager
def _torch_settings(threads: int, seed: int, device: str) -> Iterator[None]:
    """Seed, thread count and deterministic kernels for the training alone; the caller's are put back."""
    before, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(threads)
    if device == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS needs for equal results
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
        torch.use_deterministic_algorithms(strict)
