"""Are the weights where they must be? Asked before anything loads, because diffsynth's own answers name no file."""

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from svta_resources.video.generator import GeneratorError
from svta_resources.video.wan.presets import T5_FILE, TOKENIZER_FILES, TOKENIZER_FOLDER, VAE_FILE, WanPreset

SETTING = "SVTA_WAN_DIR"
_PTH_SAMPLE = 1 << 16  # bytes at both ends of a .pth: its first record and its table of contents
_LARGEST_HEADER = 100 << 20


class WanLayoutError(GeneratorError):
    """Weights are missing, misplaced or not what their names say."""


@dataclass(frozen=True)
class WanLayout:
    """Where a preset's files are; every one of them exists."""

    folder: Path
    preset: WanPreset

    @property
    def dit(self) -> list[str]:
        """Shards of the diffusion transformer, in order."""
        return [str(self.folder / name) for name in self.preset.dit_files]

    @property
    def t5(self) -> str:
        return str(self.folder / T5_FILE)

    @property
    def vae(self) -> str:
        return str(self.folder / VAE_FILE)

    @property
    def tokenizer(self) -> str:
        return str(self.folder / TOKENIZER_FOLDER)

    def identity(self) -> str:
        """Hash of every weight file's header and size (16 hex digits): cheap, and another file never has the same.

        A fine-tuned copy with equal shapes in a file of equal size is only told apart by the hash of all its bytes
        (`svta doctor --hash`).
        """
        digest = hashlib.sha256()
        for name in self.preset.model_files:
            path = self.folder / name
            digest.update(f"{name} {path.stat().st_size} ".encode())
            digest.update(_header(path))
        return digest.hexdigest()[:16]


def find_layout(preset: WanPreset, folder: str | os.PathLike[str] | None = None) -> WanLayout:
    """Check a weights folder and return where its files are.

    Args:
        folder: of the weights; by default what SVTA_WAN_DIR says.

    Raises:
        WanLayoutError: naming what is missing, where it was looked for, and what lies there instead.
    """
    given = folder or os.environ.get(SETTING)
    if not given:
        raise WanLayoutError(
            f"The generator wan:{preset.name} needs its weights: set {SETTING} to the folder with "
            f"{preset.dit_files[0]}, {T5_FILE}, {VAE_FILE} and {TOKENIZER_FOLDER}/, or choose another generator with "
            "SVTA_VIDEO_GENERATOR."
        )
    root = Path(given).expanduser().absolute()
    if not root.is_dir():
        raise WanLayoutError(f"{SETTING}={given} is not a folder. Set it to the folder with {preset.dit_files[0]}.")
    wanted = [*preset.model_files, *(f"{TOKENIZER_FOLDER}/{name}" for name in TOKENIZER_FILES)]
    missing = [name for name in wanted if not (root / name).is_file()]
    if missing:
        raise WanLayoutError(_said(root, preset, missing))
    empty = [name for name in wanted if (root / name).stat().st_size == 0]
    if empty:
        raise WanLayoutError(f"{root / empty[0]} is empty: its download was cut short. Fetch it again.")
    layout = WanLayout(root, preset)
    for path in layout.dit:
        _check_whole(Path(path))
    return layout


def _said(root: Path, preset: WanPreset, missing: list[str]) -> str:
    """Say what is missing, and where it seems to lie instead."""
    said = f"{root} lacks {len(missing)} file(s) of wan:{preset.name}: {', '.join(missing[:4])}"
    said += ", ..." if len(missing) > 4 else "."
    below = [path for path in root.glob("*/*") if path.name == Path(missing[0]).name]
    if below:
        return f"{said} There is {below[0]}: set {SETTING}={below[0].parent}."
    if any(root.glob("diffusion_pytorch_model*.safetensors")) and set(missing) & set(preset.dit_files):
        found = len(list(root.glob("diffusion_pytorch_model*.safetensors")))
        wanted = len(preset.dit_files)
        return f"{said} {found} transformer file(s) of {wanted} are there: another model, or a download cut short."
    return f"{said} Download them as the model's publisher names them, or set {SETTING} to where they are."


def _header(path: Path) -> bytes:
    if path.suffix == ".safetensors":
        return _safetensors_header(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(_PTH_SAMPLE)
        file.seek(max(0, size - _PTH_SAMPLE))
        return head + file.read(_PTH_SAMPLE)


def _safetensors_header(path: Path) -> bytes:
    with open(path, "rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= _LARGEST_HEADER:
            raise WanLayoutError(f"{path} is not a safetensors file. Fetch it again.")
        return file.read(length)


def _check_whole(path: Path) -> None:
    """Compare a shard's size with what its header promises: a truncated one would fail minutes into loading."""
    header = _safetensors_header(path)
    try:
        entries = json.loads(header)
        ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
    except (ValueError, KeyError, TypeError) as error:
        raise WanLayoutError(f"{path} has an unreadable header ({error}). Fetch it again.") from error
    promised = 8 + len(header) + max(ends, default=0)
    if path.stat().st_size != promised:
        raise WanLayoutError(
            f"{path} has {path.stat().st_size} bytes and should have {promised}: its download was cut short. Fetch it "
            "again."
        )
