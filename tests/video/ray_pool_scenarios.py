"""What the tests of the Ray pool look at, done in a process that can reach the cluster; prints one JSON object.

Started inside of the cluster's network namespace: `python tests/video/ray_pool_scenarios.py ADDRESS FOLDER`.
"""

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import video_pool_jobs as jobs_of

from svta_resources.errors import SvtaError
from svta_resources.video.pool import Pool, open_pool
from svta_resources.video.ray_cluster import Cluster
from svta_resources.video.shared_store import SharedFactory, shared


def pool(make_worker: Any, address: str, workers: int = 2) -> Pool:
    return open_pool("ray", make_worker, workers, cluster=Cluster(address, settings={"SVTA_GREETING": "hello"}))


def plain(address: str, folder: Path) -> dict[str, Any]:
    """Jobs until both nodes have had some, then more: who did them, and whether the same workers did."""
    with pool(jobs_of.squares, address) as opened:
        seen: set[int] = set()

        def until_all_work() -> Iterator[int]:
            for number in itertools.count():
                if len(seen) > 1:
                    return
                yield number

        first = []
        for done in opened.run(until_all_work()):
            first.append(done)
            seen.add(done.result[0])
        second, nodes = list(opened.run(range(40))), opened.nodes
        abandoned = opened.run(range(100))
        next(abandoned)
        abandoned.close()
        after = sorted(done.job for done in opened.run(range(5)))
    return {
        "first": [done.job for done in first],
        "second": {done.job: done.result[1] for done in second},
        "answers": len(second),
        "workers": [sorted({done.result[0] for done in one}) for one in (first, second)],
        "nodes": nodes,
        "after_an_early_end": after,
    }


def errors(address: str, folder: Path) -> dict[str, Any]:
    """Jobs that fail, that cannot be sent back, and workers that cannot be built."""
    with pool(jobs_of.failing, address) as opened:
        failing = {done.job: done.error for done in opened.run(range(6))}
    with pool(jobs_of.unsendable, address, 1) as opened:
        unsendable = next(opened.run([0])).error
    return {
        "failing": failing,
        "unsendable": unsendable,
        "broken": refusal(jobs_of.broken, address),
        "elsewhere": refusal(SharedFactory(jobs_of.squares, str(folder / "nobody"), "work/shared/x"), address),
    }


def device(address: str, folder: Path) -> list[str]:
    """What a worker of a GPU sees of it."""
    with open_pool("ray", jobs_of.thread_setting, 1, cluster=Cluster(address, "cuda")) as opened:
        return list(next(opened.run([0])).result)


def refusal(make_worker: Any, address: str) -> str:
    """Message of the error that a pool ends with."""
    try:
        with pool(make_worker, address, 1) as opened:
            list(opened.run([1]))
    except SvtaError as error:
        return str(error)
    return ""


def losses(address: str, folder: Path) -> dict[str, Any]:
    """A job that kills its worker every time, one that does so once, and one that loses its device once."""
    with (
        shared(jobs_of.Slow(made(folder / "deadly"), deadly=(5,)), str(folder)) as factory,
        pool(factory, address) as opened,
    ):
        deadly = {done.job: (done.result, done.error, done.deaths) for done in opened.run(range(9))}
    with pool(jobs_of.Slow(made(folder / "once"), deadly=(3,), deaths=1), address) as opened:
        once = {done.job: done.deaths for done in opened.run(range(6)) if done.error is None}
    with pool(jobs_of.TwoStages(made(folder / "lost"), lost=(3,), times=1), address, 1) as opened:
        lost = {done.job: done.result for done in opened.run(range(6))}
    starts = len(list((folder / "deadly").glob("5-*")))
    return {"deadly": deadly, "starts": starts, "once": once, "lost": lost, "left": len(list(folder.glob("work/*/*")))}


def client(address: str, folder: Path) -> dict[str, Any]:
    """The same through Ray's client server, as from a machine that is no node: its references are other objects."""
    through = f"ray://{address.partition(':')[0]}:10001"
    with pool(jobs_of.Slow(made(folder / "once"), deadly=(3,), deaths=1), through) as opened:
        once = {done.job: (done.error, done.deaths) for done in opened.run(range(6))}
        again = sorted(done.job for done in opened.run(range(4)))
    return {"once": once, "again": again, "broken": refusal(jobs_of.broken, through)}


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    address, folder = sys.argv[1], Path(sys.argv[2])
    seen: dict[str, Any] = {
        look.__name__: look(address, made(folder / look.__name__)) for look in (plain, errors, device, losses, client)
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
