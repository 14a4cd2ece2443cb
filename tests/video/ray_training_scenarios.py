"""What the tests of trainings over several nodes look at, done in a process that can reach the cluster; prints JSON.

Started inside of the cluster's network namespace: `python tests/video/ray_training_scenarios.py ADDRESS FOLDER LOOK...`,
where the folder holds `home`, a store with a release that every node sees, and `private`, another that only some see.
"""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ray_head_lost import GRACE_S, kill

from svta_models.execution import EpochReport, Execution, TrainResult
from svta_models.media_store import open_store
from svta_models.recipe import AnyRecipe
from svta_models.release import Release, resolve
from svta_models.training import train
from svta_resources.errors import SvtaError
from svta_resources.ray_training import ray_ranks, training_settings
from svta_resources.video import ray_cluster
from svta_resources.video.ray_cluster import Cluster
from tests.models.tiny_clip import quick

METHOD, PREFIX = "clip4clip-tightTransf", "checkpoints/x"  # its dropout is drawn by every process for itself
STATES = f"{PREFIX}/.training/y"


def recipe(epochs: int = 3) -> AnyRecipe:
    return quick("paper", epochs=epochs)


def trained(
    cluster: Cluster,
    home: Path,
    how: Execution,
    say: list[str],
    prefix: str = PREFIX,
    epochs: int = 3,
    on_epoch: Callable[[EpochReport], None] | None = None,
) -> TrainResult:
    store = open_store(home)
    with ray_ranks(cluster, str(home)) as ranks:
        return train(
            Release(store, resolve(store)),
            store,
            prefix,
            recipe(epochs),
            method=METHOD,
            on_epoch=on_epoch,
            how=how,
            say=say.append,
            start=ranks.start,
        )


def undisturbed(cluster: Cluster, folder: Path) -> dict[str, Any]:
    """A training with a process on each node."""
    said: list[str] = []
    home = folder / "home"
    done = trained(cluster, home, Execution(processes=2, states=STATES, frame_cache=folder / "frames"), said)
    states = [found.key for found in open_store(home).list(STATES)]
    return {"id": done.checkpoint_id, "said": said, "states": states}


def through_the_client(cluster: Cluster, folder: Path) -> str:
    """The same from a machine that is no node."""
    through = replace(cluster, address=f"ray://{cluster.address.partition(':')[0]}:10001")
    return trained(through, folder / "home", Execution(processes=2), [], "checkpoints/client").checkpoint_id


def refusals(cluster: Cluster, folder: Path) -> dict[str, str]:
    """What a training says that nodes cannot take part in, and one that the cluster is too small for."""
    said: list[str] = []
    os.environ["SVTA_GPU_WAIT_S"] = "1"
    return {
        "store": refusal(cluster, folder / "private", Execution(processes=2), said),
        "too few": refusal(cluster, folder / "home", Execution(processes=4), said),
        "said": said[-1],
    }


def refusal(cluster: Cluster, home: Path, how: Execution, say: list[str]) -> str:
    try:
        trained(cluster, home, how, say)
    except SvtaError as error:
        return str(error)
    return ""


def without_head(cluster: Cluster, folder: Path) -> str:
    """What a training says whose cluster loses its head after the first epoch; the last look at a cluster."""
    ray_cluster.LOOK_EVERY_S, ray_cluster.HEAD_LOST_S = 1.0, GRACE_S

    def lose(report: EpochReport) -> None:
        if report.epoch == 1:
            kill("gcs_server")

    try:
        trained(cluster, folder / "home", Execution(processes=2), [], "checkpoints/z", epochs=100_000, on_epoch=lose)
    except SvtaError as error:
        return str(error)
    return ""


LOOKS = {look.__name__: look for look in (undisturbed, refusals, through_the_client, without_head)}


def main() -> None:
    cluster, folder = Cluster(sys.argv[1], "cpu", training_settings()), Path(sys.argv[2])
    print(json.dumps({name: LOOKS[name](cluster, folder) for name in sys.argv[3:]}))


if __name__ == "__main__":
    main()
