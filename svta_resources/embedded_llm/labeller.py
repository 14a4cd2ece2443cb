"""An opinion on captions without a language model: near which sentences does a caption lie, and what is done in it?

The opinion compares the caption's embedding with sentences for anomalies and for ordinary life. The name is the
verb-object phrase of the caption that lies deepest on the side the caption belongs to.
Measured on UCFCrime-AR in `tests/language/test_labeller.py`; a 135M chat model reaches 60% there.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from svta_resources.embedded_llm.data_files import read_data
from svta_resources.embedded_llm.phrases import PhraseFinder
from svta_resources.embedder import Embedder, get_embedder

TEMPERATURE = 0.05  # softness of the maximum over prototypes; cosines of related sentences differ by about this much
DECIMALS = 4  # margins are rounded before they decide: batches of other sizes differ in the seventh digit


class Labeller:
    """Judges and names captions; loads its models at the first call. Deterministic."""

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or get_embedder()

    def margins(self, captions: Sequence[str]) -> npt.NDArray[np.float64]:
        """How much nearer each caption is to anomalies than to ordinary life -> (N,), in cosine; above 0: anomalous."""
        anomaly_AD, normal_BD = self._prototypes
        vectors_ND = self._embedder.encode(captions)
        margins = _soft_max(vectors_ND @ anomaly_AD.T) - _soft_max(vectors_ND @ normal_BD.T)
        return np.round(margins, DECIMALS)

    def opinions(self, captions: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Whether each caption tells of an anomaly -> (N,) bool."""
        return self.margins(captions) > 0

    def names(self, captions: Sequence[str], anomalous: Sequence[bool]) -> list[str]:
        """A short name for what happens in each caption, one to four words, never empty.

        Args:
            anomalous: per caption, which side its name should come from: the most or the least anomalous phrase.
        """
        return [both[wanted] for both, wanted in zip(self.both_names(captions), anomalous, strict=True)]

    def both_names(self, captions: Sequence[str]) -> list[tuple[str, str]]:
        """Name the ordinary activity and the anomaly of each caption: its least and its most anomalous phrase."""
        candidates = self._phrases.candidates(captions)
        flat = _distinct(candidates)
        scores = dict(zip(flat, self.margins(flat).tolist(), strict=True))
        # among equals, min and max take the phrase that comes first in the sentence
        return [(min(these, key=scores.__getitem__), max(these, key=scores.__getitem__)) for these in candidates]

    @cached_property
    def _phrases(self) -> PhraseFinder:
        return PhraseFinder()

    @cached_property
    def _prototypes(self) -> tuple[Any, Any]:
        data = read_data("prototypes")
        return self._embedder.encode(list(data["anomaly"].values())), self._embedder.encode(data["normal"])


def _soft_max(cosines_NP: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Smooth maximum over prototypes, log-mean-exp: as many prototypes on either side as you like -> (N,)."""
    scaled = cosines_NP.astype(np.float64) / TEMPERATURE
    top = scaled.max(axis=1, keepdims=True)
    softened: npt.NDArray[np.float64] = TEMPERATURE * (top[:, 0] + np.log(np.exp(scaled - top).mean(axis=1)))
    return softened


def _distinct(candidates: list[list[str]]) -> list[str]:
    return list(dict.fromkeys(phrase for phrases in candidates for phrase in phrases))
