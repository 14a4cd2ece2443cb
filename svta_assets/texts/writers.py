"""Which language model writes which description.

The paper has Qwen3, Seed-Thinking-v1.5 and DeepSeek R1 write descriptions (SVTA paper, text expansion). A slot's
writer is drawn by weighted rendezvous hashing: every model has a score of its own for the slot, and the highest wins.
So a model that joins takes over slots only for itself, and one that leaves gives up only its own.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from svta_resources.llm import ChatModel
from svta_resources.llm_settings import Prices

_BITS = 52  # so many and a half still fit a float exactly: a draw is never 0 or 1


@dataclass(frozen=True)
class Writer:
    """A model and the weight with which slots are given to it."""

    chat: ChatModel
    share: float = 1.0


class Writers:
    """The models that write descriptions, at least one; their names differ."""

    def __init__(self, writers: Iterable[Writer]) -> None:
        self._writers = tuple(writers)

    @classmethod
    def of(cls, chat: ChatModel) -> "Writers":
        """One model that writes everything."""
        return cls([Writer(chat)])

    @property
    def chats(self) -> list[ChatModel]:
        """The models, in the order given."""
        return [writer.chat for writer in self._writers]

    def of_slot(self, category: str, slot: int) -> ChatModel:
        """The model that writes a slot: the same for ever, as long as it is one of them."""
        shares = [(writer.chat.model, writer.share) for writer in self._writers]
        chosen = drawn(f"{category}/{slot}", shares)
        return next(chat for chat in self.chats if chat.model == chosen)

    def prices(self) -> dict[str, Prices]:
        """Prices by the model's name."""
        return {chat.model: chat.prices for chat in self.chats}


def drawn(key: str, shares: Sequence[tuple[str, float]]) -> str:
    """Draw a name for `key`: each with the probability of its share among all shares (greater than 0).

    A score is share / -ln(u) with u uniform by a hash of key and name (weighted rendezvous hashing). Whatever else is
    listed does not enter it, so a name that joins or leaves moves no key between the others.
    """
    return max(shares, key=lambda one: (-one[1] / math.log(_uniform(key, one[0])), one[0]))[0]


def _uniform(key: str, name: str) -> float:
    """A number in the open interval (0, 1), the same for ever."""
    digest = hashlib.sha256(f"{key}\x1f{name}".encode()).digest()
    return ((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) + 0.5) / 2.0**_BITS
