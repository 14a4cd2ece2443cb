"""Which models there are, the files each consists of, and how the paper used them."""

from dataclasses import dataclass

from svta_resources.video.generator import GeneratorError

T5_FILE = "models_t5_umt5-xxl-enc-bf16.pth"
VAE_FILE = "Wan2.1_VAE.pth"
TOKENIZER_FOLDER = "google/umt5-xxl"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class WanPreset:
    """One model: its files below the weights folder, and the settings it is used with unless others are chosen.

    dit_files: shards of the diffusion transformer, named as published. dit_parameters, other_parameters (text encoder
    and VAE): counted on the architectures, for the memory a mode needs.
    tea_cache_model_id: which fitted polynomial TeaCache uses. steps, height, width: defaults of the preset.
    """

    name: str
    dit_files: tuple[str, ...]
    dit_parameters: int
    other_parameters: int
    tea_cache_model_id: str
    tea_cache_threshold: float
    steps: int
    height: int
    width: int

    @property
    def model_files(self) -> tuple[str, ...]:
        """Every weight file, relative to the weights folder."""
        return (*self.dit_files, T5_FILE, VAE_FILE)


def _shards(count: int) -> tuple[str, ...]:
    return tuple(f"diffusion_pytorch_model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1))


def _published(name: str, model_id: str, dit_files: tuple[str, ...], dit_parameters: int) -> WanPreset:
    """SVTA paper, generation: 480x832, TeaCache 0.08; steps, CFG and shift are diffsynth's defaults."""
    t5, vae = 5_680_910_336, 126_892_531
    return WanPreset(name, dit_files, dit_parameters, t5 + vae, model_id, 0.08, 50, 480, 832)


PRESETS = {
    preset.name: preset
    for preset in (
        _published("wan2.1-t2v-14b", "Wan2.1-T2V-14B", _shards(6), 14_288_491_584),
        _published("wan2.1-t2v-1.3b", "Wan2.1-T2V-1.3B", ("diffusion_pytorch_model.safetensors",), 1_418_996_800),
        # Random weights of a few megabytes (`svta_resources.video.wan.tiny`): the real pipeline in a second on a CPU.
        WanPreset("tiny", _shards(2), 29_896, 957_547, "Wan2.1-T2V-1.3B", 0.08, 6, 64, 96),
    )
}


def preset_named(name: str) -> WanPreset:
    """Return a preset. Raises GeneratorError with the known names."""
    if name not in PRESETS:
        raise GeneratorError(
            f"Unknown Wan preset {name!r}. Set SVTA_VIDEO_GENERATOR to one of: "
            + ", ".join(f"wan:{known}" for known in PRESETS)
        )
    return PRESETS[name]
