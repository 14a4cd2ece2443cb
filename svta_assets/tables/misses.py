"""From a cell of a table to what it missed: the query, its rank, what was found instead, and how both were made."""

import json
from pathlib import Path
from typing import Any

import polars as pl

from svta_assets.benchmarks.ready import pairs_file
from svta_assets.tables.current import ranks_of
from svta_assets.tables.paper import SYNTHETIC
from svta_assets.workspace import Workspace
from svta_models.release import Release
from svta_resources.errors import SvtaError

PROMPT_COLUMNS = ("origin", "model", "prompt_sha", "age", "gender", "culture", "environment", "camera")


def misses(
    work: Workspace, model: str, benchmark: str = SYNTHETIC, direction: str = "t2v", category: str | None = None
) -> pl.DataFrame:
    """Queries of a model's newest evaluation whose right answer is not the first, worst rank first.

    Columns: rank, category, query, best_wrong (pair ids), and of both caption, file, recipe, prompt (`wrong_*` of the
    wrong answer). `file` is the clip's uri in the media root, or the path of a real video; `recipe` how the clip was
    made and `prompt` how its text was written (JSON), null for collected texts and real videos.

    Raises SvtaError when nothing was evaluated, or for a category that the queries do not have.
    """
    ranks = ranks_of(work, model, benchmark).filter(direction=direction)
    if ranks.is_empty():
        raise SvtaError(f"{model} has not been evaluated on {benchmark}: materialize eval_tables or `svta evaluate`")
    facts = _clip_facts(work, ranks["release"][0]) if benchmark == SYNTHETIC else _video_facts(work, benchmark)
    if category is not None:
        known = sorted(set(ranks["category"].drop_nulls()))
        if category not in known:
            raise SvtaError(f"no query of {model} on {benchmark} has the category {category!r}; there are {known}")
        ranks = ranks.filter(category=category)
    missed = ranks.filter(pl.col("rank") > 1).sort(["rank", "query"], descending=[True, False])
    wrong = facts.rename({name: f"wrong_{name}" for name in facts.columns if name != "pair_id"})
    return (
        missed.select("rank", "category", "query", "best_wrong")
        .join(facts, left_on="query", right_on="pair_id", how="left", maintain_order="left")
        .join(wrong, left_on="best_wrong", right_on="pair_id", how="left", maintain_order="left")
    )


def _clip_facts(work: Workspace, release: str) -> pl.DataFrame:
    """Columns pair_id, caption, file, recipe, prompt of a release's pairs."""
    pairs = Release(work.store, release).frame.select("pair_id", "clip_id", "caption", pl.col("uri").alias("file"))
    clips = work.catalog.read("clips").select("clip_id", "recipe")
    written = work.catalog.read("descriptions").filter(origin="llm").select("pair_id", *PROMPT_COLUMNS)
    prompts = [
        {"pair_id": row["pair_id"], "prompt": _json({name: row[name] for name in PROMPT_COLUMNS})}
        for row in written.iter_rows(named=True)
    ]
    prompt = pl.DataFrame(prompts, schema={"pair_id": pl.String, "prompt": pl.String})
    joined = pairs.join(clips, on="clip_id", how="left").join(prompt, on="pair_id", how="left")
    return joined.select("pair_id", "caption", "file", "recipe", "prompt")


def _json(values: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in values.items() if value is not None}, ensure_ascii=False)


def _video_facts(work: Workspace, benchmark: str) -> pl.DataFrame:
    """The same of a real benchmark's pairs, from the list that its evaluation wrote."""
    path: Path = pairs_file(work, benchmark)
    if not path.exists():
        raise SvtaError(f"{path} is gone, which says what the pairs of {benchmark} are: evaluate again to write it")
    listed = pl.read_csv(path, infer_schema=False).filter(decision="kept").select("pair_id", "caption", "file")
    return listed.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in ("recipe", "prompt"))
