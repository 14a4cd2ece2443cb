"""Homes for the browser: a small one in which everything happened once, and one of 10,000 clips."""

from pathlib import Path

import polars as pl

from svta_assets.tables.evaluate import evaluate_model
from svta_assets.workspace import Workspace
from tests.app.conftest import CAPTIONS, write_labels_and_release
from tests.stages.evaluated_home import MODEL, add_checkpoint
from tests.stages.toy_category import CATEGORY, ToyCategory

CLIPS = 10_000


def make_small_home(root: Path) -> Workspace:
    """Clips of a few pixels whose texts want to break pages, a release, an untrained model and its evaluation."""
    toy = ToyCategory(root, CAPTIONS)
    toy.run()
    write_labels_and_release(toy)
    add_checkpoint(toy.work, "1")
    evaluate_model(toy.work, MODEL, "latest", say=lambda line: None)
    work = Workspace(toy.work.home)
    work.refresh()
    return work


def make_large_home(root: Path) -> Workspace:
    """The rows of 10,000 clips that share three files."""
    toy = ToyCategory(root, {f"p{n}": f"House {n} burns." for n in range(3)})
    toy.run()
    catalog, rows = toy.work.catalog, toy.clips
    numbers = pl.DataFrame({"n": range(CLIPS)})
    many = numbers.with_columns(
        pl.format("q{}", pl.col("n").cast(pl.String).str.zfill(5)).alias("pair_id"),
        pl.format("House number {} burns and somebody runs.", "n").alias("caption"),
    )
    files = rows.drop("clip_id", "pair_id", "caption").with_row_index("n").with_columns(pl.col("n").cast(pl.Int64))
    clips = many.with_columns(pl.col("n") % rows.height).join(files, on="n").drop("n")
    catalog.publish("clips", CATEGORY, clips.with_columns(pl.format("{}-0", "pair_id").alias("clip_id"), current=True))
    pairs = many.drop("n").with_columns(category=pl.lit(CATEGORY))
    catalog.publish("descriptions", CATEGORY, pairs.with_columns(origin=pl.lit("llm"), source=pl.lit("llm")))
    labels = pairs.drop("caption").with_columns(name=pl.lit("burn house"), is_anomaly=True)
    catalog.publish("labels", CATEGORY, labels)
    of = {"final_category": "anomaly-01-fire", "kind": "anomaly", "group": "g"}
    catalog.publish("assignments", "all", pairs.drop("caption").with_columns(**{k: pl.lit(v) for k, v in of.items()}))
    work = Workspace(toy.work.home)
    work.refresh()
    return work
