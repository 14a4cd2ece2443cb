"""X-CLIP (Ma et al. 2022): similarity at four levels, caption or words against clip or frames.

Section 3 in the form the published code has it. Shape letters: N captions, M clips, L words, T frame slots, B pairs,
C = 3 channels, H x W pixels, D embedding. An axis behind an underscore-free name lists them in order (a_NLM).
Unusual: words are all `max_words` positions and frames all `max_frames` slots, padding included and unmasked, so a
model is tied to these two lengths and clips should fill their slots; the frames compared are CLIP's own, before the
temporal module, while the clip vector is pooled after it; scores are weighted by their own softmax at temperature 0.01,
whose weights pass through a learned matrix that starts as the identity. Comparing is done in float32 even inside
autocast: at that temperature the rounding of bfloat16 alone would move a weight by half.
"""

import torch
from torch import Tensor, nn

from svta_models.clip import at_end_token
from svta_models.presets import ClipConfig, HeadConfig
from svta_models.retrieval import Features, LooseModel, full_precision, require_header, unit

HEADERS = ("seqTransf", "meanP", "seqLSTM")
TEMPERATURE = 0.01


class XClip(LooseModel):
    """X-CLIP on any loose temporal module (published: seqTransf).

    Sides: unit caption vectors (N, D) and unit words (N, L, D); unit clip vectors (M, D) and unit frames (M, T, D).
    """

    method = "xclip"

    def __init__(self, config: ClipConfig, head: HeadConfig) -> None:
        require_header(head, HEADERS, "X-CLIP")
        super().__init__(config, head)
        width, words, frames = config.embed_dim, head.max_words, head.max_frames
        self.global_mat_weight = nn.Parameter(torch.empty(width, width))
        self.word_logit_weight = nn.Parameter(torch.empty(words, words))
        self.frame_logit_weight = nn.Parameter(torch.empty(frames, frames))
        self.local_mat_weight = nn.Parameter(torch.empty(width, width))
        self.frame_mat_weight = nn.Parameter(torch.empty(frames, frames))
        self.word_mat_weight = nn.Parameter(torch.empty(words, words))
        self.frame_mat_weight2 = nn.Parameter(torch.empty(frames, frames))
        self.word_mat_weight2 = nn.Parameter(torch.empty(words, words))
        self.add_temporal_module()
        self.initialise_head()

    def encode_words(self, input_ids_BL: Tensor) -> Tensor:
        """Features of all token positions (B, L, D), not normalised; padding positions are words too."""
        self._require("captions", "tokens", input_ids_BL.shape[1], "max_words")
        return self.clip.encode_text_tokens(input_ids_BL)

    def text_side(self, input_ids_BL: Tensor, input_mask_BL: Tensor) -> Features:
        words_BLD = self.encode_words(input_ids_BL)
        words_BLD = words_BLD.float()
        return unit(at_end_token(words_BLD, input_ids_BL)), unit(words_BLD)

    def clip_side(self, frames_BTCHW: Tensor, frame_mask_BT: Tensor) -> Features:
        self._require("clips", "frame slots", frames_BTCHW.shape[1], "max_frames")
        frames_BTD = self.encode_frames(frames_BTCHW)
        return self.pool(self.temporal(frames_BTD, frame_mask_BT), frame_mask_BT), unit(frames_BTD.float())

    def score(self, texts: Features, clips: Features) -> Tensor:
        with full_precision(texts, clips) as ((text_ND, words_NLD), (clip_MD, frames_MTD)):
            caption_clip_NM = text_ND @ self.global_mat_weight @ clip_MD.T
            word_clip_NLM = words_NLD @ clip_MD.T
            caption_frame_NTM = _by_frame(text_ND[:, None], frames_MTD)[:, 0]
            levels_NM = (
                caption_clip_NM
                + attend(word_clip_NLM, self.word_logit_weight)
                + attend(caption_frame_NTM, self.frame_logit_weight)
                + self.word_frame(words_NLD, frames_MTD)
            )
            return self.clip.logit_scale.exp() * levels_NM / 4

    def word_frame(self, words_NLD: Tensor, frames_MTD: Tensor) -> Tensor:
        """The finest level (N, M), without logit scale: words then frames, and frames then words, averaged."""
        scores_NLTM = _by_frame(words_NLD @ self.local_mat_weight, frames_MTD)
        captions, length, slots, clips = scores_NLTM.shape
        by_frame_NTM = attend(scores_NLTM.flatten(2), self.word_mat_weight).view(captions, slots, clips)
        by_word_NLM = attend(scores_NLTM.flatten(0, 1), self.frame_mat_weight).view(captions, length, clips)
        frames_NM = attend(by_frame_NTM, self.frame_mat_weight2)
        words_NM = attend(by_word_NLM, self.word_mat_weight2)
        return (frames_NM + words_NM) / 2

    @property
    def cells_per_pair(self) -> int:
        return 3 * self.head.max_words * self.head.max_frames

    def _require(self, what: str, unit_name: str, given: int, setting: str) -> None:
        expected = getattr(self.head, setting)
        if given != expected:
            raise ValueError(
                f"{what} have {given} {unit_name}, but this X-CLIP was made for {setting} {expected}: pad or cut to it"
            )


def attend(scores_XKM: Tensor, weight_KK: Tensor) -> Tensor:
    """Weigh scores by their own softmax over the middle axis: (X, K, M) to (X, M).

    sum_k (softmax(s / temperature) W)[k] s[k], as published; W is moved to the other factor, sum_j softmax[j] (W s)[j],
    and the softmax's denominator behind the sum, which saves passes over the largest tensor.
    """
    exponent_XKM = (scores_XKM - scores_XKM.detach().amax(dim=1, keepdim=True)).div_(TEMPERATURE).exp()
    mixed_XKM = weight_KK @ scores_XKM
    return (exponent_XKM * mixed_XKM).sum(dim=1) / exponent_XKM.sum(dim=1)


def _by_frame(queries_NLD: Tensor, frames_MTD: Tensor) -> Tensor:
    """Products of all queries with all frames, (N, L, T, M): clips last, so that every later step is contiguous."""
    clips, slots = frames_MTD.shape[:2]
    frames_KD = frames_MTD.transpose(0, 1).flatten(0, 1)
    return (queries_NLD @ frames_KD.T).view(*queries_NLD.shape[:2], slots, clips)
