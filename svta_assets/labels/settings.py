"""What a user sets about labelling: which texts are asked about, and how often an invalid answer is asked again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from svta_resources.errors import SvtaError

ALL, UNNAMED_ONLY = "all", "unnamed"


@dataclass(frozen=True)
class LabelSettings:
    """How `labels` asks.

    Attributes:
        ask: `all` collected texts, for names, opinions and attributes; or only `unnamed` ones, which is cheaper.
        runs: a question without a valid answer is asked in so many runs, then no more.
    """

    ask: str = ALL
    runs: int = 3


def label_settings(environ: Mapping[str, str] | None = None) -> LabelSettings:
    """Read SVTA_LABEL_ASK and SVTA_LABEL_RUNS. Raises SvtaError for a value that is neither."""
    environ = os.environ if environ is None else environ
    ask = environ.get("SVTA_LABEL_ASK", "").strip() or LabelSettings.ask
    if ask not in (ALL, UNNAMED_ONLY):
        raise SvtaError(f"SVTA_LABEL_ASK={ask!r} is neither {ALL!r} nor {UNNAMED_ONLY!r}: correct it or unset it")
    runs = environ.get("SVTA_LABEL_RUNS", "").strip() or str(LabelSettings.runs)
    if not (runs.isascii() and runs.isdigit() and int(runs) >= 1):
        raise SvtaError(f"SVTA_LABEL_RUNS={runs!r} is not a whole number from 1 on: correct it or unset it")
    return LabelSettings(ask, int(runs))
