"""Where published GRAM weights lie: the folder of a run, which the user names, as the published code leaves it.

    $SVTA_GRAM_DIR/ckpt/model_step_<N>.pt   the weights; one such file
    $SVTA_GRAM_DIR/log/hps.json             the run's configuration
    $SVTA_GRAM_DIR/vocab.txt                the vocabulary of bert-base-uncased, which the published code fetches

Nothing is ever downloaded.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from svta_models.clip_files import file_sha256
from svta_models.errors import SvtaError

GRAM_DIR_VARIABLE = "SVTA_GRAM_DIR"
_WEIGHTS, _CONFIG, _WORDS = "ckpt/model_step_*.pt", "log/hps.json", "vocab.txt"


@dataclass(frozen=True)
class GramFiles:
    """The files of a published run; `sha256` is over all three, so that a folder may be moved but not changed."""

    weights: Path
    config: Path
    words: Path
    sha256: str


def find_gram_files(environ: Mapping[str, str] | None = None) -> GramFiles:
    """The files in the folder SVTA_GRAM_DIR, hashed. Raises SvtaError naming the variable and what is missing."""
    given = (os.environ if environ is None else environ).get(GRAM_DIR_VARIABLE)
    if not given:
        raise SvtaError(
            f"GRAM's published weights are needed: set {GRAM_DIR_VARIABLE} to the folder of the pre-training run that "
            f"holds {_WEIGHTS}, {_CONFIG} and {_WORDS}, or train with the recipe scratch"
        )
    return gram_files(Path(given).expanduser(), said=f" ({GRAM_DIR_VARIABLE})")


def gram_files(folder: Path, weights: Path | None = None, said: str = "") -> GramFiles:
    """The files of a folder, hashed; `weights`: which of its checkpoints, needed where there are several.

    Raises SvtaError naming what is missing; `said` stands behind the folder in messages.
    """
    found = [weights] if weights else sorted(folder.glob(_WEIGHTS))
    missing = [] if found else [_WEIGHTS]
    missing += [name for name in (_CONFIG, _WORDS) if not (folder / name).is_file()]
    if missing:
        raise SvtaError(f"{folder}{said} lacks {', '.join(missing)}: put it there")
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise SvtaError(f"{folder / 'ckpt'}{said} holds {names}: keep one of them")
    files = found[0], folder / _CONFIG, folder / _WORDS
    digest = hashlib.sha256("\n".join(file_sha256(path) for path in files).encode())
    return GramFiles(*files, digest.hexdigest())


def words_of(weights: Path) -> Path:
    """The vocabulary in the folder of a weights file."""
    return weights.parent.parent / _WORDS
