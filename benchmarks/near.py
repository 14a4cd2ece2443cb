"""CPU time of the search for near-duplicate captions: `python benchmarks/near.py [--captions 3000 12000 41315]`.

Two kinds of captions, because what rare words make easy a small vocabulary makes hard: sentences with names of their
own, as `benchmarks/scale.py` writes them, of which none is near another; and sentences of four phrases, ten to choose
from for each, and a number, of which those with the same phrases are near. Nothing is read or written.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.scale import caption_of
from svta_assets.splits.near import near_groups

SIZES = (3_000, 12_000, 41_315)
SEED = 42
PHRASES = (
    ("a young man", "an old woman", "two police officers", "a woman in a red coat", "three teenagers",
     "a delivery driver", "a man with a dog", "a small child", "a cyclist wearing a helmet", "an angry customer"),
    ("runs quickly across", "falls down in", "drops a heavy bag in", "shouts loudly near", "slips on wet ground at",
     "throws a bottle in", "breaks a window of", "waits quietly beside", "fights with a stranger in",
     "steals a bicycle from"),
    ("a crowded market", "an empty parking lot", "the old train station", "a school playground", "a dark narrow alley",
     "a busy shopping mall", "a quiet suburban street", "the hotel lobby", "a large public park", "a petrol station"),
    ("seen from a fixed camera", "while it rains heavily", "at night under street lights", "on a sunny morning",
     "filmed by a shaking phone", "in thick grey fog", "during a power cut", "as people pass by", "in black and white",
     "recorded from far above"),
)  # fmt: skip


def main() -> None:
    """Print a line for each kind and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--captions", type=int, nargs="+", default=SIZES, help="how many captions")
    sizes = parser.parse_args().captions
    kinds: dict[str, Callable[[int], list[str]]] = {"rare words": rare_words, "small vocabulary": small_vocabulary}
    for kind, written in kinds.items():
        for size in sizes:
            captions = written(size)
            began = time.process_time()
            pairs = near_groups(captions)
            print(f"{kind}, {size:,} captions: {len(pairs):,} pairs, {time.process_time() - began:.1f} CPU s")


def rare_words(count: int) -> list[str]:
    """Captions each with words that no other has."""
    return [caption_of(number) for number in range(count)]


def small_vocabulary(count: int) -> list[str]:
    """Captions whose only word of their own is a number."""
    rng = random.Random(SEED)
    return [f"{' '.join(map(rng.choice, PHRASES))} {number}" for number in range(count)]


if __name__ == "__main__":
    main()
