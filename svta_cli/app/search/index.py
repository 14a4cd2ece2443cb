"""A release encoded by a checkpoint, ready to be searched."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from svta_cli.app.search.clips import Clips
from svta_cli.app.search.features import SEGMENT, FeatureStore
from svta_cli.app.search.stages import RERANK, Candidates, Stages
from svta_models.errors import SvtaError

if TYPE_CHECKING:
    from svta_models.retrieval import Features

Progress = Callable[[int, int], None]
SHOWN = 50


@dataclass(frozen=True)
class Found:
    """What a search gave: rows of the release with `score`, best first, and seconds of the stages."""

    rows: list[dict[str, Any]]
    clips: int
    reranked: int
    first_s: float
    second_s: float


class Index:
    """Pooled features of a release's clips in memory. `left_out`: clips that do not decode."""

    def __init__(self, stages: Stages, store: FeatureStore, clips: Clips) -> None:
        known = pl.col("sha256").is_in(list(store.known()))
        self._rows = clips.rows.filter(known)
        self.left_out = clips.rows.height - self._rows.height
        if self._rows.is_empty():
            raise SvtaError("none of the release's clips could be encoded: run `svta verify`")
        self.stages = stages
        self._store, self._clips = store, clips
        self._pooled = store.pooled(self._rows["sha256"].to_list())

    def search(self, sentence: str, count: int = SHOWN) -> Found:
        """Rank the clips for a sentence; where there is a second stage, only what it has read is shown."""
        import torch

        began = time.perf_counter()
        with torch.inference_mode():
            texts = self.stages.encoder.texts([sentence])
            scores_M = self.stages.rank(texts, self._pooled)
            best = torch.topk(scores_M, min(RERANK if self.stages.second else count, len(scores_M)))
            order, scores = best.indices.tolist(), best.values.tolist()
            first = time.perf_counter()
            reranked = len(order) if self.stages.second else 0
            if reranked:
                order, scores = self._reranked(sentence, texts, order)
        rows = [self._rows.row(place, named=True) for place in order[:count]]
        found = [row | {"score": score} for row, score in zip(rows, scores, strict=False)]
        return Found(found, len(scores_M), reranked, first - began, time.perf_counter() - first)

    def _reranked(self, sentence: str, texts: "Features", order: list[int]) -> tuple[list[int], list[float]]:
        rows = self._rows[order]
        candidates = Candidates(rows["sha256"].to_list(), rows["number"].to_list(), self._store, self._clips)
        scores_K = self.stages.rerank(sentence, texts, candidates)
        again = scores_K.argsort(descending=True, stable=True).tolist()
        return [order[place] for place in again], scores_K[again].tolist()


def encode_missing(stages: Stages, store: FeatureStore, clips: Clips, progress: Progress) -> None:
    """Encode the clips that the store does not have. One that does not decode is left out.

    `progress` is told (done, total) in clips.
    """
    total, known = clips.rows.height, store.known()
    todo = clips.rows.filter(~pl.col("sha256").is_in(list(known)))["number"].to_list()
    done = total - len(todo)
    progress(done, total)
    blocks = [todo[start : start + SEGMENT] for start in range(0, len(todo), SEGMENT)]
    for block, (numbers, inputs) in zip(blocks, clips.inputs(stages.encoder, blocks), strict=True):
        if numbers:
            features = stages.encoder.clips(*inputs)
            store.add([clips.clip_keys[number] for number in numbers], *stages.split(features))
        done += len(block)
        progress(done, total)
