"""Time of the k-means over 40,000 distinct names: `python benchmarks/clusters.py [--real N]`.

Two parts, added up honestly: the real embedder on a sample of generated names (names a second, so the time of 40,000 is
an extrapolation; `--real 40000` embeds all of them), and the whole fit on 40,000 synthetic unit vectors of the
embedder's width, drawn around 400 centres with heavy-tailed pair counts, 16,000 normal and 24,000 anomaly names
with the paper's k (30 and 68). Then 1% more names: the time of joining them, and of a fit from the known centres
with its adjusted Rand index. Nothing is read from or written to a home.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from svta_assets.clusters.groups import groups
from svta_assets.clusters.taxonomy import extend, fit_kind, quality, refit

NAMES = {"normal": (16_000, 30), "anomaly": (24_000, 68)}
CENTRES = 400
WIDTH = 384
NOISE = 1.0  # per dimension, of centres with unit deviation: silhouettes near those of real label names
Result = TypeVar("Result")
LIMIT_S = 180.0
SAMPLE = 2000
SEED = 42


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=int, default=SAMPLE, help="distinct names for the real embedder")
    names = parser.parse_args().real
    total = sum(count for count, _ in NAMES.values())
    seconds = embedding_seconds(names)
    embedding = seconds * total / names
    how = "measured" if names >= total else f"extrapolated from {names:,}"
    print(f"embedding {total:,} names: {embedding:.0f} s ({names / seconds:.0f} names/s, one thread; {how})")
    fitting = sum(fit_seconds(kind, *NAMES[kind]) for kind in NAMES)
    verdict = "within" if embedding + fitting <= LIMIT_S else "OVER"
    print(f"together {embedding + fitting:.0f} s, {verdict} the {LIMIT_S:.0f} s asked for")


def embedding_seconds(count: int) -> float:
    """Wall seconds of the real embedder on distinct generated names of two to five words."""
    from svta_resources.embedder import Embedder

    rng = random.Random(SEED)
    words = sorted({word for kind in groups().values() for listed in kind.values() for one in listed
                    for word in one.split()})  # fmt: skip
    names: dict[str, None] = {}
    while len(names) < count:
        names[" ".join(rng.choices(words, k=rng.choice((2, 3, 3, 4, 5))))] = None
    embedder = Embedder()
    embedder.encode(["warm up"])
    return _timed(lambda: embedder.encode(list(names)))[0]


def fit_seconds(kind: str, count: int, k: int) -> float:
    """Wall seconds of a fit with its quality figures; prints it and what 1% more names cost."""
    from sklearn.metrics import adjusted_rand_score

    more = count // 100
    embed, counts = synthetic(kind, count + more)
    names = sorted(counts)
    first = {name: counts[name] for name in names[:count]}
    seconds, base = _timed(lambda: fit_kind(first, kind, k, embed))
    measuring, found = _timed(lambda: quality(base, first, embed))
    assert found is not None
    print(f"{kind}: {count:,} names into {k}: fit {seconds:.1f} s, figures {measuring:.1f} s, "
          f"silhouette {found.silhouette or 0:.3f}")  # fmt: skip
    joining, (joined, _) = _timed(lambda: extend(base, counts, embed))
    again, refitted = _timed(lambda: refit(base, counts, kind, k, embed, k))
    old, new, kept = ({name: one.slug for one in every for name in one.names} for every in (base, refitted, joined))
    assert all(kept[name] == old[name] for name in first)
    index = adjusted_rand_score([old[name] for name in first], [new[name] for name in first])
    print(f"  {more} more names: joining {joining:.1f} s (nothing moves); fit from known centres {again:.1f} s, "
          f"adjusted Rand {index:.3f}")  # fmt: skip
    return seconds + measuring


def synthetic(kind: str, count: int) -> tuple[Callable[[list[str]], np.ndarray], dict[str, int]]:
    """An `embed` that looks synthetic vectors up, and names with their pairs. Group examples get vectors too."""
    rng = np.random.default_rng([SEED, len(kind)])
    centres_KD = rng.normal(size=(CENTRES, WIDTH))
    listed = [one for names in groups()[kind].values() for one in names]
    names = [f"{kind} {place}" for place in rng.permutation(count)]
    drawn = centres_KD[rng.integers(0, CENTRES, count + len(listed))]
    vectors_ND = (drawn + rng.normal(0, NOISE, drawn.shape)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    place = {name: index for index, name in enumerate([*names, *listed])}
    pairs = np.minimum(rng.zipf(2.2, count), 1000)

    def embed(wanted: Sequence[str]) -> np.ndarray:
        found: np.ndarray = vectors_ND[[place[name] for name in wanted]]
        return found

    return embed, dict(zip(names, pairs.tolist(), strict=True))


def _timed(call: Callable[[], Result]) -> tuple[float, Result]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
