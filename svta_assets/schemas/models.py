"""Tables of `model_checkpoints` and `eval_tables`."""

from svta_assets.schemas.common import AT, FLAG, INT, REAL, RECIPE, TEXT
from svta_resources.tables import Column, Table

CHECKPOINTS = Table(
    "checkpoints",
    "Trained retrieval models.",
    ("checkpoint_id",),
    (
        Column("checkpoint_id", TEXT, "model, release and recipe, hashed (16 hex digits)"),
        Column("model", TEXT, "retrieval model (partition key)"),
        Column("release", TEXT, "release it was trained on"),
        RECIPE,
        Column("recipe", TEXT, "training settings (JSON)"),
        Column("uri", TEXT, "folder of the checkpoint, relative to the media root"),
        Column("epoch", INT, "best epoch by validation, from 1"),
        Column("val_r1", REAL, "validation text-to-video R@1 of that epoch, percent"),
        Column("curves", TEXT, "loss and validation R@1 per epoch (JSON)"),
        Column("parameters", INT, "trainable parameters"),
        Column("seconds", REAL, "wall seconds of training"),
        Column("made_at", TEXT, "when, UTC, ISO 8601"),
    ),
)

EVALUATIONS = Table(
    "evaluations",
    "Retrieval figures of a checkpoint on one benchmark and direction (paper Tables 2-4).",
    ("checkpoint_id", "release", "benchmark", "direction"),
    (
        Column("checkpoint_id", TEXT, "the model evaluated"),
        Column("model", TEXT, "retrieval model (partition key)"),
        Column("release", TEXT, "release that gave the pairs"),
        Column("benchmark", TEXT, "svta (test split), ucfcrime_ar or oops"),
        Column("direction", TEXT, "t2v or v2t"),
        Column("pairs", INT, "gallery size"),
        Column("r1", REAL, "R@1, percent"),
        Column("r5", REAL, "R@5, percent"),
        Column("r10", REAL, "R@10, percent"),
        Column("mdr", REAL, "median rank"),
        Column("mnr", REAL, "mean rank"),
        Column("r10_low", REAL, "lower end of the 95% bootstrap interval of R@10, percent"),
        Column("r10_high", REAL, "upper end, percent"),
        Column("r10_chance", REAL, "R@10 of a random ranking, percent"),
        Column("r1_within", REAL, "R@1 among the clips of the query's own final category, percent"),
        Column("r1_within_chance", REAL, "the same for a random ranking, percent"),
        Column("trained_on_shuffled", FLAG, "true for the control trained on shuffled captions"),
        Column("ranks", INT, "ranks that the published tie rule collects; every figure above is a share of them"),
        Column("r1_averaged", REAL, "R@1 with one rank a query, ties averaged, percent"),
        Column("r5_averaged", REAL, "R@5, the same"),
        Column("r10_averaged", REAL, "R@10, the same"),
        Column("mdr_averaged", REAL, "median rank, the same"),
        Column("mnr_averaged", REAL, "mean rank, the same"),
        Column("r1_low", REAL, "lower end of the 95% bootstrap interval of R@1, percent"),
        Column("r1_high", REAL, "upper end, percent"),
        Column("r5_low", REAL, "lower end of the 95% bootstrap interval of R@5, percent"),
        Column("r5_high", REAL, "upper end, percent"),
        Column("trained_on", TEXT, "release the model was trained on; empty for a model of one's own"),
        Column("data_sha", TEXT, "hash of the captions and clips evaluated, in order"),
        Column("missing", INT, "pairs of the benchmark whose video could not be used; 0 where all were"),
        Column("untouched_pairs", INT, "pairs that no training or validation text meets (real benchmarks only)"),
        Column("untouched_r1", REAL, "R@1 among the untouched pairs alone, percent; empty where there is none"),
        Column("untouched_r5", REAL, "R@5, the same"),
        Column("untouched_r10", REAL, "R@10, the same"),
        Column("untouched_mdr", REAL, "median rank, the same"),
        Column("untouched_mnr", REAL, "mean rank, the same"),
        AT,
    ),
)

QUERY_RANKS = Table(
    "query_ranks",
    "Rank of the right answer for every query, so that a table's cell leads to its misses.",
    ("checkpoint_id", "release", "benchmark", "direction", "query"),
    (
        Column("checkpoint_id", TEXT, "the model evaluated"),
        Column("release", TEXT, "release that gave the pairs"),
        Column("benchmark", TEXT, "svta, ucfcrime_ar or oops"),
        Column("direction", TEXT, "t2v or v2t"),
        Column("query", TEXT, "pair_id of the query"),
        Column("rank", REAL, "rank of the right answer, from 1; ties averaged"),
        Column("best_wrong", TEXT, "pair_id of the highest-ranked wrong answer"),
        Column("category", TEXT, "final category of the query; class of its video on a real benchmark"),
    ),
)

CONTAMINATION = Table(
    "contamination",
    "What of a zero-shot benchmark a release already holds, as texts.",
    ("release", "benchmark", "kind", "part"),
    (
        Column("release", TEXT, "content hash of the release"),
        Column("benchmark", TEXT, "ucfcrime_ar or oops"),
        Column("kind", TEXT, "captions (equal), near_captions (equal ones too), source_videos (another text), any"),
        Column("part", TEXT, "part of the release: train, val, train or val, release (all of it)"),
        Column("pairs", INT, "pairs of the benchmark that meet a text of that part"),
        Column("of", INT, "pairs of the benchmark"),
        Column("example", TEXT, "one such caption and what it meets"),
    ),
)
