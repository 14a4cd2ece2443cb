"""`svta doctor --hash`: sha256 of every weight file, in the format of `sha256sum`."""

import hashlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from svta_models.errors import SvtaError

if TYPE_CHECKING:
    from svta_resources.video.wan.layout import WanLayout

_CHUNK = 8 << 20
_SAY_EVERY_S = 1.0


def print_hashes(generator: str) -> None:
    """Print `<sha256>  <file>` for every weight file of a generator to stdout, and progress to stderr.

    Raises SvtaError when the generator has no weights or they are not where they must be.
    """
    layout = _layout(generator)
    names = layout.preset.model_files
    sizes = {name: (layout.folder / name).stat().st_size for name in names}
    total, done = sum(sizes.values()), 0
    click.echo(f"{len(names)} files, {total / 1e9:.3g} GB in {layout.folder}", err=True)
    with Progress(total) as progress:
        for place, name in enumerate(names, 1):
            digest = sha256(layout.folder / name, progress.of(f"{place}/{len(names)} {name}", done))
            progress.clear()
            click.echo(f"{digest}  {name}")
            done += sizes[name]
    click.echo(f"to check them later: cd {layout.folder} && sha256sum -c <this output>", err=True)


def _layout(generator: str) -> "WanLayout":
    from svta_resources.video.generator import family_and_preset
    from svta_resources.video.wan.layout import find_layout
    from svta_resources.video.wan.presets import preset_named

    family, preset = family_and_preset(generator)
    if family != "wan":
        raise SvtaError(
            f"the generator {generator} has no weight files: set SVTA_VIDEO_GENERATOR=wan:<preset> and SVTA_WAN_DIR"
        )
    return find_layout(preset_named(preset))


def sha256(path: Path, read: Callable[[int], None]) -> str:
    """Hash a file; `read` hears how many of its bytes were read so far."""
    digest, count = hashlib.sha256(), 0
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                count += len(chunk)
                read(count)
    except OSError as error:
        raise SvtaError(f"{path} cannot be read ({error.strerror or error}): fetch it again") from error
    return digest.hexdigest()


class Progress:
    """Says on stderr how far the hashing is: one line that is overwritten, or a line a file where nobody watches."""

    def __init__(self, total: int) -> None:
        self._total, self._watched = total, sys.stderr.isatty()
        self._began = time.monotonic()
        self._said = 0.0

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def of(self, what: str, before: int) -> Callable[[int], None]:
        """What to call with the bytes read of a file that comes after `before` bytes of others."""
        if not self._watched:
            click.echo(what, err=True)
            return lambda count: None
        return lambda count: self._say(what, before + count)

    def _say(self, what: str, done: int) -> None:
        now = time.monotonic()
        if now - self._said < _SAY_EVERY_S:
            return
        self._said = now
        left = (now - self._began) / max(done, 1) * (self._total - done)
        share = done / max(self._total, 1)
        click.echo(f"\r\x1b[K{share:.0%}, {left:.0f} s left: {what}", err=True, nl=False)

    def clear(self) -> None:
        """Make room for another line."""
        if self._watched:
            click.echo("\r\x1b[K", err=True, nl=False)
