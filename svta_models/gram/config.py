"""Sizes of GRAM and of its three encoders, in the layout of the published configuration files.

Four sections: `config` (the model), `vision_cfg`, `audio_cfg` and `bert_cfg` (its encoders). `presets.yaml` holds two
of them. A flat mapping with the keys of a CLIP preset (`svta_models/presets.yaml`) is understood too: GRAM then gets
towers of these sizes, so that it trains with the same recipes as the other models.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from svta_models.errors import SvtaError
from svta_models.presets import HEAD_WIDTH

AUDIO_WAYS = ("zero", "k2", "real")
"""What a clip without sound means: `zero` an empty spectrogram, as published; `k2` a volume of caption and frames
alone; `real` the file's own audio track, and an empty spectrogram where there is none."""

_FIXED: dict[str, dict[str, Any]] = {  # what the encoders here are written for
    "audio_cfg": {
        "layer_norm_first": False,
        "deep_norm": True,
        "relative_position_embedding": True,
        "gru_rel_pos": True,
        "conv_bias": False,
        "activation_fn": "gelu",
        "finetuned_model": False,
    },
    "bert_cfg": {"hidden_act": "gelu", "pad_token_id": 0},
}
_SECTIONS = ("config", "vision_cfg", "audio_cfg", "bert_cfg")
_FLAT = ("image", "patch", "vision_width", "vision_layers", "text_layers", "embed_dim", "context", "vocab")


@dataclass(frozen=True)
class VisionConfig:
    """EVA-CLIP's vision tower. `mlp_hidden` 0 means int(embed_dim x mlp_ratio); `classes` is the unused head's size."""

    embed_dim: int
    depth: int
    num_heads: int
    patch: int
    image: int
    mlp_ratio: float = 4.3637
    mlp_hidden: int = 0
    layernorm_eps: float = 1e-6
    drop_path: float = 0.0
    classes: int = 1024

    @property
    def hidden(self) -> int:
        """Width of the MLP."""
        return self.mlp_hidden or int(self.embed_dim * self.mlp_ratio)

    @property
    def tokens(self) -> int:
        """Tokens of a frame: the class token and the patches."""
        return 1 + (self.image // self.patch) ** 2


@dataclass(frozen=True)
class AudioConfig:
    """BEATs, by the names of its own checkpoints; defaults are those of iter3+ (AS2M)."""

    input_patch_size: int = 16
    embed_dim: int = 512
    encoder_layers: int = 12
    encoder_embed_dim: int = 768
    encoder_ffn_embed_dim: int = 3072
    encoder_attention_heads: int = 12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    conv_pos: int = 128
    conv_pos_groups: int = 16
    num_buckets: int = 320
    max_distance: int = 800


@dataclass(frozen=True)
class BertConfig:
    """The text and multimodal encoder; defaults are those of bert-base-uncased."""

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1


@dataclass(frozen=True)
class GramConfig:
    """The whole model. Frames in `max_vision_sample_num`, audio windows in `max_audio_sample_num`; `fit` as for CLIP.

    audio: one of AUDIO_WAYS. audio_target_length: frames of a spectrogram (10 ms each); audio_melbins: its bins.
    """

    vision: VisionConfig
    sound: AudioConfig = field(default_factory=AudioConfig)
    bert: BertConfig = field(default_factory=BertConfig)
    contra_dim: int = 512
    itm_ratio: float = 0.1
    itm_rerank_num: int = 50
    max_caption_len: int = 40
    max_subtitle_len: int = 70
    max_vision_sample_num: int = 8
    max_audio_sample_num: int = 1
    audio_melbins: int = 64
    audio_target_length: int = 1024
    audio: str = "zero"
    fit: str = "crop"

    def __post_init__(self) -> None:
        if self.audio not in AUDIO_WAYS:
            raise SvtaError(f"GRAM has no audio way {self.audio!r}: choose {', '.join(AUDIO_WAYS)}")
        for what, width, heads in (
            ("vision_cfg embed_dim", self.vision.embed_dim, self.vision.num_heads),
            ("audio_cfg encoder_embed_dim", self.sound.encoder_embed_dim, self.sound.encoder_attention_heads),
            ("bert_cfg hidden_size", self.bert.hidden_size, self.bert.num_attention_heads),
        ):
            if width % heads:
                raise SvtaError(f"{what} {width} is not a multiple of its {heads} attention heads: change one of them")
        for what, size, patch in (
            ("vision_cfg image", self.vision.image, self.vision.patch),
            ("audio_target_length", self.audio_target_length, self.sound.input_patch_size),
            ("audio_melbins", self.audio_melbins, self.sound.input_patch_size),
        ):
            if size % patch:
                raise SvtaError(f"{what} {size} is not a multiple of its patch size {patch}: change one of them")

    @property
    def image(self) -> int:
        """Side of a frame in pixels."""
        return self.vision.image

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "GramConfig":
        """Read the published layout, or a CLIP preset's keys; keys that nothing here reads are ignored.

        Raises SvtaError naming the section or key that is missing.
        """
        if "vision_cfg" not in values:
            return cls.from_mapping(_from_clip_keys(values))
        missing = [name for name in _SECTIONS if name not in values]
        if missing:
            raise SvtaError(f"the GRAM configuration lacks the sections {', '.join(missing)}: add them")
        for section, fixed in _FIXED.items():
            for name, value in fixed.items():
                given = values[section].get(name, value)
                if given != value:
                    raise SvtaError(f"{section} {name} is {given!r}: this encoder is written for {value!r}")
        return cls(
            vision=_read(VisionConfig, values["vision_cfg"], "vision_cfg"),
            sound=_read(AudioConfig, values["audio_cfg"], "audio_cfg"),
            bert=_read(BertConfig, values["bert_cfg"], "bert_cfg"),
            **_known(cls, values["config"], without=("vision", "sound", "bert")),
        )

    def to_dict(self) -> dict[str, Any]:
        """The published layout, for a checkpoint's config.json; `from_mapping` reads it back."""
        whole = asdict(self)
        vision, sound, bert = (whole.pop(name) for name in ("vision", "sound", "bert"))
        return {"config": whole, "vision_cfg": vision, "audio_cfg": sound, "bert_cfg": bert}


_Section = TypeVar("_Section", VisionConfig, AudioConfig, BertConfig)


def _known(kind: Any, values: Mapping[str, Any], without: tuple[str, ...] = ()) -> dict[str, Any]:
    names = {entry.name for entry in fields(kind)} - set(without)
    return {name: value for name, value in values.items() if name in names}


def _read(kind: type[_Section], values: Mapping[str, Any], section: str) -> _Section:
    try:
        return kind(**_known(kind, values))
    except TypeError as error:
        raise SvtaError(f"the GRAM configuration's {section} is not whole ({error}): add what is missing") from error


def _from_clip_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """The `tiny` preset of this folder with a CLIP preset's sizes: vision, text and embedding."""
    missing = [name for name in _FLAT if name not in values]
    if missing:
        raise SvtaError(f"the model configuration lacks {', '.join(missing)}: add them or name a preset")
    width = int(values.get("text_width") or values["embed_dim"])
    base = gram_preset_values("tiny")
    vision = {
        "embed_dim": values["vision_width"],
        "depth": values["vision_layers"],
        "num_heads": max(1, values["vision_width"] // HEAD_WIDTH),
        "patch": values["patch"],
        "image": values["image"],
    }
    bert = {
        "vocab_size": values["vocab"],
        "hidden_size": width,
        "num_hidden_layers": values["text_layers"],
        "num_attention_heads": max(1, width // HEAD_WIDTH),
        "intermediate_size": 4 * width,
        "max_position_embeddings": max(values["context"], base["bert_cfg"]["max_position_embeddings"]),
    }
    model = {
        "contra_dim": values["embed_dim"],
        "fit": values.get("fit", "crop"),
        "audio": values.get("audio", base["config"]["audio"]),
        "max_caption_len": values.get("max_words", base["config"]["max_caption_len"]),
        "max_vision_sample_num": values.get("max_frames", base["config"]["max_vision_sample_num"]),
    }
    return {
        "config": base["config"] | model,
        "vision_cfg": base["vision_cfg"] | vision,
        "audio_cfg": base["audio_cfg"],
        "bert_cfg": base["bert_cfg"] | bert,
    }


@cache
def _presets() -> dict[str, dict[str, Any]]:
    presets: dict[str, dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "presets.yaml").read_text())
    return presets


def gram_preset_values(name: str) -> dict[str, Any]:
    """The preset `tiny` or `published` as plain values: what `load_published("gram", ...)` takes as its `config`."""
    if name not in _presets():
        raise SvtaError(
            f"no GRAM preset {name!r}: choose one of {', '.join(_presets())} (svta_models/gram/presets.yaml)"
        )
    return {section: dict(values) for section, values in _presets()[name].items()}


def gram_preset(name: str) -> GramConfig:
    """The preset `tiny` or `published`. Raises SvtaError for another name."""
    return GramConfig.from_mapping(gram_preset_values(name))
