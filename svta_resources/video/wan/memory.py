"""How much memory a preset needs in each fp8 mode, from counted parameters; asked before anything loads."""

from svta_resources.gpu import Card
from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.presets import WanPreset
from svta_resources.video.wan.settings import SPATIAL_FACTOR, TEMPORAL_FACTOR, Fp8Mode, WanSettings

W8A8_CAPABILITY = (8, 9)  # Ada and Hopper: the first cards with fp8 products
# Hidden states, attention and the decoder's feature maps beside the weights. An estimate, not yet measured on a card:
# about 30 live tensors of the transformer's width in bfloat16 for each token.
WORKING_BYTES_PER_TOKEN = 300_000


def weight_bytes(preset: WanPreset, mode: Fp8Mode) -> int:
    """Bytes of the weights on the device: transformer, text encoder and VAE."""
    dit, other = {
        Fp8Mode.none: (2, 2),
        Fp8Mode.rounded: (2, 2),
        Fp8Mode.storage: (1, 1),
        Fp8Mode.w8a8: (1, 2),
    }[mode]
    return preset.dit_parameters * dit + preset.other_parameters * other


def tokens(settings: WanSettings) -> int:
    """Tokens of the transformer: latent frames times patches (14,040 at the paper's settings)."""
    latent_frames = (settings.frames - 1) // TEMPORAL_FACTOR + 1
    return latent_frames * (settings.height // SPATIAL_FACTOR) * (settings.width // SPATIAL_FACTOR)


def needed_bytes(preset: WanPreset, settings: WanSettings, mode: Fp8Mode | None = None) -> int:
    """Bytes that a clip needs on the device, in the settings' fp8 mode or another."""
    return weight_bytes(preset, mode or Fp8Mode(settings.fp8)) + tokens(settings) * WORKING_BYTES_PER_TOKEN


def problem_with(card: Card, preset: WanPreset, settings: WanSettings) -> str | None:
    """Say why a card cannot make these clips; None when it can, or when the driver does not tell."""
    mode = Fp8Mode(settings.fp8)
    if mode is Fp8Mode.w8a8 and card.capability is not None and card.capability < W8A8_CAPABILITY:
        return f"fp8 mode w8a8 multiplies in fp8, which {_named(card)} cannot (compute capability 8.9 is needed)"
    if card.memory_mb is None:
        return None
    needed = needed_bytes(preset, settings)
    if needed <= card.memory_mb * 2**20:
        return None
    return f"{mode.value} needs about {needed / 1e9:.0f} GB, {_named(card)} has {card.memory_mb * 2**20 / 1e9:.0f} GB"


def require_card(cards: list[Card], preset: WanPreset, settings: WanSettings) -> None:
    """Raise GeneratorError with the setting to change when none of the cards can make these clips."""
    problems = [problem for card in cards if (problem := problem_with(card, preset, settings))]
    if not problems or len(problems) < len(cards):
        return
    raise GeneratorError(f"wan:{preset.name}: {'; '.join(problems)}. {_remedy(cards, preset, settings)}")


def _remedy(cards: list[Card], preset: WanPreset, settings: WanSettings) -> str:
    largest = max((card.memory_mb or 0 for card in cards), default=0) * 2**20
    fitting = [mode for mode in (Fp8Mode.rounded, Fp8Mode.storage) if needed_bytes(preset, settings, mode) <= largest]
    if fitting:
        return f"Use fp8={fitting[0].value} (about {needed_bytes(preset, settings, fitting[0]) / 1e9:.0f} GB)."
    return "Use a larger card, or the preset wan2.1-t2v-1.3b."


def _named(card: Card) -> str:
    return f"cuda:{card.name} ({card.model or 'unknown model'})"
