"""What the user chooses when training a retrieval model; hashed into the checkpoint's identity.

`scratch` trains tiny towers from random weights; `paper` and `svta` fine-tune published weights: CLIP's, or GRAM's own.
They share little beyond their shape, so each has a class of its own; a setting that one of them gets never changes the
other's hash.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from svta_models.errors import SvtaError
from svta_models.frames import RESIZES, Resize
from svta_models.gram.config import AUDIO_WAYS, gram_preset
from svta_models.gram.optim import VISION_RATE
from svta_models.gram.optim import WARMUP as GRAM_WARMUP
from svta_models.gram.optim import WEIGHT_DECAY as GRAM_DECAY
from svta_models.optim import CLIP_FACTOR, LEARNING_RATE, WARMUP, WEIGHT_DECAY
from svta_models.presets import preset

SCRATCH, FINE_TUNING = "scratch", ("paper", "svta")
RECIPES = (SCRATCH, *FINE_TUNING)
PRECISIONS = ("auto", "fp32", "bf16")
GRAM = "gram"


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

    name: str = SCRATCH
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
        if self.name != SCRATCH:
            raise SvtaError(f"Recipe is the recipe {SCRATCH}, not {self.name!r}: use read_recipe")
        self.check_preset()
        _check(self, ("epochs", "batch_size", "max_frames", "train_frames", "threads"))
        if self.train_frames > self.max_frames:
            raise SvtaError(
                f"recipe {self.name}: train_frames {self.train_frames} exceeds max_frames {self.max_frames}"
            )

    def check_preset(self) -> None:
        """Raise SvtaError for a preset that there is not."""
        preset(self.preset)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for recipe_sha and config.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Recipe":
        """Read settings from a mapping. Raises SvtaError for one this recipe does not have."""
        return cls(**_known(cls, values))


@dataclass(frozen=True)
class GramScratch(Recipe):
    """The recipe `scratch` for GRAM, whose sizes are in `gram/presets.yaml`.

    audio: its way of sound, see `svta_models.gram.config.AUDIO_WAYS`. frame_rule: the middle frame of each of
    `max_frames` segments, as GRAM is evaluated.
    """

    epochs: int = 28
    max_frames: int = 8
    audio: str = "zero"
    frame_rule: str = "segments"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_gram(self)

    def check_preset(self) -> None:
        gram_preset(self.preset)


@dataclass(frozen=True)
class FineTuning:
    """The recipes `paper` and `svta`: published CLIP weights fine-tuned with the published optimiser.

    `paper` is the official setting: one frame a second, which is 0, 15 and 30 of an SVTA clip and leaves nine of twelve
    slots empty (X-CLIP does not mask them). `svta` spreads twelve frames over the whole clip and resizes all frames of
    a clip at once; nothing else differs.

    batch_size: pairs of one step over all processes; a last incomplete batch is dropped, as published.
    lr, coef_lr: rate of everything new, and the factor for CLIP's own parameters. feature_framerate: frames a second,
    None = spread over the clip. freeze_layers: published `freeze_layer_num` (0 freezes embeddings, patch convolution
    and ln_pre). dropout: of tightTransf's embeddings. ranks: the official run's processes, whose loss and gradients are
    reproduced on any number of processes that divides it. precision: of forward and backward pass, `auto` = bf16 on
    CUDA and fp32 elsewhere; weights and optimiser are always float32. weights: sha256 of CLIP's file. start: id of an
    imported checkpoint of the same model to start from instead of CLIP alone; then `weights` is that one's.
    """

    name: str = "svta"
    preset: str = "vit-b-32"
    epochs: int = 5
    batch_size: int = 128
    lr: float = LEARNING_RATE
    coef_lr: float = CLIP_FACTOR
    weight_decay: float = WEIGHT_DECAY
    warmup: float = WARMUP
    max_words: int = 32
    max_frames: int = 12
    feature_framerate: int | None = None
    resize: Resize = "fast"
    freeze_layers: int = 0
    dropout: float = 0.1
    ranks: int = 4
    precision: str = "auto"
    weights: str = ""
    threads: int = 1
    shuffle_captions: bool = False
    start: str = ""

    def __post_init__(self) -> None:
        if self.name not in FINE_TUNING:
            raise SvtaError(f"FineTuning is the recipes {', '.join(FINE_TUNING)}, not {self.name!r}: use read_recipe")
        preset(self.preset)
        _check(self, ("epochs", "batch_size", "max_frames", "threads", "ranks"))
        _check_tuning(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for recipe_sha and config.json; without `start` where there is none, as before it was there."""
        return {name: value for name, value in asdict(self).items() if name != "start" or value}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "FineTuning":
        """Read settings from a mapping; what is not given is the named recipe's. Raises SvtaError."""
        official = {"feature_framerate": 1, "resize": "exact"} if values.get("name") == "paper" else {}
        return cls(**_known(cls, official | dict(values)))


@dataclass(frozen=True)
class GramTuning:
    """The recipes `paper` and `svta` for GRAM: its published pre-trained weights, fine-tuned as published.

    `paper` is the official setting: 4 frames a step, one drawn from each quarter of the clip, 8 when evaluated, and
    pictures resized without smoothing. `svta` sees all 8 in training too, and smooths.

    epochs: the SVTA paper's 5. lr, vision_lr: rates of everything else, and of the vision tower. pool_frames: frames of
    a clip that are kept to draw from, spread evenly over a longer one; 33 are all of an SVTA clip. flip: mirror half
    of the clips, captions with a side among them, as published. audio: see `svta_models.gram.config.AUDIO_WAYS`.
    ranks: in how many parts of the batch the matching loss learns from wrong clips, a process each. weights: hash of
    the pre-trained files. The others as in `FineTuning`.
    """

    name: str = "svta"
    preset: str = "published"
    epochs: int = 5
    batch_size: int = 64
    lr: float = 2e-5
    vision_lr: float = VISION_RATE
    weight_decay: float = GRAM_DECAY
    warmup: float = GRAM_WARMUP
    max_words: int = 40
    max_frames: int = 8
    train_frames: int = 8
    pool_frames: int = 33
    frame_rule: str = "segments"
    flip: bool = True
    resize: Resize = "fast"
    audio: str = "zero"
    ranks: int = 4
    precision: str = "auto"
    weights: str = ""
    threads: int = 1
    shuffle_captions: bool = False

    def __post_init__(self) -> None:
        if self.name not in FINE_TUNING:
            raise SvtaError(f"GramTuning is the recipes {', '.join(FINE_TUNING)}, not {self.name!r}: use read_recipe")
        gram_preset(self.preset)
        _check(self, ("epochs", "batch_size", "max_frames", "train_frames", "pool_frames", "threads", "ranks"))
        _check_tuning(self)
        _check_gram(self)
        if max(self.train_frames, self.max_frames) > self.pool_frames:
            raise SvtaError(
                f"recipe {self.name}: pool_frames {self.pool_frames} are fewer than the frames that are drawn from them"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for recipe_sha and config.json."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "GramTuning":
        """Read settings from a mapping; what is not given is the named recipe's. Raises SvtaError."""
        official = {"train_frames": 4, "resize": "bilinear"} if values.get("name") == "paper" else {}
        return cls(**_known(cls, official | dict(values)))


Tuning = FineTuning | GramTuning
AnyRecipe = Recipe | Tuning


def read_recipe(values: Mapping[str, Any], method: str = "") -> AnyRecipe:
    """The recipe that `values["name"]` names (default scratch) with its other settings, for a method.

    Only GRAM has settings of its own. Raises SvtaError.
    """
    name = values.get("name", SCRATCH)
    if name not in RECIPES:
        raise SvtaError(f"training recipe {name!r} is not part of this version; available: {', '.join(RECIPES)}")
    if method.lower() == GRAM:
        return GramScratch.from_mapping(values) if name == SCRATCH else GramTuning.from_mapping(values)
    return Recipe.from_mapping(values) if name == SCRATCH else FineTuning.from_mapping(values)


def _known(kind: type[AnyRecipe], values: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(kind)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise SvtaError(f"unknown training setting {', '.join(unknown)}: known are {', '.join(sorted(known))}")
    return dict(values)


def _check(recipe: AnyRecipe, at_least_one: tuple[str, ...]) -> None:
    for name in at_least_one:
        if getattr(recipe, name) < 1:
            raise SvtaError(f"recipe {recipe.name}: {name} is {getattr(recipe, name)}, it must be at least 1")
    if recipe.batch_size < 2:
        raise SvtaError(f"recipe {recipe.name}: batch_size {recipe.batch_size} leaves no negatives; use at least 2")
    if recipe.max_words < 3:
        raise SvtaError(f"recipe {recipe.name}: max_words {recipe.max_words} leaves no room between start and end")


def _check_tuning(recipe: Tuning) -> None:
    if recipe.precision not in PRECISIONS:
        raise SvtaError(f"recipe {recipe.name}: precision {recipe.precision!r} is none of {', '.join(PRECISIONS)}")
    if recipe.resize not in RESIZES:
        raise SvtaError(f"recipe {recipe.name}: resize {recipe.resize!r} is none of {', '.join(RESIZES)}")
    if recipe.batch_size % recipe.ranks:
        raise SvtaError(
            f"recipe {recipe.name}: batch_size {recipe.batch_size} is no multiple of ranks {recipe.ranks}, the "
            "processes of the published training: change one of them"
        )
    if recipe.batch_size // recipe.ranks < 2:
        raise SvtaError(f"recipe {recipe.name}: each of {recipe.ranks} ranks needs 2 pairs of a batch for negatives")


def _check_gram(recipe: GramScratch | GramTuning) -> None:
    if recipe.audio not in AUDIO_WAYS:
        raise SvtaError(f"recipe {recipe.name}: audio {recipe.audio!r} is none of {', '.join(AUDIO_WAYS)}")
    if recipe.frame_rule not in ("sampled", "segments"):
        raise SvtaError(f"recipe {recipe.name}: frame_rule {recipe.frame_rule!r} is neither sampled nor segments")
