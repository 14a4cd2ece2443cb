"""A language model's stand-in that runs in this process: deterministic, free, and never passed off as a language model.

It sits behind the real `openai` client as an HTTP transport, so demo, tests and production run the same code. Its rows
carry the provider `embedded-rules`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

# Part of every recipe. Raise it when rules or data give other answers: `tests/language/test_rules_version.py` notices.
VERSION = "2"


def open_client() -> "httpx2.Client":
    """Give the HTTP client that answers in this process; nothing is loaded before the first question."""
    import httpx2

    from svta_resources.embedded_llm.transport import EmbeddedTransport

    return httpx2.Client(transport=EmbeddedTransport())
