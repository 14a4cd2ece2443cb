"""Named CLIP shapes (`presets.yaml`) as a typed configuration."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from svta_models.errors import SvtaError

HEAD_WIDTH = 64  # every CLIP attention head is 64 wide


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


@cache
def _presets() -> dict[str, dict[str, Any]]:
    presets: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "presets.yaml").read_text())
    return presets


def preset(name: str) -> ClipConfig:
    """The preset `tiny`, `vit-b-32` or `vit-b-16`. Raises SvtaError for another name."""
    if name not in _presets():
        raise SvtaError(f"no model preset {name!r}: choose one of {', '.join(_presets())} (svta_models/presets.yaml)")
    return ClipConfig.from_mapping(_presets()[name])
