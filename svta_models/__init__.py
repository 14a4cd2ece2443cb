"""Plain PyTorch and data reading for SVTA: no Dagster anywhere below this package."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svta_models.published import load_published
    from svta_models.release import open_release

__all__ = ["load_published", "open_release"]
_HOMES = {"load_published": "svta_models.published", "open_release": "svta_models.release"}


def __getattr__(name: str) -> Any:
    """Import on first use: the Dagster definitions import this package too and must load fast."""
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
