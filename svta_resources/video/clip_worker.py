"""What a pool worker does with one clip: generate, encode, decode and score, publish. Runs in a spawned process.

The mp4 is published before its recipe card (sidecar). A worker killed between the two leaves an mp4 without a card;
the next run renders the clip again, finds the file already there, and only adds the card.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from svta_models.identity import canonical_json, clip_id, recipe_sha
from svta_models.media_store import MediaStore, MissingObject, open_store, sha256_hex

CLIPS = "clips"
SHA_IN_NAME = 12  # hex digits of the recipe in an object's name


@dataclass(frozen=True)
class ClipJob:
    """One clip to make.

    Attributes:
        recipe: everything the user chose; its hash names the object.
        copy_of: clip_id of a finished or planned clip with the same recipe, whose file is copied.
        copy_uri: object to copy from.
        repair: the recipe card exists but its mp4 is gone or damaged: write both again.
    """

    pair_id: str
    take: int
    seed: int
    category: str
    caption: str
    recipe: dict[str, Any]
    copy_of: str | None = None
    copy_uri: str | None = None
    repair: bool = False

    @property
    def clip_id(self) -> str:
        return clip_id(self.pair_id, self.take)

    @property
    def recipe_sha(self) -> str:
        return recipe_sha(self.recipe)

    @property
    def stem(self) -> str:
        """Object key without extension: `clips/<category>/<clip_id>-<recipe_sha[:12]>`."""
        return f"{CLIPS}/{self.category}/{self.clip_id}-{self.recipe_sha[:SHA_IN_NAME]}"

    @property
    def uri(self) -> str:
        return f"{self.stem}.mp4"

    @property
    def sidecar(self) -> str:
        return f"{self.stem}.json"


@dataclass(frozen=True)
class ClipWorkerFactory:
    """Makes a worker in whichever process runs it; picklable, so spawned pools can send it."""

    generator: str
    store_url: str

    def __call__(self) -> Callable[[ClipJob], dict[str, Any]]:
        from svta_resources.video.generator import open_generator

        generator, store = open_generator(self.generator), open_store(self.store_url)
        return lambda job: make_clip(job, generator, store, self.generator)


def make_clip(job: ClipJob, generator: Any, store: MediaStore, generator_name: str) -> dict[str, Any]:
    """Make one clip, publish it with its recipe card, and return the card."""
    began = time.monotonic()
    copied = _copied(job.copy_uri, store) if job.copy_uri is not None else None
    mp4, facts, provenance = copied or _generated(job, generator)
    winner = store.put_new(job.uri, mp4)
    lost_race = winner != sha256_hex(mp4)
    if lost_race:  # what is scored is what is published
        facts = {**facts, **_examined(job, store.get(job.uri), facts)}
    card = {
        "clip_id": job.clip_id,
        "pair_id": job.pair_id,
        "take": job.take,
        "category": job.category,
        "caption": job.caption,
        "uri": job.uri,
        "sha256": winner,
        "recipe_sha": job.recipe_sha,
        "generator": generator_name,
        "seed": job.seed,
        "same_pixels_as": job.copy_of if copied else None,
        **facts,
        "scene": facts.get("scene") or _scene(job, generator),
        "recipe": job.recipe,
        "provenance": {**provenance, "lost_race": lost_race},
        "made_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "seconds": round(time.monotonic() - began, 4),
    }
    _publish_card(job, card, store)
    return card


def _generated(job: ClipJob, generator: Any) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """Render a clip: its file, its shape and scores, and what merely happened."""
    from svta_resources.video.encode import encode_mp4

    frames = generator.generate(job.caption, job.seed, category=job.category)
    settings = job.recipe["generator"]
    fps = settings["fps"]
    mp4 = encode_mp4(frames, fps, settings.get("quality", 6))
    count, height, width = frames.shape[:3]
    shape = {"frames": count, "height": height, "width": width, "fps": float(fps)}
    return mp4, {**shape, **_examined(job, mp4, shape)}, generator.provenance()


def _examined(job: ClipJob, mp4: bytes, shape: dict[str, Any]) -> dict[str, Any]:
    """Scores of a file, held against what its recipe promises (where that says), else against what was drawn."""
    from svta_resources.video.scores import examine

    settings = job.recipe["generator"]
    promised = {name: settings.get(name, shape[name]) for name in ("frames", "height", "width")}
    return examine(mp4, {**promised, "fps": shape["fps"]})


def _scene(job: ClipJob, generator: Any) -> dict[str, Any] | None:
    """What the generator read in the caption; None for one that does not say."""
    describe = getattr(generator, "describe", None)
    scene: dict[str, Any] | None = describe(job.caption, category=job.category) if describe else None
    return scene


# what a copy has in common with the clip it is copied from
_SHARED = (
    "frames", "height", "width", "fps", "motion", "movement", "brightness", "contrast", "flicker", "fingerprint",
    "scene", "defect",
)  # fmt: skip


def _copied(uri: str, store: MediaStore) -> tuple[bytes, dict[str, Any], dict[str, Any]] | None:
    """Take the file and scores of a clip with the same recipe; None when it is gone or damaged: then it is rendered."""
    try:
        card = json.loads(store.get(uri.removesuffix(".mp4") + ".json"))
        mp4 = store.get(uri)
    except MissingObject:
        return None
    if sha256_hex(mp4) != card["sha256"]:
        return None
    return mp4, {name: card.get(name) for name in _SHARED}, {**card["provenance"], "copied": True}


def _publish_card(job: ClipJob, card: dict[str, Any], store: MediaStore) -> None:
    data = (canonical_json(card) + "\n").encode()
    if job.repair:
        store.put(job.sidecar, data)
    else:
        store.put_new(job.sidecar, data)
