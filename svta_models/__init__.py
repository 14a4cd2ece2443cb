"""Plain PyTorch and data reading for SVTA: no Dagster anywhere below this package."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from svta_models.release import open_release

__all__ = ["open_release"]


def __getattr__(name: str) -> Any:
    if name == "open_release":  # imported on first use: the Dagster definitions import this package too
        from svta_models.release import open_release

        return open_release
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
