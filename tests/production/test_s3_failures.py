"""What goes wrong with S3, done to a real server: no half object, no lost object, one clear sentence, and on it goes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from svta_models.media_store import MediaStore, MissingObject, StoreError, open_store, sha256_hex
from svta_models.s3_client import NoCredentials
from svta_resources.errors import SvtaError
from tests.flaky_proxy import Fate, flaky_proxy
from tests.s3_server import S3Server

Media = Callable[[], str]
SMALL, LARGE = os.urandom(300_000), os.urandom(12_000_000)  # below and above the size of a multipart upload's part
FATES = {
    "requests are cut": Fate(cut_request_after=100_000),
    "answers are swallowed": Fate(cut_answer_after=0),
    "answers are cut": Fate(cut_answer_after=150),
}


def _cause(raised: pytest.ExceptionInfo[StoreError]) -> str:
    return str(raised.value)


# -- two writers, large objects ----------------------------------------------------------------------------------


def test_of_many_writers_of_one_name_the_first_wins_and_all_learn_who_did(media: Media) -> None:
    url, barrier, answers = media(), threading.Barrier(6), []

    def write(number: int) -> None:
        store = open_store(url)
        barrier.wait()
        answers.append(store.put_new("clips/race.mp4", f"writer {number}".encode() * 10_000))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert set(answers) == {sha256_hex(open_store(url).get("clips/race.mp4"))}


def test_a_large_object_arrives_whole_and_a_conditional_one_too(media: Media, server: S3Server) -> None:
    url = media()
    store = open_store(url)
    store.put("checkpoints/a/model.safetensors", LARGE)
    assert store.put_new("checkpoints/b/model.safetensors", LARGE) == sha256_hex(LARGE)
    assert store.put_new("checkpoints/b/model.safetensors", SMALL) == sha256_hex(LARGE)
    stored = server.objects(url.split("/")[2])
    assert {key: sha256_hex(data) for key, data in stored.items()} == dict.fromkeys(
        ("media/checkpoints/a/model.safetensors", "media/checkpoints/b/model.safetensors"), sha256_hex(LARGE)
    )
    head = server.client().head_object(Bucket=url.split("/")[2], Key="media/checkpoints/a/model.safetensors")
    assert head["ETag"].strip('"').endswith("-3"), "three parts of at most 5 MB"


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        (
            "AWS_SECRET_ACCESS_KEY",
            r"AWS_SECRET_ACCESS_KEY does not belong to AWS_ACCESS_KEY_ID \(SignatureDoesNotMatch\)",
        ),
        ("AWS_ACCESS_KEY_ID", r"it does not know AWS_ACCESS_KEY_ID \(InvalidAccessKeyId\)"),
    ],
)
def test_wrong_credentials_are_told_by_every_call_and_never_printed(
    media: Media, server: S3Server, monkeypatch: pytest.MonkeyPatch, variable: str, why: str
) -> None:
    url = media()
    monkeypatch.setenv(variable, "a-wrong-value")
    store = open_store(url)
    calls: tuple[Callable[[], object], ...] = (
        lambda: store.put("a", b"1"),
        lambda: store.put_new("a", b"1"),
        lambda: store.put("a", LARGE),
        lambda: store.get("a"),
        lambda: store.exists("a"),
        lambda: store.list(""),
        lambda: store.delete(["a"]),
    )
    for call in calls:
        with pytest.raises(StoreError, match=why) as raised:
            call()
        assert url.split("/")[2] in _cause(raised) and server.endpoint in _cause(raised)
        assert "\n" not in _cause(raised)
        for place in (_cause(raised), str(raised.value.__cause__)):
            assert server.secret_key not in place and "a-wrong-value" not in place
    assert server.objects(url.split("/")[2]) == {}


def test_without_credentials_the_variables_are_named(
    media: Media, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = media()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(NoCredentials, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"):
        open_store(url).list("")


def test_a_profile_of_boto3s_files_is_used_by_the_store_as_by_dagsters_s3_resource(
    media: Media, server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dagster_aws.s3 import S3Resource

    url = media()
    for name in server.environment:
        monkeypatch.delenv(name)
    (tmp_path / "config").write_text(f"[profile lab]\nregion = us-east-1\nendpoint_url = {server.endpoint}\n")
    keys = f"aws_access_key_id = {server.access_key}\naws_secret_access_key = {server.secret_key}\n"
    (tmp_path / "credentials").write_text(f"[lab]\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    assert open_store(url).put_new("a", SMALL) == sha256_hex(SMALL)
    answer = S3Resource().get_client().get_object(Bucket=url.split("/")[2], Key="media/a")
    assert answer["Body"].read() == SMALL


def test_a_vanished_bucket_is_never_taken_for_a_missing_object(media: Media, server: S3Server) -> None:
    """`exists` false or `get` without an object would make a run render everything again."""
    url = media()
    bucket, store = url.split("/")[2], open_store(url)
    store.put("clips/a.mp4", SMALL)
    with pytest.raises(MissingObject):
        store.get("clips/b.mp4")
    server.drop_bucket(bucket)
    calls: tuple[Callable[[], object], ...] = (
        lambda: store.get("clips/a.mp4"),
        lambda: store.exists("clips/a.mp4"),
        lambda: store.size("clips/a.mp4"),
        lambda: store.list("clips"),
        lambda: store.put("clips/a.mp4", SMALL),
        lambda: store.put_new("clips/a.mp4", SMALL),
        lambda: store.delete(["clips/a.mp4"]),
    )
    for call in calls:
        with pytest.raises(
            StoreError, match=f"there is no bucket {bucket} at {server.endpoint}; create it, or correct"
        ):
            call()


# -- a server that stumbles ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", FATES)
def test_dropped_connections_lose_nothing_and_show_nothing_half(what: str, media: Media, server: S3Server) -> None:
    url = media()
    open_store(url).put("there", LARGE)
    calls: dict[str, Callable[[str], object]] = {
        "put": lambda at: _through(url, at).put("put", SMALL),
        "put_new": lambda at: _through(url, at).put_new("put_new", SMALL),
        "large": lambda at: _through(url, at).put("large", LARGE),
        "get": lambda at: _through(url, at).get("there"),
        "list": lambda at: len(_through(url, at).list("")),
    }
    answers = {}
    for name, call in calls.items():
        with flaky_proxy(server.port, lambda number: FATES[what] if number < 2 else Fate()) as port:
            answers[name] = call(f"http://127.0.0.1:{port}")
    assert answers["put_new"] == sha256_hex(SMALL)
    assert answers["get"] == LARGE
    assert answers["list"] == 4
    stored = server.objects(url.split("/")[2])
    assert stored == {"media/there": LARGE, "media/put": SMALL, "media/put_new": SMALL, "media/large": LARGE}


def _through(url: str, endpoint: str) -> MediaStore:
    return open_store(url, endpoint=endpoint)


def test_a_slow_line_is_waited_for(media: Media, server: S3Server) -> None:
    url = media()
    with flaky_proxy(server.port, lambda number: Fate(delay_s=0.03)) as port:
        store = _through(url, f"http://127.0.0.1:{port}")
        assert store.put_new("a", SMALL) == sha256_hex(SMALL)
        assert store.get("a") == SMALL


def test_an_answer_that_stops_in_the_middle_is_asked_for_again(
    media: Media, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_models.s3_client.STALLED_S", 0.5)
    url = media()
    open_store(url).put("a", SMALL)
    with flaky_proxy(server.port, lambda number: Fate(delay_s=30) if number == 0 else Fate()) as port:
        assert _through(url, f"http://127.0.0.1:{port}").get("a") == SMALL


def test_a_server_that_never_answers_is_told_in_seconds_at_first_and_waited_for_later(
    media: Media, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svta_models.s3_client.FIRST_CONTACT_S", 0.5)
    monkeypatch.setenv("SVTA_S3_PATIENCE_S", "20")
    url, bad = media(), Fate(cut_answer_after=0)
    with flaky_proxy(server.port, lambda number: bad) as port, pytest.raises(StoreError) as raised:
        _through(url, f"http://127.0.0.1:{port}").list("")
    sentence = f"http://127.0.0.1:{port} does not answer for bucket {url.split('/')[2]}; check that the server runs"
    assert sentence in _cause(raised)
    since = [time.monotonic()]
    with flaky_proxy(server.port, lambda number: bad if 0 < time.monotonic() - since[0] < 2 else Fate()) as port:
        store = _through(url, f"http://127.0.0.1:{port}")
        since[0] = time.monotonic() + 3600
        store.put("a", b"1")
        since[0] = time.monotonic()  # from now on two seconds without an answer, four times the first patience
        assert store.list("")[0].key == "a"


@pytest.mark.parametrize("given", ["soon", "-1", "inf", "nan"])
def test_a_patience_that_is_no_number_is_refused(given: str, media: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SVTA_S3_PATIENCE_S", given)
    store = open_store(media())
    store.put("a", b"1")
    with pytest.raises(SvtaError, match="SVTA_S3_PATIENCE_S"):
        store.put("b", b"1")


_WRITER = """
import sys
from svta_models.media_store import open_store
store = open_store(sys.argv[1])
store.put("first", b"1")
print("begun", flush=True)
for number in range(6):
    getattr(store, sys.argv[2])(f"{number}.mp4", bytes([number]) * 12_000_000)
print("done", flush=True)
"""


def test_a_server_killed_while_it_is_written_to_ends_with_every_object_whole(media: Media, server: S3Server) -> None:
    url = media()
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, f"{url}/{call}", call], stdout=subprocess.PIPE, text=True)
        for call in ("put", "put_new")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
    time.sleep(0.2)
    server.kill()
    half_way = [writer.poll() for writer in writers]
    server.start()
    assert half_way == [None, None], "killed while they were writing"
    for writer in writers:
        assert writer.communicate(timeout=120)[0] == "done\n"
        assert writer.returncode == 0
    stored = server.objects(url.split("/")[2])
    for call in ("put", "put_new"):
        for number in range(6):
            assert stored[f"media/{call}/{number}.mp4"] == bytes([number]) * 12_000_000


def test_a_writer_killed_while_it_uploads_shows_nothing_half(media: Media, server: S3Server) -> None:
    url = media()
    with flaky_proxy(server.port, lambda number: Fate(delay_s=0.05)) as port:
        environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, url, "put"], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        time.sleep(0.1)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    stored = server.objects(url.split("/")[2])
    numbers = [key.removeprefix("media/").removesuffix(".mp4") for key in stored if key.endswith(".mp4")]
    assert all(stored[f"media/{number}.mp4"] == bytes([int(number)]) * 12_000_000 for number in numbers)
    assert len(numbers) < 6
    subprocess.run([sys.executable, "-c", _WRITER, url, "put"], check=True, capture_output=True)
    assert len(server.objects(url.split("/")[2])) == 7
