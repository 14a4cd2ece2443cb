"""Column types, and columns that several tables have."""

import polars as pl

from svta_resources.tables import Column

TEXT, FLAG, INT, REAL = pl.String, pl.Boolean, pl.Int64, pl.Float64

PAIR = Column("pair_id", TEXT, "the text-video pair; equals the text's id, for ever")
CATEGORY = Column("category", TEXT, "generation category (partition key)")
RECIPE = Column("recipe_sha", TEXT, "sha256 over what the user chose; decides whether the row is stale")
AT = Column("at", TEXT, "when, UTC, ISO 8601")
