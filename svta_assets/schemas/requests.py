"""Tables of regeneration: what was asked for, what became of it, and validation ranks by which nights choose."""

import polars as pl

from svta_assets.schemas.common import AT, CATEGORY, FLAG, INT, REAL, TEXT
from svta_resources.tables import Column, Growth, Table

REGENERATION_REQUESTS = Table(
    "regeneration_requests",
    "What somebody asked to have made again; a sensor launches one run for each row.",
    ("request_id",),
    (
        Column("request_id", TEXT, "time of asking and a random part; nightly-<date>-<part> for those of a night"),
        Column("categories", pl.List(TEXT), "generation or final categories, as they were named"),
        Column("filters", TEXT, "which of their pairs (JSON): rejected, stale, below, above, only; {} means all"),
        Column("mode", TEXT, "missing, stale, retry_rejected or new_take"),
        Column("pilot", INT, "at most this many clips of each category; 0 makes all"),
        Column("include_test", FLAG, "false leaves the pairs of the test split as they are"),
        Column("confirm", FLAG, "whether it may exceed confirm_above_gpu_hours"),
        Column("by", TEXT, "who asked"),
        Column("why", TEXT, "the reason given"),
        AT,
    ),
    Growth.LOG,
)

REGENERATION_EVENTS = Table(
    "regeneration_events",
    "What became of a request: its state is that of the newest row; rows with a category say what was made there.",
    ("request_id", "at"),
    (
        Column("request_id", TEXT, "the request"),
        Column("state", TEXT, "launched, running, made (labels and release follow), done, failed or refused"),
        Column("run_id", TEXT, "Dagster run"),
        Column("category", TEXT, "generation category that has just been finished; empty where all are meant"),
        Column("made", INT, "clips made in that category"),
        Column("accepted", INT, "of these, accepted by the quality gates"),
        Column("device_seconds", REAL, "seconds the devices were held by these clips"),
        Column("reason", TEXT, "why it failed or was refused, with the next step"),
        AT,
    ),
    Growth.LOG,
)

VALIDATION_RANKS = Table(
    "validation_ranks",
    "Text-to-video rank of every validation pair under a checkpoint; never a test pair. The nights choose by it.",
    ("checkpoint_id", "pair_id"),
    (
        Column("checkpoint_id", TEXT, "the checkpoint evaluated, on the release it was trained on"),
        Column("model", TEXT, "retrieval model (partition key)"),
        Column("release", TEXT, "release that gave the pairs"),
        Column("split", TEXT, "always val"),
        Column("pair_id", TEXT, "pair whose caption was the query"),
        CATEGORY,
        Column("final_category", TEXT, "final category of the pair in that release"),
        Column("clip_id", TEXT, "clip that stood for the pair in that release"),
        Column("rank", REAL, "rank of the pair's clip, from 1; ties averaged"),
        AT,
    ),
)
