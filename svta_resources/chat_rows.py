"""What every kept answer records besides its content: who gave it, what it cost, and what the model thought."""

from typing import Any

from svta_resources.chat_errors import InvalidAnswer, LostQuestion
from svta_resources.llm import Answer, ChatModel, Request


def bookkeeping(chat: ChatModel, request: Request, answer: Answer | InvalidAnswer) -> dict[str, Any]:
    """The columns of an answer row that do not depend on the question.

    `request_sha`, `task`, `provider`, `model` (as chosen), `tokens`, `prompt_tokens`, `answer_tokens`, `latency_s`;
    `price` where prices are set, `thinking` where there is some. An answer adds `answered_by`, a reject `error` and
    `raw`, and `lost` where the server failed rather than the model.
    """
    row: dict[str, Any] = {
        "request_sha": request.sha(chat),
        "task": request.task,
        "provider": answer.provider,
        "model": chat.model,
        "tokens": answer.usage.total,
        "prompt_tokens": answer.usage.prompt_tokens,
        "answer_tokens": answer.usage.answer_tokens,
        "latency_s": round(answer.latency_s, 4),
    }
    price = chat.prices.of(answer.usage)
    if price is not None:
        row["price"] = price
    if answer.thinking:
        row["thinking"] = answer.thinking
    if isinstance(answer, InvalidAnswer):
        lost = {"lost": True} if isinstance(answer, LostQuestion) else {}
        return row | {"error": answer.complaint, "raw": answer.raw} | lost
    return row | {"answered_by": answer.model}
