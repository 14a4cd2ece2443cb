"""Facts about this machine and its home that `svta doctor` shows; torch is never imported."""

import os
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from svta_models.errors import SvtaError

if TYPE_CHECKING:
    import polars as pl

    from svta_resources.gpu import Card

GB = 1e9
ESTIMATED_CLIP_MB = 1.0  # an mp4 of 33 frames of 480x832 at quality 6, until there are clips to weigh
_WEIGHED = 50  # newest clips whose files are weighed
_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def installed(packages: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split packages into those that are installed, with their versions, and the names of the others."""
    found, missing = [], []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    return found, missing


def describe_cards(cards: "Sequence[Card]") -> str:
    """One line for one GPU, a line each for several."""
    lines = [_card(card) for card in cards]
    return lines[0] if len(lines) == 1 else "\n".join([f"{len(lines)} GPUs", *lines])


def _card(card: "Card") -> str:
    facts = [card.model or "a GPU of unknown model"]
    if card.memory_mb is not None:
        free = "" if card.free_mb is None else f"{card.free_mb / 1024:.1f} GiB free of "
        facts.append(f"{free}{card.memory_mb / 1024:.1f} GiB")
    if card.capability is not None:
        facts.append("compute capability {}.{}".format(*card.capability))
    if card.driver is not None:
        facts.append(f"driver {card.driver}")
    return f"cuda:{card.name} {', '.join(facts)}"


def host_memory() -> tuple[float, float]:
    """Bytes of host memory available now and in all, within the limit of a container where there is one.

    Raises SvtaError where the kernel does not say.
    """
    try:
        rows = (line.split() for line in _MEMINFO.read_text().splitlines())
        facts = {row[0].rstrip(":"): float(row[1]) * 1024 for row in rows if len(row) > 1}
        available, total = facts["MemAvailable"], facts["MemTotal"]
    except (OSError, KeyError, ValueError) as error:
        raise SvtaError(f"{_MEMINFO} does not tell the memory of this machine ({error})") from error
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is not None and limit < total:
        return min(available, max(0.0, limit - (used or 0.0))), limit
    return available, total


def _cgroup(name: str) -> float | None:
    """A number of the container's memory controller; None without a limit."""
    try:
        return float((_CGROUP / name).read_text())
    except (OSError, ValueError):  # "max" is no number
        return None


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write below a folder."""
    return shutil.disk_usage(folder).free


def clip_megabytes(store: Any, clips: "pl.DataFrame") -> float | None:
    """Mean size of the newest clips' files, MB; None when there are none."""
    sizes = []
    for uri in clips.sort("made_at", descending=True).head(_WEIGHED)["uri"]:
        try:
            sizes.append(store.size(uri))
        except KeyError:  # gone; `svta verify` is the command that says so
            continue
    return sum(sizes) / len(sizes) / 1e6 if sizes else None


def processors() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0))
