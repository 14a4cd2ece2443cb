"""Tables of `raw_texts` and `llm_descriptions`."""

import polars as pl

from svta_assets.schemas.common import AT, CATEGORY, FLAG, INT, PAIR, REAL, RECIPE, TEXT
from svta_resources.tables import Column, Growth, Table

TEXTS = Table(
    "texts",
    "Collected texts after cleaning (SVTA paper, text collection): one row a sentence.",
    ("text_id",),
    (
        Column("text_id", TEXT, "sha256 over source, the source's own key and the occurrence number (20 hex digits)"),
        Column("source", TEXT, "uca, ucfcrime_ar, oops, packaged, imported:NAME, or the name given to a CSV/JSONL"),
        Column("source_video", TEXT, "video the text describes, without folder and extension"),
        Column("source_split", TEXT, "split the source itself puts the text in"),
        Column("source_key", TEXT, "the source's own key of the record"),
        Column("caption", TEXT, "cleaned text, English"),
        Column("caption_zh", TEXT, "Chinese text where the source has one (UCFCrime-AR)"),
        Column("is_anomaly", FLAG, "label of the source video"),
        Column("source_category", TEXT, "category name as the source writes it"),
        CATEGORY,
        Column("start_s", REAL, "start of the described event in the source video, seconds"),
        Column("end_s", REAL, "end of the described event, seconds"),
        Column("flags", pl.List(TEXT), "what is odd about the text (short, dangling, camera_meta, ...)"),
    ),
)

DESCRIPTIONS = Table(
    "descriptions",
    "Every pair's caption: collected texts passed through, and descriptions written by a language model.",
    ("pair_id",),
    (
        PAIR,
        CATEGORY,
        Column("caption", TEXT, "the text a clip is generated from"),
        Column("origin", TEXT, "source (collected) or llm (written)"),
        Column("source", TEXT, "source of a collected text; llm for a written one"),
        Column("text_id", TEXT, "the collected text; empty for a written one"),
        Column("slot", INT, "number of a written one within its category, from 0; empty for a collected text"),
        Column("age", TEXT, "age asked for"),
        Column("gender", TEXT, "gender asked for"),
        Column("culture", TEXT, "culture asked for"),
        Column("environment", TEXT, "place and conditions asked for"),
        Column("camera", TEXT, "camera asked for"),
        Column("provider", TEXT, "who answered: embedded-rules or the host of the language model"),
        Column("model", TEXT, "model name as asked"),
        Column("prompt_sha", TEXT, "sha256 of the prompt file used"),
        RECIPE,
    ),
)

NOVELTY = Table(
    "novelty",
    "What each written description was nearest to when first compared; the first row of a pair and caption counts.",
    ("pair_id", "at"),
    (
        PAIR,
        CATEGORY,
        Column("slot", INT, "number within the category, from 0"),
        Column("caption", TEXT, "the description compared"),
        Column("model", TEXT, "model that wrote it"),
        Column("near_duplicate", FLAG, "true where the cosine reached the threshold: it is not used"),
        Column("nearest_pair", TEXT, "nearest description of a lower slot or another category; empty for the first"),
        Column("nearest_category", TEXT, "category of that one"),
        Column("nearest_caption", TEXT, "caption of that one"),
        Column("cosine", REAL, "of both captions' sentence embeddings, -1..1"),
        Column("threshold", REAL, "near_duplicate_cosine of gates.yaml at that time"),
        AT,
    ),
    Growth.LOG,
)

DESCRIPTION_REVIEWS = Table(
    "description_reviews",
    "What people said of descriptions before a clip is made; the newest row of a pair and caption counts (SVTA paper: "
    "unreasonable descriptions removed by hand).",
    ("pair_id", "at"),
    (
        PAIR,
        CATEGORY,
        Column("caption", TEXT, "the caption looked at; the verdict counts for no other"),
        Column("verdict", TEXT, "keep, drop or undo"),
        Column("reason", TEXT, "why it was dropped"),
        Column("by", TEXT, "who looked"),
        AT,
    ),
    Growth.LOG,
)

DIVERSITY = Table(
    "diversity",
    "How varied the written descriptions of a category are.",
    ("category",),
    (
        CATEGORY,
        Column("descriptions", INT, "written descriptions that stand"),
        Column("missing", INT, "fewer than wanted, because too many answers repeat others"),
        Column("near_duplicates", INT, "answers set aside because they nearly repeat another description"),
        Column("dropped", INT, "written descriptions that reviewers dropped"),
        Column("words", REAL, "mean words a description"),
        Column("distinct_1", REAL, "different words as a share of all words, 0..1 (distinct-n, Li et al. 2016)"),
        Column("distinct_2", REAL, "different pairs of neighbouring words as a share of all such pairs, 0..1"),
        Column("mean_cosine", REAL, "mean over all pairs of descriptions of their embeddings' cosine, -1..1"),
        Column("nearest_median", REAL, "cosine to the nearest other description of the category: median"),
        Column("nearest_q90", REAL, "the same: 90% quantile"),
        Column("nearest_max", REAL, "the same: maximum"),
        Column("coverage", TEXT, "by attribute: values in use, values there are, least and most used (JSON)"),
        Column("captions_sha", TEXT, "sha256 of the captions measured"),
    ),
)
