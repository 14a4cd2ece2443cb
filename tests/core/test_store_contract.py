"""A folder and a bucket keep the same promises (the bucket is a real HTTP server that speaks S3)."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from svta_models.media_store import MediaStore, MissingObject, StoreError, open_store, sha256_hex
from svta_resources.errors import SvtaError

KEYS = ("../up", "/absolute", "a//b", "a/./b", "a/../b", "")


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the store under test lives."""
    if request.param == "folder":
        return str(tmp_path / "store")
    make: Callable[[], str] = request.getfixturevalue("new_bucket")
    return make()


@pytest.fixture
def store(url: str) -> MediaStore:
    return open_store(url)


def test_what_was_put_is_got_listed_and_deleted(store: MediaStore) -> None:
    store.put("clips/fire/b.mp4", b"bb")
    store.put("clips/fire/a.mp4", b"a")
    store.put("clips/fireworks/c.mp4", b"c")
    assert store.get("clips/fire/b.mp4") == b"bb"
    assert store.size("clips/fire/b.mp4") == 2
    assert store.exists("clips/fire/a.mp4")
    listed = store.list("clips/fire")
    assert [(item.key, item.size) for item in listed] == [("clips/fire/a.mp4", 1), ("clips/fire/b.mp4", 2)]
    assert all(item.modified > 1.6e9 for item in listed)
    store.delete(["clips/fire/a.mp4", "clips/fire/never-was.mp4"])
    assert not store.exists("clips/fire/a.mp4")
    assert [item.key for item in store.list("")] == ["clips/fire/b.mp4", "clips/fireworks/c.mp4"]


def test_a_missing_object_is_named(store: MediaStore) -> None:
    for call in (store.get, store.size):
        with pytest.raises(MissingObject, match=r"clips/none\.mp4"):
            call("clips/none.mp4")
    assert store.list("clips") == []
    assert not store.exists("clips/none.mp4")


def test_the_first_writer_wins_and_the_second_learns_whose_bytes_stand(store: MediaStore) -> None:
    first, second = b"first", b"second"
    assert store.put_new("clips/x.mp4", first) == sha256_hex(first)
    assert store.put_new("clips/x.mp4", second) == sha256_hex(first)
    assert store.get("clips/x.mp4") == first


def test_threads_racing_for_one_name_agree_on_the_winner(store: MediaStore) -> None:
    answers: list[str] = []
    barrier = threading.Barrier(8)

    def write(number: int) -> None:
        barrier.wait()
        answers.append(store.put_new("clips/race.mp4", f"writer {number}".encode() * 1000))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert set(answers) == {sha256_hex(store.get("clips/race.mp4"))}
    assert [item.key for item in store.list("clips")] == ["clips/race.mp4"]


_RACER = """
import json, sys
from svta_models.media_store import open_store
store = open_store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([store.put_new(f"clips/{n}.mp4", f"{sys.argv[2]} {n}".encode() * 500) for n in range(40)]))
"""


def test_processes_racing_for_many_names_agree_on_every_winner(url: str, store: MediaStore) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, url, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    answers = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    assert answers[0] == answers[1] == [sha256_hex(store.get(f"clips/{n}.mp4")) for n in range(40)]


def test_a_store_travels_to_another_process(store: MediaStore) -> None:
    store.put("a/b", b"1")
    assert pickle.loads(pickle.dumps(store)).get("a/b") == b"1"


def test_a_moved_object_is_only_at_its_new_name(store: MediaStore) -> None:
    store.put("clips/x.mp4", b"broken")
    store.move("clips/x.mp4", "damaged/clips/x.mp4")
    assert [item.key for item in store.list("")] == ["damaged/clips/x.mp4"]
    with pytest.raises(MissingObject, match="clips/x"):
        store.move("clips/x.mp4", "damaged/clips/x.mp4")


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_climbs_out_of_the_store_is_refused(store: MediaStore, key: str) -> None:
    calls: tuple[Callable[[], object], ...] = (
        lambda: store.put_new(key, b""),
        lambda: store.put(key, b""),
        lambda: store.get(key),
        lambda: store.size(key),
        lambda: store.exists(key),
        lambda: store.delete([key]),
        lambda: store.move("a", key),
    )
    for call in calls:
        with pytest.raises(SvtaError, match="not a valid object key"):
            call()


def test_a_listing_that_climbs_out_of_the_store_is_refused(store: MediaStore) -> None:
    with pytest.raises(SvtaError, match="not a valid object key"):
        store.list("../elsewhere")


def test_an_unknown_scheme_is_refused_with_the_setting_to_change() -> None:
    with pytest.raises(SvtaError, match="SVTA_MEDIA_URL"):
        open_store("gopher://x")


# -- only a folder has unfinished files ----------------------------------------------------------------------------


def _dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def _part(folder: Path, pid: int, host: str | None = None) -> Path:
    import socket

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".x.mp4~{host or socket.gethostname()}~{pid}~{os.urandom(4).hex()}.part"
    part.write_bytes(b"half")
    return part


def test_unfinished_files_are_never_listed_and_only_a_dead_writers_are_swept(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    folder = tmp_path / "clips" / "fire"
    dead, living = _part(folder, _dead_pid()), _part(folder, os.getpid())
    elsewhere = _part(folder, 1, host="another-machine")
    assert store.list("clips") == []
    assert store.sweep_partials("clips/fire") == 1
    assert not dead.exists()
    assert living.exists()
    assert elsewhere.exists(), "nobody here can know whether a writer on another machine still lives"


def test_a_partial_file_of_another_machine_is_swept_after_a_day(tmp_path: Path) -> None:
    part = _part(tmp_path / "clips", 1, host="another-machine")
    two_days_ago = part.stat().st_mtime - 2 * 86400
    os.utime(part, (two_days_ago, two_days_ago))
    assert open_store(tmp_path).sweep_partials("clips") == 1


_KILLED = """
import os, signal, sys
from svta_models import media_store
media_store.os.link = media_store.os.replace = lambda *a: os.kill(os.getpid(), signal.SIGKILL)
getattr(media_store.open_store(sys.argv[1]), sys.argv[2])("clips/fire/x.mp4", b"whole")
"""


@pytest.mark.parametrize("call", ["put", "put_new"])
def test_a_writer_killed_before_publishing_leaves_nothing_that_counts(tmp_path: Path, call: str) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path), call], check=False)
    assert done.returncode == -9
    store = open_store(tmp_path)
    assert store.list("") == []
    assert store.sweep_partials("clips/fire") == 1
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_folder_that_is_a_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "clips").write_text("not a folder")
    with pytest.raises(StoreError, match=r"clips/x\.mp4"):
        open_store(tmp_path).put("clips/x.mp4", b"1")


def test_an_unreachable_bucket_names_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # the discard port: nothing answers
    store = open_store("s3://nowhere/x", retry_config={"max_retries": 0}, access_key_id="a", secret_access_key="b")
    with pytest.raises(StoreError, match="SVTA_MEDIA_URL and the AWS_"):
        store.put("a", b"1")


def test_sha256_is_the_standard_one() -> None:
    assert sha256_hex(b"svta") == hashlib.sha256(b"svta").hexdigest()
