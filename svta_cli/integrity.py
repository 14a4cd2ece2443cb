"""What `svta verify` looks at: every clip against its recipe card, then whatever names a clip or a checkpoint."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from svta_models.errors import SvtaError

DAMAGED = "damaged"
READERS = 8
BEING_MADE_S = 60.0  # a running worker publishes the mp4 a moment before its card
SHOWN = 5  # clips named per release


@dataclass(frozen=True)
class Problem:
    """Something that is not as it was recorded. `category` where the clips of one can be made again."""

    kind: str
    what: str
    category: str | None = None


@dataclass
class Findings:
    """What was looked at, and what is wrong; no problems means clean."""

    clips: int = 0
    releases: int = 0
    checkpoints: int = 0
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def categories(self) -> list[str]:
        """Categories with clips to make again."""
        return sorted({problem.category for problem in self.problems if problem.category})


def check_home(work: Any, say: Callable[[str], None] = lambda message: None) -> Findings:
    """Check clips, releases, checkpoints and metadata; move damaged objects aside, bring `clips` rows into step.

    An object that differs from its card goes to `damaged/<same key>`, so that the next run can make it again under
    its own name.
    """
    from svta_resources.video.clip_worker import CLIPS

    found = Findings()
    bytes_now: dict[str, str] = {}
    for category in sorted({item.key.split("/")[1] for item in work.store.list(CLIPS)}):
        say(f"clips of {category}")
        bytes_now |= _check_category(work, category, found)
    found.clips = len(bytes_now)
    say("releases")
    _check_releases(work, bytes_now, found)
    say("checkpoints and metadata")
    found.problems += _checkpoints(work, found)
    found.problems += _metadata(work)
    return found


def _check_category(work: Any, category: str, found: Findings) -> dict[str, str]:
    """Check a category's clips; returns uri -> sha256 of the whole ones."""
    cards = _cards(work.store, category, found)
    good: dict[str, str] = {}
    for card, sha in _hashes(work.store, cards.whole):
        if sha is None:
            found.problems.append(Problem("missing", card["uri"], category))
        elif sha == card["sha256"]:
            good[card["uri"]] = sha
        else:
            work.store.move(card["uri"], f"{DAMAGED}/{card['uri']}")
            found.problems.append(Problem("damaged, set aside in damaged/", card["uri"], category))
    found.problems += [Problem("missing", card["uri"], category) for card in cards.damaged]
    _check_orphans(work.store, category, {card["uri"] for card in (*cards.whole, *cards.damaged)}, found)
    _project(work, category, [card for card in cards.whole if card["uri"] in good], found)
    return good


def _cards(store: Any, category: str, found: Findings) -> Any:
    """The category's recipe cards; an unreadable one is set aside, and the clip it belonged to is named."""
    from svta_assets.videos.projection import read_cards
    from svta_resources.video.clip_worker import CLIPS

    try:
        return read_cards(store, category)
    except ValueError:
        for item in store.list(f"{CLIPS}/{category}"):
            if item.key.endswith(".json") and not _is_json(store.get(item.key)):
                store.move(item.key, f"{DAMAGED}/{item.key}")
                found.problems.append(Problem("unreadable recipe card, set aside in damaged/", item.key, category))
    return read_cards(store, category)


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _hashes(store: Any, cards: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Every card with the sha256 of its mp4; None when the mp4 is gone since the listing."""
    from svta_models.media_store import MissingObject, sha256_hex

    def sha(card: dict[str, Any]) -> str | None:
        try:
            return sha256_hex(store.get(card["uri"]))
        except MissingObject:
            return None

    with ThreadPoolExecutor(READERS) as readers:
        yield from zip(cards, readers.map(sha, cards), strict=True)


def _check_orphans(store: Any, category: str, known: set[str], found: Findings) -> None:
    """Report mp4s without a card: a killed run leaves one, and the next run in its mode adds the card."""
    from svta_resources.video.clip_worker import CLIPS

    for item in store.list(f"{CLIPS}/{category}"):
        if not item.key.endswith(".mp4") or item.key in known:
            continue
        if time.time() - item.modified < BEING_MADE_S:
            found.remarks.append(f"{item.key} has no recipe card yet: a run is making it, or was just killed")
        else:
            found.problems.append(Problem("without a recipe card", item.key, category))


def _project(work: Any, category: str, whole: list[dict[str, Any]], found: Findings) -> None:
    """Bring the category's `clips` rows into step with what is there; writes nothing when they are."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import clip_rows, project_clips

    thresholds = load_thresholds(work.profile.name)
    names = ["clip_id", "uri", "sha256", "status"]
    there = clip_rows(whole, thresholds).select(names).sort("clip_id")
    rows = work.catalog.read("clips", category).select(names).sort("clip_id")
    if not there.equals(rows):
        project_clips(work.catalog, category, thresholds)
        found.remarks.append(f"table clips, {category}: {rows.height} rows before, {there.height} now")


def _check_releases(work: Any, bytes_now: dict[str, str], found: Findings) -> None:
    """Name each release that cannot be read whole any more."""
    from svta_models.release import read_rows

    for digest in release_hashes(work.store):
        found.releases += 1
        try:
            rows = read_rows(work.store, digest).select("uri", "sha256").iter_rows()
        except SvtaError as error:
            found.problems.append(Problem("release", str(error)))
            continue
        lost = [uri for uri, sha in rows if bytes_now.get(uri) != sha]
        if lost:
            more = f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
            what = (
                f"{digest}: {len(lost)} of its clips are damaged, missing or changed: {', '.join(lost[:SHOWN])}{more}"
            )
            found.problems.append(Problem("release", what))


def release_hashes(store: Any) -> list[str]:
    """Every stored release, whether or not it ever became the latest."""
    keys = [item.key for item in store.list("releases") if item.key.endswith(".parquet")]
    return [key.rsplit("/", 1)[-1].removesuffix(".parquet") for key in keys]


def _checkpoints(work: Any, found: Findings) -> Iterator[Problem]:
    """Compare every recorded checkpoint with its name and its weights with its config; needs no torch."""
    for row in work.catalog.read("checkpoints").iter_rows(named=True):
        found.checkpoints += 1
        fault = _checkpoint_fault(work.store, row["uri"])
        if fault:
            yield Problem(
                "checkpoint", f"{fault}; materialize model_checkpoints of {row['model']} with `retrain: true`"
            )


def _checkpoint_fault(store: Any, folder: str) -> str | None:
    from svta_models.media_store import MissingObject, sha256_hex

    try:
        config, weights = store.get(f"{folder}/config.json"), store.get(f"{folder}/model.safetensors")
    except MissingObject as error:
        return str(error)
    named = folder.rsplit("/", 1)[-1]
    if not sha256_hex(config).startswith(named):
        return f"{folder}/config.json does not match its folder's name"
    if sha256_hex(weights) != json.loads(config)["weights_sha256"]:
        return f"{folder}/model.safetensors differs from the sha256 in its config.json"
    return None


def _metadata(work: Any) -> Iterator[Problem]:
    """Read every metadata file that counts."""
    for table in work.catalog.tables:
        for item in work.catalog.files(table):
            try:
                work.catalog.read_file(item)
            except SvtaError as error:
                yield Problem("metadata", str(error))
