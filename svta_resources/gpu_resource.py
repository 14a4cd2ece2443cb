"""The Dagster resource that hands out GPUs."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from svta_resources.gpu import DeviceLease, visible_devices


class GpuResource(dg.ConfigurableResource):
    """Leases a GPU of this machine, each to one process at a time (SVTA_GPU_WAIT_S says how long a run waits)."""

    @contextmanager
    def device(self) -> Iterator[str]:
        """Hold one GPU for the time of the block and yield "cuda"; yields "cpu" where there is none.

        Workers of this process that still hold cards for generating clips are ended first. Raises DeviceError.
        """
        if not visible_devices():
            yield "cpu"
            return
        from svta_resources.video.resident import close_resident_pools

        close_resident_pools()
        with DeviceLease().lease("cuda"):
            yield "cuda"
