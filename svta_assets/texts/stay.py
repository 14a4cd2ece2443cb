"""A text never changes its generation category once a clip of it exists."""

import polars as pl


def keep_categories(texts: pl.DataFrame, clips: pl.DataFrame) -> pl.DataFrame:
    """Give texts with a clip the category of that clip, whatever a new rule or prototype would say.

    Args:
        texts: rows of `texts`. clips: rows of `clips`.
    """
    settled = clips.sort("take").unique("pair_id", keep="first").select("pair_id", pl.col("category").alias("settled"))
    joined = texts.join(settled, left_on="text_id", right_on="pair_id", how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce("settled", "category").alias("category")).drop("settled")
