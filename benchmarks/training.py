"""Does a training wait for its input? `python benchmarks/training.py [--pairs 256] [--batch 128] [--steps 20]`.

Clips of 832 x 480 and 33 frames are decoded into a frame cache once; then batches of 12 frames of 224 pixels are read
from it while every step sleeps for 200 ms, as a GPU would compute. Printed: decoding speed, bytes a step, and the share
of the time in which steps waited. The first epoch reads files that were just written, so the disk's own speed is not
measured; a set larger than memory is as fast as its disk.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import polars as pl
import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_models.clip_input import FrameBuffers, read_clips
from svta_models.gallery import FrameChoice
from svta_models.identity import clip_id, text_id
from svta_models.input_cache import ClipView, FrameCache
from svta_models.loader import BatchLoader
from svta_models.media_store import MediaStore, open_store
from svta_models.release import Release, write_release
from svta_resources.video.encode import encode_mp4

STEP_S = 0.2
WANTED = 0.02
SEEN = FrameChoice(max_frames=12, size=224)


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "home")
        split = Release(store, write_release(store, _rows(store, given.pairs))).split("train")
        cache = FrameCache(Path(folder) / "frames")
        for how in ("exact", "fast"):
            began = time.process_time()
            read = read_clips(split, ClipView(replace(SEEN, resize=how)), cache)
            seconds = time.process_time() - began
            print(f"decode and resize ({how}): {given.pairs / seconds:.1f} clips per CPU second")
        buffers = FrameBuffers(read.clips.frames_NTCHW)
        order = torch.arange(given.steps * given.batch) % given.pairs
        loader = BatchLoader(buffers.read)
        began, size, cpu = time.monotonic(), 0, 0.0
        for number, batch in enumerate(loader.batches(list(order.split(given.batch)))):
            if number == 3:  # nothing can be ready before the first step, and every buffer is used for the first time
                began, loader.waited_s, size, cpu = time.monotonic(), 0.0, batch.numel(), time.process_time()
            time.sleep(STEP_S)
        share = loader.waited_s / (time.monotonic() - began)
        cpu = (time.process_time() - cpu) / (given.steps - 4)
        print(f"{given.steps} steps of {given.batch} pairs, {size / 1e6:.0f} MB each, {STEP_S * 1000:.0f} ms a step")
        print(f"processor time of a batch: {1000 * cpu:.0f} ms, which is all that a busy machine can delay")
        print(f"waiting for input: {100 * share:.2f}% of the time (wanted: below {100 * WANTED:.0f}%)")


def _rows(store: MediaStore, pairs: int) -> pl.DataFrame:
    """A release of 16 clips' pixels, again and again, each time with bytes of its own: nothing is decoded only once."""
    noise = torch.rand(16, 3, 30, 52, generator=torch.Generator().manual_seed(0))
    pictures = (F.interpolate(noise, (480, 832), mode="bicubic").clamp(0, 1) * 255).byte()
    videos = []
    for picture in pictures:
        drawn = torch.stack([picture.roll(4 * number, dims=2) for number in range(33)])
        videos.append(encode_mp4(drawn.permute(0, 2, 3, 1).contiguous().numpy(), 15))
    rows = []
    for number in range(pairs):
        pair = text_id("benchmark", str(number))
        uri = f"clips/benchmark/{clip_id(pair, 0)}.mp4"
        # bytes after the last box are ignored by every reader
        sha256 = store.put_new(uri, videos[number % 16] + b"\x00\x00\x00\x10free" + number.to_bytes(8, "big"))
        rows.append(
            {
                "pair_id": pair, "clip_id": clip_id(pair, 0), "uri": uri, "sha256": sha256, "caption": f"clip {number}",
                "category": "benchmark", "final_category": "Benchmark", "kind": "anomaly", "group": None,
                "split": "train",
            }
        )  # fmt: skip
    return pl.DataFrame(rows, schema_overrides={"group": pl.String})


if __name__ == "__main__":
    main()
