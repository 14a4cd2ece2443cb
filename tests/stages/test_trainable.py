"""Every model of the paper's tables is trainable under its partition's name, or refused by name."""

import pytest

from svta_assets.checkpoints.trainable import TRAINABLE, trainable
from svta_assets.partitions import MODELS
from svta_assets.tables.render import METHODS
from svta_models.published import build_model
from svta_models.recipe import Recipe, read_recipe
from svta_models.shapes import model_shape, with_vocabulary
from svta_resources.errors import SvtaError


def test_partitions_tables_and_trainable_models_name_the_same_models() -> None:
    assert set(METHODS) == set(MODELS)
    assert set(MODELS) == set(TRAINABLE)


@pytest.mark.parametrize("model", TRAINABLE)
def test_the_scratch_recipe_of_every_model_builds_it(model: str) -> None:
    chosen = trainable(model)
    recipe = read_recipe(chosen.settings("scratch"), chosen.method)
    assert isinstance(recipe, Recipe)
    built = build_model(chosen.method, with_vocabulary(model_shape(recipe), 50))
    assert built.method == chosen.method
    if chosen.method == "xclip":
        assert recipe.train_frames == recipe.max_frames, "it has weights for every slot and masks none"


def test_a_model_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(SvtaError, match="clip5 is not part of this version yet; available: clip4clip-meanp"):
        trainable("clip5")
