"""Ask many questions at once, with a bounded number under way."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial

from svta_resources.chat_errors import ChatError, InvalidAnswer, LostQuestion, ServerFailed, UnreachableServer
from svta_resources.chat_session import Batch, ChatSession, Stopped, run_to_end
from svta_resources.llm import Answer, ChatModel, Request
from svta_resources.llm_settings import Usage

OnAnswer = Callable[[Request, Answer | InvalidAnswer], None]
TOLERATED_FAILURES = 3  # as many questions in a row that a server fails on are no longer the questions' fault


def ask_many(
    chat: ChatModel,
    requests: Iterable[Request],
    on_answer: OnAnswer,
    concurrency: int | None = None,
    total: int | None = None,
) -> None:
    """Ask every request and hand each answer over as it comes, in any order, one at a time.

    A request that got no valid answer hands over its InvalidAnswer; one that the server failed on in every attempt
    while it answered others hands over a LostQuestion. An error that every other request would meet too (no server,
    wrong key) or that `on_answer` raises stops the rest and is raised. Requests on their way then still arrive and are
    handed over first, since they are paid for; waits for another attempt end at once.

    Args:
        requests: read lazily: at most `concurrency` of them exist at a time. concurrency: default that of `chat`.
        total: how many requests there are, for `chat.progress`.
    """
    run = _Run(chat, requests, on_answer, total)
    run_to_end(lambda: run.run(concurrency or chat.traffic.concurrency))
    if run.failure is not None:
        raise run.failure


def ask_each(
    batches: Sequence[tuple[ChatModel, Sequence[Request]]],
    on_answer: Callable[[ChatModel, Request, Answer | InvalidAnswer], None],
) -> list[tuple[ChatModel, Exception]]:
    """Ask several models at the same time, each as `ask_many` does and within its own limits.

    A model that cannot be asked leaves the others going. Returns what stopped a batch, with its model; answers are
    handed over one at a time, whichever model gave them.
    """
    runs = [_Run(chat, requests, partial(on_answer, chat), None) for chat, requests in batches]

    async def together() -> None:
        await asyncio.gather(*(run.run(run.chat.traffic.concurrency) for run in runs))

    run_to_end(together)
    return [(run.chat, run.failure) for run in runs if run.failure is not None]


class _Run:
    def __init__(self, chat: ChatModel, requests: Iterable[Request], on_answer: OnAnswer, total: int | None) -> None:
        self.chat, self.on_answer, self.total = chat, on_answer, total
        self.waiting = iter(requests)
        self.failure: Exception | None = None
        self.done = 0
        self.replied = 0  # questions that the server gave some answer to
        self.failed_in_a_row = 0

    async def run(self, width: int) -> None:
        """Let `width` workers take requests until there are none, or one fails for all."""
        batch = Batch(self.chat)
        workers = [asyncio.create_task(self._work(batch)) for _ in range(width)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:  # an interrupt came: drop the rest
                worker.cancel()

    async def _work(self, batch: Batch) -> None:
        try:
            if (request := next(self.waiting, None)) is None:
                return
            async with ChatSession(batch) as session:
                while request is not None and self.failure is None:
                    with suppress(Stopped):
                        self._hand_over(request, await self._outcome(session, request))
                    request = next(self.waiting, None) if self.failure is None else None
        except Exception as error:
            self.failure = self.failure or error
            batch.stop()

    def _hand_over(self, request: Request, outcome: Answer | InvalidAnswer) -> None:
        self.on_answer(request, outcome)
        self.done += 1
        if self.total is not None:
            self.chat.progress(self.done, self.total)

    async def _outcome(self, session: ChatSession, request: Request) -> Answer | InvalidAnswer:
        replied_before = self.replied
        try:
            outcome: Answer | InvalidAnswer = await session.ask(request)
        except InvalidAnswer as invalid:
            outcome = invalid
        except (ServerFailed, UnreachableServer) as error:
            if not self._is_of_this_question(error, replied_before):
                raise
            reason = error.reason if isinstance(error, ServerFailed) else "no connection"
            return LostQuestion(f"the server failed: {reason}", "", Usage(), self.chat.model, self.chat.provider)
        self.replied += 1
        self.failed_in_a_row = 0
        return outcome

    def _is_of_this_question(self, error: ChatError, replied_before: int) -> bool:
        """Say whether the next question may fare better."""
        if self.replied > replied_before:  # others were answered meanwhile
            return True
        if isinstance(error, UnreachableServer) or (isinstance(error, ServerFailed) and error.concerns_all):
            return False
        self.failed_in_a_row += 1
        return self.failed_in_a_row < TOLERATED_FAILURES
