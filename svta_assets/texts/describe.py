"""All descriptions of one category: sourced texts first, then the language model's for a seed anomaly."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from svta_assets.categories import category as find_category
from svta_assets.texts.expand import expand, sourced
from svta_assets.workspace import Workspace
from svta_resources.answers import AnswerLog


@dataclass(frozen=True)
class Described:
    """Rows of `descriptions` and of `rejects`, and the tokens this run paid for."""

    rows: pl.DataFrame
    rejects: pl.DataFrame
    tokens: int


def describe_category(
    work: Workspace, key: str, run_id: str, progress: Callable[[int, int], None] | None = None
) -> Described:
    """Write the category's `descriptions` and rejects; asks the model only for what has no answer yet.

    `progress` is called with (answered, of how many) while the model is asked.
    """
    found = find_category(key)
    texts = work.catalog.read("texts").filter(pl.col("category") == key)
    rows, rejects, tokens = sourced(texts), work.catalog.tables["rejects"].empty(), 0
    if found.origin == "seed":
        if progress is not None:
            work.chat.progress = progress
        with AnswerLog(work.store, f"answers/describe/{key}", run_id) as log:
            expansion = expand(found, work.profile.descriptions_per_seed, work.chat, log)
        rows = pl.concat([rows, expansion.rows], how="diagonal_relaxed")
        rejects, tokens = expansion.rejects, expansion.tokens
    work.catalog.publish("rejects", f"llm_descriptions.{key}", rejects)
    return Described(work.catalog.publish("descriptions", key, rows), rejects, tokens)
