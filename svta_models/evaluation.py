"""Evaluate a checkpoint on a release split: every caption and clip is encoded once, every query's rank is kept.

Shape letters: N pairs, B a block of them, T frame slots, C = 3 channels, H x W pixels, D embedding.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from svta_models.augment import to_clip_input
from svta_models.checkpoint import Checkpoint
from svta_models.clip_tokenizer import AnyTokenizer
from svta_models.dataset import DecodedSplit, decode_split
from svta_models.errors import SvtaError
from svta_models.metrics import (
    RECALL_AT,
    WithinCategory,
    best_wrong,
    bootstrap_interval,
    chance_level,
    ranks,
    recall_within,
    retrieval_metrics,
)
from svta_models.release import ReleaseSplit
from svta_models.retrieval import Features, LooseModel, RetrievalModel
from svta_models.scoring import score_blocks

DIRECTIONS = ("t2v", "v2t")
_ENCODE_BATCH = 32  # clips encoded at a time: bounds memory, does not change results


@dataclass(frozen=True)
class Evaluation:
    """Everything a results table and its drill-down need. Recalls and intervals are percent.

    similarity: (N, N) float32, rows captions, order of `pair_ids`. metrics_t2v / metrics_v2t: published tie counting;
    averaged_t2v / averaged_v2t: tie-averaged ranks. query_ranks: one row per query and direction with pair_id,
    direction (`t2v`, `v2t`), rank (1 = best, ties averaged), score, best_wrong_pair_id (null when alone) and
    best_wrong_score. intervals[direction]["R@k"]: 95% bootstrap over queries of the tie-averaged recall.
    within[direction]: R@1 inside the final category with its chance. chance: a random order's figures.
    """

    pair_ids: list[str]
    similarity: np.ndarray
    metrics_t2v: dict[str, float]
    metrics_v2t: dict[str, float]
    averaged_t2v: dict[str, float]
    averaged_v2t: dict[str, float]
    query_ranks: pl.DataFrame
    intervals: dict[str, dict[str, tuple[float, float]]]
    within: dict[str, WithinCategory]
    chance: dict[str, float]


def evaluate(
    checkpoint: Checkpoint, split: ReleaseSplit, on_progress: Callable[[int, int], None] | None = None
) -> Evaluation:
    """Evaluate on a release split (`test` for tables) where the checkpoint's model is.

    `on_progress(done, total)` counts decoded clips.

    Raises SvtaError for an empty split and DamagedClip for a broken clip.
    """
    if not len(split):
        raise SvtaError(
            f"split {split.name!r} of release {split.hash} has no pairs"
            + (f" of category {split.category!r}" if split.category else "")
            + ": choose another split or add texts and materialize `splits` again"
        )
    recipe, config = checkpoint.recipe, checkpoint.model.config
    clips = decode_split(split, recipe["max_frames"], config.image, config.fit, on_progress)
    texts, videos = encode_sides(checkpoint.model, checkpoint.tokenizer, clips, recipe["max_words"])
    similarity = similarity_of(checkpoint.model, texts, videos)
    return evaluate_similarity(similarity, clips.pair_ids, clips.final_categories)


def evaluate_similarity(similarity: np.ndarray, pair_ids: list[str], categories: list[str]) -> Evaluation:
    """Evaluate any (N, N) similarity, rows captions: also the way in for a model of one's own."""
    if similarity.shape != (len(pair_ids), len(pair_ids)):
        raise SvtaError(
            f"the similarity matrix is {similarity.shape}, the split has {len(pair_ids)} pairs: give one row per "
            "caption and one column per clip, both in the release's order (by pair_id)"
        )
    by_direction = {"t2v": similarity, "v2t": similarity.T}
    per_query = {name: ranks(matrix) for name, matrix in by_direction.items()}
    tables = [_query_table(name, matrix, per_query[name], pair_ids) for name, matrix in by_direction.items()]
    return Evaluation(
        pair_ids=pair_ids,
        similarity=similarity,
        metrics_t2v=retrieval_metrics(similarity),
        metrics_v2t=retrieval_metrics(similarity.T),
        averaged_t2v=retrieval_metrics(similarity, ties="average"),
        averaged_v2t=retrieval_metrics(similarity.T, ties="average"),
        query_ranks=pl.concat(tables),
        intervals={
            name: {f"R@{k}": bootstrap_interval(per_query[name], k, seed=0) for k in RECALL_AT} for name in DIRECTIONS
        },
        within={name: recall_within(matrix, categories) for name, matrix in by_direction.items()},
        chance=chance_level(len(pair_ids)),
    )


@torch.no_grad()
def encode_sides(
    model: RetrievalModel, tokenizer: AnyTokenizer, clips: DecodedSplit, max_words: int
) -> tuple[Features, Features]:
    """Encode each caption and clip once: both sides of the similarity, one row per pair, on the model's device."""
    was_training = model.training
    model.eval()
    ids_NL, mask_NL = tokenizer.encode(clips.captions, max_words)
    texts, videos = [], []
    for start in range(0, len(clips), _ENCODE_BATCH):
        block = slice(start, start + _ENCODE_BATCH)
        texts.append(model.text_side(ids_NL[block].to(model.device), mask_NL[block].to(model.device)))
        frames_BTCHW = to_clip_input(clips.frames_NTCHW[block], clips.mask_NT[block])
        videos.append(model.clip_side(frames_BTCHW.to(model.device), clips.mask_NT[block].to(model.device)))
    model.train(was_training)
    return _joined(texts), _joined(videos)


def encode_split(
    model: RetrievalModel, tokenizer: AnyTokenizer, clips: DecodedSplit, max_words: int
) -> tuple[Tensor, Tensor]:
    """One vector per caption and per clip, (N, D) each, whose cosine the model compares.

    Raises SvtaError for a model that has no such vectors (tightTransf).
    """
    if not isinstance(model, LooseModel):
        raise SvtaError(
            f"{model.method} compares whole pairs and has no clip vector: use a checkpoint of another model"
        )
    texts, videos = encode_sides(model, tokenizer, clips, max_words)
    return texts[0], videos[0]


def similarity_of(model: RetrievalModel, texts: Features | Tensor, clips: Features | Tensor) -> np.ndarray:
    """Similarity (N, M) float32 of encoded captions (rows) and clips (columns); one tensor stands for itself alone."""
    return score_blocks(model, _features(texts), _features(clips)).float().cpu().numpy()


def _features(side: Features | Tensor) -> Features:
    return (side,) if isinstance(side, Tensor) else side


def _joined(blocks: list[Features]) -> Features:
    return tuple(torch.cat(parts) for parts in zip(*blocks, strict=True))


def _query_table(direction: str, matrix: np.ndarray, per_query: np.ndarray, pair_ids: list[str]) -> pl.DataFrame:
    wrong = best_wrong(matrix)
    rows = np.arange(len(pair_ids))
    alone = wrong < 0
    return pl.DataFrame(
        {
            "pair_id": pair_ids,
            "direction": [direction] * len(pair_ids),
            "rank": per_query,
            "score": np.diagonal(matrix).astype(np.float64),
            "best_wrong_pair_id": [None if number < 0 else pair_ids[number] for number in wrong.tolist()],
            "best_wrong_score": pl.Series(
                [None if skip else float(value) for skip, value in zip(alone, matrix[rows, wrong], strict=True)],
                dtype=pl.Float64,
            ),
        },
        schema_overrides={"best_wrong_pair_id": pl.String},
    )
