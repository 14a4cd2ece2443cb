"""Tables of `labels`."""

from svta_assets.schemas.common import AT, CATEGORY, FLAG, INT, PAIR, RECIPE, TEXT
from svta_resources.tables import Column, Growth, Table

LABELS = Table(
    "labels",
    "Label facts of every pair, each with its origin. Sourced facts are never overwritten.",
    ("pair_id",),
    (
        PAIR,
        CATEGORY,
        Column("is_anomaly", FLAG, "anomalous or normal"),
        Column("is_anomaly_origin", TEXT, "source, llm or reviewer"),
        Column("name", TEXT, "short name of what happens, clustered into final categories"),
        Column("name_origin", TEXT, "source, llm or reviewer"),
        Column("llm_is_anomaly", FLAG, "the model's own opinion; it never changes a sourced fact"),
        Column("llm_name", TEXT, "the name the model would give by its own opinion"),
        Column("age", TEXT, "age of the main person; unknown where the text does not say"),
        Column("gender", TEXT, "gender of the main person, or unknown"),
        Column("culture", TEXT, "culture of the setting, or unknown"),
        Column("environment", TEXT, "place, or unknown"),
        Column("camera", TEXT, "camera, or unknown"),
        Column("attributes_origin", TEXT, "asked (the description was written to them) or llm (read in the text)"),
        Column("provider", TEXT, "who answered the question about the text"),
        Column("model", TEXT, "model that answered"),
        RECIPE,
        Column("clip_id", TEXT, "the pair's current accepted clip; empty when it has none"),
    ),
)

LABEL_REVIEWS = Table(
    "label_reviews",
    "What people said of labels: each reviewer's newest row of a pair counts (SVTA paper, manual check).",
    ("pair_id", "by", "at"),
    (
        PAIR,
        CATEGORY,
        Column("caption", TEXT, "the caption looked at"),
        Column("name", TEXT, "name of the label looked at"),
        Column("is_anomaly", FLAG, "anomalous or normal by the label looked at"),
        RECIPE,
        Column("seed", INT, "seed of the sample the pair was drawn in; empty outside a sample"),
        Column("verdict", TEXT, "right, wrong, unsure or undo"),
        Column("correct_name", TEXT, "the name it should have"),
        Column("correct_is_anomaly", FLAG, "what it should be"),
        Column("reason", TEXT, "the reviewer's remark"),
        Column("by", TEXT, "who looked"),
        AT,
    ),
    Growth.LOG,
)
