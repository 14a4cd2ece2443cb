"""Tables of `clusters` and `splits`: categories, versions, splits, releases."""

import polars as pl

from svta_assets.schemas.common import AT, CATEGORY, FLAG, INT, PAIR, REAL, TEXT
from svta_resources.tables import Column, Growth, Table

CATEGORIES = Table(
    "categories",
    "Final categories of a taxonomy version (paper: 30 normal and 68 anomaly categories).",
    ("taxonomy", "final_category"),
    (
        Column("taxonomy", TEXT, "taxonomy version: hash of its categories and members"),
        Column("final_category", TEXT, "slug of the category"),
        Column("number", INT, "number within its kind, from 1"),
        Column("name", TEXT, "name of the medoid (the member nearest to the centre), or what people renamed it to"),
        Column("kind", TEXT, "normal or anomaly"),
        Column("group", TEXT, "larger group: four of anomalies, two of normal actions (clusters/groups.yaml)"),
        Column("labelled_kind", TEXT, "kind that labels give its names; differs from kind where people changed that"),
        Column("names", pl.List(TEXT), "distinct label names in the category"),
        Column("pairs", INT, "pairs in the category when the version was made"),
        Column("inputs_sha", TEXT, "hash of the distinct names and settings it was fitted on"),
    ),
)

TAXONOMIES = Table(
    "taxonomies",
    "How taxonomy versions came about: one row each time a version became the current one.",
    ("taxonomy", "at"),
    (
        Column("taxonomy", TEXT, "the version"),
        Column("parent", TEXT, "the version before it; empty for the first"),
        Column("origin", TEXT, "fit (from nothing), texts (names joined), refit (from known centres) or review"),
        Column("changes", TEXT, "what differs from the parent (Markdown)"),
        Column("needs_approval", FLAG, "true unless it only adds or loses label names"),
        Column("operations", TEXT, "the reviewed taxonomy.yaml, where a person made it"),
        Column("normal", INT, "normal categories"),
        Column("anomaly", INT, "anomaly categories"),
        Column("names", INT, "distinct label names, of both kinds"),
        Column("fit", TEXT, "k asked for and found, inertia, silhouette, sizes and outliers of each kind (JSON)"),
        Column("by", TEXT, "who made it: a person, or svta"),
        AT,
    ),
    Growth.LOG,
)

MERGE_REVIEWS = Table(
    "merge_reviews",
    "What people said of two final categories: each reviewer's newest row of a pair stands. Merged are pairs that "
    "somebody wants merged and nobody apart.",
    ("first", "second", "by", "at"),
    (
        Column("first", TEXT, "slug of one category, the lower in the alphabet"),
        Column("second", TEXT, "slug of the other"),
        Column("taxonomy", TEXT, "taxonomy version that was looked at"),
        Column("verdict", TEXT, "merge, apart or undo"),
        Column("into", TEXT, "name that the merged category should have; empty to keep that of the larger one"),
        Column("reason", TEXT, "the reviewer's remark"),
        Column("by", TEXT, "who looked"),
        AT,
    ),
    Growth.LOG,
)

ASSIGNMENTS = Table(
    "assignments",
    "Final category of every labelled pair under the current taxonomy.",
    ("pair_id",),
    (
        PAIR,
        CATEGORY,
        Column("final_category", TEXT, "slug of the final category"),
        Column("kind", TEXT, "normal or anomaly"),
        Column("group", TEXT, "larger group"),
        Column("taxonomy", TEXT, "taxonomy version"),
    ),
)

SPLITS = Table(
    "splits",
    "Which split a pair belongs to; once given it never changes (paper: 7:1:2 within every category).",
    ("pair_id",),
    (
        PAIR,
        Column("split", TEXT, "train, val or test"),
        Column("final_category", TEXT, "final category when the pair got its split"),
        Column("assigned_at", TEXT, "when, UTC, ISO 8601"),
        Column("strategy", TEXT, "paper; grouped (one source video, near-duplicate captions: one split); imported"),
        Column("source_video", TEXT, "source video when a grouped split was given; holds it in that split"),
        Column("caption", TEXT, "caption when a grouped split was given; holds its near-duplicates in that split"),
    ),
)

RELEASES = Table(
    "releases",
    "Releases written by splits: immutable lists of pairs and clips.",
    ("release", "at"),
    (
        Column("release", TEXT, "content hash of the release"),
        Column("pairs", INT, "pairs in it"),
        Column("train", INT, "training pairs"),
        Column("val", INT, "validation pairs"),
        Column("test", INT, "test pairs"),
        Column("taxonomy", TEXT, "taxonomy version"),
        Column("generator", TEXT, "generator of its clips; several are joined by a comma"),
        AT,
    ),
    Growth.LOG,
)

LEAKAGE = Table(
    "leakage",
    "What the test and validation pairs of a release share with other splits.",
    ("release", "kind", "split", "other"),
    (
        Column("release", TEXT, "content hash of the release"),
        Column("kind", TEXT, "source_videos, captions (equal words), near_captions (equal ones too) or same_pixels"),
        Column("split", TEXT, "the split that is asked"),
        Column("other", TEXT, "the split it is held against"),
        Column("pairs", INT, "pairs of `split` that share this with a pair of `other`"),
        Column("share", REAL, "of all pairs of `split`, 0..1"),
        Column("example", TEXT, "one such pair and what it shares"),
    ),
)
