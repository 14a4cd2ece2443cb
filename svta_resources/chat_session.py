"""Questions to a language model, one after another over one connection, for as long as a batch lasts."""

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from svta_models.identity import canonical_json
from svta_resources.chat_errors import InvalidAnswer, ServerFailed, explain_failure, of_one_question
from svta_resources.chat_limits import RateLimits
from svta_resources.chat_reading import Reading, read_answer
from svta_resources.chat_retry import Backoff
from svta_resources.llm_settings import ENGINE_BASE_URL, Traffic, Usage
from svta_resources.model_server import Connection, Reply, Shared, Stopped, run_to_end

if TYPE_CHECKING:
    import httpx2
    import openai

    from svta_resources.llm import Answer, ChatModel, Request

__all__ = ["CHARACTERS_PER_TOKEN", "Batch", "ChatSession", "Stopped", "run_to_end"]

RE_ASKS = 2  # an invalid answer is asked again this often before it becomes an InvalidAnswer
CHARACTERS_PER_TOKEN = 4.0  # English prose; only estimates rest on it
FIRST_ANSWER_TOKENS = 100.0  # what an answer is thought to take until one has come


class Batch(Shared):
    """What the sessions of one batch share; belongs to one event loop."""

    def __init__(self, chat: "ChatModel") -> None:
        super().__init__(_ChatServer(chat))
        self.chat = chat
        self.answer_tokens = FIRST_ANSWER_TOKENS  # a running mean


class _ChatServer:
    """A chat model as `model_server` sees it."""

    def __init__(self, chat: "ChatModel") -> None:
        self._chat = chat
        self.base_url, self.api_key = chat.base_url, chat.api_key
        self.traffic: Traffic = chat.traffic
        self.backoff: Backoff = chat.backoff
        self.limits: RateLimits = chat.limits

    def open_transport(self) -> "httpx2.AsyncBaseTransport | None":
        if self._chat.transport is not None:
            from svta_resources.chat_in_process import InProcess

            return InProcess(self._chat.transport)
        if self.base_url == ENGINE_BASE_URL:
            from svta_resources.local_engine import EngineTransport

            return EngineTransport()
        return None

    def explain(self, error: "openai.OpenAIError") -> Exception:
        return explain_failure(error, self.base_url, self._chat.model, self.api_key)

    def too_long_a_pause(self, seconds: float) -> Exception:
        return ServerFailed(
            f"{self.base_url} asks for a pause of {seconds:.0f} s: run again then. Answers so far are kept.",
            f"asked for a pause of {seconds:.0f} s",
            concerns_all=True,
        )


class _Refused(Exception):
    """The server refuses this question only; `code` is its word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def _refusal(error: "openai.OpenAIError") -> _Refused | None:
    code = of_one_question(error)
    return _Refused(code) if code else None


class ChatSession:
    """Asks one question after another over one connection of its own. Use it as `async with`."""

    def __init__(self, batch: Batch) -> None:
        self.chat, self._batch = batch.chat, batch
        self._connection = Connection(batch)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._connection.__aexit__(kind, error, at)

    async def ask(self, request: "Request") -> "Answer":
        """Ask one question, again where the answer is invalid.

        Raises InvalidAnswer after the last re-ask, ChatError when the server gives no reply at all, Stopped.
        """
        from svta_resources.llm import Answer

        wanted = request.schema or request.prompt.schema
        question = canonical_json({"task": request.task, **request.payload})
        said, spent, seconds = question, Usage(), 0.0
        for _ in range(1 + RE_ASKS):
            messages = [{"role": "system", "content": request.prompt.system}, {"role": "user", "content": said}]
            try:
                reply = await self._reply(self._body(request.task, messages, wanted))
            except _Refused as refused:
                complaint = f"the server refuses this question ({refused.code.replace('_', ' ')})"
                model, provider = self.chat.model, self.chat.provider
                raise InvalidAnswer(complaint, refused.code, spent, model, provider, seconds) from None
            seconds += reply.seconds
            reading = read_answer(reply.text, wanted, request.check)
            self._learn(reply, reading.usage)
            spent += reading.usage
            if reading.data is not None:
                model = reading.model or self.chat.model
                return Answer(
                    reading.data, spent, model, self.chat.provider, seconds, reading.raw, thinking=reading.thinking
                )
            # A fresh conversation each time: a long wrong answer in the context invites another one.
            said = f"{question}\n\nAn earlier answer was not valid: {reading.complaint}. Answer again, only as JSON."
        raise self._invalid(reading, spent, seconds)

    def _invalid(self, reading: Reading, spent: Usage, seconds: float) -> InvalidAnswer:
        model, provider = self.chat.model, self.chat.provider
        return InvalidAnswer(reading.complaint, reading.raw, spent, model, provider, seconds, reading.thinking)

    def _body(self, task: str, messages: list[dict[str, str]], schema: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "model": self.chat.model,
            "messages": messages,
            "temperature": self.chat.settings.temperature,
            "max_tokens": self.chat.settings.max_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": task, "strict": True, "schema": dict(schema)},
            },
        }

    async def _reply(self, body: dict[str, Any]) -> Reply:
        sent = sum(len(message["content"]) for message in body["messages"])
        estimate = sent / CHARACTERS_PER_TOKEN + self._batch.answer_tokens
        return await self._connection.post("/chat/completions", body, estimate, _refusal)

    def _learn(self, reply: Reply, used: Usage) -> None:
        """Replace the estimate of a request's tokens by what the server counted, where it did."""
        if used.total:
            self._batch.answer_tokens += (used.answer_tokens - self._batch.answer_tokens) / 20
            self.chat.limits.settle(reply.estimate, used.total)
