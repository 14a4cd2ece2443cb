"""Tables of `videos`: clips, what was said and measured of them, which take stands."""

from svta_assets.schemas.common import AT, CATEGORY, FLAG, INT, PAIR, REAL, RECIPE, TEXT
from svta_resources.tables import Column, Growth, Table

CLIPS = Table(
    "clips",
    "One row a rendered clip; exactly one mp4 in the home belongs to each.",
    ("clip_id",),
    (
        Column("clip_id", TEXT, "pair_id-take"),
        PAIR,
        Column("take", INT, "which attempt at the pair's clip: 0, 1, 2, ..."),
        CATEGORY,
        Column("caption", TEXT, "caption the clip was generated from"),
        Column("status", TEXT, "accepted or rejected by the quality gates"),
        Column("current", FLAG, "true for the one clip that stands for the pair"),
        Column("reject_reason", TEXT, "why a gate rejected the clip"),
        Column("uri", TEXT, "mp4 relative to the media root"),
        Column("sha256", TEXT, "sha256 of the mp4"),
        RECIPE,
        Column("generator", TEXT, "video generator, for example procedural or wan:wan2.1-t2v-14b; imported:NAME"),
        Column("seed", INT, "seed of the random numbers"),
        Column("frames", INT, "number of frames"),
        Column("fps", REAL, "frames per second"),
        Column("height", INT, "pixels"),
        Column("width", INT, "pixels"),
        Column("defect", TEXT, "what is wrong with the file itself: does not decode, or is not as promised"),
        Column("motion", REAL, "mean absolute luma difference of neighbouring frames, 0..255"),
        Column("movement", REAL, "deviation over time of the liveliest cells' mean luma, 0..255; noise counts little"),
        Column("brightness", REAL, "mean luma, 0..255"),
        Column("contrast", REAL, "standard deviation of luma, 0..255"),
        Column("flicker", REAL, "mean absolute second difference of frame brightness, 0..255"),
        Column("fingerprint", TEXT, "two coarse pictures of the clip (base64), to find near-duplicates by"),
        Column("nearest_clip", TEXT, "nearest earlier accepted clip of another caption; null when none is near"),
        Column("nearest_distance", REAL, "greatest difference of a fingerprint's cell to that clip, 0..255"),
        Column("similarity", REAL, "cosine of caption and clip under the checkpoint that gates.yaml names"),
        Column("scene", TEXT, "what the generator read in the caption (JSON); null for one that does not say"),
        Column("same_pixels_as", TEXT, "clip with the same caption and recipe whose file was copied"),
        Column("recipe", TEXT, "what was chosen (JSON); hashed into recipe_sha"),
        Column("provenance", TEXT, "what merely happened (JSON): versions, device; never hashed"),
        Column("made_at", TEXT, "when the clip was published, UTC, ISO 8601"),
        Column("device_seconds", REAL, "seconds its device was held by the clip; encoding is not in it, nor a copy"),
        Column("seconds", REAL, "seconds to generate, encode and publish; overlaps other clips of the same worker"),
    ),
)

CLIP_REVIEWS = Table(
    "clip_reviews",
    "What people said of clips they looked at: the newest row of a clip counts (SVTA paper: clips inspected by eye).",
    ("clip_id", "at"),
    (
        Column("clip_id", TEXT, "the clip looked at"),
        PAIR,
        CATEGORY,
        Column("recipe_sha", TEXT, "recipe of the clip looked at; the verdict counts for no other clip"),
        Column("verdict", TEXT, "keep, reject or undo"),
        Column("reason", TEXT, "why it was rejected"),
        Column("by", TEXT, "who looked"),
        AT,
    ),
    Growth.LOG,
)

CLIP_SIMILARITIES = Table(
    "clip_similarities",
    "Text-video similarity of clips under a checkpoint; the newest row of a clip and checkpoint counts.",
    ("clip_id", "checkpoint", "at"),
    (
        Column("clip_id", TEXT, "the clip scored"),
        CATEGORY,
        Column("recipe_sha", TEXT, "recipe of the clip scored"),
        Column("checkpoint", TEXT, "model and checkpoint_id: <model>/<id>"),
        Column("similarity", REAL, "cosine of caption and clip, -1..1"),
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
        Column("clip_id", TEXT, "clip that stands for the pair from now on; empty when a candidate is discarded"),
        Column("previous_clip_id", TEXT, "clip that stood for it before"),
        Column("last_take", INT, "highest take this decision covers; later takes are still candidates"),
        Column("batch", TEXT, "decisions taken together"),
        Column("action", TEXT, "promote, discard or rollback"),
        Column("undoes", TEXT, "batch that a rollback undoes"),
        Column("by", TEXT, "who decided: a person, or auto"),
        AT,
    ),
    Growth.LOG,
)
