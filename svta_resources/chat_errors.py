"""What can go wrong when a language model is asked, in words that name the setting to change."""

from typing import TYPE_CHECKING

from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    import openai

    from svta_resources.llm_settings import Usage

_OF_ONE_QUESTION = ("content_filter", "content_policy_violation", "context_length_exceeded")


class ChatError(SvtaError):
    """The model cannot be asked at all: every further question would fail alike."""


class UnreachableServer(ChatError):
    """Nothing answers at the base URL."""


class ServerFailed(ChatError):
    """One question failed in every attempt although a server is there; others may pass.

    `reason` is short. `concerns_all` where the server speaks of the caller, not of the question.
    """

    def __init__(self, message: str, reason: str, concerns_all: bool = False) -> None:
        super().__init__(message)
        self.reason, self.concerns_all = reason, concerns_all


class InvalidAnswer(SvtaError):
    """The model answered, but never with what was asked for; `raw` is its last text, `latency_s` the time it took."""

    def __init__(
        self,
        complaint: str,
        raw: str,
        usage: "Usage",
        model: str,
        provider: str,
        latency_s: float = 0.0,
        thinking: str = "",
    ) -> None:
        super().__init__(f"model {model} gave no valid answer: {complaint}. It is kept as a reject with its raw text.")
        self.complaint, self.raw, self.usage, self.model, self.provider = complaint, raw, usage, model, provider
        self.latency_s, self.thinking = latency_s, thinking


class LostQuestion(InvalidAnswer):
    """The server failed on this question in every attempt while it answered others: no word of the model's."""


def of_one_question(error: "openai.OpenAIError") -> str | None:
    """The code of a refusal that concerns one question only (content filter, too long), None for anything else."""
    import openai

    if isinstance(error, openai.BadRequestError) and error.code in _OF_ONE_QUESTION:
        return str(error.code)
    return None


def explain_failure(error: "openai.OpenAIError", base_url: str, model: str, api_key: str) -> ChatError:
    """Turn the client's error into one that says which setting to change; the key never appears in it."""
    import openai

    detail = _without_key(str(error), api_key)[:300]
    if isinstance(error, openai.APIConnectionError):  # timeouts are a kind of it
        return _explain_silence(error, base_url, api_key)
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ChatError(
            f"{base_url} refuses the key ({detail}): set OPENAI_API_KEY, or the variable that the file of models names"
        )
    if isinstance(error, openai.NotFoundError):
        return ChatError(
            f"{base_url} does not serve model {model!r} ({detail}): set SVTA_LLM_MODEL, or OPENAI_BASE_URL, or "
            "correct the file that SVTA_LLM_MODELS names"
        )
    if isinstance(error, openai.RateLimitError):
        return ServerFailed(
            f"{base_url} still refuses for too many requests ({detail}): run again later, or set SVTA_LLM_RPM, "
            "SVTA_LLM_TPM or a lower SVTA_LLM_CONCURRENCY; answers are kept",
            "too many requests",
            concerns_all=True,
        )
    message = f"{base_url} failed on model {model!r}: {detail}. Answers so far are kept; run again."
    if isinstance(error, openai.APIStatusError):
        return ServerFailed(message, f"status {error.status_code}: {detail}", concerns_all=error.status_code < 500)
    return ChatError(message)


def _explain_silence(error: "openai.APIConnectionError", base_url: str, api_key: str) -> ChatError:
    import openai

    cause = _without_key(str(error.__cause__ or error), api_key)
    if _never_connected(error):
        return UnreachableServer(
            f"no language model server answers at {base_url} ({cause}): start it, or set OPENAI_BASE_URL to another "
            "(http://embedded/v1 needs none). Answers so far are kept."
        )
    if isinstance(error, openai.APITimeoutError):
        return ServerFailed(
            f"the language model server at {base_url} did not answer in time: run again later, or set "
            "SVTA_LLM_TIMEOUT_S higher or SVTA_LLM_CONCURRENCY lower. Answers so far are kept.",
            "no whole answer in time",
        )
    return ServerFailed(
        f"{base_url} dropped the connection in every attempt ({cause}): look into the server's log and run again. "
        "Answers so far are kept.",
        f"connection dropped ({cause})",
    )


def _never_connected(error: "openai.APIConnectionError") -> bool:
    import httpx2

    return isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout)


def _without_key(text: str, api_key: str) -> str:
    return text.replace(api_key, "***") if len(api_key) > 4 else text
