"""Re-ranking: the matching head reads every query with the few gallery items of smallest volume, and orders them anew.

Shape letters: Q queries, G gallery items (captions against clips or the other way round), K candidates of a query,
N captions, M clips.
Two rules say what becomes of everything that was not read:
* published: all of it scores 0. Where the wanted item is not among the candidates its rank is an accident of the
  sorting order, anywhere from K + 1 to G; that is why the paper's GRAM has a mean rank of 130 beside its R@1.
  (The published sort is unstable; here equal scores keep the order of the gallery, which is one of its outcomes.)
* honest: it stays behind the candidates in the order of its volume.
R@k for k <= K is the same under both rules. Nothing is sorted: ranks are counted, candidates selected.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from svta_models.gram.model import Condition, Gram

Match = Callable[[Tensor, Tensor], Tensor]
"""(rows of captions (P,), rows of clips (P,)) -> probability (P,) that they match."""

_ROWS = 512  # queries counted at a time


class Reranked(NamedTuple):
    """What the matching head said: gallery items (Q, K) of each query and the probability of each (Q, K)."""

    candidates_QK: Tensor
    match_QK: Tensor


class BothReranked(NamedTuple):
    """Captions as queries among clips, and clips as queries among captions; each has candidates of its own."""

    t2v: Reranked
    v2t: Reranked


def nearest(volume_QG: Tensor, count: int) -> Tensor:
    """The `count` gallery items of smallest volume, (Q, K), nearest first; all of them where there are fewer."""
    return volume_QG.topk(min(count, volume_QG.shape[1]), dim=1, largest=False).indices


@torch.no_grad()
def rerank(volume_NM: Tensor, match: Match, count: int = 50, pairs: int = 64) -> BothReranked:
    """Read the `count` nearest of every caption and of every clip with the matching head, `pairs` at a time.

    Raises ValueError for a count or number of pairs below 1.
    """
    if count < 1 or pairs < 1:
        raise ValueError(f"cannot re-rank {count} candidates in blocks of {pairs} pairs: both start at 1")
    forward, backward = nearest(volume_NM, count), nearest(volume_NM.T, count)
    return BothReranked(
        Reranked(forward, _read(forward, match, pairs)),
        Reranked(backward, _read(backward, lambda clips, captions: match(captions, clips), pairs)),
    )


def _read(candidates_QK: Tensor, match: Match, pairs: int) -> Tensor:
    queries, count = candidates_QK.shape
    rows = torch.arange(queries, device=candidates_QK.device).repeat_interleave(count)
    blocks = zip(torch.split(rows, pairs), torch.split(candidates_QK.flatten(), pairs), strict=True)
    found = [match(query_P, item_P).to(candidates_QK.device) for query_P, item_P in blocks]
    return torch.cat(found).view(queries, count) if found else candidates_QK.new_empty(queries, count).float()


def matcher(model: Gram, input_ids_NL: Tensor, input_mask_NL: Tensor, condition: Condition) -> Match:
    """The matching head over captions and clips that are held in memory, in eval mode where the model is."""
    model.eval()

    def match(captions_P: Tensor, clips_P: Tensor) -> Tensor:
        ids, mask = (part[captions_P].to(model.device) for part in (input_ids_NL, input_mask_NL))
        tokens, token_mask = condition.rows(clips_P)
        return model.match(
            ids, mask, Condition(tokens.to(model.device), None if token_mask is None else token_mask.to(model.device))
        )

    return match


def published_scores(reranked: Reranked, gallery: int) -> Tensor:
    """Scores (Q, G) as published: the probability of candidates, 0 for all others."""
    scores_QG = reranked.match_QK.new_zeros(len(reranked.match_QK), gallery)
    return scores_QG.scatter_(1, reranked.candidates_QK, reranked.match_QK)


def honest_scores(volume_QG: Tensor, reranked: Reranked) -> Tensor:
    """Scores (Q, G): the probability of candidates, minus the volume of all others, which is never above it."""
    return (-volume_QG).scatter_(1, reranked.candidates_QK, reranked.match_QK.to(volume_QG.dtype))


def published_ranks(reranked: Reranked, own_Q: Tensor) -> Tensor:
    """Rank (Q,) int64 of each query's own item under the published rule, equal scores in gallery order."""
    candidates_QK, match_QK = reranked
    own_Q1 = own_Q[:, None]
    found_QK = candidates_QK == own_Q1
    own_match_Q1 = torch.where(found_QK, match_QK, 0.0).sum(dim=1, keepdim=True)
    before_QK = candidates_QK < own_Q1
    above_Q = ((match_QK > own_match_Q1) | ((match_QK == own_match_Q1) & before_QK)).sum(dim=1)
    # Items that were not read score 0; they stand before an own item that scores 0 too, if they come first.
    unread_Q = own_Q - before_QK.sum(dim=1)
    return 1 + above_Q + torch.where(own_match_Q1[:, 0] == 0, unread_Q, 0)


def honest_ranks(volume_QG: Tensor, reranked: Reranked, own_Q: Tensor) -> Tensor:
    """Rank (Q,) float64 of each query's own item under the honest rule, ties averaged."""
    candidates_QK, match_QK = reranked
    found_QK = candidates_QK == own_Q[:, None]
    own_match_Q1 = torch.where(found_QK, match_QK, 0.0).sum(dim=1, keepdim=True)
    among_Q = (match_QK > own_match_Q1).sum(dim=1) + ((match_QK == own_match_Q1).sum(dim=1) + 1) / 2
    behind_Q = torch.cat(
        [
            _rank_among_unread(volume_QG[top : top + _ROWS], candidates_QK[top : top + _ROWS], own_Q[top : top + _ROWS])
            for top in range(0, len(own_Q), _ROWS)
        ]
    )
    return torch.where(found_QK.any(dim=1), among_Q.double(), behind_Q)


def _rank_among_unread(volume_QG: Tensor, candidates_QK: Tensor, own_Q: Tensor) -> Tensor:
    own_Q1 = volume_QG.gather(1, own_Q[:, None])
    unread_QG = volume_QG.scatter(1, candidates_QK, torch.inf)
    nearer_Q, tied_Q = (unread_QG < own_Q1).sum(dim=1), (unread_QG == own_Q1).sum(dim=1)
    return candidates_QK.shape[1] + nearer_Q.double() + (tied_Q + 1) / 2


# -- ranks as GRAM's own evaluation counts them ------------------------------------------------------------------------


def caption_positions(score_NM: Tensor, clip_of_caption: Sequence[int] | Tensor) -> Tensor:
    """Rank (N,) int64 of each caption's clip by descending score; equal scores in gallery order, as in a stable sort.

    Volumes are given negated.
    """
    own_N = torch.as_tensor(clip_of_caption, device=score_NM.device)
    place_M = torch.arange(score_NM.shape[1], device=score_NM.device)
    ranks = []
    for top in range(0, len(own_N), _ROWS):
        part_QM, own_Q1 = score_NM[top : top + _ROWS], own_N[top : top + _ROWS, None]
        own_score_Q1 = part_QM.gather(1, own_Q1)
        before_QM = (part_QM > own_score_Q1) | ((part_QM == own_score_Q1) & (place_M < own_Q1))
        ranks.append(1 + before_QM.sum(dim=1))
    return torch.cat(ranks)


def clip_positions(score_NM: Tensor, clip_of_caption: Sequence[int] | Tensor) -> Tensor:
    """Rank (M,) int64 of each clip's best caption; every clip needs one."""
    owner_N = torch.as_tensor(clip_of_caption, device=score_NM.device)
    per_caption_N = torch.cat(
        [
            caption_positions(score_NM.T[owner_N[top : top + _ROWS]], torch.arange(top, min(top + _ROWS, len(owner_N))))
            for top in range(0, len(owner_N), _ROWS)
        ]
    )
    best_M = torch.full((score_NM.shape[1],), len(score_NM) + 1, device=score_NM.device)
    return best_M.scatter_reduce_(0, owner_N, per_caption_N, reduce="amin")
