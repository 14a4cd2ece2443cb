"""GRAM (Cicchetti et al. 2024): a caption and all modalities of a clip compared by the volume that they span.

Section 3 in the form the published code has it. Shape letters: B pairs, N captions, M clips, T frame slots, A audio
windows, S frames of a spectrogram, F mel bins, L text tokens, P tokens of a frame, K condition tokens, W width of an
encoder, D embedding, C = 3 channels, H x W pixels in frames_BTCHW.
Unusual: a *smaller* volume is the better match, so a similarity here is minus the volume. One encoder reads captions,
subtitles and, for the matching head, a caption together with all tokens of a clip. Published code has no masks but
those of texts: every clip fills its frame slots. Here a clip with fewer frames leaves its empty slots out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from svta_models.gather import gather_batch
from svta_models.gram.audio import AudioEncoder
from svta_models.gram.config import GramConfig
from svta_models.gram.gramian import volume
from svta_models.gram.initialisation import initialise, point_alike
from svta_models.gram.losses import (
    GramLosses,
    Negatives,
    area_loss,
    draw_negatives,
    gather_detached,
    matching_loss,
    volumes,
)
from svta_models.gram.text import TextEncoder
from svta_models.gram.vision import VisionEncoder
from svta_models.presets import HeadConfig
from svta_models.retrieval import Features, RetrievalModel

TEMPERATURE = 0.07
MIN_TEMPERATURE = 0.01
MODALITIES = ("vision", "audio", "subtitle", "depth")
"""In the order in which features and condition tokens stand."""


class Extras(NamedTuple):
    """What a clip may have beside frames. Without spectrograms the configuration's `audio` decides.

    spectrograms_BASF: float32, normalised (svta_models.gram.sound). subtitle ids and mask (B, L) int64. depth_BTCHW:
    frames of depth, normalised; counted only together with subtitles, as published.
    """

    spectrograms_BASF: Tensor | None = None
    subtitle_ids_BL: Tensor | None = None
    subtitle_mask_BL: Tensor | None = None
    depth_BTCHW: Tensor | None = None


class ClipTokens(NamedTuple):
    """All tokens that the encoders give for clips, by modality, and which frame slots are filled (B, T)."""

    tokens: dict[str, Tensor]
    frame_mask_BT: Tensor


class Condition(NamedTuple):
    """What the matching head reads of clips: tokens (B, K, W) and their mask (B, K), None where all are real."""

    tokens_BKW: Tensor
    mask_BK: Tensor | None

    def rows(self, chosen: Tensor | slice) -> "Condition":
        """Those of some clips."""
        return Condition(self.tokens_BKW[chosen], None if self.mask_BK is None else self.mask_BK[chosen])


class _ContrastiveHead(nn.Module):
    def __init__(self, width: int, contra_dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, contra_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(x)
        return out


class _MatchingHead(nn.Module):
    """First token to two logits: no match, match."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, 2)
        self.layernorm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, first_BW: Tensor) -> Tensor:
        logits_B2: Tensor = self.linear2(self.layernorm(F.gelu(self.linear1(first_BW))))
        return logits_B2


def _into_multimodal(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.LayerNorm(hidden, eps=1e-12))


class Gram(RetrievalModel):
    """GRAM with its three encoders under their published names.

    Sides: unit caption vectors (N, D); unit vectors of each modality (M, D), frames first.
    """

    method = "gram"

    def __init__(self, config: GramConfig) -> None:
        nn.Module.__init__(self)  # the base class would build CLIP's towers
        self.config: GramConfig = config  # type: ignore[assignment]
        self.head = HeadConfig("gram", 1, 1, config.max_caption_len, config.max_vision_sample_num)
        hidden, vision, sound = config.bert.hidden_size, config.vision.embed_dim, config.sound.encoder_embed_dim
        self.contra_temp = nn.Parameter(torch.tensor(TEMPERATURE))
        self.vision_encoder = VisionEncoder(config.vision)
        self.audio_encoder = AudioEncoder(config.sound)
        self.multimodal_encoder = TextEncoder(config.bert)
        for name, width in (("t", hidden), ("s", hidden), ("v", vision), ("a", sound), ("d", vision)):
            setattr(self, f"contra_head_{name}", _ContrastiveHead(width, config.contra_dim))
        # Heads of several modalities at once: in the published files, read by no loss and no evaluation.
        for name, width in (("va", vision + sound), ("vs", vision + hidden), ("vas", vision + sound + hidden)):
            setattr(self, f"contra_head_{name}", nn.Linear(width, config.contra_dim))
        self.itm_head = _MatchingHead(hidden)
        self.hidden_trans_vision_multimodal = _into_multimodal(vision, hidden)
        self.hidden_trans_audio_multimodal = _into_multimodal(sound, hidden)
        self.hidden_trans_subtitle_multimodal = _into_multimodal(hidden, hidden)
        self.vision_frame_embedding = nn.Parameter(torch.zeros(1, config.max_vision_sample_num, hidden))
        self.audio_frame_embedding = nn.Parameter(torch.zeros(1, config.max_audio_sample_num, hidden))
        self.vision_type_embeddings = nn.Parameter(torch.zeros(1, 1, hidden))
        self.audio_type_embeddings = nn.Parameter(torch.zeros(1, 1, hidden))
        self.subtitle_type_embeddings = nn.Parameter(torch.zeros(1, 1, hidden))
        initialise(self)
        seen, read = self.vision_encoder.visual.norm, self.multimodal_encoder.last_norm
        point_alike((seen, self._head("v").linear), (read, self._head("t").linear))

    @property
    def device(self) -> torch.device:
        return self.contra_temp.device

    @property
    def cells_per_pair(self) -> int:
        return 8

    def initialise_head(self) -> None:
        """Nothing here starts from CLIP: all starting values are drawn at construction."""

    # -- encoders ------------------------------------------------------------------------------------------------------

    def encode_text(self, input_ids_BL: Tensor, input_mask_BL: Tensor | None = None) -> Tensor:
        """Caption features (B, D), not normalised. Without a mask id 0 is padding."""
        mask_BL = (input_ids_BL != 0).long() if input_mask_BL is None else input_mask_BL
        features_BD: Tensor = self._head("t")(self.text_tokens(input_ids_BL, mask_BL)[:, 0])
        return features_BD

    def encode_frames(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor | None = None) -> Tensor:
        """Frame features (B, T, D), not normalised; a clip's feature is their mean over filled slots, normalised."""
        features_BTD: Tensor = self._head("v")(self.vision_tokens(frames_BTCHW)[:, :, 0])
        return features_BTD

    def text_tokens(self, input_ids_BL: Tensor, input_mask_BL: Tensor) -> Tensor:
        """All tokens of captions or subtitles (B, L, W)."""
        tokens_BLW: Tensor = self.multimodal_encoder(input_ids_BL, input_mask_BL)
        return tokens_BLW

    def vision_tokens(self, frames_BTCHW: Tensor) -> Tensor:
        """All tokens of every frame, or of every depth frame (B, T, P, W)."""
        batch, slots = frames_BTCHW.shape[:2]
        tokens: Tensor = self.vision_encoder(frames_BTCHW.flatten(0, 1))
        return tokens.view(batch, slots, *tokens.shape[1:])

    def audio_tokens(self, spectrograms_BASF: Tensor) -> Tensor:
        """All tokens of every audio window (B, A, P, W)."""
        batch, windows = spectrograms_BASF.shape[:2]
        tokens: Tensor = self.audio_encoder(spectrograms_BASF.flatten(0, 1))
        return tokens.view(batch, windows, *tokens.shape[1:])

    def clip_tokens(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor, extras: Extras | None = None) -> ClipTokens:
        """Run every encoder that the clips have something for."""
        extras = extras or Extras()
        tokens = {"vision": self.vision_tokens(frames_BTCHW)}
        audio = self._audio(extras.spectrograms_BASF, len(frames_BTCHW))
        if audio is not None:
            tokens["audio"] = audio
        if extras.subtitle_ids_BL is not None and extras.subtitle_mask_BL is not None:
            tokens["subtitle"] = self.text_tokens(extras.subtitle_ids_BL, extras.subtitle_mask_BL)
            if extras.depth_BTCHW is not None:
                tokens["depth"] = self.vision_tokens(extras.depth_BTCHW)
        return ClipTokens(tokens, frame_mask_BT)

    def _audio(self, spectrograms_BASF: Tensor | None, clips: int) -> Tensor | None:
        way = self.config.audio
        if spectrograms_BASF is not None:
            if way == "k2":
                raise ValueError("this GRAM compares captions and frames alone (audio: k2): give no spectrograms")
            return self.audio_tokens(spectrograms_BASF)
        if way == "real":
            raise ValueError("this GRAM hears its clips (audio: real): give their spectrograms, see gram.sound")
        if way == "k2":
            return None
        shape = (1, 1, self.config.audio_target_length, self.config.audio_melbins)
        silence = self.audio_tokens(torch.zeros(shape, device=self.device))  # one clip's silence is every clip's
        return silence.expand(clips, -1, -1, -1)

    # -- features and the tokens the matching head reads ---------------------------------------------------------------

    def pooled(self, clips: ClipTokens, modality: str) -> Tensor:
        """What stands for a modality of a clip before its head, (B, W)."""
        tokens = clips.tokens[modality]
        if modality == "subtitle":
            return tokens[:, 0]
        if modality == "audio":
            return tokens.mean(dim=2).mean(dim=1)
        weight_BT1 = clips.frame_mask_BT[..., None].to(tokens.dtype)
        return (tokens[:, :, 0] * weight_BT1).sum(dim=1) / weight_BT1.sum(dim=1).clamp(min=1.0)

    def features(self, clips: ClipTokens) -> Features:
        """Unit vectors (B, D) of every modality there is, in the order of MODALITIES."""
        present = [name for name in MODALITIES if name in clips.tokens]
        return tuple(F.normalize(self._head(name[0])(self.pooled(clips, name)).float(), dim=-1) for name in present)

    def joint_feature(self, clips: ClipTokens, modalities: Sequence[str]) -> Tensor:
        """Unit vector (B, D) of several modalities by the head they share (vision first, then audio, subtitle)."""
        joined_BW = torch.cat([self.pooled(clips, name) for name in modalities], dim=1)
        return F.normalize(self._head("".join(name[0] for name in modalities))(joined_BW).float(), dim=-1)

    def condition(self, clips: ClipTokens, modalities: Sequence[str] = ("vision", "audio")) -> Condition:
        """What the matching head reads of clips: tokens of these modalities, of those there are."""
        present = [name for name in modalities if name in clips.tokens]
        parts = [self._condition_of(clips, name) for name in present]
        full = bool(clips.frame_mask_BT.all())
        return Condition(torch.cat(parts, dim=1), None if full else _token_mask(clips, present))

    def _condition_of(self, clips: ClipTokens, modality: str) -> Tensor:
        tokens = clips.tokens[modality]
        kind = "vision" if modality == "depth" else modality
        changed: Tensor = getattr(self, f"hidden_trans_{kind}_multimodal")(tokens)
        if kind != "subtitle":
            places = _resized(getattr(self, f"{kind}_frame_embedding"), changed.shape[1])
            changed = (changed + places[:, :, None]).flatten(1, 2)
        return changed + cast(Tensor, getattr(self, f"{kind}_type_embeddings"))

    def matching_logits(self, input_ids_BL: Tensor, input_mask_BL: Tensor, condition: Condition) -> Tensor:
        """Logits (B, 2) of "no match" and "match" for text i read together with clip i."""
        tokens_BLW = self.multimodal_encoder(input_ids_BL, input_mask_BL, *condition)
        logits_B2: Tensor = self.itm_head(tokens_BLW[:, 0])
        return logits_B2

    @torch.no_grad()
    def match(self, input_ids_BL: Tensor, input_mask_BL: Tensor, condition: Condition) -> Tensor:
        """Probability (B,) that text i describes clip i."""
        return torch.softmax(self.matching_logits(input_ids_BL, input_mask_BL, condition).float(), dim=1)[:, 1]

    # -- similarity and loss -------------------------------------------------------------------------------------------

    def text_side(self, input_ids_BL: Tensor, input_mask_BL: Tensor) -> Features:
        return (F.normalize(self.encode_text(input_ids_BL, input_mask_BL).float(), dim=-1),)

    def clip_side(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor, extras: Extras | None = None) -> Features:
        return self.features(self.clip_tokens(frames_BTCHW, frame_mask_BT, extras))

    def score(self, texts: Features, clips: Features) -> Tensor:
        """Minus the volume (N, M)."""
        return -volume(texts[0], *clips)

    def similarity(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        frames_BTCHW: Tensor,
        frame_mask_BT: Tensor,
        extras: Extras | None = None,
    ) -> Tensor:
        """Minus the volume of every caption with every clip (B, B), rows captions."""
        clips = self.clip_side(frames_BTCHW, frame_mask_BT, extras)
        return self.score(self.text_side(input_ids_BL, input_mask_BL), clips)

    def losses(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        frames_BTCHW: Tensor,
        frame_mask_BT: Tensor,
        extras: Extras | None = None,
        negatives: Negatives | None = None,
        ranks: int = 1,
    ) -> GramLosses:
        """Both losses of a batch. Wrong pairs are drawn from torch's global random numbers unless they are given.

        The matching loss always reads frames and audio, whatever else there is, as published. `ranks`: of how many
        processes this batch holds the pairs; only a wrong clip's tokens then differ, which learn in its own process.
        """
        if len(input_ids_BL) % ranks:
            raise ValueError(
                f"a batch of {len(input_ids_BL)} pairs cannot stand for {ranks} processes: choose a multiple"
            )
        clips = self.clip_tokens(frames_BTCHW, frame_mask_BT, extras)
        text_BD = self.text_side(input_ids_BL, input_mask_BL)[0]
        measured = volumes(text_BD, self.features(clips), self.contra_temp)
        area = area_loss(measured)
        texts = input_ids_BL, input_mask_BL
        negatives = negatives or draw_negatives(measured)
        matching = self.config.itm_ratio * self._matching(texts, self.condition(clips), negatives, ranks)
        return GramLosses(area, matching, area + matching)

    def _matching(self, texts: tuple[Tensor, Tensor], condition: Condition, negatives: Negatives, ranks: int) -> Tensor:
        """Loss over 3 B pairs: the matching ones, each text with a wrong clip, each clip with a wrong text."""
        count = len(texts[0])
        ids_PL, mask_PL = (torch.cat([own, own, gather_detached(own)[negatives.text_of_clip]]) for own in texts)
        wrong = _wrong_clips(condition, negatives.clip_of_text, ranks)
        tokens_PKW = torch.cat([condition.tokens_BKW, wrong.tokens_BKW, condition.tokens_BKW])
        mask_PK = None
        if condition.mask_BK is not None and wrong.mask_BK is not None:
            mask_PK = torch.cat([condition.mask_BK, wrong.mask_BK, condition.mask_BK])
        logits_P2 = self.matching_logits(ids_PL, mask_PL, Condition(tokens_PKW, mask_PK))
        return matching_loss(logits_P2, torch.arange(3 * count, device=logits_P2.device) < count)

    def loss(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        frames_BTCHW: Tensor,
        frame_mask_BT: Tensor,
        ranks: int = 1,
        extras: Extras | None = None,
    ) -> Tensor:
        """Scalar training loss: volumes plus weighted matching; `ranks` as for the other models."""
        return self.losses(input_ids_BL, input_mask_BL, frames_BTCHW, frame_mask_BT, extras, ranks=ranks).total

    def forward(
        self,
        input_ids_BL: Tensor,
        input_mask_BL: Tensor,
        frames_BTCHW: Tensor,
        frame_mask_BT: Tensor,
        ranks: int = 1,
        extras: Extras | None = None,
        spectrograms_BASF: Tensor | None = None,
    ) -> Tensor:
        extras = Extras(spectrograms_BASF) if spectrograms_BASF is not None else extras
        return self.loss(input_ids_BL, input_mask_BL, frames_BTCHW, frame_mask_BT, ranks, extras)

    @torch.no_grad()
    def clamp_logit_scale(self) -> None:
        """Keep the temperature from 0.01 up, ours: the published training never bounds it (nor calls this)."""
        self.contra_temp.clamp_(min=MIN_TEMPERATURE)

    def published_state(self) -> dict[str, Tensor]:
        """Weights under their published names; shared ones stand under each of their names, as copies."""
        state: dict[str, Tensor] = {}
        held: set[int] = set()
        for name, tensor in self.state_dict().items():
            state[name] = tensor.clone() if tensor.data_ptr() in held else tensor.detach()
            held.add(tensor.data_ptr())
        return state

    def _head(self, name: str) -> Any:
        return getattr(self, f"contra_head_{name}")


def _wrong_clips(condition: Condition, chosen_B: Tensor, ranks: int) -> Condition:
    """The drawn clips' tokens among those of all processes; only the own process's carry gradient."""
    tokens_BKW, mask_BK = condition
    wrong_BKW = gather_batch((tokens_BKW,))[0][chosen_B]
    if ranks > 1:
        each = len(tokens_BKW) // ranks
        own_B = torch.arange(len(tokens_BKW), device=chosen_B.device) // each == chosen_B // each
        wrong_BKW = torch.where(own_B[:, None, None], wrong_BKW, wrong_BKW.detach())
    return Condition(wrong_BKW, None if mask_BK is None else gather_detached(mask_BK)[chosen_B])


def _resized(embedding_1TW: Tensor, count: int) -> Tensor:
    """Frame positions for another number of frames: the nearest of those that were learned."""
    if embedding_1TW.shape[1] == count:
        return embedding_1TW
    return F.interpolate(embedding_1TW.transpose(1, 2), size=count, mode="nearest").transpose(1, 2)


def _token_mask(clips: ClipTokens, modalities: Sequence[str]) -> Tensor:
    """Which condition tokens are real (B, K): all but those of empty frame slots."""
    parts = []
    for name in modalities:
        tokens = clips.tokens[name]
        if name in ("vision", "depth"):
            parts.append(clips.frame_mask_BT.repeat_interleave(tokens.shape[2], dim=1))
        else:
            parts.append(clips.frame_mask_BT.new_ones(len(tokens), tokens.shape[1:-1].numel()))
    return torch.cat(parts, dim=1)
