"""Which answer fills which slot of a category, and which slots count: a function of what is kept, nothing else.

A slot is asked up to ROUNDS times for an answer that can be used, then the grammar fills it. A slot whose description
nearly repeats another, or that a reviewer dropped, is set aside for ever; further slots are opened in its place.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count as numbers
from typing import Any

from svta_assets.prompts import attributes
from svta_assets.texts.novelty import Novelty, Said, Verdict
from svta_models.identity import text_id
from svta_resources.embedded_llm.grammar import describe
from svta_resources.llm import EMBEDDED_MODEL

SOURCE = "llm"
FEWEST_WORDS, MOST_WORDS = 6, 60
MOST_SENTENCES = 2
ROUNDS = 3  # times a slot is asked before the grammar fills it
GRAMMAR_TRIES = 50  # nonces tried until the grammar's sentence is new
# Near-duplicates, as a multiple of the descriptions wanted, after which no further slot is opened: a model two thirds
# of whose answers repeat others will not come up with the rest, and every one of them is paid for.
MOST_REPEATS = 2

Row = dict[str, Any]
Question = tuple[int, int]  # slot, nonce
Answers = Callable[[Question], Row | None]  # the kept answer or error, None when never asked


@dataclass(frozen=True)
class Rules:
    """What besides the answers decides which slots count.

    Attributes:
        novelty: finds near-duplicates; None takes every description. dropped: what reviewers said of descriptions
            they dropped (`by`, `reason`), by pair_id and caption.
    """

    novelty: Novelty | None = None
    dropped: Mapping[Said, Mapping[str, Any]] = field(default_factory=dict)


@dataclass
class Settled:
    """What fills each slot so far, what was set aside, and what must be asked before the rest can be said.

    `judged` has rows for `novelty`; they hold only once no question is open.
    """

    chosen: dict[int, Row] = field(default_factory=dict)
    rejects: list[Row] = field(default_factory=list)
    open_questions: list[Question] = field(default_factory=list)
    judged: list[Row] = field(default_factory=list)
    near_duplicates: int = 0
    dropped: int = 0


def settle(category: str, count: int, answers: Answers, rules: Rules) -> Settled:
    """Fill slots from 0 on until `count` descriptions stand or are being asked for, or too many repeat others."""
    walk = _Walk(category, rules, answers)
    settled = walk.settled
    for slot in numbers():
        if len(settled.chosen) + len(settled.open_questions) >= count:
            break
        if settled.near_duplicates >= MOST_REPEATS * count:
            break
        walk.fill(slot)
    return settled


class _Walk:
    """One pass over the slots, lowest first: each is held against those before it."""

    def __init__(self, category: str, rules: Rules, answers: Answers) -> None:
        self.category, self.rules, self.answers = category, rules, answers
        self.settled = Settled()
        self._seen: set[str] = set()
        self._held: list[Said] = []

    def fill(self, slot: int) -> None:
        attempt = self._first_usable(slot)
        if attempt is None:
            return
        row, nonce = attempt
        said = (pair_of(self.category, slot), row["caption"])
        if self._repeats(slot, nonce, said[0], row):
            self.settled.near_duplicates += 1
            return
        self._seen.add(normalised(row["caption"]))  # also where it was dropped: nobody wants to read it again
        self._held.append(said)
        if (review := self.rules.dropped.get(said)) is not None:
            self.settled.dropped += 1
            self.settled.rejects.append(dropped_reject(*said, review))
        else:
            self.settled.chosen[slot] = row

    def _first_usable(self, slot: int) -> tuple[Row, int] | None:
        """The first answer that can be used and its attempt, else the grammar's; None while one must be asked for."""
        for nonce in range(ROUNDS):
            row = self.answers((slot, nonce))
            if row is None:
                self.settled.open_questions.append((slot, nonce))
                return None
            complaint = self._complaint(row)
            if complaint is None:
                return row, nonce
            detail = f"{row['error']}: {row['raw']}" if "error" in row else row["caption"]
            self._reject(slot, nonce, complaint, detail)
        return self._by_grammar(slot), ROUNDS

    def _complaint(self, row: Row) -> str | None:
        if "error" in row:
            return "no valid answer"
        repeated = "repeats another description" if normalised(row["caption"]) in self._seen else None
        return unusable(row["caption"]) or repeated

    def _repeats(self, slot: int, nonce: int, pair: str, row: Row) -> bool:
        if self.rules.novelty is None:
            return False
        verdict = self.rules.novelty.judge(pair, slot, row, self._held)
        if verdict.row is not None:
            self.settled.judged.append(verdict.row)
        if verdict.near_duplicate:
            self._reject(slot, nonce, "nearly repeats another description", _repeated(row["caption"], verdict))
        return verdict.near_duplicate

    def _by_grammar(self, slot: int) -> Row:
        """The grammar's first sentence for a slot that is new; recorded under the grammar's own name."""
        asked = attributes(self.category, slot)
        tries = (describe(self.category, slot, asked, nonce) for nonce in range(GRAMMAR_TRIES))
        caption = next(caption for caption in tries if normalised(caption) not in self._seen)
        return {"caption": caption, "provider": EMBEDDED_MODEL, "model": EMBEDDED_MODEL}

    def _reject(self, slot: int, nonce: int, reason: str, detail: str) -> None:
        key = f"{self.category}/{slot}/attempt-{nonce + 1}"
        row = {"stage": "llm_descriptions", "key": key, "reason": reason, "detail": detail[:2000]}
        self.settled.rejects.append(row)


def pair_of(category: str, slot: int) -> str:
    """The pair that a slot names, for ever."""
    return text_id(SOURCE, f"{category}/{slot}")


def dropped_reject(pair_id: str, caption: str, review: Mapping[str, Any]) -> Row:
    """The row of `rejects` for a description that a reviewer dropped."""
    return {
        "stage": "llm_descriptions",
        "key": pair_id,
        "reason": "dropped by a reviewer",
        "detail": f"{review['by']}: {review['reason']}: {caption}"[:2000],
    }


def unusable(caption: str) -> str | None:
    """Why a description cannot be used, None when it can."""
    words = len(caption.split())
    if not FEWEST_WORDS <= words <= MOST_WORDS:
        return f"has {words} words, not {FEWEST_WORDS} to {MOST_WORDS}"
    sentences = len(re.findall(r"[.!?]+(?=\s|$)", caption.rstrip(".!?") + "."))
    if sentences > MOST_SENTENCES:
        return f"has {sentences} sentences, not 1 or {MOST_SENTENCES}"
    if re.search(r"[{}<>\[\]*#]", caption):
        return "is not plain text"
    return None


def normalised(caption: str) -> str:
    """Letters and digits only, lower case: two captions equal in this form say the same."""
    return re.sub(r"[^a-z0-9]+", " ", caption.lower()).strip()


def _repeated(caption: str, verdict: Verdict) -> str:
    nearest = f"{verdict.caption} ({verdict.category}, {verdict.pair_id}; cosine {verdict.cosine:.3f})"
    return f"{caption} -- repeats: {nearest}"
