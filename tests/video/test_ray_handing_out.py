"""Which worker of the Ray pool gets which job; no cluster is needed to decide it."""

from collections.abc import Iterable
from typing import Any

import pytest
import video_pool_jobs as jobs_of

from svta_resources.video.ray_cluster import Cluster
from svta_resources.video.ray_pool import RayPool, _Job, _Worker

NOBODY = "nobody is asked here"


def pool_of(nodes: Iterable[str], source: Iterable[int] = (), lost: Iterable[_Job] = ()) -> RayPool:
    """A pool with an idle worker on each node, in the middle of a run."""
    pool = RayPool(jobs_of.squares, Cluster("head:6379"))
    pool._workers = [_Worker(NOBODY, None, node) for node in nodes]
    pool._source, pool._lost_jobs = iter(source), list(lost)
    return pool


def given(pool: RayPool) -> list[Any]:
    """What every worker would get, in turn."""
    return [job.payload if job else None for job in map(pool._next_for, pool._workers)]


def lost_on(*nodes: str) -> _Job:
    return _Job("lost", 0, len(nodes), set(nodes))


def test_a_lost_job_goes_to_another_node_first_of_all() -> None:
    assert given(pool_of(["a", "b"], [1, 2], [lost_on("a")])) == [1, "lost"]
    assert given(pool_of(["b", "a"], [1, 2], [lost_on("a")])) == ["lost", 1]


def test_a_lost_job_reaches_the_other_node_when_nothing_else_is_left() -> None:
    pool = pool_of(["a", "b"], [], [lost_on("a")])
    assert pool._has_more()
    assert given(pool) == [None, "lost"]
    assert not pool._has_more()


def test_where_no_other_node_is_ready_the_same_one_tries_again() -> None:
    assert given(pool_of(["a"], [1], [lost_on("a")])) == ["lost"]
    assert given(pool_of(["a", "b"], [1], [lost_on("a", "b")])) == ["lost", 1]


@pytest.mark.parametrize("owed", [_Job("lost", 0, 1, {"b"}), _Job("plain", 0)])
def test_a_lost_job_runs_alone(owed: _Job) -> None:
    """So that the next death is known to be its own: it waits for an empty worker, which then gets nothing else."""
    pool = pool_of(["a"], [1], [] if owed.deaths else [lost_on("b")])
    pool._workers[0].answers = {"call": owed}
    assert given(pool) == [None]


def test_a_job_taken_ahead_is_not_lost() -> None:
    pool = pool_of(["a", "b"], [1, 2])
    assert pool._has_more()
    assert pool._has_more()
    assert given(pool) == [1, 2]
    assert not pool._has_more()
