"""What `svta verify` looks at: metadata first, then every clip against its recipe card, then whatever names one.

Objects are hashed in pieces, several at a time; of a home, memory holds the cards of one category and, for the
releases, the hash of every clip.
"""

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
    answers: int = 0
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def categories(self) -> list[str]:
        """Categories with clips to make again."""
        return sorted({problem.category for problem in self.problems if problem.category})


def check_home(work: Any, say: Callable[[str], None] = lambda message: None) -> Findings:
    """Check everything a home holds; move damaged objects aside, bring `clips` rows into step.

    An object that differs from its record goes to `damaged/<same key>`, so that the next run can make it again under
    its own name. What no run can make again stays where it is and is named.
    """
    from svta_cli.integrity_metadata import check_answers, check_metadata, check_references
    from svta_cli.integrity_models import check_checkpoints, check_releases, check_taxonomy

    found = Findings()
    say("metadata")
    check_metadata(work, found)
    bytes_now: dict[str, str] = {}
    for category in _categories(work, found):
        say(f"clips of {category}")
        try:
            bytes_now |= _check_category(work, category, found)
        except SvtaError as error:  # a table that is needed cannot be read: named above, and the rest still counts
            found.problems.append(Problem("not checked", f"clips of {category}: {error}"))
    found.clips = len(bytes_now)
    say("releases, checkpoints, taxonomy")
    check_releases(work, bytes_now, found)
    check_checkpoints(work, found)
    check_taxonomy(work.store, found)
    say("answers and references")
    check_answers(work.store, found)
    check_references(work, found)
    return found


def set_aside(store: Any, key: str) -> None:
    """Move an object to `damaged/`; one that is gone by now is fine."""
    from svta_models.media_store import MissingObject

    try:
        store.move(key, f"{DAMAGED}/{key}")
    except MissingObject:
        return


def _categories(work: Any, found: Findings) -> list[str]:
    """Categories that have objects or rows: of one that lost all its files only the rows tell."""
    from svta_resources.video.clip_worker import CLIPS

    categories = set(work.catalog.partitions("clips"))
    for item in work.store.list(CLIPS):
        parts = item.key.split("/")
        if len(parts) == 3 and parts[2].endswith((".mp4", ".json")):
            categories.add(parts[1])
        else:
            found.remarks.append(f"{item.key} is neither a clip nor a recipe card")
    return sorted(categories)


def _check_category(work: Any, category: str, found: Findings) -> dict[str, str]:
    """Check a category's clips; returns uri -> sha256 of the whole ones."""
    from svta_resources.video.clip_worker import CLIPS

    # Rows before objects: a run publishes a clip first and its row after, so a row read here has its object.
    rows = work.catalog.read("clips", category).select("clip_id", "uri", "sha256", "status", "current")
    cards = _cards(work.store, category, found)
    good: dict[str, str] = {}
    for card, sha in _hashes(work.store, cards.whole):
        if sha is None:
            found.problems.append(Problem("missing", card["uri"], category))
        elif sha == card["sha256"]:
            good[card["uri"]] = sha
        else:
            set_aside(work.store, card["uri"])
            found.problems.append(Problem("damaged, set aside in damaged/", card["uri"], category))
    found.problems += [Problem("missing", card["uri"], category) for card in cards.damaged]
    present = {item.key for item in work.store.list(f"{CLIPS}/{category}")}
    known = {card["uri"] for card in (*cards.whole, *cards.damaged)}
    _check_rows(rows, known | present, category, found)
    _check_orphans(work.store, category, known, found)
    _project(work, category, rows, [card for card in cards.whole if card["uri"] in good], found)
    return good


def _cards(store: Any, category: str, found: Findings) -> Any:
    """The category's recipe cards; one that is no card is set aside, and the clip it belonged to is named."""
    from svta_assets.videos.projection import DamagedCard, read_cards
    from svta_resources.video.clip_worker import CLIPS

    keys = {item.key for item in store.list(f"{CLIPS}/{category}") if item.key.endswith(".json")}
    try:
        cards = read_cards(store, category)
        sound = {card["uri"] for card in (*cards.whole, *cards.damaged) if _card_fault(card) is None}
        if keys <= {f"{uri.removesuffix('.mp4')}.json" for uri in sound}:
            return cards
    except (DamagedCard, KeyError, TypeError, AttributeError):
        pass
    for key in sorted(keys):  # some are no cards, or history of a clip that was made again under other settings
        if fault := _file_fault(store, key):
            set_aside(store, key)
            found.problems.append(Problem(f"{fault}, set aside in damaged/", key, category))
    return read_cards(store, category)


def _file_fault(store: Any, key: str) -> str | None:
    from svta_models.media_store import MissingObject

    try:
        card = json.loads(store.get(key))
    except MissingObject:
        return None
    except ValueError:
        return "unreadable recipe card"
    fault = _card_fault(card)
    return fault or (None if card["uri"] == key.removesuffix(".json") + ".mp4" else "recipe card of another clip")


def _card_fault(card: Any) -> str | None:
    """Why something is no recipe card: it must give the name of its clip, and its recipe the hash in that name."""
    from svta_models.identity import clip_id, recipe_sha
    from svta_resources.video.clip_worker import CLIPS, SHA_IN_NAME

    try:
        stem = f"{CLIPS}/{card['category']}/{clip_id(card['pair_id'], card['take'])}-{card['recipe_sha'][:SHA_IN_NAME]}"
        whole = card["uri"] == f"{stem}.mp4" and card["clip_id"] == clip_id(card["pair_id"], card["take"])
        whole = whole and recipe_sha(card["recipe"]) == card["recipe_sha"]
        used = (card["sha256"], card["made_at"], card["caption"], card["seed"], card["provenance"])
    except (KeyError, TypeError):
        return "unreadable recipe card"
    return None if whole and all(value is not None for value in used) else "recipe card that differs from its name"


def _hashes(store: Any, cards: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Every card with the sha256 of its mp4; None when the mp4 is gone since the listing."""
    from svta_models.media_store import MissingObject

    def sha(card: dict[str, Any]) -> str | None:
        try:
            found: str = store.sha256(card["uri"])
        except MissingObject:
            return None
        return found

    with ThreadPoolExecutor(READERS) as readers:
        yield from zip(cards, readers.map(sha, cards), strict=True)


def _check_rows(rows: Any, known: set[str], category: str, found: Findings) -> None:
    """Report rows that have neither mp4 nor card left: nothing else would tell that there was a clip."""
    for uri, current in rows.select("uri", "current").iter_rows():
        if uri in known:
            continue
        if current:
            found.problems.append(Problem("missing with its recipe card, the row is dropped", uri, category))
        else:
            found.remarks.append(f"{uri}: a take that does not stand is gone with its card; the row is dropped")


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


def _project(work: Any, category: str, rows: Any, whole: list[dict[str, Any]], found: Findings) -> None:
    """Bring the category's `clips` rows into step with what is there; writes nothing when they are."""
    from svta_assets.gates import load_thresholds
    from svta_assets.videos.projection import clip_rows, project_clips

    thresholds = load_thresholds(work.profile.name)
    names = ["clip_id", "uri", "sha256", "status"]
    there = clip_rows(whole, thresholds).select(names).sort("clip_id")
    if not there.equals(rows.select(names).sort("clip_id")):
        project_clips(work.catalog, category, thresholds)
        found.remarks.append(f"table clips, {category}: {rows.height} rows before, {there.height} now")
