"""What a pool worker does with one clip: generate, encode, decode and score, publish. Runs in a spawned process.

The first stage needs the device, the rest does not: a clip is encoded and published while the next one is generated.

The mp4 is published before its recipe card (sidecar). A worker killed between the two leaves an mp4 without a card;
the next run renders the clip again, finds the file already there, and only adds the card.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from svta_models.identity import canonical_json, clip_id, recipe_sha
from svta_models.media_store import MediaStore, MissingObject, StoreError, open_store, sha256_hex
from svta_models.s3_client import NoCredentials
from svta_resources.errors import SvtaError
from svta_resources.video.generator import CannotLoad, DeviceFailed

if TYPE_CHECKING:
    import numpy as np

CLIPS = "clips"
DAMAGED = "damaged"  # where objects are set aside
SHA_IN_NAME = 12  # hex digits of the recipe in an object's name


@dataclass(frozen=True)
class Refused:
    """What a worker answers instead of a recipe card where the store failed it: the run is to end with `why`.

    An answer, not an error: the clip of a job that ends with an error is rejected, and nothing is wrong with this one.
    """

    why: str


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

    def __call__(self) -> "ClipWorker":
        from svta_resources.video.generator import open_generator

        return ClipWorker(open_generator(self.generator), open_store(self.store_url), self.generator)


@dataclass(frozen=True)
class _Begun:
    """A clip whose device part is done: what remains is to make its frames and a file of them."""

    frames: "Callable[[], np.ndarray]"
    scene: dict[str, Any] | None
    provenance: dict[str, Any]
    device_seconds: float


@dataclass(frozen=True)
class _Copy:
    """A finished clip with the same recipe: its file and its recipe card."""

    mp4: bytes
    card: dict[str, Any]


class ClipWorker:
    """One generator and one store, clip after clip (`overlap.TwoStageWork`)."""

    def __init__(self, generator: Any, store: MediaStore, generator_name: str) -> None:
        self._generator, self._store, self._name = generator, store, generator_name
        self._idle_since: float | None = None
        self._refused: Refused | None = None

    def begin(self, job: ClipJob) -> "_Begun | _Copy | Refused":
        """Generate, or fetch the clip to copy; nothing more once the store has refused something."""
        try:
            copy = _copy_source(job.copy_uri, self._store) if job.copy_uri and not self._refused else None
        except (StoreError, NoCredentials) as error:
            self._refused = Refused(str(error))
        return self._refused or copy or self._generated(job)

    def _generated(self, job: ClipJob) -> "_Begun":
        self._load()
        began = time.monotonic()
        waited = 0.0 if self._idle_since is None else began - self._idle_since
        scene = _scene(job, self._generator)
        draw = getattr(self._generator, "begin", None)
        if draw is not None:
            frames = draw(job.caption, job.seed, category=job.category)
        else:
            drawn = self._generator.generate(job.caption, job.seed, category=job.category)
            frames = lambda: drawn  # noqa: E731
        self._idle_since = time.monotonic()
        provenance = {**self._generator.provenance(), "wait_seconds": round(waited, 4)}
        return _Begun(frames, scene, provenance, round(self._idle_since - began, 4))

    def _load(self) -> None:
        """Load a model before the first clip, so that its seconds are not the clip's."""
        load = getattr(self._generator, "load", None)
        if load is None or self._idle_since is not None:
            return
        try:
            load()
        except DeviceFailed as error:  # in a process of its own that has used the device for nothing yet
            raise CannotLoad(
                f"{str(error).partition(';')[0]}, and a fresh process cannot use it either: look at `nvidia-smi`, then "
                "run again; what was finished is kept"
            ) from error
        except SvtaError as error:
            raise CannotLoad(str(error)) from error

    def finish(self, job: ClipJob, begun: "_Begun | _Copy | Refused") -> dict[str, Any] | Refused:
        """Encode, score and publish with the recipe card; returns the card.

        A store that refuses an object (a full disk, a server that stays away) would refuse the next one too: from then
        on every job is answered so, and none is rendered for nothing.
        """
        if isinstance(begun, Refused):
            return begun
        try:
            return self._finish(job, begun)
        except (StoreError, NoCredentials) as error:
            self._refused = Refused(str(error))
            return self._refused

    def _finish(self, job: ClipJob, begun: "_Begun | _Copy") -> dict[str, Any]:
        began = time.monotonic()
        mp4, facts, provenance = _encoded(job, begun) if isinstance(begun, _Begun) else _copied(begun)
        winner = self._store.put_new(job.uri, mp4)
        lost_race = winner != sha256_hex(mp4)
        if lost_race:  # what is scored is what is published
            theirs = {**facts, **_examined(job, self._store.get(job.uri), facts)}
            if _is_wreck(job, theirs, facts, self._store):
                self._store.move(job.uri, f"{DAMAGED}/{job.uri}")
                winner, lost_race = self._store.put_new(job.uri, mp4), False
            else:
                facts = theirs
        copied = isinstance(begun, _Copy)
        device_seconds = None if isinstance(begun, _Copy) else begun.device_seconds
        card = {
            "clip_id": job.clip_id,
            "pair_id": job.pair_id,
            "take": job.take,
            "category": job.category,
            "caption": job.caption,
            "uri": job.uri,
            "sha256": winner,
            "recipe_sha": job.recipe_sha,
            "generator": self._name,
            "seed": job.seed,
            "same_pixels_as": job.copy_of if copied else None,
            **facts,
            "recipe": job.recipe,
            "provenance": {**provenance, "lost_race": lost_race},
            "made_at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "device_seconds": device_seconds,
            "seconds": round(time.monotonic() - began + (device_seconds or 0.0), 4),
        }
        _publish_card(job, card, self._store)
        return card


def _is_wreck(job: ClipJob, theirs: dict[str, Any], ours: dict[str, Any], store: MediaStore) -> bool:
    """Whether the file that was there first is broken and nobody has vouched for it.

    A run that was killed before it wrote the card leaves an mp4 whose hash nobody knows: damage to it shows only here.
    """
    return bool(theirs["defect"]) and not ours["defect"] and not store.exists(job.sidecar)


def _encoded(job: ClipJob, begun: _Begun) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """Encode a clip: its file, its shape and scores, and what merely happened."""
    from svta_resources.video.encode import encode_mp4

    began = time.monotonic()
    frames = begun.frames()
    settings = job.recipe["generator"]
    fps = settings["fps"]
    mp4 = encode_mp4(frames, fps, settings.get("quality", 6))
    encoding = {"encode_seconds": round(time.monotonic() - began, 4)}
    count, height, width = frames.shape[:3]
    shape = {"frames": count, "height": height, "width": width, "fps": float(fps)}
    return mp4, {**shape, **_examined(job, mp4, shape), "scene": begun.scene}, {**begun.provenance, **encoding}


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


def _copy_source(uri: str, store: MediaStore) -> _Copy | None:
    """The clip with the same recipe; None when it is gone or damaged: then it is rendered."""
    try:
        card = json.loads(store.get(uri.removesuffix(".mp4") + ".json"))
        mp4 = store.get(uri)
    except MissingObject:
        return None
    return _Copy(mp4, card) if sha256_hex(mp4) == card["sha256"] else None


def _copied(copy: _Copy) -> tuple[bytes, dict[str, Any], dict[str, Any]]:
    """Take over the file and its scores."""
    facts = {name: copy.card.get(name) for name in _SHARED}
    return copy.mp4, facts, {**copy.card["provenance"], "copied": True}


def _publish_card(job: ClipJob, card: dict[str, Any], store: MediaStore) -> None:
    data = (canonical_json(card) + "\n").encode()
    if job.repair:
        store.put(job.sidecar, data)
    else:
        store.put_new(job.sidecar, data)
