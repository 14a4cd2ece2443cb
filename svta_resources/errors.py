"""Re-exports the project's base error, so that resources need not name `svta_models` for it."""

from svta_models.errors import SvtaError

__all__ = ["SvtaError"]
