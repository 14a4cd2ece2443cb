"""A category's moving sheet, by bisection and by trying sizes in order: `python benchmarks/sheets.py [--home DIR]`.

Noise is the worst case: only the smallest sizes fit. With a home, its first categories' clips are drawn too. In order,
at WebP's default effort, is how sheets were made until the size was searched by bisection at a lower effort.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from svta_models.frames import decode_video
from svta_resources.video import sheet

CLIPS, CATEGORIES = sheet.COLUMNS * sheet.ROWS, 3
DEFAULT_EFFORT = 4


def main() -> None:
    """Print a line for each set of clips."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    sets = {"noise": [random.integers(30, 225, (5, 64, 96, 3), dtype=np.uint8) for _ in range(CLIPS)]}
    for folder in sorted((given.home / "clips").iterdir())[:CATEGORIES] if given.home else []:
        sets[folder.name] = [decode_video(path.read_bytes()) for path in sorted(folder.glob("*.mp4"))[:CLIPS]]
    sheet.contact_sheet(sets["noise"][:1])  # imports what it needs
    print("| clips | in order, CPU s | kB | by bisection, CPU s | kB |\n|---|---|---|---|---|")
    for name, clips in sets.items():
        (before, large), (now, small) = timed(in_order, clips), timed(sheet.contact_sheet, clips)
        print(f"| {name} | {before:.2f} | {large / 1000:.1f} | {now:.2f} | {small / 1000:.1f} |")


def in_order(clips: list[np.ndarray]) -> bytes:
    """The first size that fits, from the largest on."""
    effort, sheet._EFFORT = sheet._EFFORT, DEFAULT_EFFORT
    try:
        for width, frames, quality in sheet._ATTEMPTS:
            pages = [sheet._page(clips, None, width, index, frames) for index in range(frames)]
            if len(data := sheet._encode(pages, quality)) <= sheet.MAX_BYTES:
                return data
    finally:
        sheet._EFFORT = effort
    raise ValueError("no size fits")


def timed(draw: Callable[[list[np.ndarray]], bytes], clips: list[np.ndarray]) -> tuple[float, int]:
    """CPU seconds and bytes of a sheet."""
    began = time.process_time()
    data = draw(clips)
    return time.process_time() - began, len(data)


if __name__ == "__main__":
    main()
