"""From published weights to models and back: the methods by their published names.

A state under published names is either a whole model, or CLIP alone; then what the method adds starts by the published
rules (`svta_models.initialisation`), as the official code does when a run starts from CLIP. A state with only a part of
the addition is refused. A *file* said to be a trained model must be whole: `open_published`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from svta_models.clip4clip import LOOSE_HEADERS, TIGHT_HEADER, Clip4Clip, Clip4ClipTight
from svta_models.errors import SvtaError
from svta_models.gram.config import GramConfig
from svta_models.gram.model import Gram
from svta_models.gram.weights import load_gram, open_gram
from svta_models.presets import ClipConfig, HeadConfig
from svta_models.retrieval import RetrievalModel
from svta_models.weights import WrongWeights, has_head, load_weights, published_names, read_state
from svta_models.xclip import HEADERS as XCLIP_HEADERS
from svta_models.xclip import XClip

GRAM = Gram.method
METHODS = (*(f"clip4clip-{header}" for header in (*LOOSE_HEADERS, TIGHT_HEADER)), "xclip", GRAM)
_BY_LOWER_CASE = {method.lower(): method for method in METHODS}


def load_published(method: str, state: Mapping[str, Tensor], config: Mapping[str, Any]) -> RetrievalModel:
    """Build a published model, in eval mode, from its weights (`state`) and sizes (`config`).

    method: one of METHODS, in any case. config: `presets.yaml`'s keys (image, patch, vision_width, vision_layers,
    text_layers, embed_dim, context, vocab), optionally cross_layers, cross_heads, max_words, max_frames, dropout,
    sim_header and loose_type; other keys are ignored. A state with nothing but CLIP (names with or without `clip.`)
    leaves the rest at its published starting values, of which only those marked `fresh` are random (seed torch first).
    GRAM has a layout of its own (`svta_models.gram.config`) and must be whole.
    Raises WrongWeights for a wrong or partial state, SvtaError for a configuration without meaning.
    """
    if method.lower() == GRAM:
        return load_gram(state, config)
    model = build_model(method, config)
    named = published_names(state)
    if named and not has_head(named):
        load_weights(model, named, origin=f"CLIP for {model.method}", only_clip=True)
        model.initialise_head()
    else:
        load_weights(model, named, origin=f"published {model.method}")
    return model.eval()


def open_published(method: str, path: str | Path, config: Mapping[str, Any]) -> RetrievalModel:
    """Load a trained model from a local file; it must hold the whole model. Raises WrongWeights."""
    if method.lower() == GRAM:
        return open_gram(path, config)
    model = build_model(method, config)
    load_weights(model, read_state(path), origin=str(path))
    return model.eval()


def from_clip(method: str, path: str | Path, config: Mapping[str, Any]) -> RetrievalModel:
    """A model to be fine-tuned: CLIP from a local file, the rest at its starting values. Raises WrongWeights.

    `path`: OpenAI's archive or state dict, or open_clip's of the same (quick-GELU) weights.
    """
    model = build_model(method, config)
    named = published_names(read_state(path))
    if has_head(named):
        raise WrongWeights(f"{path} holds a whole retrieval model, not CLIP alone: open it with open_published")
    load_weights(model, named, origin=str(path), only_clip=True)
    model.initialise_head()
    return model.eval()


def build_model(method: str, config: Mapping[str, Any]) -> RetrievalModel:
    """The model with starting values, CLIP's own drawn at random. Raises SvtaError for an unknown method."""
    name = _BY_LOWER_CASE.get(method.lower())
    if name is None:
        raise SvtaError(f"no published method {method!r} here: choose one of {', '.join(METHODS)}")
    if name == GRAM:
        return Gram(GramConfig.from_mapping(config))
    header = _header(name, config)
    towers, head = ClipConfig.from_mapping(config), HeadConfig.from_mapping(config, header)
    if name == "xclip":
        return XClip(towers, head)
    return Clip4ClipTight(towers, head) if header == TIGHT_HEADER else Clip4Clip(towers, head)


def _header(method: str, config: Mapping[str, Any]) -> str:
    """The temporal module; the official flags must not contradict the method."""
    allowed = XCLIP_HEADERS if method == "xclip" else (method.removeprefix("clip4clip-"),)
    header = config.get("sim_header") or allowed[0]
    if header not in allowed:
        raise SvtaError(f"{method} does not go with sim_header {header!r}: it has {', '.join(allowed)}")
    if header != TIGHT_HEADER and not config.get("loose_type", True):
        raise SvtaError(f"{method} compares pooled vectors: set loose_type to true, or choose {TIGHT_HEADER}")
    return str(header)
