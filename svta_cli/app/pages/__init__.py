"""One module a page. Each has `ROUTES` and, where the navigation shows it, `NAV` = (title, path)."""

from importlib import import_module
from types import ModuleType

# In the order of the navigation.
NAMES = ("search", "gallery", "clip", "review", "results", "yield_page")


def page_modules() -> list[ModuleType]:
    """The pages there are."""
    return [import_module(f"svta_cli.app.pages.{name}") for name in NAMES]
