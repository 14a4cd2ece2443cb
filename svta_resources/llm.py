"""Language models, always through the official `openai` client and always with a JSON schema.

`http://embedded/v1` is the deterministic in-process provider (`svta_resources.embedded_llm`); any other base URL is a
real server that speaks the chat completions API. Callers cannot tell them apart, rows can: each records its provider.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from svta_models.identity import recipe_sha
from svta_resources.chat_errors import ChatError
from svta_resources.chat_limits import RateLimits
from svta_resources.chat_retry import Backoff
from svta_resources.llm_settings import (
    ENGINE_BASE_URL,
    ChatSettings,
    Prices,
    Traffic,
    Usage,
    prices_from,
    settings_from,
    traffic_from,
)

if TYPE_CHECKING:
    import httpx2

EMBEDDED_BASE_URL = "http://embedded/v1"
EMBEDDED_MODEL = "embedded-rules"
HOSTED_BASE_URL = "https://api.openai.com/v1"  # the client's own default
EXPECTED = 64  # questions that a provider in this process hears of at once

Check = Callable[[Any], str | None]  # parsed answer -> what is wrong with it, None when it will do


@dataclass(frozen=True)
class Prompt:
    """A versioned instruction; `svta_assets/prompts/` holds the files.

    Attributes:
        task: what is asked (`describe`, `label`); sent along, so that the embedded provider knows.
        system: the instruction itself.
        schema: JSON schema of the answer.
    """

    task: str
    version: str
    system: str
    schema: Mapping[str, Any]

    @cached_property
    def sha(self) -> str:
        """sha256 over everything that can change an answer (64 hex digits)."""
        return recipe_sha({"task": self.task, "system": self.system, "schema": self.schema})


@dataclass(frozen=True)
class Answer:
    """A valid answer.

    Attributes:
        model: the name the server reports. raw: its text as it came. thinking: a reasoning model's thoughts, which are
            never part of `data`; empty for others.
        latency_s: seconds that its replies took, invalid ones before it included, pauses not.
    """

    data: dict[str, Any]
    usage: Usage
    model: str
    provider: str
    latency_s: float
    raw: str
    thinking: str = ""


@dataclass(frozen=True)
class Request:
    """One question for `ask_many`; `key` is the caller's own name for it."""

    key: str
    task: str
    payload: Mapping[str, Any]
    prompt: Prompt
    schema: Mapping[str, Any] | None = None
    check: Check | None = field(default=None, repr=False)

    def sha(self, chat: "ChatModel") -> str:
        """Name the question by everything that decides its answer (64 hex digits)."""
        return recipe_sha(
            {
                "prompt": self.prompt.sha,
                "schema": self.schema or self.prompt.schema,
                "payload": {"task": self.task, **self.payload},
                **chat.recipe(),
            }
        )


def _no_progress(done: int, total: int) -> None:
    pass


class ChatModel:
    """A chat model behind one base URL; makes no connection before the first question. One batch at a time.

    Args:
        transport: answers in this process instead of the network (the embedded provider, tests).
        traffic: how a server is asked. backoff: pauses between attempts. prices: of its tokens.
        version: what else decides the answers (the embedded rules' version); part of the recipe.

    Attributes:
        progress: called with (answered, of how many) as answers of a batch come in; set it to see an estimate.
        limits: shared by all batches, so that one that follows another keeps to the same rates.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str,
        *,
        transport: "httpx2.BaseTransport | None" = None,
        settings: ChatSettings | None = None,
        traffic: Traffic | None = None,
        backoff: Backoff | None = None,
        prices: Prices | None = None,
        version: str | None = None,
    ) -> None:
        self.model = model
        self.base_url = (base_url or HOSTED_BASE_URL).rstrip("/")
        self.api_key = api_key
        self.transport = transport
        self.settings = settings or ChatSettings()
        self.traffic = traffic or Traffic()
        self.backoff = backoff or Backoff()
        self.prices = prices or Prices()
        self.version = version
        if self.base_url == ENGINE_BASE_URL:
            from svta_resources.local_engine import RECIPE, TRAFFIC

            self.traffic, self.version = TRAFFIC, RECIPE
        self.limits = RateLimits(self.traffic.requests_per_minute, self.traffic.tokens_per_minute)
        self.progress: Callable[[int, int], None] = _no_progress
        self.provider = (
            EMBEDDED_MODEL if self.base_url == EMBEDDED_BASE_URL else urlsplit(self.base_url).hostname or "?"
        )

    def __repr__(self) -> str:
        return f"ChatModel(model={self.model!r}, provider={self.provider!r})"  # never the key

    def recipe(self) -> dict[str, Any]:
        """What the user chose, for recipe hashes. The server's address is not part: a model may move house."""
        recipe = {"model": self.model, "temperature": self.settings.temperature, "max_tokens": self.settings.max_tokens}
        return recipe | ({"version": self.version} if self.version else {})

    def ask(
        self,
        task: str,
        payload: Mapping[str, Any],
        prompt: Prompt,
        schema: Mapping[str, Any] | None = None,
        check: Check | None = None,
    ) -> Answer:
        """Ask one question; `payload` travels as JSON in the user message. For many, `ask_many`.

        Args:
            schema: of the answer, when narrower than the prompt's own.
            check: a further test that a schema cannot express; its complaint is told to the model when asking again.
        Raises:
            InvalidAnswer: no valid answer after two more attempts. ChatError: the server cannot be asked at all.
        """
        from svta_resources.chat_session import Batch, ChatSession, run_to_end

        async def once() -> Answer:
            async with ChatSession(Batch(self)) as session:
                return await session.ask(Request("", task, payload, prompt, schema, check))

        return run_to_end(once)

    def expecting(self, requests: Iterable["Request"]) -> Iterator["Request"]:
        """The same requests, of which a provider in this process hears some time before they are asked."""
        expect = getattr(self.transport, "expect", None)
        waiting = iter(requests)
        while expect is not None and (some := list(islice(waiting, EXPECTED))):
            expect([{"task": request.task, **request.payload} for request in some])
            yield from some
        yield from waiting


def open_chat_model(
    *,
    base_url: str | None = None,
    model: str | None = None,
    api_key: str | None = None,
    environ: Mapping[str, str] | None = None,
    settings: ChatSettings | None = None,
) -> ChatModel:
    """Open the model that the arguments, else SVTA_LLM_MODEL, OPENAI_BASE_URL and OPENAI_API_KEY name.

    The embedded provider answers only where its address is given: a real data set must never get rules by accident.
    Raises ChatError for a setting that is missing or is no number.
    """
    environ = os.environ if environ is None else environ
    base_url = base_url or environ.get("OPENAI_BASE_URL") or ""
    model = model or environ.get("SVTA_LLM_MODEL") or ""
    if base_url.rstrip("/") == EMBEDDED_BASE_URL:
        return _open_embedded(model, settings)
    if base_url.rstrip("/") == ENGINE_BASE_URL:
        from svta_resources.local_engine import MODEL, check_installed

        check_installed()
        model = model or MODEL
    if not model:
        raise ChatError(
            "no language model is chosen: set SVTA_LLM_MODEL, with OPENAI_BASE_URL and OPENAI_API_KEY for its server "
            f"(OPENAI_BASE_URL is {base_url or 'not set'}; {EMBEDDED_BASE_URL} answers by rules without any server, "
            f"{ENGINE_BASE_URL} has a small real model write descriptions on this machine)"
        )
    key = api_key or environ.get("OPENAI_API_KEY") or ("none" if base_url else "")
    if not key:
        raise ChatError(f"no key for model {model!r}: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own")
    return ChatModel(
        model,
        base_url,
        key,
        settings=settings or settings_from(environ),
        traffic=traffic_from(environ),
        prices=prices_from(environ),
    )


def _open_embedded(model: str, settings: ChatSettings | None) -> ChatModel:
    from svta_resources.embedded_llm import VERSION
    from svta_resources.embedded_llm.transport import EmbeddedTransport

    return ChatModel(
        model or EMBEDDED_MODEL,
        EMBEDDED_BASE_URL,
        "none",
        transport=EmbeddedTransport(),
        settings=settings or ChatSettings(temperature=0.0),  # rules draw nothing at random
        traffic=Traffic(concurrency=1),  # rules compute in this process: more would only wait for each other
        prices=Prices(0.0, 0.0),
        version=VERSION,
    )
