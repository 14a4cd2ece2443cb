"""Evaluate a model on a gallery: each caption and clip is encoded once, and every query's rank is kept.

Features are kept in a folder while an evaluation is under way, so a killed one goes on where it was, and blocks of
them are all that memory holds beside the (N, N) result. Shape letters: N pairs, B a block of them, D embedding.
"""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from svta_models.augment import to_clip_input
from svta_models.checkpoint import Checkpoint
from svta_models.clip_tokenizer import AnyTokenizer
from svta_models.dataset import DecodedSplit
from svta_models.encoders import Encoder, encoder_of
from svta_models.errors import SvtaError
from svta_models.feature_blocks import BLOCK, FeatureBlocks, StoredSide
from svta_models.gallery import Gallery, ReleaseGallery, data_sha
from svta_models.gram.encoder import GramEncoder, stacked
from svta_models.gram.model import Extras, Gram
from svta_models.gram.rerank_gallery import Asked, Reranking, rerank_gallery
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
from svta_models.reading import ClipRead, read_ahead
from svta_models.release import ReleaseSplit
from svta_models.retrieval import Features, LooseModel, RetrievalModel
from svta_models.scoring import block_pairs, score_blocks, score_sides

DIRECTIONS = ("t2v", "v2t")
_COPY_ROWS = 256  # rows of a similarity copied at a time

Progress = Callable[[int, int], None]


class BrokenVideos(SvtaError):
    """Videos of a benchmark do not decode. `reasons`: the pair's number in the gallery -> what is wrong."""

    def __init__(self, reasons: dict[int, str]) -> None:
        self.reasons = reasons
        super().__init__(f"{len(reasons)} videos do not decode: {'; '.join(list(reasons.values())[:5])}")


@dataclass(frozen=True)
class Evaluation:
    """Everything a results table and its drill-down need. Recalls and intervals are percent.

    similarity: (N, N) float32, rows captions, order of `pair_ids`. metrics_t2v / metrics_v2t: published tie counting;
    averaged_t2v / averaged_v2t: tie-averaged ranks. query_ranks: one row per query and direction with pair_id,
    category, direction (`t2v`, `v2t`), rank (1 = best, ties averaged), score, best_wrong_pair_id (null when alone) and
    best_wrong_score. intervals[direction]["R@k"]: 95% bootstrap over queries of the tie-averaged recall.
    within[direction]: R@1 inside the final category with its chance. chance: a random order's figures.
    data_sha: hash of the captions and clips; broken: number in the gallery -> why a video is not among the pairs.
    frames: which frames were seen, in words. heard: of GRAM with real audio, how many clips have a track. reranked:
    ranks after the matching head has read the nearest, for a model that has one; the other figures never contain it.
    """

    pair_ids: list[str]
    categories: list[str]
    similarity: np.ndarray
    metrics_t2v: dict[str, float]
    metrics_v2t: dict[str, float]
    averaged_t2v: dict[str, float]
    averaged_v2t: dict[str, float]
    query_ranks: pl.DataFrame
    intervals: dict[str, dict[str, tuple[float, float]]]
    within: dict[str, WithinCategory]
    chance: dict[str, float]
    data_sha: str = ""
    broken: dict[int, str] = field(default_factory=dict)
    frames: str = ""
    heard: int | None = None
    reranked: Reranking | None = None


def evaluate(
    checkpoint: Checkpoint, split: ReleaseSplit, on_progress: Progress | None = None, work: Path | None = None
) -> Evaluation:
    """Evaluate on a release split (`test` for tables) where the checkpoint's model is; see `evaluate_gallery`."""
    return evaluate_gallery(encoder_of(checkpoint), ReleaseGallery(split), on_progress, work)


def evaluate_gallery(
    encoder: Encoder,
    gallery: Gallery,
    on_progress: Progress | None = None,
    work: Path | None = None,
    leave_out_broken: bool = False,
) -> Evaluation:
    """Evaluate any model on any gallery.

    Args:
        on_progress: told (done, total) in clips.
        work: folder where features wait, named by model and data below it; an evaluation that was killed goes on from
            there. None keeps nothing.
        leave_out_broken: evaluate the other pairs where videos do not decode.

    Raises BrokenVideos, naming all of them, DamagedClip for a clip of a release, SvtaError for no pairs at all.
    """
    sha = data_sha(gallery)
    with tempfile.TemporaryDirectory() as temporary:
        folder = work / work_name(encoder.id, sha) if work else Path(temporary)
        clips, broken = _encode_clips(encoder, gallery, folder, on_progress, leave_out_broken)
        first = _first_of(gallery.clip_keys)
        place = {number: column for column, number in enumerate(clips.rows)}
        kept = [number for number in range(len(gallery.captions)) if first[number] in place]
        if not kept:
            raise SvtaError(f"none of the {len(gallery.captions)} videos can be read: {next(iter(broken.values()))}")
        captions = [gallery.captions[number] for number in kept]
        texts, text_row = _encode_texts(encoder, captions, folder)
        pairs = block_pairs(encoder.cells_per_pair, encoder.device)
        similarity = score_sides(encoder.score, texts, clips, pairs)
        similarity = _spread(similarity, text_row, [place[first[number]] for number in kept])
        heard, reranked = clips.heard, None
        if isinstance(encoder, GramEncoder):
            asked = Asked(captions, [first[number] for number in kept])
            reranked = rerank_gallery(encoder, gallery, asked, similarity, folder)
    pair_ids, categories = ([column[n] for n in kept] for column in (gallery.pair_ids, gallery.categories))
    found = evaluate_similarity(similarity, pair_ids, categories, sha, broken)
    return replace(found, frames=encoder.choice.in_words, heard=heard, reranked=reranked)


def work_name(model: str, data: str) -> str:
    """Name of the folder in which the features of a model on a gallery wait."""
    return f"{model}-{data}"


def evaluate_similarity(
    similarity: np.ndarray,
    pair_ids: list[str],
    categories: list[str],
    data: str = "",
    broken: dict[int, str] | None = None,
) -> Evaluation:
    """Evaluate any (N, N) similarity, rows captions: also the way in for a model of one's own."""
    if similarity.shape != (len(pair_ids), len(pair_ids)):
        raise SvtaError(
            f"the similarity matrix is {similarity.shape}, the split has {len(pair_ids)} pairs: give one row per "
            "caption and one column per clip, both in the release's order (by pair_id)"
        )
    by_direction = {"t2v": similarity, "v2t": similarity.T}
    per_query = {name: ranks(matrix) for name, matrix in by_direction.items()}
    tables = [
        _query_table(name, matrix, per_query[name], pair_ids, categories) for name, matrix in by_direction.items()
    ]
    return Evaluation(
        pair_ids=pair_ids,
        categories=categories,
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
        data_sha=data,
        broken=broken or {},
    )


# -- encoding into the work folder -------------------------------------------------------------------------------------


def _encode_clips(
    encoder: Encoder, gallery: Gallery, folder: Path, on_progress: Progress | None, leave_out: bool
) -> tuple[StoredSide, dict[int, str]]:
    """Encode each distinct clip that is not on disk yet. `StoredSide.rows` are numbers in the gallery.

    A block with a broken video is kept only when the video is to be left out, so that a repaired file counts.
    """
    first = _first_of(gallery.clip_keys)
    distinct = sorted(set(first))
    blocks, broken, total = FeatureBlocks(folder, "clips"), dict[int, str](), len(distinct)
    todo = blocks.missing(total)
    done = total - sum(len(block) for block in todo)
    sound = encoder.sound if isinstance(encoder, GramEncoder) else None
    numbers = [[distinct[place] for place in block] for block in todo]
    for block, answers in zip(todo, read_ahead(gallery, numbers, encoder.choice, sound), strict=True):
        wrong = {number: answer for number, answer in answers.items() if isinstance(answer, str)}
        broken |= wrong
        if leave_out or not wrong:
            _encode_block(encoder, blocks, block.start, answers)
        done += len(block)
        if on_progress is not None:
            on_progress(done, total)
    if broken and not leave_out:
        raise BrokenVideos(broken)
    side = blocks.side(total, encoder.device)
    gone = {number: f"{gallery.clip_keys[number]} did not decode" for number in set(distinct) - set(side.rows)}
    return side, gone | broken


def _encode_block(encoder: Encoder, blocks: FeatureBlocks, start: int, answers: dict[int, ClipRead | str]) -> None:
    read = {number: answer for number, answer in answers.items() if not isinstance(answer, str)}
    if not read:
        blocks.write(start, [], ())
        return
    frames_BTCHW, mask_BT, spectrograms_BASF = stacked(list(read.values()))
    if isinstance(encoder, GramEncoder):
        features = encoder.clips(frames_BTCHW, mask_BT, spectrograms_BASF)
    else:
        features = encoder.clips(frames_BTCHW, mask_BT)
    tracks = [clip.heard.has_track for clip in read.values() if clip.heard is not None]
    blocks.write(start, list(read), features, sum(tracks) if tracks else None)


def _encode_texts(encoder: Encoder, captions: Sequence[str], folder: Path) -> tuple[StoredSide, list[int]]:
    """Encode each caption that the model can tell from the others, once; give every caption's row among them."""
    first = _first_of(encoder.text_keys(captions))
    distinct = sorted(set(first))
    chosen = [captions[number] for number in distinct]
    # Which captions there are depends on the videos that could be read, so it is part of the files' name.
    name = "texts-" + hashlib.sha256("\n".join(chosen).encode()).hexdigest()[:8]
    blocks = FeatureBlocks(folder, name)
    for block in blocks.missing(len(chosen)):
        blocks.write(block.start, block, encoder.texts(chosen[block.start : block.stop]))
    row = {number: place for place, number in enumerate(distinct)}
    return blocks.side(len(chosen), encoder.device), [row[number] for number in first]


def _first_of(keys: Sequence[object]) -> list[int]:
    """For every item the first one with its key."""
    seen: dict[object, int] = {}
    return [seen.setdefault(key, number) for number, key in enumerate(keys)]


def _spread(similarity: np.ndarray, rows: list[int], columns: list[int]) -> np.ndarray:
    """Similarity of all pairs from that of distinct captions and clips: equal ones score exactly alike."""
    straight = list(range(len(rows)))
    if rows == straight and columns == straight:
        return similarity
    result = np.empty((len(rows), len(columns)), dtype=similarity.dtype)
    for start in range(0, len(rows), _COPY_ROWS):
        part = similarity[rows[start : start + _COPY_ROWS]]
        result[start : start + _COPY_ROWS] = part[:, columns]
    return result


# -- features of a split that is in memory -----------------------------------------------------------------------------


@torch.no_grad()
def encode_sides(
    model: RetrievalModel, tokenizer: AnyTokenizer, clips: DecodedSplit, max_words: int
) -> tuple[Features, Features]:
    """Encode each caption and clip once: both sides of the similarity, one row per pair, on the model's device."""
    was_training = model.training
    model.eval()
    ids_NL, mask_NL = tokenizer.encode(clips.captions, max_words)
    texts, videos = [], []
    for start in range(0, len(clips), BLOCK):
        block = slice(start, start + BLOCK)
        texts.append(model.text_side(ids_NL[block].to(model.device), mask_NL[block].to(model.device)))
        frames_BTCHW = to_clip_input(clips.frames_NTCHW[block], clips.mask_NT[block]).to(model.device)
        mask_BT = clips.mask_NT[block].to(model.device)
        if isinstance(model, Gram) and clips.sounds is not None:
            heard = Extras(clips.sounds[block].to(model.device))
            videos.append(model.clip_side(frames_BTCHW, mask_BT, heard))
        else:
            videos.append(model.clip_side(frames_BTCHW, mask_BT))
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


def _query_table(
    direction: str, matrix: np.ndarray, per_query: np.ndarray, pair_ids: list[str], categories: list[str]
) -> pl.DataFrame:
    wrong = best_wrong(matrix)
    rows = np.arange(len(pair_ids))
    alone = wrong < 0
    return pl.DataFrame(
        {
            "pair_id": pair_ids,
            "category": categories,
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
