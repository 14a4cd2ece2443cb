"""The two stages of a search, by model: what ranks all clips at once, and what reads the first few again.

The first stage compares the caption with a pooled vector of each clip, so it costs one product however many clips
there are. CLIP4Clip's loose heads compare nothing else: their first stage is the model's own similarity. The others
then score the first `RERANK` clips as in an evaluation. Shape letters: M clips, K candidates, T frame slots,
D embedding.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from svta_cli.app.search.clips import Clips
from svta_cli.app.search.features import FeatureStore
from svta_models.clip4clip import Clip4ClipTight
from svta_models.encoders import CheckpointEncoder
from svta_models.gram.encoder import GramEncoder
from svta_models.gram.model import Condition
from svta_models.retrieval import LooseModel, unit
from svta_models.xclip import XClip

if TYPE_CHECKING:
    from torch import Tensor

    from svta_models.retrieval import Features, RetrievalModel

RERANK = 50
_READ = 8  # candidates whose tokens are held at a time where clips are read again


@dataclass(frozen=True)
class Candidates:
    """The first clips of a search: their sha256 and number in the release, and where their features lie."""

    sha256s: list[str]
    numbers: list[int]
    store: FeatureStore
    clips: Clips


class Stages:
    """CLIP4Clip's loose heads: one stage, the model's own similarity.

    Attributes:
        first, second: in words, what ranks all clips and what re-ranks the first ones; no `second`: nothing does.
    """

    first, second = "the model's own similarity", ""

    def __init__(self, encoder: CheckpointEncoder, model: "RetrievalModel") -> None:
        self.encoder, self.model = encoder, model

    def split(self, clips: "Features") -> "tuple[Features, Features]":
        """Of encoded clips, what the first stage compares and what the second needs beside the clip itself."""
        return (clips[0],), ()

    def rank(self, texts: "Features", pooled: "Features") -> "Tensor":
        """First-stage scores (M,) of one caption with all clips."""
        return self.model.score(texts, pooled)[0]

    def rerank(self, sentence: str, texts: "Features", candidates: Candidates) -> "Tensor":
        """The model's own similarity (K,) of one caption with the candidates, from their kept features."""
        return self.model.score(texts, candidates.store.rest(candidates.sha256s))[0]


class XClipStages(Stages):
    """X-CLIP: the coarsest of its four levels; then all four."""

    first, second = "caption against clip vector", "X-CLIP's similarity at all four levels"

    def split(self, clips: "Features") -> "tuple[Features, Features]":
        return (clips[0],), clips

    def rank(self, texts: "Features", pooled: "Features") -> "Tensor":
        return (texts[0] @ cast(XClip, self.model).global_mat_weight @ pooled[0].T)[0]


class TightStages(Stages):
    """tightTransf has no clip vector: the mean of CLIP's frame features stands in; then the cross transformer."""

    first, second = "caption against the mean of the frame features", "tightTransf's cross transformer"

    def split(self, clips: "Features") -> "tuple[Features, Features]":
        frames_MTD, mask_MT = clips
        weight_MT1 = mask_MT.unsqueeze(-1).to(frames_MTD.dtype)
        mean_MD = (unit(frames_MTD).nan_to_num() * weight_MT1).sum(dim=1) / weight_MT1.sum(dim=1).clamp(min=1.0)
        return (unit(mean_MD).nan_to_num(),), clips

    def rank(self, texts: "Features", pooled: "Features") -> "Tensor":
        return (unit(texts[0]) @ pooled[0].T)[0]


class GramStages(Stages):
    """GRAM: volume of caption and modalities; then the matching head, which reads all tokens of a clip.

    Those are megabytes a clip, so they are not kept: the candidates are decoded and encoded again.
    """

    first, second = "the volume of caption and clip", "GRAM's matching head"

    def split(self, clips: "Features") -> "tuple[Features, Features]":
        return clips, ()

    def rerank(self, sentence: str, texts: "Features", candidates: Candidates) -> "Tensor":
        import torch

        encoder = cast(GramEncoder, self.encoder)
        ids_1L, mask_1L = encoder.tokens([sentence])
        found = dict.fromkeys(candidates.numbers, 0.0)  # a file that went since it was encoded comes last
        blocks = [candidates.numbers[start : start + _READ] for start in range(0, len(found), _READ)]
        for numbers, inputs in candidates.clips.inputs(encoder, blocks):
            if numbers:
                tokens_BKW, mask_BK = encoder.condition(*inputs)
                for place, number in enumerate(numbers):
                    one = slice(place, place + 1)
                    condition = Condition(tokens_BKW[one], None if mask_BK is None else mask_BK[one])
                    found[number] = float(encoder.match(ids_1L, mask_1L, condition))
        return torch.tensor([found[number] for number in candidates.numbers])


def stages_of(encoder: CheckpointEncoder, model: "RetrievalModel") -> Stages:
    """The stages of a model. Raises SvtaError for one that has none here."""
    from svta_models.errors import SvtaError

    if isinstance(encoder, GramEncoder):
        return GramStages(encoder, model)
    if isinstance(model, XClip):
        return XClipStages(encoder, model)
    if isinstance(model, Clip4ClipTight):
        return TightStages(encoder, model)
    if isinstance(model, LooseModel):
        return Stages(encoder, model)
    raise SvtaError(f"{model.method} cannot be searched with: choose a checkpoint of another model")
