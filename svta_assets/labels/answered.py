"""What is known of the questions about texts: valid answers, and questions that keep getting none.

Tens of thousands of answers are held at once, so each is a tuple of interned strings.
"""

import sys
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, NamedTuple

from svta_assets.prompts import ATTRIBUTES
from svta_resources.answers import AnswerLog

LONGEST_DETAIL = 2000  # characters of a raw answer in `rejects`


class Opinion(NamedTuple):
    """A valid answer: both names, whether the model takes the caption for anomalous, its attributes, who answered."""

    activity: str
    anomaly: str
    is_anomaly: bool
    attributes: tuple[str, ...]  # in the order of ATTRIBUTES
    provider: str
    model: str

    def name(self, is_anomaly: bool) -> str:
        """The name from the side a text belongs to."""
        return self.anomaly if is_anomaly else self.activity


@dataclass
class Failure:
    """A question without a valid answer: in how many runs it was asked, and the newest raw answer with the complaint.

    A run in which the server failed is not counted: that is no word of the model's.
    """

    runs: int = 0
    detail: str = ""


class Answered:
    """Answers by the question's sha256 as bytes; those of earlier runs at first."""

    def __init__(self, log: AnswerLog, wanted: Container[bytes]) -> None:
        self.opinions: dict[bytes, Opinion] = {}
        self.failures: dict[bytes, Failure] = {}
        ages: dict[bytes, int] = {}
        for row in log.rows():
            sha = bytes.fromhex(row["request_sha"])
            if sha not in wanted:
                continue
            if "error" in row:
                self.add(sha, row)
            elif sha not in ages or row["at_ns"] < ages[sha]:  # of two answers the first counts, for ever
                ages[sha] = row["at_ns"]
                self.add(sha, row)
        for sha in self.opinions:
            self.failures.pop(sha, None)

    def add(self, sha: bytes, row: dict[str, Any]) -> None:
        """Take in a row of the answer log."""
        if "error" not in row:
            self.opinions[sha] = Opinion(
                activity=sys.intern(row["activity"]),
                anomaly=sys.intern(row["anomaly"]),
                is_anomaly=row["is_anomaly"],
                attributes=tuple(sys.intern(row[name]) for name in ATTRIBUTES),
                provider=sys.intern(row["provider"]),
                model=sys.intern(row["model"]),
            )
            self.failures.pop(sha, None)
            return
        failure = self.failures.setdefault(sha, Failure())
        failure.runs += not row.get("lost", False)
        failure.detail = f"{row['error']}: {row.get('raw', '')}"[:LONGEST_DETAIL]

    def given_up(self, sha: bytes, runs: int) -> bool:
        """Whether a question was asked in so many runs without a valid answer."""
        failure = self.failures.get(sha)
        return failure is not None and failure.runs >= runs
