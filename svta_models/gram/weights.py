"""GRAM from published weights and back: a state under published names, or the files a published run leaves.

A run's folder holds `ckpt/model_step_<N>.pt` (the state) and `log/hps.json` (the configuration, under `model_cfg`).
The sizes of BEATs and of the vision tower are in neither: they come from the `published` preset, or from a given one.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from svta_models.errors import SvtaError
from svta_models.gram.config import GramConfig, gram_preset_values
from svta_models.gram.model import Gram
from svta_models.weights import WrongWeights, load_weights, published_names, read_state

_HEAD = "vision_encoder.visual.head.weight"
_WORDS = "multimodal_encoder.bert.embeddings.word_embeddings.weight"
_FRAMES, _WINDOWS = "vision_frame_embedding", "audio_frame_embedding"


def load_gram(state: Mapping[str, Tensor], config: Mapping[str, Any], origin: str = "published gram") -> Gram:
    """Build GRAM, in eval mode, from its weights under published names and its sizes; see `GramConfig.from_mapping`.

    What a configuration leaves out (size of the vision tower's unused head, the vocabulary) or what depends on all data
    sets of a run (number of frame positions) is read from the weights. Raises WrongWeights naming what is missing,
    unexpected or misshapen.
    """
    named = published_names(state)
    model = Gram(_fitted(GramConfig.from_mapping(config), named))
    load_weights(model, named, origin=origin)
    return model.eval()


def open_gram(
    path: str | Path,
    config: Mapping[str, Any] | None = None,
    preset: str = "published",
    changed: Mapping[str, Any] | None = None,
) -> Gram:
    """Load a published checkpoint from a local file, with the hps.json of its run unless `config` is given.

    preset: sizes of the encoders, which hps.json does not say. changed: settings of the model itself that are not the
    run's, such as `audio`.

    Raises WrongWeights for a file that is no whole GRAM, SvtaError for a missing or broken hps.json.
    """
    path = Path(path)
    state = read_state(path)
    values = dict(config or run_config(path, preset))
    if changed:
        values["config"] = {**values["config"], **changed}
    return load_gram(state, values, origin=str(path))


def _fitted(config: GramConfig, state: Mapping[str, Tensor]) -> GramConfig:
    head, words, frames, windows = (state.get(name) for name in (_HEAD, _WORDS, _FRAMES, _WINDOWS))
    if head is None or words is None or frames is None or windows is None:
        return config  # what is missing is named when the weights are compared
    if not (head.ndim == words.ndim == 2 and frames.ndim == windows.ndim == 3):
        return config
    return replace(
        config,
        vision=replace(config.vision, classes=head.shape[0]),
        bert=replace(config.bert, vocab_size=words.shape[0]),
        max_vision_sample_num=frames.shape[1],
        max_audio_sample_num=windows.shape[1],
    )


def run_config(checkpoint: Path, preset: str = "published") -> dict[str, Any]:
    """A preset with what the hps.json of a checkpoint's run says about the model. Raises SvtaError."""
    file = checkpoint.parent.parent / "log" / "hps.json"
    if not file.is_file():
        raise SvtaError(
            f"{checkpoint} has no {file} beside it: give the configuration, or restore the run's log folder"
        )
    try:
        said = json.loads(file.read_text())
        model = said.get("model_cfg", said)
        if not isinstance(model, Mapping):
            raise ValueError("its model_cfg is no mapping")
    except (ValueError, AttributeError) as error:
        raise SvtaError(f"{file} is not a readable configuration ({error}): restore it") from error
    values = gram_preset_values(preset)
    values["config"] |= model
    return values


__all__ = ["WrongWeights", "load_gram", "open_gram"]
