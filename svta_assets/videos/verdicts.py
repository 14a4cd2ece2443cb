"""Why a clip is rejected: scores on its card, what people and checkpoints said since, and clips it repeats."""

import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from svta_assets.reviewing import UNDO, newest_words
from svta_assets.videos.duplicates import WIDEST, Near, near_among, near_elsewhere, order
from svta_resources.catalog import Catalog
from svta_resources.video.scores import DEFAULT_THRESHOLDS, verdict

REJECT, KEEP = "reject", "keep"
__all__ = ["KEEP", "REJECT", "UNDO", "judge", "learnt_since", "newest_reviews", "reason_counts"]
_KIND = re.compile(r"near-duplicate|[^:(]+")


def learnt_since(catalog: Catalog, category: str, cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add `since` to each card: its newest `review`, its `similarity` by checkpoint, and `near` clips elsewhere."""
    if not cards:
        return cards
    reviews = newest_reviews(catalog, category)
    log = catalog.read("clip_similarities", category).sort("at")
    similarity: dict[tuple[str, str], dict[str, float]] = {}
    for row in log.iter_rows(named=True):
        similarity.setdefault((row["clip_id"], row["recipe_sha"]), {})[row["checkpoint"]] = row["similarity"]
    near = near_elsewhere(catalog, category, cards)
    for card in cards:
        made = (card["clip_id"], card["recipe_sha"])
        card["since"] = {
            "review": reviews.get(made),
            "similarity": similarity.get(made, {}),
            "near": near.get(card["clip_id"], []),
        }
    return cards


def newest_reviews(catalog: Catalog, category: str | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    """(clip_id, recipe_sha) -> the newest row of `clip_reviews` that stands; an undone one is absent."""
    newest = newest_words(catalog.read("clip_reviews", category), ("clip_id", "recipe_sha"))
    return {(made[0], made[1]): row for made, row in newest.items()}


def judge(cards: list[dict[str, Any]], thresholds: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Judge the clips of one category, each once.

    A clip is a near-duplicate only of an earlier one that is itself accepted, so clips are judged in that order.

    Returns:
        clip_id -> reject_reason (None: accepted), nearest_clip, nearest_distance and similarity.
    """
    limits = {**DEFAULT_THRESHOLDS, **thresholds}
    near: Near = near_among(cards)
    verdicts: dict[str, dict[str, Any]] = {}
    accepted: set[str] = set()
    for card in sorted(cards, key=order):
        clip, since = card["clip_id"], card.get("since") or {}
        inside = [neighbour for neighbour in near.get(clip, []) if neighbour[1] in accepted]
        distance, nearest = min([*inside, *since.get("near", [])], default=(None, None))
        similarity = _similarity(since, limits["clip_similarity"])
        reason = _own_reason(card, since, similarity, limits)
        if reason is None and distance is not None and distance < min(limits["distance_min"], WIDEST):
            reason = f"near-duplicate of {nearest}: distance {distance:g} < {limits['distance_min']:g}"
        if reason is None:
            accepted.add(clip)
        verdicts[clip] = {
            "reject_reason": reason,
            "nearest_clip": nearest,
            "nearest_distance": distance,
            "similarity": similarity,
        }
    return verdicts


def _own_reason(
    card: Mapping[str, Any], since: Mapping[str, Any], similarity: float | None, limits: Mapping[str, Any]
) -> str | None:
    """Why a clip is rejected whatever other clips there are."""
    if reason := card.get("defect") or verdict(card, limits):
        return str(reason)
    review = since.get("review")
    if review and review["verdict"] == REJECT:
        return f"reviewer {review['by']}: {review['reason']}"
    setting = limits["clip_similarity"]
    if similarity is not None and similarity < setting["min"]:
        return f"does not fit its caption: similarity {similarity:.3f} < {setting['min']:g} ({setting['checkpoint']})"
    return None


def _similarity(since: Mapping[str, Any], setting: Mapping[str, Any] | None) -> float | None:
    """The clip's similarity under the configured checkpoint; None where none is configured or computed."""
    if not setting:
        return None
    value: float | None = since.get("similarity", {}).get(setting["checkpoint"])
    return value


def reason_counts(clips: pl.DataFrame) -> dict[str, int]:
    """Rejected clips by kind of reason (static, near-duplicate, ...), the commonest first."""
    reasons = clips.filter(pl.col("status") == "rejected")["reject_reason"]
    kinds = [found[0].strip() if (found := _KIND.match(reason)) else reason for reason in reasons]
    return dict(sorted(((kind, kinds.count(kind)) for kind in set(kinds)), key=lambda item: (-item[1], item[0])))
