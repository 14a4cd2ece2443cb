"""Where published CLIP weights lie: a folder that the user names, one file a preset.

Nothing is ever downloaded. A file keeps the name its publisher gave it: OpenAI's and open_clip's `ViT-B-32.pt`, or a
folder `ViT-B-32` as model hubs hand it out (`open_clip_model.safetensors`, `open_clip_pytorch_model.bin`).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from svta_models.errors import SvtaError
from svta_models.presets import preset_values

CLIP_DIR_VARIABLE = "SVTA_CLIP_DIR"
_SUFFIXES = (".pt", ".safetensors", ".bin")
_IN_FOLDER = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_CHUNK = 8 << 20


@dataclass(frozen=True)
class ClipFile:
    """A file of published weights; `sha256` is what a recipe is hashed with, so that a file may be moved."""

    path: Path
    sha256: str


def find_clip_file(preset: str, environ: Mapping[str, str] | None = None) -> Path:
    """The file of a preset in the folder SVTA_CLIP_DIR. Raises SvtaError naming the variable and the files looked for.

    More than one fitting file is an error too: which one a result came from must be plain.
    """
    given = (os.environ if environ is None else environ).get(CLIP_DIR_VARIABLE)
    stem = preset_values(preset).get("file")
    if stem is None:
        raise SvtaError(f"preset {preset} has no published weights: choose vit-b-32 or vit-b-16, or the recipe scratch")
    wanted = [f"{stem}{suffix}" for suffix in _SUFFIXES] + [f"{stem}/{name}" for name in _IN_FOLDER]
    if not given:
        raise SvtaError(
            f"this recipe starts from CLIP's published weights ({preset}): set {CLIP_DIR_VARIABLE} to the folder that "
            f"holds {wanted[0]}, or train with the recipe scratch"
        )
    folder = Path(given).expanduser()
    found = [folder / name for name in wanted if (folder / name).is_file()]
    if not found:
        raise SvtaError(f"{folder} ({CLIP_DIR_VARIABLE}) holds none of {', '.join(wanted)}: put one of them there")
    if len(found) > 1:
        names = " and ".join(str(path.relative_to(folder)) for path in found)
        raise SvtaError(f"{folder} ({CLIP_DIR_VARIABLE}) holds {names}: keep one of them")
    return found[0]


def open_clip_file(preset: str, environ: Mapping[str, str] | None = None) -> ClipFile:
    """The same with its hash. Raises SvtaError."""
    path = find_clip_file(preset, environ)
    return ClipFile(path, file_sha256(path))


def file_sha256(path: Path) -> str:
    """Hash a file without holding it in memory. Raises SvtaError when it cannot be read."""
    import hashlib

    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise SvtaError(f"{path} cannot be read ({error.strerror or error}): fetch it again") from error
    return digest.hexdigest()
