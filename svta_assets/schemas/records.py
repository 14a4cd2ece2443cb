"""Tables that every stage writes: rejects, gates, costs."""

from svta_assets.schemas.common import AT, FLAG, INT, REAL, TEXT
from svta_resources.tables import Column, Growth, Table

REJECTS = Table(
    "rejects",
    "What was set aside, with the reason; nothing is dropped silently.",
    ("stage", "key", "reason"),
    (
        Column("stage", TEXT, "asset that set it aside"),
        Column("key", TEXT, "row, text or pair"),
        Column("reason", TEXT, "short reason"),
        Column("detail", TEXT, "the offending value or error"),
    ),
)

GATES = Table(
    "gates",
    "Verdicts of the gates, newest last; the downstream asset asks the gate before it starts.",
    ("gate", "partition", "at"),
    (
        Column("gate", TEXT, "gate's name"),
        Column("partition", TEXT, "partition it speaks of; all for unpartitioned assets"),
        Column("passed", FLAG, "whether the downstream asset may run"),
        Column("level", TEXT, "ok, warn or shut"),
        Column("reason", TEXT, "why, and the next step"),
        AT,
    ),
    Growth.LOG,
)

COSTS = Table(
    "costs",
    "What each run spent per stage and partition.",
    ("run_id", "stage", "partition", "at"),
    (
        Column("run_id", TEXT, "Dagster run"),
        Column("stage", TEXT, "asset"),
        Column("partition", TEXT, "partition; all for unpartitioned assets"),
        Column("items", INT, "clips, texts or pairs made"),
        Column("seconds", REAL, "wall seconds"),
        Column("worker_seconds", REAL, "seconds of workers, added up"),
        Column("tokens", INT, "tokens of the language model, prompt and answer"),
        AT,
    ),
    Growth.LOG,
)
