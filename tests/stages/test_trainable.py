"""Every model of the paper's tables is trainable under its partition's name, or refused by name."""

import pytest

from svta_assets.checkpoints.trainable import TRAINABLE, trainable
from svta_assets.partitions import MODELS
from svta_assets.tables.render import METHODS
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.recipe import Recipe
from svta_resources.errors import SvtaError


def test_partitions_tables_and_trainable_models_name_the_same_models() -> None:
    assert set(METHODS) == set(MODELS)
    assert set(MODELS) - set(TRAINABLE) == {"gram"}


@pytest.mark.parametrize("model", TRAINABLE)
def test_the_scratch_recipe_of_every_model_builds_it(model: str) -> None:
    chosen = trainable(model)
    recipe = Recipe.from_mapping(dict(chosen.scratch))
    shape = preset_values(recipe.preset) | {"max_words": recipe.max_words, "max_frames": recipe.max_frames}
    built = build_model(chosen.method, shape | {"vocab": 50})
    assert built.method == chosen.method
    if chosen.method == "xclip":
        assert recipe.train_frames == recipe.max_frames, "it has weights for every slot and masks none"


def test_a_model_that_cannot_be_trained_is_refused_with_those_that_can() -> None:
    with pytest.raises(SvtaError, match="gram is not part of this version yet; available: clip4clip-meanp"):
        trainable("gram")
