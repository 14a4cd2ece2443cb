"""What the user chooses when training a retrieval model; hashed into the checkpoint's identity."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from svta_models.errors import SvtaError
from svta_models.presets import preset

RECIPES = ("scratch",)


@dataclass(frozen=True)
class Recipe:
    """The `scratch` recipe: AdamW and light augmentation, ours, for tiny towers that start from random weights.

    (The published optimiser belongs to fine-tuning public CLIP weights; with its learning rate of 1e-7 on the towers
    nothing can be learned from scratch.)

    max_frames: slots decoded and evaluated; train_frames: how many of them a step sees, one drawn from each equal
    segment (temporal jitter, and the main saving). shift: largest random translation in pixels. flip: mirror half of
    the clips whose caption names no side. word_dropout: share of caption tokens replaced by an unknown token.
    average: decay of the running mean of the weights that is evaluated and kept (0 = the weights themselves).
    threads: CPU threads while training. One is the default: on two idle cores two threads save a sixth of the time, and
    on two busy ones they wait for each other; floating-point sums are reproducible for equal threads.
    shuffle_captions: the control experiment, captions dealt to the wrong clips once before training.
    """

    name: str = "scratch"
    preset: str = "tiny"
    epochs: int = 48
    batch_size: int = 24
    lr: float = 7e-4
    weight_decay: float = 0.1
    warmup: float = 0.1
    max_words: int = 32
    max_frames: int = 12
    train_frames: int = 3
    shift: int = 4
    flip: bool = True
    word_dropout: float = 0.1
    average: float = 0.95
    threads: int = 1
    shuffle_captions: bool = False

    def __post_init__(self) -> None:
        if self.name not in RECIPES:
            raise SvtaError(
                f"training recipe {self.name!r} is not part of this version; available: {', '.join(RECIPES)}"
            )
        preset(self.preset)
        for name in ("epochs", "batch_size", "max_frames", "train_frames", "threads"):
            if getattr(self, name) < 1:
                raise SvtaError(f"recipe {self.name}: {name} is {getattr(self, name)}, it must be at least 1")
        if self.train_frames > self.max_frames:
            raise SvtaError(
                f"recipe {self.name}: train_frames {self.train_frames} exceeds max_frames {self.max_frames}"
            )
        if self.batch_size < 2:
            raise SvtaError(f"recipe {self.name}: batch_size {self.batch_size} leaves no negatives; use at least 2")
        if self.max_words < 3:
            raise SvtaError(f"recipe {self.name}: max_words {self.max_words} leaves no room between start and end")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for recipe_sha and config.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Recipe":
        """Read settings from a mapping. Raises SvtaError for one this recipe does not have."""
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise SvtaError(f"unknown training setting {', '.join(unknown)}: known are {', '.join(sorted(known))}")
        return cls(**values)
