"""Every metadata table in one place: its columns, their types and what they mean.

The catalog refuses rows that do not fit. The same meanings become column comments in `svta.duckdb` and the column
schemas shown on the assets in the Dagster UI.
"""

import polars as pl

from svta_resources.tables import Column, Growth, Table

_TEXT = pl.String
_FLAG = pl.Boolean
_INT = pl.Int64
_REAL = pl.Float64

PAIR = Column("pair_id", _TEXT, "the text-video pair; equals the text's id, for ever")
CATEGORY = Column("category", _TEXT, "generation category (partition key)")
RECIPE = Column("recipe_sha", _TEXT, "sha256 over what the user chose; decides whether the row is stale")
AT = Column("at", _TEXT, "when, UTC, ISO 8601")

TEXTS = Table(
    "texts",
    "Collected texts after cleaning (SVTA paper, text collection): one row a sentence.",
    ("text_id",),
    (
        Column("text_id", _TEXT, "sha256 over source, the source's own key and the occurrence number (20 hex digits)"),
        Column("source", _TEXT, "uca, ucfcrime_ar, oops, packaged, or the name given to a CSV/JSONL"),
        Column("source_video", _TEXT, "video the text describes, without folder and extension"),
        Column("source_split", _TEXT, "split the source itself puts the text in"),
        Column("source_key", _TEXT, "the source's own key of the record"),
        Column("caption", _TEXT, "cleaned text, English"),
        Column("caption_zh", _TEXT, "Chinese text where the source has one (UCFCrime-AR)"),
        Column("is_anomaly", _FLAG, "label of the source video"),
        Column("source_category", _TEXT, "category name as the source writes it"),
        CATEGORY,
        Column("start_s", _REAL, "start of the described event in the source video, seconds"),
        Column("end_s", _REAL, "end of the described event, seconds"),
        Column("flags", pl.List(_TEXT), "what is odd about the text (short, dangling, camera_meta, ...)"),
    ),
)

DESCRIPTIONS = Table(
    "descriptions",
    "Every pair's caption: collected texts passed through, and descriptions written by a language model.",
    ("pair_id",),
    (
        PAIR,
        CATEGORY,
        Column("caption", _TEXT, "the text a clip is generated from"),
        Column("origin", _TEXT, "source (collected) or llm (written)"),
        Column("source", _TEXT, "source of a collected text; llm for a written one"),
        Column("text_id", _TEXT, "the collected text; empty for a written one"),
        Column("age", _TEXT, "age asked for"),
        Column("gender", _TEXT, "gender asked for"),
        Column("culture", _TEXT, "culture asked for"),
        Column("environment", _TEXT, "place and conditions asked for"),
        Column("camera", _TEXT, "camera asked for"),
        Column("provider", _TEXT, "who answered: embedded-rules or the host of the language model"),
        Column("model", _TEXT, "model name as asked"),
        Column("prompt_sha", _TEXT, "sha256 of the prompt file used"),
        RECIPE,
    ),
)

CLIPS = Table(
    "clips",
    "One row a rendered clip; exactly one mp4 in the home belongs to each.",
    ("clip_id",),
    (
        Column("clip_id", _TEXT, "pair_id-take"),
        PAIR,
        Column("take", _INT, "which attempt at the pair's clip: 0, 1, 2, ..."),
        CATEGORY,
        Column("caption", _TEXT, "caption the clip was generated from"),
        Column("status", _TEXT, "accepted or rejected by the quality gates"),
        Column("current", _FLAG, "true for the one clip that stands for the pair"),
        Column("reject_reason", _TEXT, "why a gate rejected the clip"),
        Column("uri", _TEXT, "mp4 relative to the media root"),
        Column("sha256", _TEXT, "sha256 of the mp4"),
        RECIPE,
        Column("generator", _TEXT, "video generator, for example procedural or wan:wan2.1-t2v-14b"),
        Column("seed", _INT, "seed of the random numbers"),
        Column("frames", _INT, "number of frames"),
        Column("fps", _REAL, "frames per second"),
        Column("height", _INT, "pixels"),
        Column("width", _INT, "pixels"),
        Column("defect", _TEXT, "what is wrong with the file itself: does not decode, or is not as promised"),
        Column("motion", _REAL, "mean absolute luma difference of neighbouring frames, 0..255"),
        Column("movement", _REAL, "deviation over time of the liveliest cells' mean luma, 0..255; noise counts little"),
        Column("brightness", _REAL, "mean luma, 0..255"),
        Column("contrast", _REAL, "standard deviation of luma, 0..255"),
        Column("flicker", _REAL, "mean absolute second difference of frame brightness, 0..255"),
        Column("fingerprint", _TEXT, "two coarse pictures of the clip (base64), to find near-duplicates by"),
        Column("nearest_clip", _TEXT, "nearest earlier accepted clip of another caption; null when none is near"),
        Column("nearest_distance", _REAL, "greatest difference of a fingerprint's cell to that clip, 0..255"),
        Column("similarity", _REAL, "cosine of caption and clip under the checkpoint that gates.yaml names"),
        Column("scene", _TEXT, "what the generator read in the caption (JSON); null for one that does not say"),
        Column("same_pixels_as", _TEXT, "clip with the same caption and recipe whose file was copied"),
        Column("recipe", _TEXT, "what was chosen (JSON); hashed into recipe_sha"),
        Column("provenance", _TEXT, "what merely happened (JSON): versions, device; never hashed"),
        Column("made_at", _TEXT, "when the clip was published, UTC, ISO 8601"),
        Column("device_seconds", _REAL, "seconds its device was held by the clip; encoding is not in it, nor a copy"),
        Column("seconds", _REAL, "seconds to generate, encode and publish; overlaps other clips of the same worker"),
    ),
)

CLIP_REVIEWS = Table(
    "clip_reviews",
    "What people said of clips they looked at: the newest row of a clip counts (SVTA paper: clips inspected by eye).",
    ("clip_id", "at"),
    (
        Column("clip_id", _TEXT, "the clip looked at"),
        PAIR,
        CATEGORY,
        Column("recipe_sha", _TEXT, "recipe of the clip looked at; the verdict counts for no other clip"),
        Column("verdict", _TEXT, "keep, reject or undo"),
        Column("reason", _TEXT, "why it was rejected"),
        Column("by", _TEXT, "who looked"),
        AT,
    ),
    Growth.LOG,
)

CLIP_SIMILARITIES = Table(
    "clip_similarities",
    "Text-video similarity of clips under a checkpoint; the newest row of a clip and checkpoint counts.",
    ("clip_id", "checkpoint", "at"),
    (
        Column("clip_id", _TEXT, "the clip scored"),
        CATEGORY,
        Column("recipe_sha", _TEXT, "recipe of the clip scored"),
        Column("checkpoint", _TEXT, "model and checkpoint_id: <model>/<id>"),
        Column("similarity", _REAL, "cosine of caption and clip, -1..1"),
        AT,
    ),
    Growth.LOG,
)

PROMOTIONS = Table(
    "promotions",
    "Decisions about takes: the newest one of a pair says which clip stands for it.",
    ("pair_id", "at"),
    (
        PAIR,
        CATEGORY,
        Column("clip_id", _TEXT, "clip that stands for the pair from now on; empty when a candidate is discarded"),
        Column("previous_clip_id", _TEXT, "clip that stood for it before"),
        Column("last_take", _INT, "highest take this decision covers; later takes are still candidates"),
        Column("batch", _TEXT, "decisions taken together"),
        Column("action", _TEXT, "promote, discard or rollback"),
        Column("undoes", _TEXT, "batch that a rollback undoes"),
        Column("by", _TEXT, "who decided: a person, or auto"),
        AT,
    ),
    Growth.LOG,
)

LABELS = Table(
    "labels",
    "Label facts of every pair, each with its origin. Sourced facts are never overwritten.",
    ("pair_id",),
    (
        PAIR,
        CATEGORY,
        Column("is_anomaly", _FLAG, "anomalous or normal"),
        Column("is_anomaly_origin", _TEXT, "source, llm or reviewer"),
        Column("name", _TEXT, "short name of what happens, clustered into final categories"),
        Column("name_origin", _TEXT, "source, llm or reviewer"),
        Column("provider", _TEXT, "who answered where a fact was asked for"),
        Column("model", _TEXT, "model that answered"),
        RECIPE,
        Column("clip_id", _TEXT, "the pair's current accepted clip; empty when it has none"),
    ),
)

CATEGORIES = Table(
    "categories",
    "Final categories of a taxonomy version (paper: 30 normal and 68 anomaly categories).",
    ("taxonomy", "final_category"),
    (
        Column("taxonomy", _TEXT, "taxonomy version: hash of its categories and members"),
        Column("final_category", _TEXT, "slug of the category"),
        Column("number", _INT, "number within its kind, from 1"),
        Column("name", _TEXT, "name of the medoid (the member nearest to the centre), or what people renamed it to"),
        Column("kind", _TEXT, "normal or anomaly"),
        Column("group", _TEXT, "larger group: four of anomalies, two of normal actions (clusters/groups.yaml)"),
        Column("labelled_kind", _TEXT, "kind that labels give its names; differs from kind where people changed that"),
        Column("names", pl.List(_TEXT), "distinct label names in the category"),
        Column("pairs", _INT, "pairs in the category when the version was made"),
        Column("inputs_sha", _TEXT, "hash of the distinct names and settings it was fitted on"),
    ),
)

TAXONOMIES = Table(
    "taxonomies",
    "How taxonomy versions came about: one row each time a version became the current one.",
    ("taxonomy", "at"),
    (
        Column("taxonomy", _TEXT, "the version"),
        Column("parent", _TEXT, "the version before it; empty for the first"),
        Column("origin", _TEXT, "fit (from nothing), texts (names joined), refit (from known centres) or review"),
        Column("changes", _TEXT, "what differs from the parent (Markdown)"),
        Column("needs_approval", _FLAG, "true unless it only adds or loses label names"),
        Column("operations", _TEXT, "the reviewed taxonomy.yaml, where a person made it"),
        Column("normal", _INT, "normal categories"),
        Column("anomaly", _INT, "anomaly categories"),
        Column("names", _INT, "distinct label names, of both kinds"),
        Column("fit", _TEXT, "k asked for and found, inertia, silhouette, sizes and outliers of each kind (JSON)"),
        Column("by", _TEXT, "who made it: a person, or svta"),
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
        Column("final_category", _TEXT, "slug of the final category"),
        Column("kind", _TEXT, "normal or anomaly"),
        Column("group", _TEXT, "larger group"),
        Column("taxonomy", _TEXT, "taxonomy version"),
    ),
)

SPLITS = Table(
    "splits",
    "Which split a pair belongs to; once given it never changes (paper: 7:1:2 within every category).",
    ("pair_id",),
    (
        PAIR,
        Column("split", _TEXT, "train, val or test"),
        Column("final_category", _TEXT, "final category when the pair got its split"),
        Column("assigned_at", _TEXT, "when, UTC, ISO 8601"),
        Column("strategy", _TEXT, "paper or grouped (one source video, near-duplicate captions: one split)"),
        Column("source_video", _TEXT, "source video when a grouped split was given; holds it in that split"),
        Column("caption", _TEXT, "caption when a grouped split was given; holds its near-duplicates in that split"),
    ),
)

RELEASES = Table(
    "releases",
    "Releases written by splits: immutable lists of pairs and clips.",
    ("release", "at"),
    (
        Column("release", _TEXT, "content hash of the release"),
        Column("pairs", _INT, "pairs in it"),
        Column("train", _INT, "training pairs"),
        Column("val", _INT, "validation pairs"),
        Column("test", _INT, "test pairs"),
        Column("taxonomy", _TEXT, "taxonomy version"),
        Column("generator", _TEXT, "generator of its clips; several are joined by a comma"),
        AT,
    ),
    Growth.LOG,
)

LEAKAGE = Table(
    "leakage",
    "What the test and validation pairs of a release share with other splits.",
    ("release", "kind", "split", "other"),
    (
        Column("release", _TEXT, "content hash of the release"),
        Column("kind", _TEXT, "source_videos, captions (equal words), near_captions (equal ones too) or same_pixels"),
        Column("split", _TEXT, "the split that is asked"),
        Column("other", _TEXT, "the split it is held against"),
        Column("pairs", _INT, "pairs of `split` that share this with a pair of `other`"),
        Column("share", _REAL, "of all pairs of `split`, 0..1"),
        Column("example", _TEXT, "one such pair and what it shares"),
    ),
)

CHECKPOINTS = Table(
    "checkpoints",
    "Trained retrieval models.",
    ("checkpoint_id",),
    (
        Column("checkpoint_id", _TEXT, "model, release and recipe, hashed (16 hex digits)"),
        Column("model", _TEXT, "retrieval model (partition key)"),
        Column("release", _TEXT, "release it was trained on"),
        RECIPE,
        Column("recipe", _TEXT, "training settings (JSON)"),
        Column("uri", _TEXT, "folder of the checkpoint, relative to the media root"),
        Column("epoch", _INT, "best epoch by validation, from 1"),
        Column("val_r1", _REAL, "validation text-to-video R@1 of that epoch, percent"),
        Column("curves", _TEXT, "loss and validation R@1 per epoch (JSON)"),
        Column("parameters", _INT, "trainable parameters"),
        Column("seconds", _REAL, "wall seconds of training"),
        Column("made_at", _TEXT, "when, UTC, ISO 8601"),
    ),
)

EVALUATIONS = Table(
    "evaluations",
    "Retrieval figures of a checkpoint on one benchmark and direction (paper Tables 2-4).",
    ("checkpoint_id", "release", "benchmark", "direction"),
    (
        Column("checkpoint_id", _TEXT, "the model evaluated"),
        Column("model", _TEXT, "retrieval model (partition key)"),
        Column("release", _TEXT, "release that gave the pairs"),
        Column("benchmark", _TEXT, "svta (test split), ucfcrime_ar or oops"),
        Column("direction", _TEXT, "t2v or v2t"),
        Column("pairs", _INT, "gallery size"),
        Column("r1", _REAL, "R@1, percent"),
        Column("r5", _REAL, "R@5, percent"),
        Column("r10", _REAL, "R@10, percent"),
        Column("mdr", _REAL, "median rank"),
        Column("mnr", _REAL, "mean rank"),
        Column("r10_low", _REAL, "lower end of the 95% bootstrap interval of R@10, percent"),
        Column("r10_high", _REAL, "upper end, percent"),
        Column("r10_chance", _REAL, "R@10 of a random ranking, percent"),
        Column("r1_within", _REAL, "R@1 among the clips of the query's own final category, percent"),
        Column("r1_within_chance", _REAL, "the same for a random ranking, percent"),
        Column("trained_on_shuffled", _FLAG, "true for the control trained on shuffled captions"),
        AT,
    ),
)

QUERY_RANKS = Table(
    "query_ranks",
    "Rank of the right answer for every query, so that a table's cell leads to its misses.",
    ("checkpoint_id", "release", "benchmark", "direction", "query"),
    (
        Column("checkpoint_id", _TEXT, "the model evaluated"),
        Column("release", _TEXT, "release that gave the pairs"),
        Column("benchmark", _TEXT, "svta, ucfcrime_ar or oops"),
        Column("direction", _TEXT, "t2v or v2t"),
        Column("query", _TEXT, "pair_id of the query"),
        Column("rank", _REAL, "rank of the right answer, from 1; ties averaged"),
        Column("best_wrong", _TEXT, "pair_id of the highest-ranked wrong answer"),
    ),
)

REJECTS = Table(
    "rejects",
    "What was set aside, with the reason; nothing is dropped silently.",
    ("stage", "key", "reason"),
    (
        Column("stage", _TEXT, "asset that set it aside"),
        Column("key", _TEXT, "row, text or pair"),
        Column("reason", _TEXT, "short reason"),
        Column("detail", _TEXT, "the offending value or error"),
    ),
)

GATES = Table(
    "gates",
    "Verdicts of the gates, newest last; the downstream asset asks the gate before it starts.",
    ("gate", "partition", "at"),
    (
        Column("gate", _TEXT, "gate's name"),
        Column("partition", _TEXT, "partition it speaks of; all for unpartitioned assets"),
        Column("passed", _FLAG, "whether the downstream asset may run"),
        Column("level", _TEXT, "ok, warn or shut"),
        Column("reason", _TEXT, "why, and the next step"),
        AT,
    ),
    Growth.LOG,
)

COSTS = Table(
    "costs",
    "What each run spent per stage and partition.",
    ("run_id", "stage", "partition", "at"),
    (
        Column("run_id", _TEXT, "Dagster run"),
        Column("stage", _TEXT, "asset"),
        Column("partition", _TEXT, "partition; all for unpartitioned assets"),
        Column("items", _INT, "clips, texts or pairs made"),
        Column("seconds", _REAL, "wall seconds"),
        Column("worker_seconds", _REAL, "seconds of workers, added up"),
        Column("tokens", _INT, "tokens of the language model, prompt and answer"),
        AT,
    ),
    Growth.LOG,
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        TEXTS, DESCRIPTIONS, CLIPS, CLIP_REVIEWS, CLIP_SIMILARITIES, PROMOTIONS, LABELS, CATEGORIES,
        TAXONOMIES, ASSIGNMENTS, SPLITS, RELEASES, LEAKAGE, CHECKPOINTS, EVALUATIONS, QUERY_RANKS, REJECTS,
        GATES, COSTS,
    )
}  # fmt: skip
