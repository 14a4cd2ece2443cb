"""What a user sets about a language model: sampling, traffic and prices."""

from collections.abc import Mapping
from dataclasses import dataclass

from svta_resources.chat_errors import ChatError

ENGINE_BASE_URL = "http://smollm2/v1"  # a small model in this process (`local_engine`)
SERVER_CONCURRENCY = 64  # vLLM batches this many well; a hosted API is limited by its rates instead


@dataclass(frozen=True)
class Usage:
    """Tokens paid for, re-asks included. A reasoning model's thinking counts as answer tokens, as servers bill it."""

    prompt_tokens: int = 0
    answer_tokens: int = 0

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.answer_tokens

    def __add__(self, more: "Usage") -> "Usage":
        return Usage(self.prompt_tokens + more.prompt_tokens, self.answer_tokens + more.answer_tokens)


@dataclass(frozen=True)
class ChatSettings:
    """What the user chose about a model besides its name; part of every recipe."""

    temperature: float = 0.8
    max_tokens: int = 1024


@dataclass(frozen=True)
class Traffic:
    """How a server is asked; changes no answer, so it is part of no recipe.

    Attributes:
        concurrency: questions under way at once.
        requests_per_minute, tokens_per_minute: limits, None for none. Re-asks and retries count.
        timeout_s: seconds for one attempt, from sending to the last byte.
        retries: further attempts at one question on 408, 409, 429, 5xx, timeouts and lost connections.
    """

    concurrency: int = SERVER_CONCURRENCY
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout_s: float = 120.0
    retries: int = 6


@dataclass(frozen=True)
class Prices:
    """Money for a million tokens, in the user's own currency; None where it is not set."""

    prompt: float | None = None
    answer: float | None = None

    def of(self, usage: Usage) -> float | None:
        """Price some tokens; None unless both prices are set."""
        if self.prompt is None or self.answer is None:
            return None
        return (usage.prompt_tokens * self.prompt + usage.answer_tokens * self.answer) / 1e6


def traffic_from(environ: Mapping[str, str]) -> Traffic:
    """Read SVTA_LLM_CONCURRENCY, SVTA_LLM_RPM, SVTA_LLM_TPM, SVTA_LLM_TIMEOUT_S. Raises ChatError."""
    concurrency = _number(environ, "SVTA_LLM_CONCURRENCY", least=1)
    timeout_s = _number(environ, "SVTA_LLM_TIMEOUT_S", least=0.001)
    return Traffic(
        concurrency=SERVER_CONCURRENCY if concurrency is None else int(concurrency),
        requests_per_minute=_number(environ, "SVTA_LLM_RPM", least=0.001),
        tokens_per_minute=_number(environ, "SVTA_LLM_TPM", least=0.001),
        timeout_s=Traffic.timeout_s if timeout_s is None else timeout_s,
    )


def prices_from(environ: Mapping[str, str]) -> Prices:
    """Read SVTA_LLM_PRICE_IN and SVTA_LLM_PRICE_OUT, either both or neither. Raises ChatError."""
    prices = Prices(_number(environ, "SVTA_LLM_PRICE_IN", least=0), _number(environ, "SVTA_LLM_PRICE_OUT", least=0))
    if (prices.prompt is None) != (prices.answer is None):
        missing = "SVTA_LLM_PRICE_IN" if prices.prompt is None else "SVTA_LLM_PRICE_OUT"
        raise ChatError(
            f"{missing} is not set: prices need both SVTA_LLM_PRICE_IN and SVTA_LLM_PRICE_OUT (0 is allowed)"
        )
    return prices


def settings_from(environ: Mapping[str, str]) -> ChatSettings:
    """Read SVTA_LLM_MAX_TOKENS. Raises ChatError."""
    most = _number(environ, "SVTA_LLM_MAX_TOKENS", least=1)
    return ChatSettings() if most is None else ChatSettings(max_tokens=int(most))


def _number(environ: Mapping[str, str], name: str, least: float) -> float | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number < float("inf"):
        raise ChatError(f"{name}={text!r} is not a number from {least:g} on: correct it or unset it")
    return number
