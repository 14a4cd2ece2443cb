"""What a run sees whose cluster loses its head, as a node and through Ray's client server; prints one JSON object.

Started inside of the cluster's network namespace: `python tests/video/ray_head_lost.py ADDRESS FOLDER`.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import video_pool_jobs as jobs_of
from ray_pool_scenarios import made, pool

from svta_resources.video import ray_cluster
from svta_resources.video.pool import PoolError

BEFORE = 5  # jobs that are made when the head is lost
GRACE_S = 3  # instead of Ray's and our own half minute


def lose(address: str, folder: Path, server: str) -> dict[str, Any]:
    """Kill every process whose command says `server` in the middle of a run that would never end."""
    count = 0
    try:
        with pool(jobs_of.Slow(made(folder), seconds=0.05), address, 1) as opened:
            for count, _ in enumerate(opened.run(range(10**6)), 1):
                if count == BEFORE:
                    kill(server)
    except PoolError as error:
        return {"before": BEFORE, "made": count, "said": str(error)}
    return {}


def kill(server: str) -> None:
    found = [
        int(folder.name)
        for folder in Path("/proc").glob("[0-9]*")
        if server in (folder / "cmdline").read_text().replace("\0", " ")
    ]
    assert found, server
    for process in found:
        os.kill(process, signal.SIGKILL)


def main() -> None:
    address, folder = sys.argv[1], Path(sys.argv[2])
    os.environ["RAY_CLIENT_RECONNECT_GRACE_PERIOD"] = str(GRACE_S)
    ray_cluster.LOOK_EVERY_S, ray_cluster.HEAD_LOST_S = 1.0, GRACE_S
    through = f"ray://{address.partition(':')[0]}:10001"
    client = lose(through, folder / "client", "ray.util.client.server")
    print(json.dumps({"client": client, "node": lose(address, folder / "node", "gcs_server")}))


if __name__ == "__main__":
    main()
