"""Re-ranking of a whole gallery in bounded memory, so that a killed one goes on where it was.

A caption's candidates and a clip's candidates are joined to one list of pairs, sorted by clip: each clip is decoded and
encoded once more and all captions that meet it are read against it. What the matching head said is kept on disk, a
file per block of clips. Shape letters: Q queries, N pairs of the gallery, K candidates, P distinct caption-clip pairs.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from svta_models.errors import SvtaError
from svta_models.feature_blocks import FeatureBlocks
from svta_models.gallery import Gallery
from svta_models.gram.encoder import GramEncoder, stacked
from svta_models.gram.model import Condition
from svta_models.gram.rerank import Reranked, honest_ranks, nearest, published_ranks
from svta_models.reading import ClipRead, read_ahead

RULES = ("published", "honest")
"""What becomes of candidates that were not read: see `svta_models.gram.rerank`."""
DIRECTIONS = ("t2v", "v2t")
_ROWS = 512  # queries whose volumes are copied at a time
_PAIRS = 64  # captions read against a clip at a time


@dataclass(frozen=True)
class Asked:
    """What the rows and columns of a similarity are: captions, and the gallery's number of each pair's clip."""

    captions: Sequence[str]
    clips: Sequence[int]


@dataclass(frozen=True)
class Reranking:
    """ranks[rule][direction]: rank (N,) float64 of every query's right answer. candidates: how many were read of each.

    `published` ranks are an accident of the order where the answer is not among the candidates.
    """

    candidates: int
    ranks: dict[str, dict[str, np.ndarray]]


def rerank_gallery(
    encoder: GramEncoder, gallery: Gallery, asked: Asked, similarity: np.ndarray, folder: Path
) -> Reranking:
    """Read the nearest candidates of every query with the matching head; `similarity` (N, N) is minus the volume.

    Raises SvtaError when a clip that could be read before cannot be read now.
    """
    count = min(encoder.candidates, len(similarity))
    near = {"t2v": _nearest(similarity, count), "v2t": _nearest(similarity.T, count)}
    ids_NL, mask_NL = encoder.tokens(asked.captions)
    text_of = _first_equal(ids_NL)
    distinct = sorted(set(asked.clips))
    place = {clip: number for number, clip in enumerate(distinct)}
    clip_of = np.asarray([place[clip] for clip in asked.clips])
    query_Q1 = np.arange(len(similarity))[:, None]
    codes = {
        "t2v": clip_of[near["t2v"]] * len(text_of) + text_of[query_Q1],
        "v2t": clip_of[query_Q1] * len(text_of) + text_of[near["v2t"]],
    }
    pairs_P = np.unique(np.concatenate([part.ravel() for part in codes.values()]))
    match_P = _matches(encoder, gallery, distinct, (ids_NL, mask_NL), pairs_P, folder)
    ranks: dict[str, dict[str, np.ndarray]] = {rule: {} for rule in RULES}
    for direction, oriented in (("t2v", similarity), ("v2t", similarity.T)):
        match_QK = match_P[torch.from_numpy(np.searchsorted(pairs_P, codes[direction]))]
        found = Reranked(torch.from_numpy(near[direction]), match_QK)
        ranks["published"][direction] = published_ranks(found, torch.arange(len(similarity))).double().numpy()
        ranks["honest"][direction] = _honest(oriented, found)
    return Reranking(count, ranks)


def _nearest(oriented_QG: np.ndarray, count: int) -> np.ndarray:
    """The candidates (Q, K) of every row."""
    return np.concatenate([nearest(part, count).numpy() for _, part in _volumes(oriented_QG)])


def _honest(oriented_QG: np.ndarray, found: Reranked) -> np.ndarray:
    parts = []
    for rows, volume_QG in _volumes(oriented_QG):
        own_Q = torch.arange(rows.start, rows.start + len(volume_QG))
        parts.append(honest_ranks(volume_QG, Reranked(*(tensor[rows] for tensor in found)), own_Q).numpy())
    return np.concatenate(parts)


def _volumes(oriented_QG: np.ndarray) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows as volumes, one at a time."""
    for top in range(0, len(oriented_QG), _ROWS):
        rows = slice(top, top + _ROWS)
        yield rows, -torch.from_numpy(np.ascontiguousarray(oriented_QG[rows]))


def _first_equal(ids_NL: Tensor) -> np.ndarray:
    """For every caption the first one with the same tokens."""
    seen: dict[tuple[int, ...], int] = {}
    return np.asarray([seen.setdefault(tuple(row), number) for number, row in enumerate(ids_NL.tolist())])


def _matches(
    encoder: GramEncoder,
    gallery: Gallery,
    clips: list[int],
    tokens: tuple[Tensor, Tensor],
    pairs_P: np.ndarray,
    folder: Path,
) -> Tensor:
    """Probability (P,) of every pair, read from disk or computed. A pair is clip x number of captions + caption."""
    captions = len(tokens[0])
    # Which pairs there are follows from the volumes, which another device rounds differently: part of the files' name.
    blocks = FeatureBlocks(folder, "matches-" + hashlib.sha256(pairs_P.tobytes()).hexdigest()[:8])
    todo = blocks.missing(len(clips))
    numbers = [[clips[place] for place in block] for block in todo]
    for block, answers in zip(todo, read_ahead(gallery, numbers, encoder.choice, encoder.sound), strict=True):
        first, last = np.searchsorted(pairs_P, [block.start * captions, block.stop * captions])
        conditions = _conditions(encoder, list(answers.values()))
        found = []
        for place, condition in zip(block, conditions, strict=True):
            low, high = np.searchsorted(pairs_P, [place * captions, (place + 1) * captions])
            rows_P = torch.from_numpy(pairs_P[low:high] - place * captions)
            for part in torch.split(rows_P, _PAIRS):
                found.append(encoder.match(*_cut(*(tensor[part] for tensor in tokens)), condition))
        blocks.write(block.start, range(first, last), (torch.cat(found),) if last > first else ())
    (match_P,) = blocks.side(len(clips)).take(slice(None))
    return match_P


def _cut(ids_PL: Tensor, mask_PL: Tensor) -> tuple[Tensor, Tensor]:
    """Without the columns that are padding in all rows: they are masked and change nothing."""
    length = int(mask_PL.sum(dim=1).max())
    return ids_PL[:, :length], mask_PL[:, :length]


def _conditions(encoder: GramEncoder, answers: list[ClipRead | str]) -> list[Condition]:
    """What the matching head reads of each clip of a block."""
    wrong = [answer for answer in answers if isinstance(answer, str)]
    if wrong:
        raise SvtaError(f"a clip could be read for its volume and not for its re-ranking: {wrong[0]}")
    read = encoder.condition(*stacked([answer for answer in answers if not isinstance(answer, str)]))
    return [read.rows(slice(number, number + 1)) for number in range(len(answers))]
