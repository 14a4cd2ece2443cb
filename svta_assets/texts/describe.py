"""All descriptions of one category: sourced texts first, then those that language models write for a seed anomaly."""

from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from svta_assets.categories import Category
from svta_assets.categories import category as find_category
from svta_assets.gates import gate_settings
from svta_assets.texts.diversity import measure, write_report
from svta_assets.texts.drops import dropped
from svta_assets.texts.expand import Expansion, Progress, expand, sourced, without_dropped
from svta_assets.texts.novelty import Embed, Said, open_novelty
from svta_assets.texts.slots import Rules
from svta_assets.workspace import Workspace, utc_now
from svta_resources.answers import AnswerLog


@dataclass(frozen=True)
class Described:
    """What a run made of a category.

    Attributes:
        rows: of `descriptions`. rejects: of `rejects`. tokens: that this run paid for.
        diversity: row of `diversity`; None where no model writes. warning: what people should know, else empty.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    tokens: int = 0
    diversity: dict[str, Any] | None = None
    warning: str = ""


def describe_category(work: Workspace, key: str, run_id: str, progress: Progress | None = None) -> Described:
    """Write the category's `descriptions` and rejects; asks a model only for what has no answer yet.

    `progress` is called with (answered, of how many) while models are asked.
    """
    found, gone = find_category(key), dropped(work.catalog, key)
    texts = work.catalog.read("texts").filter(pl.col("category") == key)
    rows, rejects = without_dropped(sourced(texts), gone)
    described = Described(rows, rejects)
    if found.origin == "seed":
        expansion = _expand(work, found, gone, run_id, progress)
        rows, rejects = pl.concat([rows, expansion.rows]), pl.concat([rejects, expansion.rejects])
        described = Described(rows, rejects, expansion.tokens, _measure(work, key, expansion), _warning(key, expansion))
    work.catalog.publish("rejects", f"llm_descriptions.{key}", described.rejects)
    return replace(described, rows=work.catalog.publish("descriptions", key, described.rows))


def near_duplicate_cosine(work: Workspace) -> float:
    """The cosine from which on two descriptions say the same, from gates.yaml."""
    threshold: float = gate_settings(work.profile.name)["descriptions"]["near_duplicate_cosine"]
    return threshold


def writing_rules(
    work: Workspace, key: str, embed: Embed | None, gone: dict[Said, dict[str, Any]] | None = None
) -> Rules:
    """Which answers count for a seed category; without `embed`, what was never compared counts as new."""
    novelty = open_novelty(work.catalog, key, near_duplicate_cosine(work), embed)
    return Rules(novelty, dropped(work.catalog, key) if gone is None else gone)


def _expand(
    work: Workspace, found: Category, gone: dict[Said, dict[str, Any]], run_id: str, progress: Progress | None
) -> Expansion:
    rules = writing_rules(work, found.key, work.embedder().encode, gone)
    with AnswerLog(work.store, f"answers/describe/{found.key}", run_id) as log:
        expansion = expand(found, work.profile.descriptions_per_seed, work.writers, log, rules, progress)
    work.catalog.append("novelty", found.key, expansion.judged.with_columns(at=pl.lit(utc_now())))
    return expansion


def _measure(work: Workspace, key: str, expansion: Expansion) -> dict[str, Any]:
    before = work.catalog.read("diversity", key)
    row = measure(key, expansion, work.embedder().encode, before.row(0, named=True) if before.height else None)
    work.catalog.publish("diversity", key, [row])
    write_report(work)
    return row


def _warning(key: str, expansion: Expansion) -> str:
    """What to do about descriptions that could not be made up; empty when all are there."""
    if not expansion.missing:
        return ""
    wanted = expansion.rows.height + expansion.missing
    return (
        f"{key}: {expansion.missing} of {wanted} descriptions are missing: {expansion.near_duplicates} answers nearly "
        "repeat others, and no further slot is opened. Give the category more attribute values "
        "(svta_assets/prompts/attributes.yaml), add a model (SVTA_LLM_MODELS), or raise near_duplicate_cosine in "
        "svta_assets/gates.yaml; rows in rejects show what repeats what."
    )
