"""Which evaluations count: the newest of each model, benchmark and direction, in the order of the paper's tables."""

import polars as pl

from svta_assets.tables.paper import METHODS
from svta_assets.workspace import Workspace


def current_rows(work: Workspace) -> pl.DataFrame:
    """The newest evaluation of each model, benchmark and direction; controls on shuffled captions are left out."""
    return _newest(work.catalog.read("evaluations").filter(~pl.col("trained_on_shuffled")))


def control_rows(work: Workspace) -> pl.DataFrame:
    """The same of the controls, whose models were trained on shuffled captions."""
    return _newest(work.catalog.read("evaluations").filter("trained_on_shuffled"))


def ranks_of(work: Workspace, model: str, benchmark: str) -> pl.DataFrame:
    """`query_ranks` of a model's newest evaluation on a benchmark; no rows where there is none."""
    ranks = work.catalog.read("query_ranks", model).filter(benchmark=benchmark)
    chosen = current_rows(work).filter(model=model, benchmark=benchmark).select("checkpoint_id", "release").unique()
    return ranks.join(chosen, on=("checkpoint_id", "release"), how="semi")


def _newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The newest row of each; models of one's own stand after the paper's, by name."""
    newest = rows.sort("at").unique(["model", "benchmark", "direction"], keep="last")
    order = {name: place for place, name in enumerate(METHODS)}
    place = pl.col("model").replace_strict(order, default=len(order), return_dtype=pl.Int64)
    return newest.sort(place, "model", "direction")
