"""How a training is carried out: nothing here changes what is trained, so nothing here is hashed."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from svta_models.errors import SvtaError
from svta_models.input_cache import DEFAULT_LIMIT
from svta_models.media_store import MediaStore
from svta_models.recipe import AnyRecipe, Recipe

Say = Callable[[str], None]


@dataclass(frozen=True)
class Execution:
    """Where and how a training runs.

    device: "cpu" or "cuda"; processes: how many, each on a device of its own (fine-tuning only).
    folder: where the state of the training lies, to go on from after a kill; None keeps none. Whoever names a folder
    holds it (`svta_models.training_state.held_folder`). checkpoint_every: steps between states, beside the one after
    every epoch; 0 = none between. states: a folder of the store instead, for processes on several machines.
    frame_cache: folder of decoded frames, bounded by frame_cache_bytes; None = frames in memory. decode_workers:
    processes that fill it, 0 = this one. max_broken: share of a split's clips that may be broken.
    held: descriptors that every process of the training keeps open (locks).
    """

    device: str = "cpu"
    processes: int = 1
    folder: Path | None = None
    checkpoint_every: int = 0
    frame_cache: Path | None = None
    frame_cache_bytes: int = DEFAULT_LIMIT
    decode_workers: int = 0
    max_broken: float = 0.0
    held: tuple[int, ...] = ()
    states: str = ""

    def check(self, recipe: AnyRecipe) -> None:
        """Raise SvtaError when the recipe cannot be trained so."""
        if self.processes < 1 or self.checkpoint_every < 0 or not 0 <= self.max_broken <= 1:
            raise SvtaError(
                f"processes {self.processes} start at 1, checkpoint_every {self.checkpoint_every} at 0, and the share "
                f"max_broken {self.max_broken} lies between 0 and 1"
            )
        if isinstance(recipe, Recipe):
            if self.processes > 1:
                raise SvtaError(
                    f"recipe {recipe.name} trains in one process: set processes to 1 (now {self.processes})"
                )
        elif recipe.ranks % self.processes:
            raise SvtaError(
                f"recipe {recipe.name} reproduces {recipe.ranks} published processes, which {self.processes} do not "
                "divide: choose another number of processes"
            )


@dataclass(frozen=True)
class TrainingJob:
    """One training, in a form that can be sent to another process. `weights`: the published file it starts from."""

    store: MediaStore
    release: str
    prefix: str
    recipe: AnyRecipe
    seed: int
    method: str
    how: Execution
    weights: Path | None = None


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
    """`checkpoint_id` below `prefix`; `seconds` is wall time with decoding, over all runs that took part.

    `curves`: one record per epoch with epoch, loss (nats), r_at_1, r_at_5, r_at_10 (percent) and mdr on validation.
    broken: pair id -> what is wrong with its clip; these pairs were left out. resumed_at: steps that an earlier run
    had made (0 = none). waited_s: seconds in which steps waited for input.
    """

    checkpoint_id: str
    prefix: str
    best_epoch: int
    curves: list[dict[str, float]]
    seconds: float
    parameters: int
    broken: dict[str, str]
    resumed_at: int = 0
    waited_s: float = 0.0
