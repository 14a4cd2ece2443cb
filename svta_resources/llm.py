"""Language models, always through the official `openai` client and always with a JSON schema.

`http://embedded/v1` is the deterministic in-process provider (`svta_resources.embedded_llm`); any other base URL is a
real server that speaks the chat completions API. Callers cannot tell them apart, rows can: each records its provider.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from svta_models.identity import canonical_json, recipe_sha
from svta_resources.chat_errors import ChatError, InvalidAnswer, explain_failure
from svta_resources.chat_reading import read_answer

if TYPE_CHECKING:
    import httpx2

EMBEDDED_BASE_URL = "http://embedded/v1"
EMBEDDED_MODEL = "embedded-rules"
RE_ASKS = 2  # an invalid answer is asked again this often before it becomes an InvalidAnswer

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

    @property
    def sha(self) -> str:
        """sha256 over everything that can change an answer (64 hex digits)."""
        return recipe_sha({"task": self.task, "system": self.system, "schema": self.schema})


@dataclass(frozen=True)
class Usage:
    """Tokens paid for, re-asks included."""

    prompt_tokens: int = 0
    answer_tokens: int = 0

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.answer_tokens


@dataclass(frozen=True)
class Answer:
    """A valid answer. `model` is the name the server reports, `raw` its text as it came, `latency_s` wall seconds."""

    data: dict[str, Any]
    usage: Usage
    model: str
    provider: str
    latency_s: float
    raw: str


@dataclass(frozen=True)
class ChatSettings:
    """What the user chose about a model besides its name; part of every recipe."""

    temperature: float = 0.8
    max_tokens: int = 1024


class ChatModel:
    """A chat model behind one base URL; makes no connection before the first question. Safe to share by threads.

    Args:
        base_url: empty means the client's own default (OPENAI_BASE_URL, else the hosted API).
        http_client: replaces the network (the embedded provider, tests).
        timeout_s: seconds for one attempt. retries: further attempts on 408, 409, 429, 5xx and lost connections,
            with growing pauses; a server's Retry-After (up to a minute) is honoured by the client.
        version: what else decides the answers (the embedded rules' version); part of the recipe.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key: str,
        *,
        http_client: "httpx2.Client | None" = None,
        settings: ChatSettings | None = None,
        timeout_s: float = 120.0,
        retries: int = 6,
        concurrency: int = 8,
        version: str | None = None,
    ) -> None:
        import openai

        self.model = model
        self.settings = settings or ChatSettings()
        self.concurrency = concurrency
        self.version = version
        self._client: openai.OpenAI = openai.OpenAI(
            base_url=base_url or None,
            api_key=api_key,
            http_client=http_client,
            timeout=timeout_s,
            max_retries=retries,
        )
        self.base_url = str(self._client.base_url).rstrip("/")
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
        """Ask one question; `payload` travels as JSON in the user message.

        Args:
            schema: of the answer, when narrower than the prompt's own.
            check: a further test that a schema cannot express; its complaint is told to the model when asking again.
        Raises:
            InvalidAnswer: no valid answer after two more attempts. ChatError: the server cannot be asked at all.
        """
        wanted = schema or prompt.schema
        question = canonical_json({"task": task, **payload})
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": question}]
        spent, started = Usage(), perf_counter()
        raw, complaint = "", ""
        for _ in range(1 + RE_ASKS):
            completion = self._complete(task, messages, wanted)
            spent = _add_usage(spent, getattr(completion, "usage", None))
            raw, data, complaint = read_answer(completion, wanted, check)
            if data is not None:
                return Answer(data, spent, completion.model, self.provider, perf_counter() - started, raw)
            # A fresh conversation each time: a long wrong answer in the context invites another one.
            again = f"{question}\n\nAn earlier answer was not valid: {complaint}. Answer again, only as JSON."
            messages = [messages[0], {"role": "user", "content": again}]
        raise InvalidAnswer(complaint, raw, spent, self.model, self.provider)

    def _complete(self, task: str, messages: list[dict[str, str]], schema: Mapping[str, Any]) -> Any:
        import openai

        answer_format: Any = {
            "type": "json_schema",
            "json_schema": {"name": task, "strict": True, "schema": dict(schema)},
        }
        conversation: Any = messages
        try:
            return self._client.chat.completions.create(
                model=self.model,
                messages=conversation,
                temperature=self.settings.temperature,
                max_tokens=self.settings.max_tokens,
                response_format=answer_format,
            )
        except openai.BadRequestError as error:
            if error.code in ("content_filter", "content_policy_violation"):  # this question only; others may pass
                raise InvalidAnswer(
                    "the server's content filter", str(error.code), Usage(), self.model, self.provider
                ) from None
            raise explain_failure(error, self.base_url, self.model, self._client.api_key) from None
        except openai.OpenAIError as error:
            # `from None`: the client's error holds the request, and some servers repeat the key in their message
            raise explain_failure(error, self.base_url, self.model, self._client.api_key) from None
        except ValueError:  # the body of a good status was cut off or is no JSON; the client lets that through
            return None


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
    Raises ChatError for a setting that is missing.
    """
    environ = os.environ if environ is None else environ
    base_url = base_url or environ.get("OPENAI_BASE_URL") or ""
    model = model or environ.get("SVTA_LLM_MODEL") or ""
    if base_url.rstrip("/") == EMBEDDED_BASE_URL:
        from svta_resources.embedded_llm import VERSION, open_client

        settings = settings or ChatSettings(temperature=0.0)  # rules draw nothing at random
        return ChatModel(
            model or EMBEDDED_MODEL,
            EMBEDDED_BASE_URL,
            "none",
            http_client=open_client(),
            settings=settings,
            concurrency=1,  # rules compute in this process: threads would only wait for each other
            version=VERSION,
        )
    if not model:
        raise ChatError(
            "no language model is chosen: set SVTA_LLM_MODEL, with OPENAI_BASE_URL and OPENAI_API_KEY for its server "
            f"(OPENAI_BASE_URL is {base_url or 'not set'}; {EMBEDDED_BASE_URL} answers by rules without any server)"
        )
    key = api_key or environ.get("OPENAI_API_KEY") or ("none" if base_url else "")
    if not key:
        raise ChatError(f"no key for model {model!r}: set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own")
    return ChatModel(model, base_url, key, settings=settings)


@dataclass(frozen=True)
class Request:
    """One question for `ask_many`; `key` is the caller's own name for it."""

    key: str
    task: str
    payload: Mapping[str, Any]
    prompt: Prompt
    schema: Mapping[str, Any] | None = None
    check: Check | None = field(default=None, repr=False)

    def sha(self, chat: ChatModel) -> str:
        """Name the question by everything that decides its answer (64 hex digits)."""
        return recipe_sha(
            {
                "prompt": self.prompt.sha,
                "schema": self.schema or self.prompt.schema,
                "payload": {"task": self.task, **self.payload},
                **chat.recipe(),
            }
        )


def _add_usage(spent: Usage, more: Any) -> Usage:
    if more is None:  # some servers report none
        return spent
    return Usage(spent.prompt_tokens + more.prompt_tokens, spent.answer_tokens + more.completion_tokens)
