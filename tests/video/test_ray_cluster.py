"""Joining a Ray cluster: a wrong or missing address is a clear error at once, and no cluster is ever started."""

import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import video_pool_jobs as jobs_of

from svta_models.media_store import open_store
from svta_resources.profiles import PROFILES, profile_from
from svta_resources.video import ray_cluster
from svta_resources.video.pool import PoolError, open_pool
from svta_resources.video.ray_cluster import SETTINGS, Cluster, Head, checked_address, joined, settings_to_share
from svta_resources.video.shared_store import NotShared, shared


@pytest.fixture
def closed() -> str:
    """An address at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_a_pool_over_ray_needs_an_address() -> None:
    for cluster in (None, Cluster("")):
        with pytest.raises(PoolError, match="set SVTA_RAY_ADDRESS"):
            open_pool("ray", jobs_of.squares, cluster=cluster)
    with pytest.raises(PoolError, match="top of a module"):
        open_pool("ray", lambda: int, cluster=Cluster("head:6379"))


def test_an_address_at_which_nobody_listens_is_an_error_at_once(closed: str) -> None:
    with (
        open_pool_error(f"Nothing answers at {closed}"),
        open_pool("ray", jobs_of.squares, cluster=Cluster(closed)),
    ):
        pass
    with open_pool_error(f"Nothing answers at ray://{closed}"):
        checked_address(f"ray://{closed}")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionError(), "cannot be joined: ConnectionError Set SVTA_RAY_ADDRESS"),
        (
            RuntimeError("From the server:\nTraceback\n  line 1\nOSError: no port"),
            "joined: From the server: OSError: no port",
        ),
    ],
)
def test_a_cluster_that_cannot_be_joined_says_why_in_one_line(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise error

    monkeypatch.setattr("ray.init", refuse)
    monkeypatch.setattr("svta_resources.video.ray_cluster.checked_address", lambda address: address)
    with pytest.raises(PoolError, match=said) as caught, joined("ray://head:10001"):
        pass
    assert "\n" not in str(caught.value)


def open_pool_error(start: str) -> "pytest.RaisesExc[PoolError]":
    return pytest.raises(PoolError, match=start)


@pytest.mark.parametrize("wrong", ["local", "head", "http://head:8265", "head:port", ":6379"])
def test_what_is_no_address_is_refused(wrong: str) -> None:
    """`local` above all: for Ray it means to start a cluster."""
    with pytest.raises(PoolError, match="no address of a Ray cluster"):
        checked_address(wrong)


def test_auto_never_starts_a_cluster(closed: str) -> None:
    with pytest.raises(PoolError, match="no address of a Ray cluster"):
        checked_address("auto", {"RAY_ADDRESS": "local"})
    with pytest.raises(PoolError, match="Nothing answers"):
        checked_address("auto", {"RAY_ADDRESS": closed})
    assert checked_address("auto", {}) == "auto"


def test_auto_without_a_cluster_is_an_error(tmp_path: Path) -> None:
    """Ray looks for one on this machine, finds none, and must not make one."""
    program = (
        "import video_pool_jobs as j\n"
        "from svta_resources.video.pool import PoolError, open_pool\n"
        "from svta_resources.video.ray_cluster import Cluster\n"
        "import ray._private.services as services\n"
        "services.find_gcs_addresses = lambda: set()\n"  # another test's cluster is none of ours
        "try:\n"
        "    open_pool('ray', j.squares, cluster=Cluster('auto')).__enter__()\n"
        "except PoolError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "/usr/bin:/bin", "RAY_TMPDIR": str(tmp_path)},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "cannot be joined" in done.stdout, done.stdout + done.stderr
    assert list(tmp_path.rglob("gcs_server*")) == []


def test_the_address_alone_chooses_the_pool() -> None:
    chosen = profile_from({"SVTA_PROFILE": "gpu", "SVTA_RAY_ADDRESS": "head:6379"})
    assert (chosen.pool, chosen.ray_address) == ("ray", "head:6379")
    assert profile_from({"SVTA_PROFILE": "gpu"}) == PROFILES["gpu"]
    assert all(profile.pool != "ray" for profile in PROFILES.values())


def test_no_credential_is_shared_with_ray() -> None:
    secret = {"AWS_SECRET_ACCESS_KEY": "s", "AWS_ACCESS_KEY_ID": "a", "PGPASSWORD": "p", "OPENAI_API_KEY": "o"}
    passed = settings_to_share({**secret, "SVTA_WAN_DIR": "/weights", "AWS_REGION": "", "HOME": "/root"})
    assert passed == {"SVTA_WAN_DIR": "/weights"}
    assert not [name for name in SETTINGS if any(word in name for word in ("KEY", "SECRET", "TOKEN", "PASSWORD"))]


def test_a_worker_that_sees_another_store_refuses_to_work(tmp_path: Path) -> None:
    """The folder of one machine is not the folder of the same name on another."""
    here, there = tmp_path / "here", tmp_path / "there"
    with shared(jobs_of.squares, str(here)) as factory:
        assert factory()(3)[1] == 9
        elsewhere = type(factory)(factory.factory, str(there), factory.key)
        with pytest.raises(NotShared, match="not the same one.*Set SVTA_MEDIA_URL to s3://"):
            elsewhere()
    assert open_store(here).list("") == []


def test_one_look_in_vain_after_a_long_pause_is_no_lost_head(closed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run may not ask for minutes, while it publishes; a head that restarts misses a look."""
    now = [0.0]
    monkeypatch.setattr(ray_cluster, "time", SimpleNamespace(monotonic=lambda: now[0]))
    client = SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: False))
    context = SimpleNamespace(gcs_address=closed)
    head = Head(SimpleNamespace(util=SimpleNamespace(client=client), get_runtime_context=lambda: context), closed)
    with socket.socket() as server:
        server.bind(("127.0.0.1", int(closed.rpartition(":")[2])))
        now[0] = 3600.0
        head.check()  # in vain: nobody listens yet
        server.listen()
        now[0] += 2 * ray_cluster.HEAD_LOST_S
        head.check()
    for _ in range(2):  # in vain, and soon again
        now[0] += ray_cluster.LOOK_EVERY_S
        head.check()
    assert not head.lost
    now[0] += ray_cluster.HEAD_LOST_S
    with open_pool_error(f"The head of the Ray cluster at {closed} is lost"):
        head.check()
    assert head.lost
