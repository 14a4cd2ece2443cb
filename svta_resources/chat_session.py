"""Questions to one server over one pool of connections, for as long as a batch lasts."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from svta_models.identity import canonical_json
from svta_resources.chat_errors import InvalidAnswer, ServerFailed, explain_failure, of_one_question
from svta_resources.chat_reading import Reading, read_answer
from svta_resources.chat_retry import LONGEST_ASKED_S, SLOW_DOWN, asked_pause, passes
from svta_resources.llm_settings import Usage

if TYPE_CHECKING:
    import openai

    from svta_resources.llm import Answer, ChatModel, Request

RE_ASKS = 2  # an invalid answer is asked again this often before it becomes an InvalidAnswer
CONNECT_S = 10.0  # a server that is there takes a connection faster than this, however busy it is
CHARACTERS_PER_TOKEN = 4.0  # English prose; only estimates rest on it
FIRST_ANSWER_TOKENS = 100.0  # what an answer is thought to take until one has come

T = TypeVar("T")


class Stopped(Exception):
    """The batch ends early: this question was not sent again."""


class Batch:
    """What the sessions of one batch share; belongs to one event loop."""

    def __init__(self, chat: "ChatModel") -> None:
        import httpx2

        self.chat = chat
        self.stopping = asyncio.Event()
        self.tls = httpx2.create_ssl_context()  # takes tens of milliseconds to make
        self.answer_tokens = FIRST_ANSWER_TOKENS  # a running mean

    def stop(self) -> None:
        """Send nothing more; what is on its way may still arrive, what waits raises Stopped."""
        self.stopping.set()


@dataclass(frozen=True)
class _Reply:
    """`estimate` is the tokens it was admitted with; `refused` the code of a refusal of this question, else empty."""

    text: str
    seconds: float
    estimate: float
    refused: str = ""


class ChatSession:
    """Asks one question after another over one connection of its own. Use it as `async with`.

    A connection each, because a pool that many share looks through all its connections at every request.
    """

    def __init__(self, batch: Batch) -> None:
        self.chat, self._batch = batch.chat, batch
        self._client = _open_client(batch)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.close()

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
            reply = await self._reply(self._body(request.task, messages, wanted))
            seconds += reply.seconds
            if reply.refused:
                complaint = f"the server refuses this question ({reply.refused.replace('_', ' ')})"
                raise InvalidAnswer(complaint, reply.refused, spent, self.chat.model, self.chat.provider, seconds)
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

    async def _reply(self, body: dict[str, Any]) -> _Reply:
        """Send until a reply comes."""
        import openai

        attempt = 0
        while True:
            try:
                return await self._send(body)
            except openai.OpenAIError as error:
                if refused := of_one_question(error):
                    return _Reply("", 0.0, 0.0, refused)
                if not passes(error) or attempt == self.chat.traffic.retries:
                    # `from None`: the client's error holds the request, and some servers repeat the key in a message
                    raise explain_failure(error, self.chat.base_url, self.chat.model, self._client.api_key) from None
                await self._wait_after(error, attempt)
                attempt += 1

    async def _send(self, body: dict[str, Any]) -> _Reply:
        """Send once.

        The client's own `post` keeps its keys, headers and errors but builds no object of the reply: that takes four
        fifths of the time of a call, and malformed replies must be read anyway.
        """
        import httpx2
        import openai

        sent = sum(len(message["content"]) for message in body["messages"])
        estimate = sent / CHARACTERS_PER_TOKEN + self._batch.answer_tokens
        await self.chat.limits.admit(estimate, self._pause)
        if self._batch.stopping.is_set():
            raise Stopped
        began = perf_counter()
        try:
            # the client's timeout restarts with every byte that drips in, this one does not
            async with asyncio.timeout(self.chat.traffic.timeout_s):
                response = await self._client.post("/chat/completions", body=body, cast_to=httpx2.Response)
        except TimeoutError:
            raise openai.APITimeoutError(httpx2.Request("POST", self.chat.base_url)) from None
        text = response.content.decode("utf-8", errors="replace")  # JSON is UTF-8, whatever the headers say
        return _Reply(text, perf_counter() - began, estimate)

    def _learn(self, reply: _Reply, used: Usage) -> None:
        """Replace the estimate of a request's tokens by what the server counted, where it did."""
        if used.total:
            self._batch.answer_tokens += (used.answer_tokens - self._batch.answer_tokens) / 20
            self.chat.limits.settle(reply.estimate, used.total)

    async def _wait_after(self, error: "openai.OpenAIError", attempt: int) -> None:
        import openai

        pause, asked = self.chat.backoff.pause(attempt), asked_pause(error)
        if asked is not None and asked > LONGEST_ASKED_S:
            raise ServerFailed(
                f"{self.chat.base_url} asks for a pause of {asked:.0f} s: run again then. Answers so far are kept.",
                f"asked for a pause of {asked:.0f} s",
                concerns_all=True,
            )
        if asked is None:
            await self._pause(pause)
        elif isinstance(error, openai.APIStatusError) and error.status_code in SLOW_DOWN:
            self.chat.limits.hold(asked)  # for everybody; `admit` waits it out
            await self._pause(asked + min(pause, 1.0) * 0.1)  # a little apart, so that not all come back at once
        else:
            await self._pause(asked)

    async def _pause(self, seconds: float) -> None:
        """Sleep; raises Stopped as soon as the batch ends early."""
        try:
            async with asyncio.timeout(seconds):
                await self._batch.stopping.wait()
        except TimeoutError:
            return
        raise Stopped


def run_to_end(make: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine from ordinary code, in this thread unless an event loop already runs in it (a notebook).

    The runner gets its own loop factory so that it leaves the thread's current loop, if any, as it is.
    """

    def run() -> T:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(make())

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run()
    with ThreadPoolExecutor(1, thread_name_prefix="svta-ask") as pool:
        return pool.submit(run).result()


def _open_client(batch: Batch) -> "openai.AsyncOpenAI":
    import httpx2
    import openai

    from svta_resources.chat_in_process import InProcess

    chat = batch.chat
    timeout = httpx2.Timeout(chat.traffic.timeout_s, connect=min(CONNECT_S, chat.traffic.timeout_s))
    if chat.transport is None:
        one = httpx2.Limits(max_connections=1, keepalive_expiry=60.0)
        network = openai.DefaultAsyncHttpx2Client(limits=one, timeout=timeout, verify=batch.tls)
    else:
        network = httpx2.AsyncClient(transport=InProcess(chat.transport), timeout=timeout)
    return openai.AsyncOpenAI(
        base_url=chat.base_url, api_key=chat.api_key, http_client=network, timeout=timeout, max_retries=0
    )
