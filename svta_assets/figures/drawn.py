"""Which figures there are, and where their data stand in a home."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import polars as pl

from svta_assets.figures.captions import figure4
from svta_assets.figures.categories import CategoryCount, figure3
from svta_assets.figures.curves import training_curves
from svta_assets.figures.examples import ranked_examples
from svta_assets.figures.flow import Stream, flow
from svta_assets.figures.page import NothingToDraw
from svta_assets.figures.recall import CategoryRecall, recall_by_category
from svta_assets.figures.retrieval import figure5
from svta_assets.figures.taxonomy import taxonomy_diff
from svta_assets.tables.current import current_rows, ranks_of
from svta_assets.tables.paper import SYNTHETIC, method_name
from svta_assets.tables.per_category import category_scores
from svta_assets.workspace import Workspace
from svta_models.release import Release, release_log, resolve

UNKNOWN = "not known"


@dataclass(frozen=True)
class Drawing:
    """A figure that can be drawn: its file's name without suffix, its title, and what gives its SVG."""

    name: str
    title: str
    draw: Callable[[], str]
    """Raises NothingToDraw where its data are not there yet."""


def drawings(work: Workspace, release: str = "latest") -> list[Drawing]:
    """Every figure of a home, in the order of the stages."""
    found = [*of_stage(work, "raw_texts"), *of_stage(work, "clusters"), *of_stage(work, "splits", release=release)]
    for model in work.catalog.partitions("checkpoints"):
        found += of_stage(work, "model_checkpoints", model)
    for model in current_rows(work)["model"].unique(maintain_order=True):
        found += of_stage(work, "eval_tables", model)
    return found


def of_stage(work: Workspace, stage: str, model: str = "", release: str = "latest") -> list[Drawing]:
    """The figures that belong to an asset; `model` is its partition where it has models."""
    if stage == "raw_texts":
        return [Drawing("figure4_texts", "Figure 4: collected texts", partial(_collected, work))]
    if stage == "clusters":
        return [
            Drawing("figure3_labels", "Figure 3: labelled pairs", partial(_labelled, work)),
            Drawing("taxonomy_diff", "what changed", partial(taxonomy_change, work)),
        ]
    if stage == "splits":
        return [
            Drawing("figure3", "Figure 3: categories", partial(_categories, work, release)),
            Drawing("figure4", "Figure 4: captions", partial(_captions, work, release)),
            Drawing("flow", "from source to category", partial(_flow, work, release)),
        ]
    if stage == "model_checkpoints":
        return [Drawing(f"curves_{model}", "training curves", partial(_curves, work, model))]
    benchmarks = current_rows(work).filter(model=model)["benchmark"].unique(maintain_order=True)
    recall = [
        Drawing(f"recall_{name}_{model}", f"recall by category, {name}", partial(_recall, work, model, name))
        for name in benchmarks
    ]
    return [Drawing(f"figure5_{model}", "Figure 5: ranked examples", partial(_examples, work, model)), *recall]


def taxonomy_change(work: Workspace, older: str | None = None, newer: str | None = None) -> str:
    """SVG of what differs between two taxonomy versions; by default the current one and the one before it."""
    from svta_assets.clusters import versions

    if newer is None:
        now = versions.current(work)
        if now.is_empty():
            raise NothingToDraw("there is no taxonomy yet: materialize clusters")
        newer = str(now["taxonomy"][0])
    if older is None:
        entry = versions.last_entry(work, newer)
        older = entry["parent"] if entry else None
    if older is None:
        raise NothingToDraw(f"{newer} is the first taxonomy version: there is none to compare it with")
    return taxonomy_diff(versions.read_version(work, older), versions.read_version(work, newer), (older, newer))


def _collected(work: Workspace) -> str:
    texts = work.catalog.read("texts")
    kinds = texts["is_anomaly"].replace_strict({True: "anomaly", False: "normal"}, return_dtype=pl.String)
    return figure4(texts["caption"].to_list(), kinds.to_list(), "the collected texts")


def _labelled(work: Workspace) -> str:
    pairs = work.catalog.read("assignments")
    version = pairs["taxonomy"][0] if pairs.height else ""
    return figure3(_counts(work, pairs), f"all labels, taxonomy {version}")


def _release(work: Workspace, ref: str) -> Release:
    if not release_log(work.store):
        raise NothingToDraw("there is no release yet: materialize splits")
    return Release(work.store, resolve(work.store, ref))


def _categories(work: Workspace, ref: str) -> str:
    release = _release(work, ref)
    return figure3(_counts(work, release.frame), f"release {release.hash}")


def _counts(work: Workspace, pairs: pl.DataFrame) -> list[CategoryCount]:
    names = _names(work)
    counted = pairs.group_by("final_category", "kind").len().sort("final_category")
    return [CategoryCount(names.get(slug, slug), kind, pairs) for slug, kind, pairs in counted.iter_rows()]


def _names(work: Workspace) -> dict[str, str]:
    """Names of the current final categories by slug; a release of an older taxonomy shows slugs."""
    return dict(work.catalog.read("categories").select("final_category", "name").iter_rows())


def _captions(work: Workspace, ref: str) -> str:
    release = _release(work, ref)
    return figure4(release.frame["caption"].to_list(), release.frame["kind"].to_list(), f"release {release.hash}")


def _flow(work: Workspace, ref: str) -> str:
    release, names = _release(work, ref), _names(work)
    sources = work.catalog.read("descriptions").select("pair_id", "source")
    counted = (
        release.frame.join(sources, on="pair_id", how="left")
        .with_columns(pl.col("source", "group").fill_null(UNKNOWN))
        .group_by("source", "kind", "group", "final_category")
        .len()
        .sort("source", "kind", "group", "final_category")
    )
    streams = [
        Stream(source, kind, group, names.get(slug, slug), pairs)
        for source, kind, group, slug, pairs in counted.iter_rows()
    ]
    return flow(streams, f"release {release.hash}")


def _curves(work: Workspace, model: str) -> str:
    rows = work.catalog.read("checkpoints", model).filter(pl.col("epoch").is_not_null()).sort("made_at")
    if rows.is_empty():
        raise NothingToDraw(f"{method_name(model)} has no trained checkpoint yet: materialize model_checkpoints")
    newest = rows.row(-1, named=True)
    return training_curves(json.loads(newest["curves"] or "[]"), newest["epoch"], method_name(model))


def _recall(work: Workspace, model: str, benchmark: str) -> str:
    names = _names(work)
    scores = [
        CategoryRecall(names.get(row["category"], row["category"]), row["queries"], row["t2v_r1"], row["v2t_r1"])
        for row in category_scores(ranks_of(work, model, benchmark)).iter_rows(named=True)
    ]
    return recall_by_category(scores, method_name(model), "SVTA" if benchmark == SYNTHETIC else benchmark)


def _examples(work: Workspace, model: str) -> str:
    examples, release = ranked_examples(work, model)
    return figure5(examples, method_name(model), f"test split of release {release}")
