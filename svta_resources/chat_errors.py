"""What can go wrong when a language model is asked, in words that name the setting to change."""

from typing import TYPE_CHECKING

from svta_resources.errors import SvtaError

if TYPE_CHECKING:
    import openai

    from svta_resources.llm import Usage


class ChatError(SvtaError):
    """The model cannot be asked at all: every further question would fail alike."""


class UnreachableServer(ChatError):
    """Nothing answers at the base URL."""


class InvalidAnswer(SvtaError):
    """The model answered, but never with what was asked for; `raw` is its last text."""

    def __init__(self, complaint: str, raw: str, usage: "Usage", model: str, provider: str) -> None:
        super().__init__(f"model {model} gave no valid answer: {complaint}. It is kept as a reject with its raw text.")
        self.complaint, self.raw, self.usage, self.model, self.provider = complaint, raw, usage, model, provider


def explain_failure(error: "openai.OpenAIError", base_url: str, model: str, api_key: str) -> ChatError:
    """Turn the client's error into one that says which setting to change; the key never appears in it."""
    import openai

    detail = _without_key(str(error), api_key)[:300]
    if isinstance(error, openai.APITimeoutError):
        return UnreachableServer(f"the language model server at {base_url} did not answer in time; run again later")
    if isinstance(error, openai.APIConnectionError):
        cause = _without_key(str(error.__cause__ or error), api_key)
        return UnreachableServer(
            f"no language model server answers at {base_url} ({cause}): start it, or set OPENAI_BASE_URL to another "
            "(http://embedded/v1 needs none). Answers so far are kept."
        )
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return ChatError(f"{base_url} refuses the key ({detail}): set OPENAI_API_KEY")
    if isinstance(error, openai.NotFoundError):
        return ChatError(
            f"{base_url} does not serve model {model!r} ({detail}): set SVTA_LLM_MODEL, or OPENAI_BASE_URL"
        )
    if isinstance(error, openai.RateLimitError):
        return ChatError(
            f"{base_url} still refuses for too many requests ({detail}): run again later; answers are kept"
        )
    return ChatError(f"{base_url} failed on model {model!r}: {detail}. Answers so far are kept; run again.")


def _without_key(text: str, api_key: str) -> str:
    return text.replace(api_key, "***") if len(api_key) > 4 else text
