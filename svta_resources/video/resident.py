"""The pool of this process: opened at the first clip and kept, so that a run loads the model once."""

import atexit
import os
from contextlib import ExitStack
from typing import Any

from svta_resources.gpu import DeviceLease, cards
from svta_resources.profiles import Profile
from svta_resources.video.clip_worker import ClipWorkerFactory
from svta_resources.video.generator import DeviceGenerator
from svta_resources.video.pool import Pool, open_pool
from svta_resources.video.ray_cluster import Cluster, settings_to_share
from svta_resources.video.shared_store import shared

_resident: dict[tuple[str, str, str, int], Pool] = {}
_open = ExitStack()
atexit.register(_open.close)


def resident_pool(profile: Profile, generator: Any, media_url: str) -> Pool:
    """Open the pool of a profile, or return the one that is open.

    A generator that needs a device gets every free card that can hold its model, one worker each; they stay leased
    until the pool is closed. Others get one worker a processor. With `profile.ray_address` these are the cluster's.

    Raises:
        GeneratorError: no device here can hold the model.
        DeviceError: every card stays in use.
        PoolError: the Ray cluster cannot be joined.
    """
    key = (profile.ray_address or profile.pool, profile.generator, media_url, profile.workers)
    if key not in _resident:
        factory = ClipWorkerFactory(profile.generator, media_url)
        _resident[key] = _open.enter_context(_pool(profile, generator, media_url, factory))
    return _resident[key]


def _pool(profile: Profile, generator: Any, media_url: str, factory: ClipWorkerFactory) -> Pool:
    if profile.pool == "ray":
        device = "cuda" if isinstance(generator, DeviceGenerator) else "cpu"
        cluster = Cluster(profile.ray_address, device, settings_to_share())
        checked = _open.enter_context(shared(factory, media_url))
        return open_pool("ray", checked, profile.workers, cluster=cluster)
    devices, descriptors = _devices(profile, generator)
    return open_pool(profile.pool, factory, devices, descriptors)


def close_resident_pools() -> None:
    """End the workers of this process and give their devices back; the next clip starts new ones."""
    _resident.clear()
    _open.close()


def _devices(profile: Profile, generator: Any) -> tuple[list[str], tuple[int, ...]]:
    """Devices for the workers, leased until the pools are closed."""
    if isinstance(generator, DeviceGenerator):
        generator.check_device()
        if usable := [card for card in cards() if generator.usable(card)]:
            wanted = min(profile.workers or len(usable), len(usable))
            lease = DeviceLease().lease("cuda", wanted, at_least=1, usable=generator.usable)
            held = _open.enter_context(lease)
            return list(held.devices), held.descriptors
    return ["cpu"] * (profile.workers or len(os.sched_getaffinity(0))), ()
