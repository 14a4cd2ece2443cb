"""The orders in which a model's gallery is ranked: one for most, three for GRAM, whose matching head reads again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from svta_assets.tables.paper import FIGURES


@dataclass(frozen=True)
class Ranking:
    """`prefix`: of its columns in `evaluations`; `name`: in a CSV; `title`: what stands behind the model's name."""

    prefix: str
    name: str
    title: str

    def figures(self, row: Mapping[str, Any]) -> dict[str, float]:
        """R@K, MdR and MnR of a row of `evaluations` by this ranking."""
        return {name: row[self.prefix + name] for name in FIGURES}


BY_SCORE = Ranking("", "ours", "")
BY_VOLUME = Ranking("", "ours", "by volume alone")
PUBLISHED = Ranking("published_", "ours, re-ranked as published", "re-ranked as published")
HONEST = Ranking("honest_", "ours, re-ranked honestly", "re-ranked honestly")


def rankings_of(row: Mapping[str, Any]) -> tuple[Ranking, ...]:
    """The rankings of a row of `evaluations`, in the order of a table."""
    return (BY_SCORE,) if row["reranked"] is None else (BY_VOLUME, PUBLISHED, HONEST)


def beside_the_paper(row: Mapping[str, Any]) -> Ranking:
    """The ranking that the paper's figures were made by."""
    return BY_SCORE if row["reranked"] is None else PUBLISHED


def explanation(row: Mapping[str, Any]) -> str:
    """What the three rankings of a model are, in one line."""
    return (
        f"by volume alone: no re-ranking; re-ranked: the matching head reads the {row['reranked']} nearest of every "
        "query again. As published, everything else scores 0 and stands in arbitrary order (here that of the gallery), "
        "so MnR and any rank behind those are an accident; honestly, everything else keeps the order of its volume. "
        "Differences to the paper are those of the published rule"
    )
