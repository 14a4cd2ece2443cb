"""Run the epochs of a training, keep the best one, and write down where it is so that a killed run can go on.

The epoch's order, the position in it and the state of every random generator are part of what is written: a training
that was killed and went on gives the weights of one that was not, bit for bit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from svta_models.dataset import DecodedSplit
from svta_models.evaluation import encode_sides, similarity_of
from svta_models.execution import EpochReport
from svta_models.metrics import retrieval_metrics
from svta_models.trainers import Trainer
from svta_models.training_state import State, TrainingState


@dataclass
class Progress:
    """Where a training is. epoch counts from 1; `step` steps of it are made, in the order `order_N`.

    best: validation R@1, R@10 and epoch of the best epoch, whose weights are `best_state`. made: steps in all.
    """

    epoch: int = 1
    step: int = 0
    made: int = 0
    order_N: Tensor | None = None
    losses: list[float] = field(default_factory=list)
    curves: list[dict[str, float]] = field(default_factory=list)
    best: tuple[float, float, int] = (-1.0, -1.0, 0)
    best_state: dict[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass
class Fitting:
    """One training under way. `kept`: where its state is written, in the first process (None: nowhere).

    pairs: what identifies the training pairs, so that a state is never applied to others.
    """

    trainer: Trainer
    validation: DecodedSplit | None
    max_words: int
    epochs: int
    pairs: str
    kept: TrainingState | None = None
    every: int = 0
    on_epoch: Callable[[EpochReport], None] | None = None
    progress: Progress = field(default_factory=Progress)

    def resume(self, state: State | None) -> None:
        """Go on from a state that `_state` gave."""
        if state is None:
            return
        given = dict(state["progress"])
        self.progress = Progress(**{**given, "best": tuple(given["best"])})
        self.trainer.restore(state["trainer"])
        generators = state["generators"]
        if len(generators) == self.trainer.place.world:  # with another number of processes dropout is drawn anew
            _set_generators(generators[self.trainer.place.rank])

    def run(self) -> Progress:
        """Run what is left of the epochs."""
        progress, started = self.progress, time.monotonic() - self.progress.seconds
        while progress.epoch <= self.epochs:
            self._epoch(progress, started)
            progress.seconds = time.monotonic() - started
            if self.on_epoch is not None and self.trainer.place.first:
                self.on_epoch(_report(progress.curves[-1], self.epochs, progress.seconds))
            progress.epoch, progress.step, progress.order_N, progress.losses = progress.epoch + 1, 0, None, []
            self._write()
        return progress

    def _epoch(self, progress: Progress, started: float) -> None:
        if progress.order_N is None:
            progress.order_N = torch.randperm(len(self.trainer.clips), generator=self.trainer.random)
        batches = self.trainer.batches(progress.order_N)
        for loss in self.trainer.steps(batches[progress.step :]):
            progress.losses.append(loss)
            progress.step += 1
            progress.made += 1
            if self.every and progress.made % self.every == 0 and progress.step < len(batches):
                progress.seconds = time.monotonic() - started
                self._write()
        if self.trainer.place.first:
            self._judge(progress)
        self.trainer.place.wait()

    def _judge(self, progress: Progress) -> None:
        """Validate, and keep the weights when they are the best: highest R@1, then R@10, then the later epoch."""
        recall, epoch = self._validate(), progress.epoch
        progress.curves.append({"epoch": epoch, "loss": sum(progress.losses) / len(progress.losses), **recall})
        if (recall["r_at_1"], recall["r_at_10"], epoch) > progress.best:
            progress.best = (recall["r_at_1"], recall["r_at_10"], epoch)
            state = self.trainer.judged.state_dict()
            progress.best_state = {name: tensor.detach().to("cpu", copy=True) for name, tensor in state.items()}

    def _validate(self) -> dict[str, float]:
        assert self.validation is not None, "the first process has the validation clips"
        model = self.trainer.judged
        texts, clips = encode_sides(model, self.trainer.tokenizer, self.validation, self.max_words)
        found = retrieval_metrics(similarity_of(model, texts, clips), ties="average")
        return {"r_at_1": found["R@1"], "r_at_5": found["R@5"], "r_at_10": found["R@10"], "mdr": found["MdR"]}

    def _write(self) -> None:
        """Every process takes part: each has its own generators."""
        generators = self.trainer.place.of_all(_generators(self.trainer.place.device))
        if self.kept is not None and self.trainer.place.first:
            self.kept.write(
                {
                    "pairs": self.pairs,
                    "progress": dict(vars(self.progress)),
                    "trainer": self.trainer.state(),
                    "generators": generators,
                }
            )


def _report(record: dict[str, float], epochs: int, seconds: float) -> EpochReport:
    epoch = int(record["epoch"])
    eta_s = seconds / epoch * (epochs - epoch)
    return EpochReport(epoch, epochs, record["loss"], record["r_at_1"], record["r_at_10"], seconds, eta_s)


def _generators(device: torch.device) -> dict[str, Any]:
    """The state of PyTorch's own generators, from which dropout is drawn."""
    states: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def _set_generators(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["cpu"])
    if "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"])
