"""Clips reach the training whole or are rejects by name; the frame cache holds what was decoded, bounded, for many writers."""

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from svta_models.clip_input import FrameBuffers, read_clips
from svta_models.decode_pool import fill_cache
from svta_models.frames import decode_video, resize_frames
from svta_models.gallery import FrameChoice
from svta_models.input_cache import ClipView, FrameCache
from svta_models.loader import BatchLoader
from svta_models.media_store import open_store, sha256_hex
from svta_models.release import DamagedClip, Release, write_release
from tests.models.synthetic import draw, encode, make_release_rows

VIEW = ClipView(FrameChoice(max_frames=4, size=32))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    store = open_store(tmp_path_factory.mktemp("home"))
    return Release(store, write_release(store, make_release_rows(store, per_scene=3, scenes=12)))


def damaged(release, tmp_path, content):
    """The release with one training clip whose bytes fit its sha256 but do not decode, and that clip's pair."""
    row = release.split("train").frame.row(5, named=True)
    uri = "clips/broken.mp4"
    release.store.put(uri, content)
    here = pl.col("pair_id") == row["pair_id"]
    rows = release.frame.with_columns(
        uri=pl.when(here).then(pl.lit(uri)).otherwise("uri"),
        sha256=pl.when(here).then(pl.lit(sha256_hex(content))).otherwise("sha256"),
    )
    return Release(release.store, write_release(release.store, rows)), row["pair_id"]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_cache_holds_the_very_frames_that_memory_would(release, tmp_path, workers, monkeypatch):
    monkeypatch.setattr("svta_models.decode_pool._CLIPS_PER_CHILD", 8)
    split = release.split("train")
    cache = FrameCache(tmp_path / "frames")
    held, stored = read_clips(split, VIEW), read_clips(split, VIEW, cache, workers)
    assert held.broken == stored.broken == {}
    assert torch.equal(held.clips.mask_NT, stored.clips.mask_NT)
    assert held.clips.captions == stored.clips.captions
    rows = torch.tensor([5, 0, 17])
    assert torch.equal(held.clips.frames_NTCHW[rows], stored.clips.frames_NTCHW[rows])
    assert torch.equal(held.clips.frames_NTCHW[3:9], stored.clips.frames_NTCHW[3:9])
    before = {path: path.stat().st_ino for path in cache.folder.glob("*/*")}
    again = read_clips(split, VIEW, FrameCache(tmp_path / "frames"), workers)
    assert torch.equal(again.clips.frames_NTCHW[rows], stored.clips.frames_NTCHW[rows])
    assert {path: path.stat().st_ino for path in cache.folder.glob("*/*")} == before, "a warm cache is only read"


def test_a_broken_clip_is_left_out_by_name_and_never_replaced(release, tmp_path):
    other, pair = damaged(release, tmp_path, b"not a video")
    whole = read_clips(release.split("train"), VIEW)
    for cache in (None, FrameCache(tmp_path / "frames")):
        read = read_clips(other.split("train"), VIEW, cache, max_broken=0.05)
        assert list(read.broken) == [pair]
        assert "does not decode" in read.broken[pair]
        assert read.clips.pair_ids == [one for one in whole.clips.pair_ids if one != pair]
        kept = torch.tensor([one != pair for one in whole.clips.pair_ids]).nonzero()[:, 0]
        assert torch.equal(read.clips.frames_NTCHW[range(len(kept))], whole.clips.frames_NTCHW[kept])
        with pytest.raises(DamagedClip, match=r"1 of 24 train clips are broken: clip .*svta verify"):
            read_clips(other.split("train"), VIEW, cache, max_broken=0.04)


def crash_on_broken(connection, job):
    """What a decoder that crashes does to its process."""
    for row in job.rows:
        if row["uri"].endswith("broken.mp4"):
            os._exit(139)
        connection.send("")


def test_a_clip_that_takes_its_process_down_is_broken_and_the_others_are_decoded(release, tmp_path, monkeypatch):
    monkeypatch.setattr("svta_models.decode_pool._CLIPS_PER_CHILD", 8)
    monkeypatch.setattr("svta_models.decode_pool.decode_share", crash_on_broken)
    other, pair = damaged(release, tmp_path, b"crashes a decoder")
    split, seen = other.split("train"), []
    broken = fill_cache(
        split, split.frame.to_dicts(), VIEW, FrameCache(tmp_path), workers=1, on_clip=lambda: seen.append(1)
    )
    assert list(broken) == [pair]
    assert "ended the process that decoded it (exit status 139)" in broken[pair]
    assert len(seen) == 24


def test_views_of_a_clip_have_names_of_their_own():
    views = [
        VIEW,
        ClipView(replace(VIEW.choice, resize="fast")),
        ClipView(FrameChoice(max_frames=4, size=64)),
        ClipView(FrameChoice(max_frames=5, size=32)),
        ClipView(FrameChoice(max_frames=4, size=32, fit="squash")),
        ClipView(FrameChoice(max_frames=4, size=32, feature_framerate=1)),
    ]
    assert len({view.key("a" * 64) for view in views} | {VIEW.key("b" * 64)}) == 7
    assert VIEW.key("a" * 64) == ClipView(FrameChoice(max_frames=4, size=32)).key("a" * 64)


def test_the_cache_is_bounded_and_drops_what_was_unused_longest(tmp_path):
    frames = np.zeros((2, 3, 8, 8), dtype=np.uint8)
    size = frames.nbytes + 128
    cache = FrameCache(tmp_path, limit=3 * size)
    keys = [f"{number:064x}" for number in range(4)]
    assert [cache.put(key, frames) for key in keys] == [True, True, True, False]
    for age, key in enumerate(keys[:3]):
        os.utime(cache._path(key), (1000 - age, 1000 - age))
    later = FrameCache(tmp_path, limit=3 * size)
    later.make_room(size, keep={keys[2]})
    assert [later.count(key) for key in keys[:3]] == [2, None, 2]
    assert later.put(keys[3], frames)
    other = FrameCache(tmp_path, limit=size)
    other.make_room(0, keep=set(keys))
    assert [other.count(key) for key in keys] == [2, None, 2, 2], "what the training needs stays"


def test_files_that_are_not_whole_count_as_absent(tmp_path):
    cache, key = FrameCache(tmp_path), "a" * 64
    frames = np.arange(2 * 3 * 4 * 4, dtype=np.uint8).reshape(2, 3, 4, 4)
    slots = np.zeros((3, 3, 4, 4), dtype=np.uint8)
    cache.put(key, frames)
    path = cache._path(key)
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:50], b"", whole.replace(b"(2, 3, 4, 4)", b"(4, 3, 4, 4)")):
        path.write_bytes(content)
        assert cache.read_into(key, slots) is None
        assert not path.exists()
        cache.put(key, frames)
    assert cache.read_into(key, slots) == 2
    np.testing.assert_array_equal(slots[:2], frames)


def test_two_writers_of_one_clip_leave_it_whole(tmp_path):
    program = (
        "import sys, numpy as np\nfrom pathlib import Path\nfrom svta_models.input_cache import FrameCache\n"
        "cache = FrameCache(Path(sys.argv[1]))\n"
        "for _ in range(60): assert cache.put('a' * 64, np.full((4, 3, 64, 64), 7, np.uint8))\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(2)]
    slots, seen = np.zeros((4, 3, 64, 64), dtype=np.uint8), 0
    while any(writer.poll() is None for writer in writers):
        if FrameCache(tmp_path).read_into("a" * 64, slots) is not None:
            seen += 1
            assert (slots == 7).all()
        time.sleep(0.002)
    assert [writer.wait() for writer in writers] == [0, 0]
    assert seen > 0
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".npy"]


def test_a_full_cache_decodes_anew_and_says_so(release, tmp_path):
    said = []
    split = release.split("val")
    small = FrameCache(tmp_path, limit=3 * VIEW.bytes_per_clip)
    read = read_clips(split, VIEW, small, say=said.append)
    held = read_clips(split, VIEW)
    assert torch.equal(read.clips.frames_NTCHW[:], held.clips.frames_NTCHW[:])
    assert torch.equal(read.clips.mask_NT, held.clips.mask_NT)
    assert f"the frame cache is full: {len(split) - 3} of {len(split)} val clips" in said[-1]


def test_resizing_at_once_is_at_most_one_level_off():
    frames = decode_video(encode(draw("red", "sea", "pole", seed=1)))
    for fit, size in (("crop", 24), ("squash", 24), ("crop", 96)):
        exact, fast = (resize_frames(frames, size, fit, how) for how in ("exact", "fast"))
        off = np.abs(exact.astype(int) - fast)
        assert exact.shape == fast.shape
        assert off.max() <= 1
        assert (off > 0).mean() < 0.05


def test_memory_that_is_used_again_holds_the_batch_that_was_asked_for(release, tmp_path):
    split = release.split("train")
    held, stored = read_clips(split, VIEW), read_clips(split, VIEW, FrameCache(tmp_path))
    for read in (held, stored):
        buffers = FrameBuffers(read.clips.frames_NTCHW)
        first = buffers.read(torch.tensor([4, 2]), slot=0)
        assert torch.equal(first, held.clips.frames_NTCHW[torch.tensor([4, 2])])
        again = buffers.read(torch.tensor([7, 1]), slot=0)
        assert again.data_ptr() == first.data_ptr()
        assert torch.equal(again, held.clips.frames_NTCHW[torch.tensor([7, 1])])
        assert len(buffers.read(torch.tensor([3]), slot=0)) == 1


def test_batches_come_in_order_made_ahead_and_errors_at_their_place():
    made, lock = [], threading.Lock()

    def make(number, slot):
        assert slot == number % 4, "the batches ahead and the one in use never share memory"
        time.sleep(0.02 if number == 0 else 0)
        with lock:
            made.append(number)
        if number == 7:
            raise ValueError("batch 7")
        return number * 10

    loader = BatchLoader(make, ahead=3, threads=3)
    batches = loader.batches(range(9))
    assert next(batches) == 0
    assert loader.waited_s > 0
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert sorted(made) == [0, 1, 2, 3], "three ahead, and no more"
    assert [next(batches) for _ in range(6)] == [10, 20, 30, 40, 50, 60]
    with pytest.raises(ValueError, match="batch 7"):
        next(batches)
