"""Which devices a training gets: one, or several with a process each, held for as long as it runs.

They are this machine's, unless the training asks for a cluster's: where a training runs never depends on how many
devices the machine has on which it was started.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from svta_resources.errors import SvtaError
from svta_resources.gpu import DeviceLease, visible_devices

if TYPE_CHECKING:
    from svta_models.ranks import StartRanks

KINDS = ("cpu", "cuda")


@dataclass(frozen=True)
class Devices:
    """`kind` is "cpu" or "cuda"; `held` are the lock files of the leased cards, for the processes that use them.

    start: starts the processes on a cluster; None means on this machine.
    """

    kind: str = "cpu"
    processes: int = 1
    held: tuple[int, ...] = ()
    start: "StartRanks | None" = None


def devices_for(
    cluster: str, wanted: int, ranks: int, ray_address: str, media_url: str
) -> AbstractContextManager[Devices]:
    """The devices of a training: of the Ray cluster where `cluster` says which kind ("cpu", "cuda"), else of here.

    Raises SvtaError for another kind, and where there is no cluster.
    """
    if not cluster:
        return leased(wanted, ranks)
    if cluster not in KINDS:
        raise SvtaError(f"cluster {cluster!r}: choose {' or '.join(KINDS)}, or leave it empty to train on this machine")
    if not ray_address:
        raise SvtaError(f"cluster {cluster!r} needs a Ray cluster: set SVTA_RAY_ADDRESS, or leave `cluster` empty")
    return _of_cluster(ray_address, cluster, media_url, wanted, ranks)


@contextmanager
def _of_cluster(address: str, kind: str, media_url: str, wanted: int, ranks: int) -> Iterator[Devices]:
    """`wanted` devices of the cluster, 0 = as many of all that it has as `ranks` can be shared among.

    They are reserved when the training starts. Clip workers of this process are ended: they hold devices there, too.
    """
    from svta_resources.ray_training import ray_ranks, training_settings
    from svta_resources.video.ray_cluster import Cluster
    from svta_resources.video.resident import close_resident_pools

    close_resident_pools()
    with ray_ranks(Cluster(address, kind, training_settings()), media_url) as cluster:
        yield Devices(kind, wanted or largest_share(ranks, cluster.there()), start=cluster.start)


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
