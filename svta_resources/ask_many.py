"""Ask many questions at once, with a bounded number under way."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice

from svta_resources.chat_errors import InvalidAnswer
from svta_resources.llm import Answer, ChatModel, Request

OnAnswer = Callable[[Request, Answer | InvalidAnswer], None]


def ask_many(chat: ChatModel, requests: Iterable[Request], on_answer: OnAnswer, concurrency: int | None = None) -> None:
    """Ask every request and hand each answer over as it comes, in any order, in the caller's thread.

    A request that got no valid answer hands over its InvalidAnswer. An error that every other request would meet too
    (no server, wrong key) or that `on_answer` raises stops the rest and is raised, after those under way have ended;
    their answers are handed over first, since they are paid for.

    Args:
        requests: read lazily: at most `concurrency` of them exist at a time. concurrency: default `chat.concurrency`.
    """
    width = concurrency or chat.concurrency
    if width == 1:
        for request in requests:
            on_answer(request, _ask(chat, request))
        return
    waiting = iter(requests)
    with ThreadPoolExecutor(width, thread_name_prefix="svta-ask") as pool:
        running: dict[Future[Answer | InvalidAnswer], Request] = {}
        failure: Exception | None = None
        while True:
            if failure is None:
                for request in _next(waiting, width - len(running)):
                    running[pool.submit(_ask, chat, request)] = request
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                request = running.pop(future)
                try:
                    on_answer(request, future.result())
                except Exception as error:
                    failure = failure or error
    if failure is not None:
        raise failure


def _next(requests: Iterator[Request], room: int) -> Iterator[Request]:
    return islice(requests, room)


def _ask(chat: ChatModel, request: Request) -> Answer | InvalidAnswer:
    try:
        return chat.ask(request.task, request.payload, request.prompt, request.schema, request.check)
    except InvalidAnswer as invalid:
        return invalid
