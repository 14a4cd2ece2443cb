"""Named CLIP shapes (`presets.yaml`) and the shape of the head on top, as typed configurations."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from svta_models.errors import SvtaError

HEAD_WIDTH = 64  # every CLIP attention head is 64 wide
PUBLISHED_CROSS_LAYERS = 4


@dataclass(frozen=True)
class ClipConfig:
    """Sizes of both towers: `image` and `patch` in pixels, widths in channels, `context` and `vocab` in tokens."""

    image: int
    patch: int
    vision_width: int
    vision_layers: int
    text_width: int
    text_layers: int
    embed_dim: int
    context: int
    vocab: int
    fit: str = "crop"

    def __post_init__(self) -> None:
        if self.image % self.patch:
            raise SvtaError(f"image {self.image} is not a multiple of patch {self.patch}: change the preset")
        for name in ("vision_width", "text_width"):
            if getattr(self, name) % HEAD_WIDTH:
                raise SvtaError(f"{name} {getattr(self, name)} is not a multiple of {HEAD_WIDTH}: change the preset")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ClipConfig":
        """Read the keys this class knows; `text_width` defaults to `embed_dim`, as in every published CLIP ViT."""
        known = {field.name for field in fields(cls)}
        chosen = {name: value for name, value in values.items() if name in known}
        chosen.setdefault("text_width", chosen.get("embed_dim"))
        missing = sorted(known - {"fit"} - {name for name, value in chosen.items() if value is not None})
        if missing:
            raise SvtaError(f"the model configuration lacks {', '.join(missing)}: add them or name a preset")
        return cls(**chosen)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's config.json."""
        return asdict(self)

    def with_vocab(self, vocab: int) -> "ClipConfig":
        """The same towers for another number of tokens."""
        return replace(self, vocab=vocab)


@dataclass(frozen=True)
class HeadConfig:
    """What a retrieval model adds to the towers.

    sim_header: temporal module over frame features, `meanP`, `seqLSTM`, `seqTransf` or `tightTransf`. cross_layers and
    cross_heads: blocks and attention heads of the added transformer. max_words, max_frames: tokens and frame slots that
    X-CLIP's weights are made for (the other models take any number that fits the context). dropout: of tightTransf's
    embeddings, while training only.
    """

    sim_header: str
    cross_layers: int
    cross_heads: int
    max_words: int = 32
    max_frames: int = 12
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if min(self.cross_layers, self.cross_heads, self.max_words, self.max_frames) < 1:
            raise SvtaError(f"cross_layers, cross_heads, max_words and max_frames start at 1, got {self}")
        if not 0 <= self.dropout < 1:
            raise SvtaError(f"dropout {self.dropout} is not in [0, 1): change the configuration")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], sim_header: str) -> "HeadConfig":
        """Read the keys this class knows; published defaults are 4 blocks with heads of 64 channels, 32 and 12."""
        known = {field.name for field in fields(cls)}
        chosen = {name: value for name, value in values.items() if name in known}
        chosen.setdefault("cross_layers", PUBLISHED_CROSS_LAYERS)
        width = int(values["embed_dim"])
        chosen.setdefault("cross_heads", max(1, width // HEAD_WIDTH))
        if chosen["cross_heads"] < 1 or width % chosen["cross_heads"]:
            raise SvtaError(
                f"cross_heads {chosen['cross_heads']} does not divide embed_dim {width}: change one of them"
            )
        return cls(**(chosen | {"sim_header": sim_header}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a checkpoint's config.json."""
        return asdict(self)


@cache
def _presets() -> dict[str, dict[str, Any]]:
    presets: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "presets.yaml").read_text())
    return presets


def preset(name: str) -> ClipConfig:
    """The preset `tiny`, `vit-b-32` or `vit-b-16`. Raises SvtaError for another name."""
    return ClipConfig.from_mapping(preset_values(name))


def preset_values(name: str) -> dict[str, Any]:
    """Everything `presets.yaml` says about a preset: what `load_published` takes as its `config`."""
    if name not in _presets():
        raise SvtaError(f"no model preset {name!r}: choose one of {', '.join(_presets())} (svta_models/presets.yaml)")
    return dict(_presets()[name])
