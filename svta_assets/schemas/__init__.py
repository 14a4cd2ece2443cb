"""Every metadata table in one place: its columns, their types and what they mean.

The catalog refuses rows that do not fit. The same meanings become column comments in `svta.duckdb` and the column
schemas shown on the assets in the Dagster UI.
"""

from svta_assets.schemas.labels import LABEL_REVIEWS, LABELS
from svta_assets.schemas.models import CHECKPOINTS, CONTAMINATION, EVALUATIONS, QUERY_RANKS
from svta_assets.schemas.organized import ASSIGNMENTS, CATEGORIES, LEAKAGE, MERGE_REVIEWS, RELEASES, SPLITS, TAXONOMIES
from svta_assets.schemas.records import COSTS, GATES, REJECTS
from svta_assets.schemas.requests import REGENERATION_EVENTS, REGENERATION_REQUESTS, VALIDATION_RANKS
from svta_assets.schemas.texts import DESCRIPTION_REVIEWS, DESCRIPTIONS, DIVERSITY, NOVELTY, TEXTS
from svta_assets.schemas.videos import CLIP_REVIEWS, CLIP_SIMILARITIES, CLIPS, PROMOTIONS
from svta_resources.tables import Table

__all__ = [
    "ASSIGNMENTS",
    "CATEGORIES",
    "CHECKPOINTS",
    "CLIPS",
    "CLIP_REVIEWS",
    "CLIP_SIMILARITIES",
    "CONTAMINATION",
    "COSTS",
    "DESCRIPTIONS",
    "DESCRIPTION_REVIEWS",
    "DIVERSITY",
    "EVALUATIONS",
    "GATES",
    "LABELS",
    "LABEL_REVIEWS",
    "LEAKAGE",
    "MERGE_REVIEWS",
    "NOVELTY",
    "PROMOTIONS",
    "QUERY_RANKS",
    "REGENERATION_EVENTS",
    "REGENERATION_REQUESTS",
    "REJECTS",
    "RELEASES",
    "SPLITS",
    "TABLES",
    "TAXONOMIES",
    "TEXTS",
    "VALIDATION_RANKS",
]

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        TEXTS, DESCRIPTIONS, NOVELTY, DESCRIPTION_REVIEWS, DIVERSITY,
        CLIPS, CLIP_REVIEWS, CLIP_SIMILARITIES, PROMOTIONS, LABELS, LABEL_REVIEWS,
        CATEGORIES, TAXONOMIES, MERGE_REVIEWS, ASSIGNMENTS, SPLITS, RELEASES, LEAKAGE,
        CHECKPOINTS, EVALUATIONS, QUERY_RANKS, CONTAMINATION, REJECTS, GATES, COSTS,
        REGENERATION_REQUESTS, REGENERATION_EVENTS, VALIDATION_RANKS,
    )
}  # fmt: skip
