"""Whether a written description says something new, or nearly what another one says already.

Captions are held against each other by the cosine of their sentence embeddings: those of lower slots of the category,
and those that other seed categories have published. What was decided stands (table `novelty`): a description that was
new when it was written stays, whatever others write later, and one that was not is never taken back in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from svta_assets.categories import load_categories
from svta_assets.schemas import DESCRIPTIONS
from svta_resources.catalog import Catalog

Vectors = npt.NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vectors]
Said = tuple[str, str]  # pair_id, caption
Row = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a description was compared with.

    Attributes:
        near_duplicate: the cosine reaches the threshold.
        pair_id, category, caption: of the nearest other description; empty where there was none.
        cosine: of both captions, None where there was none.
        row: for the table `novelty`, None where the verdict stands there already.
    """

    near_duplicate: bool
    pair_id: str = ""
    category: str = ""
    caption: str = ""
    cosine: float | None = None
    row: Row | None = field(default=None, repr=False)


class Novelty:
    """Compares the descriptions of one category.

    Args:
        threshold: cosine from which on two captions say the same (gates.yaml, near_duplicate_cosine).
        embed: captions -> (N, 384), unit length; not called while every verdict stands. None takes what was never
            compared as new (for a plan).
        others: gives the descriptions of other categories (pair_id, category, caption); called when first needed.
        judged: rows of `novelty` of the category. published: its descriptions so far; they stand.
    """

    def __init__(
        self,
        category: str,
        threshold: float,
        embed: Embed | None,
        others: Callable[[], pl.DataFrame] = DESCRIPTIONS.empty,
        judged: pl.DataFrame | None = None,
        published: Mapping[str, str] | None = None,
    ) -> None:
        self.category, self.threshold = category, threshold
        self._embed, self._read_others = embed, others
        self._expected: list[str] = []
        self._stands: dict[Said, Verdict] = {}
        for row in judged.sort("at").iter_rows(named=True) if judged is not None else ():
            if row["threshold"] == threshold:  # another threshold is another question
                self._stands.setdefault((row["pair_id"], row["caption"]), _verdict(row))
        asked_before = set(judged.select("pair_id", "caption").iter_rows()) if judged is not None else set()
        for said in (published or {}).items():
            if said not in asked_before:  # published before anything was compared
                self._stands.setdefault(said, Verdict(near_duplicate=False))

    def expect(self, captions: Iterable[str]) -> None:
        """Say what may be judged next: once one of them must be embedded, all are, together instead of one by one.

        `embed` remembers what it has seen.
        """
        self._expected = list(dict.fromkeys(captions))

    def judge(self, pair_id: str, slot: int, answer: Mapping[str, Any], held: Sequence[Said]) -> Verdict:
        """Compare an answer (caption, model) with those of lower slots, `held`, and of other categories."""
        caption = answer["caption"]
        if (stands := self._stands.get((pair_id, caption))) is not None:
            return stands
        if self._embed is None:
            return Verdict(near_duplicate=False)
        nearest = self._nearest(caption, held)
        near = nearest.cosine is not None and nearest.cosine >= self.threshold
        row = {
            "pair_id": pair_id,
            "category": self.category,
            "slot": slot,
            "caption": caption,
            "model": answer["model"],
            "near_duplicate": near,
            "nearest_pair": nearest.pair_id or None,
            "nearest_category": nearest.category or None,
            "nearest_caption": nearest.caption or None,
            "cosine": nearest.cosine,
            "threshold": self.threshold,
        }
        return Verdict(near, nearest.pair_id, nearest.category, nearest.caption, nearest.cosine, row)

    def _nearest(self, caption: str, held: Sequence[Said]) -> Verdict:
        assert self._embed is not None
        if self._expected:
            self._embed(self._expected)
            self._expected = []
        others, vectors_ND = self._others
        candidates = [(pair, self.category, said) for pair, said in held] + others
        if not candidates:
            return Verdict(near_duplicate=False)
        own_ND = self._embed([said for _, said in held])
        cosines = np.concatenate([own_ND, vectors_ND]) @ self._embed([caption])[0]
        place = int(cosines.argmax())
        return Verdict(False, *candidates[place], cosine=round(float(cosines[place]), 4))

    @cached_property
    def _others(self) -> tuple[list[tuple[str, str, str]], Vectors]:
        assert self._embed is not None
        rows = self._read_others().select("pair_id", "category", "caption").rows()
        return rows, self._embed([caption for _, _, caption in rows])


def open_novelty(catalog: Catalog, category: str, threshold: float, embed: Embed | None) -> Novelty:
    """What a category's descriptions are compared with, from the tables."""
    own = catalog.read("descriptions", category).filter(pl.col("origin") == "llm")
    return Novelty(
        category,
        threshold,
        embed,
        lambda: written_elsewhere(catalog, category),
        catalog.read("novelty", category),
        dict(own.select("pair_id", "caption").iter_rows()),
    )


def written_elsewhere(catalog: Catalog, category: str) -> pl.DataFrame:
    """Descriptions that language models have written for other categories, as published, in a fixed order."""
    seeds = {one.key for one in load_categories() if one.origin == "seed" and one.key != category}
    files = [item for item in catalog.files("descriptions") if item.partition in seeds]
    rows = pl.concat([DESCRIPTIONS.empty(), *(catalog.read_file(item) for item in files)])
    return rows.filter(pl.col("origin") == "llm").sort("category", "pair_id")


def _verdict(row: Row) -> Verdict:
    nearest = (row["nearest_pair"] or "", row["nearest_category"] or "", row["nearest_caption"] or "")
    return Verdict(row["near_duplicate"], *nearest, cosine=row["cosine"])
