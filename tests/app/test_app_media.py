"""Clips play with range requests from a folder and from S3; pictures are drawn once."""

import io
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from svta_cli.app import media as media_module
from svta_cli.app import thumbnails
from svta_cli.app.site import cache_folder
from tests.app.conftest import CAPTIONS, client_of, write_labels_and_release
from tests.app.tiny_checkpoints import add_checkpoint
from tests.s3_server import s3_server
from tests.stages.toy_category import ToyCategory


def _ranges(tab: TestClient, whole: bytes) -> None:
    """What a browser asks of a video."""
    path = "/media/clips/p0-0.mp4"
    answer = tab.get(path)
    assert (answer.status_code, answer.content) == (200, whole)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["accept-ranges"] == "bytes"
    size = len(whole)
    for asked, first, last in (
        ("0-99", 0, 99),
        ("100-", 100, size - 1),
        ("-50", size - 50, size - 1),
        (f"10-{size + 9}", 10, size - 1),
    ):
        part = tab.get(path, headers={"range": f"bytes={asked}"})
        assert part.status_code == 206, asked
        assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
        assert part.content == whole[first : last + 1]
    assert tab.get(path, headers={"range": f"bytes={size}-"}).status_code == 416
    assert tab.head(path).headers["content-length"] == str(size)


def test_a_clip_is_served_whole_and_in_parts(reader: TestClient, shown: ToyCategory) -> None:
    _ranges(reader, shown.file("p0-0").read_bytes())


def test_pictures_are_small_and_one_of_them_moves(reader: TestClient) -> None:
    moving = Image.open(io.BytesIO(reader.get("/media/thumbs/p0-0.webp").content))
    still = Image.open(io.BytesIO(reader.get("/media/stills/p0-0.webp").content))
    assert moving.format == still.format == "WEBP"
    assert moving.n_frames > 1  # type: ignore[attr-defined]
    assert getattr(still, "n_frames", 1) == 1
    assert moving.size == still.size == (16, 16)


def test_a_picture_is_drawn_once_however_many_ask(released: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    draw = thumbnails.draw_thumbnail
    monkeypatch.setattr(media_module, "draw_thumbnail", lambda data: (drawn.append(1), draw(data))[1])
    monkeypatch.setattr(media_module, "_DRAWING", threading.BoundedSemaphore(1))
    media = media_module.Media(released.work, released.work.home.path / "cache")
    threads = [threading.Thread(target=media.picture, args=("p0-0", True)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(drawn) == 1


def test_a_large_clip_becomes_a_small_picture(tmp_path: Path) -> None:
    import numpy as np

    from svta_resources.video.encode import encode_mp4

    frames = np.random.default_rng(0).integers(0, 255, (20, 120, 400, 3), dtype=np.uint8)
    picture = Image.open(io.BytesIO(thumbnails.draw_thumbnail(encode_mp4(frames, 10))))
    assert picture.size == (thumbnails.WIDTH, 66)
    assert picture.n_frames == thumbnails.FRAMES  # type: ignore[attr-defined]


def test_a_clip_that_is_gone_or_broken_is_said_to_be(released: ToyCategory) -> None:
    shutil.rmtree(cache_folder(released.work), ignore_errors=True)  # a picture that was drawn before is still shown
    released.file("p0-0").write_bytes(b"no video")
    released.file("p1-0").unlink()
    tab = client_of(released.work)
    for path, reason in (
        ("/media/thumbs/p0-0.webp", "does not decode"),
        ("/media/thumbs/p1-0.webp", "svta verify"),
        ("/media/clips/p1-0.mp4", "svta verify"),
        ("/media/clips/none-0.mp4", "no such clip"),
    ):
        answer = tab.get(path)
        assert answer.status_code == 404
        assert reason in answer.text
    assert tab.get("/gallery").status_code == 200


def test_copies_of_a_bucket_stay_within_their_limit(tmp_path: Path) -> None:
    import os

    for number in range(4):
        file = tmp_path / f"{number}.mp4"
        file.write_bytes(b"x" * 100)
        os.utime(file, (number, number))
    media_module._drop_oldest(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2.mp4", "3.mp4"]


@pytest.fixture(scope="module")
def bucket_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyCategory]:
    """The same home with its clips, metadata and checkpoints on a real S3 server."""
    with s3_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment.items():
            patch.setenv(name, value)
        url = f"s3://{server.make_bucket()}/media"
        toy = ToyCategory(tmp_path_factory.mktemp("bucket") / "home", CAPTIONS, media_url=url)
        toy.run()
        write_labels_and_release(toy)
        yield toy


def test_everything_works_from_a_bucket(bucket_home: ToyCategory, monkeypatch: pytest.MonkeyPatch) -> None:
    work = bucket_home.work
    checkpoint = add_checkpoint(work, "clip4clip-meanp")
    tab = client_of(work, "ada")
    assert "14 clips" in tab.get("/gallery").text
    uri = bucket_home.clips.filter(clip_id="p0-0")["uri"][0]
    _ranges(tab, work.store.get(uri))
    assert Image.open(io.BytesIO(tab.get("/media/thumbs/p0-0.webp").content)).format == "WEBP"
    posted = tab.post("/clip/p0-0/regenerate", data={"mode": "new_take"}, headers={"origin": str(tab.base_url)})
    assert "ada asked for new_take" in posted.text
    tab.app.state.site.search.index(checkpoint, work.catalog.read("releases")["release"][0], 120.0)  # type: ignore[attr-defined]
    assert "14 clips ranked" in tab.get(f"/search?q=fire&checkpoint={checkpoint}").text

    def refuse(*_: object) -> bytes:
        raise AssertionError("a clip that was copied is fetched again")

    monkeypatch.setattr(type(work.store), "get", refuse)
    assert tab.get("/media/clips/p0-0.mp4", headers={"range": "bytes=0-9"}).status_code == 206
