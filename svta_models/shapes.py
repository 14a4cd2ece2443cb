"""Sizes of the model that a recipe trains, whichever layout its configuration has."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from svta_models.gram.config import GramConfig, gram_preset_values
from svta_models.gram.hearing import SoundChoice
from svta_models.presets import ClipConfig, preset_values
from svta_models.recipe import AnyRecipe, GramScratch, GramTuning


class Picture(NamedTuple):
    """How a model wants its frames: side in pixels, and `crop` or `squash`."""

    image: int
    fit: str


def model_shape(recipe: AnyRecipe) -> dict[str, Any]:
    """Sizes of the recipe's model, as `build_model` takes them."""
    if not isinstance(recipe, (GramScratch, GramTuning)):
        return preset_values(recipe.preset) | {"max_words": recipe.max_words, "max_frames": recipe.max_frames}
    shape = gram_preset_values(recipe.preset)
    chosen = {
        "max_caption_len": recipe.max_words,
        "max_vision_sample_num": recipe.max_frames,
        "audio": recipe.audio,
    }
    return shape | {"config": shape["config"] | chosen}


def picture_of(shape: Mapping[str, Any]) -> Picture:
    """How the frames of a model of these sizes are made."""
    config = GramConfig.from_mapping(shape) if "vision_cfg" in shape else ClipConfig.from_mapping(shape)
    return Picture(config.image, config.fit)


def sound_of(shape: Mapping[str, Any]) -> SoundChoice | None:
    """What a model of these sizes hears of a clip; None for one that hears nothing."""
    return SoundChoice.of(GramConfig.from_mapping(shape)) if "vision_cfg" in shape else None


def vocabulary(shape: Mapping[str, Any]) -> int:
    """How many tokens a model of these sizes may have."""
    if "bert_cfg" in shape:
        return GramConfig.from_mapping(shape).bert.vocab_size
    return ClipConfig.from_mapping(shape).vocab


def with_vocabulary(shape: Mapping[str, Any], tokens: int) -> dict[str, Any]:
    """The same sizes for another number of tokens."""
    if "bert_cfg" in shape:
        return {**shape, "bert_cfg": shape["bert_cfg"] | {"vocab_size": tokens}}
    return {**shape, "vocab": tokens}
