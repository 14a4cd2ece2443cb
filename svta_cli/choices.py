"""What people type, turned into what the platform calls it."""

import getpass
from collections.abc import Iterable


def category_keys(words: Iterable[str]) -> list[str]:
    """Keys of the generation categories named by key, by name or by UCF-Crime class, each once, in the order given.

    Raises UnknownCategory with the nearest keys.
    """
    from svta_assets.categories import UnknownCategory, find_category, unknown_category_message

    keys = []
    for word in words:
        found = find_category(word)
        if found is None:
            raise UnknownCategory(unknown_category_message(word))
        keys.append(found.key)
    return list(dict.fromkeys(keys))


def who(by: str | None) -> str:
    """The person a decision is recorded under."""
    try:
        return by or getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return "unknown"
