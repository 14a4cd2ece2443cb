"""Which devices a training gets: one, or several with a process each, leased for as long as it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from svta_resources.gpu import DeviceLease, visible_devices


@dataclass(frozen=True)
class Devices:
    """`kind` is "cpu" or "cuda"; `held` are the lock files of the leased cards, for the processes that use them."""

    kind: str = "cpu"
    processes: int = 1
    held: tuple[int, ...] = ()


@contextmanager
def leased(wanted: int, ranks: int) -> Iterator[Devices]:
    """Hold up to `wanted` GPUs of this machine (0 = all that `ranks`, the published processes, can be shared among).

    Fewer are taken where others are in use. Without a GPU: `wanted` processes on the CPU, at least one. Workers of
    this process that still hold cards for generating clips are ended first. Raises DeviceError.
    """
    visible = visible_devices()
    if not visible:
        yield Devices(processes=max(1, wanted))
        return
    from svta_resources.video.resident import close_resident_pools

    close_resident_pools()
    count = wanted or largest_share(ranks, len(visible))
    with DeviceLease().lease("cuda", count, at_least=1) as lease:
        yield Devices("cuda", largest_share(ranks, len(lease.devices)), lease.descriptors)


def largest_share(ranks: int, available: int) -> int:
    """The most processes, at most `available`, that divide `ranks`."""
    return max(count for count in range(1, max(1, available) + 1) if ranks % count == 0)
