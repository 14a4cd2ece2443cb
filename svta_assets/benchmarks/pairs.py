"""Which captions a benchmark consists of: one for each of its videos.

UCFCrime-AR: the English captions of its test sheet, 290. OOPS! has no public test captions, so its validation list is
used: annotations whose description is not complete are left out, and of a video's remaining ones the first counts
(SVTA paper, Table 4, which ends at 3,468 pairs; how it chose among several texts is not said).
"""

from dataclasses import dataclass

import polars as pl

from svta_assets.benchmarks.settings import BenchmarkError, BenchmarkSettings
from svta_assets.splits.benchmarks import TEST_SETS
from svta_assets.texts.clean import cleaned
from svta_assets.texts.collect import with_ids
from svta_assets.texts.readers.oops import DEFAULT_CAPTION, read_oops
from svta_assets.texts.readers.settings import SETTINGS_FILE, read_settings
from svta_assets.texts.readers.ucfcrime_ar import read_ucfcrime_ar
from svta_assets.texts.records import Reading

KEPT, INCOMPLETE, NOT_FIRST = "kept", "description not complete", "not the first text of its video"
PAPER_PAIRS = {"ucfcrime_ar": 290, "oops": 3468}
_COLUMNS = ("pair_id", "caption", "video", "category", "decision", "place")


@dataclass(frozen=True)
class BenchmarkPairs:
    """`listed`: every annotation with pair_id (its text's id), caption, video, category, decision and place."""

    name: str
    listed: pl.DataFrame

    @property
    def kept(self) -> pl.DataFrame:
        """The pairs of the benchmark, by pair_id."""
        return self.listed.filter(decision=KEPT).sort("pair_id")

    @property
    def count_line(self) -> str:
        """How many pairs there are, against the paper's, and what was left out."""
        left = self.listed.filter(pl.col("decision") != KEPT)["decision"].value_counts().sort("decision")
        reasons = "; ".join(f"{count:,} left out: {reason}" for reason, count in left.iter_rows())
        return f"{self.kept.height:,} pairs (paper: {PAPER_PAIRS[self.name]:,})" + (f"; {reasons}" if reasons else "")


def benchmark_pairs(settings: BenchmarkSettings) -> BenchmarkPairs:
    """Read a benchmark's captions. Raises BenchmarkError when none is left or their number is not the one wanted."""
    listed = _oops(settings) if settings.name == "oops" else _ucfcrime_ar(settings)
    pairs = BenchmarkPairs(settings.name, listed.select(_COLUMNS))
    count = pairs.kept.height
    if not count:
        raise BenchmarkError(f"{settings.captions} holds no caption of {settings.name}'s test set")
    if settings.pairs is not None and count != settings.pairs and not settings.allow_missing:
        raise BenchmarkError(
            f"{settings.captions} gives {count} pairs of {settings.name}, not {settings.pairs}: complete the caption "
            "files, or set `pairs:` in benchmarks.yaml to what you have"
        )
    return pairs


def _ucfcrime_ar(settings: BenchmarkSettings) -> pl.DataFrame:
    rows = _in_test_set(read_ucfcrime_ar(settings.captions), settings.name)
    return rows.with_columns(decision=_first_of_video(pl.lit(True)))


def _oops(settings: BenchmarkSettings) -> pl.DataFrame:
    """The description of a pair is the caption that the texts have; other fields only decide whether it is complete."""
    own = settings.captions.parent / SETTINGS_FILE
    caption = read_settings(own.parent).oops_caption if own.exists() else DEFAULT_CAPTION
    rows = _in_test_set(read_oops(settings.captions, caption), settings.name)
    complete = pl.lit(True)
    for field in settings.complete:
        complete &= pl.col("place").is_in(read_oops(settings.captions, (field,)).records["place"].to_list())
    rows = rows.with_columns(decision=_first_of_video(complete))
    return pl.concat([rows, _rejected(settings, caption, rows["place"])], how="diagonal")


def _rejected(settings: BenchmarkSettings, caption: tuple[str, ...], places: pl.Series) -> pl.DataFrame:
    """Annotations of the same files that the reader sets aside: nothing said, or "don't know"."""
    files = {place.partition(",")[0] for place in places}
    rejects = [one for one in read_oops(settings.captions, caption).rejects if one.key.partition(",")[0] in files]
    return pl.DataFrame(
        {"place": [one.key for one in rejects], "decision": [INCOMPLETE] * len(rejects)},
        schema={"place": pl.String, "decision": pl.String},
    )


def _in_test_set(reading: Reading, name: str) -> pl.DataFrame:
    """Annotations of the splits that are evaluated on, in the order of the file."""
    order = reading.records.select("place").with_row_index("order")
    rows = with_ids(reading.records).join(order, on="place").sort("order").with_columns(caption=cleaned(pl.col("raw")))
    rows = rows.filter(pl.col("source_split").str.to_lowercase().is_in(TEST_SETS[name]))
    return rows.select(
        pl.col("text_id").alias("pair_id"),
        "caption",
        pl.col("source_video").alias("video"),
        pl.col("source_category").fill_null("unintentional").alias("category"),
        "place",
    )


def _first_of_video(complete: pl.Expr) -> pl.Expr:
    first = complete.cast(pl.Int64).cum_sum().over("video") == 1
    return pl.when(~complete).then(pl.lit(INCOMPLETE)).when(first).then(pl.lit(KEPT)).otherwise(pl.lit(NOT_FIRST))
