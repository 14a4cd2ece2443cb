"""The procedural generator's cost, and how well its clips follow their captions: `python benchmarks/procedural.py`.

(a) CPU seconds a clip, H.264 encoding included, on one thread, and the growth of memory over many clips.
(b) Correspondence: a linear classifier sees small grey thumbnails of a clip and the changes between them, and names the
    generation category of its caption. Bar: 50% top-1 over the named categories; with captions shuffled it must stay at
    chance. The classifier never sees a caption, so whatever it knows came through the pictures.

Captions: the seeds' from the packaged grammar; those of the UCF-Crime classes from SVTA_SOURCES_DIR when set, else the
packaged sentences; the failed actions' from the prototype sentences of `categories.yaml`. Where a category has fewer
sentences than clips, further takes (other seeds) of the same sentences fill up; the output says how many.
"""

import argparse
import os
import random
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from svta_assets.categories import Category, load_categories
from svta_assets.prompts import attributes
from svta_assets.texts.collect import read_sources
from svta_assets.texts.readers.packaged import read_packaged
from svta_models.identity import take_seed
from svta_resources.embedded_llm.grammar import describe
from svta_resources.video.encode import encode_mp4
from svta_resources.video.procedural.generator import ProceduralGenerator

SIZES = ((112, 192, 0.2), (480, 832, 2.0))  # height, width, bar in CPU seconds
MEMORY_BAR_MB = 10.0
TOP1_BAR = 0.5
FOLDS = 5
BASE_SEED = 42
RIDGE = 300.0  # strength of the classifier's regularisation: about 3,700 numbers a clip, few clips
ORIGINS = {"seed": "seeds", "ucf": "UCF-Crime classes", "oops": "failed actions"}


@dataclass(frozen=True)
class Job:
    """One clip to draw: the label is what the classifier has to name."""

    category: str
    caption: str
    seed: int


def named_categories() -> list[Category]:
    """Every category with a name of its own: no shards of ordinary life, no `unintentional-other`."""
    return [one for one in load_categories() if one.origin in ORIGINS and (one.origin != "oops" or one.prototypes)]


def sentences(categories: Sequence[Category], count: int) -> dict[str, list[str]]:
    """Collect up to `count` sentences for every category."""
    wanted = {one.key for one in categories if one.origin == "ucf"}
    folder = os.environ.get("SVTA_SOURCES_DIR")
    readings = read_sources(Path(folder)) if folder else [read_packaged()]
    found: dict[str, list[str]] = {key: [] for key in wanted}
    for reading in readings:
        for key, caption in reading.records.select("category", "raw").unique(maintain_order=True).rows():
            if key in wanted:
                found[key].append(caption)
    for key, captions in found.items():
        random.Random(key).shuffle(captions)
    for one in categories:
        if one.origin == "seed":
            found[one.key] = [describe(one.key, index, attributes(one.key, index)) for index in range(count)]
        elif one.origin == "oops":
            found[one.key] = list(one.prototypes)
    return {key: captions[:count] for key, captions in found.items()}


def jobs_for(captions: dict[str, list[str]], count: int) -> list[Job]:
    """`count` clips a category: every sentence once, then further takes in the same order."""
    return [
        Job(key, options[number % len(options)], take_seed(BASE_SEED, number // len(options)))
        for key, options in captions.items()
        for number in range(count)
    ]


def features(job: Job) -> np.ndarray:
    """Draw a clip and reduce it to grey thumbnails (6, 14, 24) and their 5 differences, flat."""
    clip = ProceduralGenerator().generate(job.caption, job.seed, category=job.category)
    chosen = clip[np.linspace(1, len(clip) - 1, 6).astype(int)]
    thumbs = chosen.mean(axis=-1).reshape(6, 14, 8, 24, 8).mean(axis=(2, 4)) / 255
    return np.concatenate([thumbs.ravel(), 2 * np.abs(np.diff(thumbs, axis=0)).ravel()]).astype(np.float32)


def top1(features_ND: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Which clips (N) are named rightly by a classifier trained on the other folds; `groups` stay in one fold."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeClassifier(RIDGE))
    kind: Callable[..., object] = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, features_ND, labels, groups=groups, cv=folds) == labels)


def correspondence(clips: int, workers: int) -> bool:
    """Measure (b) and print it; tell whether the bars are met."""
    categories = named_categories()
    captions = sentences(categories, clips)
    jobs = jobs_for(captions, clips)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        features_ND = np.stack(list(pool.map(features, jobs, chunksize=16)))
    labels = np.array([job.category for job in jobs])
    origins = np.array([{one.key: one.origin for one in categories}[label] for label in labels])
    print(f"\ncorrespondence: {len(categories)} named categories, {clips} clips each, {FOLDS} folds")
    source = "SVTA_SOURCES_DIR" if "SVTA_SOURCES_DIR" in os.environ else "packaged sentences"
    for origin, name in ORIGINS.items():
        keys = [one.key for one in categories if one.origin == origin]
        own = [len(captions[key]) for key in keys]
        where = source if origin == "ucf" else {"seed": "grammar", "oops": "prototypes"}[origin]
        print(
            f"  {name}: {len(keys)} categories, {min(own)} to {max(own)} sentences each ({where}), the rest new takes"
        )
    right = top1(features_ND, labels)
    shuffled = top1(features_ND, np.random.default_rng(0).permutation(labels))
    chance = 1 / len(categories)
    print(f"  top-1                      {right.mean():6.1%}   (chance {chance:.1%}, bar {TOP1_BAR:.0%})")
    for origin, name in ORIGINS.items():
        print(f"    among them {name:17}{right[origins == origin].mean():6.1%}")
    print(f"  top-1, captions shuffled   {shuffled.mean():6.1%}   (must stay near chance)")
    _print_strict(features_ND, labels, np.array([job.caption for job in jobs]), captions)
    limit = chance + 4 * (chance / len(jobs)) ** 0.5  # four standard errors
    return bool(right.mean() >= TOP1_BAR and shuffled.mean() <= limit)


def _print_strict(
    features_ND: np.ndarray, labels: np.ndarray, texts: np.ndarray, captions: dict[str, list[str]]
) -> None:
    """Print the figure without any sentence on both sides, for the categories that have a sentence a fold."""
    many = np.array([len(captions[label]) >= FOLDS for label in labels])
    right = top1(features_ND[many], labels[many], groups=texts[many])
    count = len(set(labels[many]))
    print(
        f"  top-1 with no sentence in both training and test: {right.mean():.1%} over the {count} categories "
        f"that have {FOLDS} sentences or more (chance {1 / count:.1%})"
    )


def cost(clips: int, memory_clips: int) -> bool:
    """Measure (a) and print it; tell whether the bars are met."""
    jobs = jobs_for(sentences(named_categories(), 4), 4)
    random.Random(0).shuffle(jobs)
    print("cost, encoding included, one thread:")
    within = True
    for height, width, bar in SIZES:
        generator = ProceduralGenerator(height, width)
        seconds = [_cpu_seconds(generator, job) for job in jobs[: clips + 2]][2:]  # the first two load libraries
        mean, worst = float(np.mean(seconds)), float(np.max(seconds))
        within &= mean <= bar
        print(f"  {height}x{width}: {mean:.3f} CPU-s a clip (slowest {worst:.3f}, bar {bar}), {len(seconds)} clips")
    generator = ProceduralGenerator()
    for job in jobs[:40]:
        _cpu_seconds(generator, job)
    before = _resident_mb()
    for number in range(memory_clips):
        _cpu_seconds(generator, jobs[number % len(jobs)])
    growth = _resident_mb() - before
    print(f"  memory: {growth:+.1f} MB over {memory_clips} clips (from {before:.0f} MB, bar {MEMORY_BAR_MB:.0f})")
    return within and growth <= MEMORY_BAR_MB


def _cpu_seconds(generator: ProceduralGenerator, job: Job) -> float:
    began = time.process_time()
    encode_mp4(generator.generate(job.caption, job.seed, category=job.category), generator.fps)
    return time.process_time() - began


def _resident_mb() -> float:
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # a peak, where the current value is not to be had


def main() -> None:
    """Print both measurements; exit 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=20, help="clips a category (at least 5), default 20")
    parser.add_argument("--cost-clips", type=int, default=24, help="clips timed at each size, default 24")
    parser.add_argument(
        "--memory-clips", type=int, default=300, help="clips drawn while memory is watched, default 300"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that draw clips, default 2")
    arguments = parser.parse_args()
    if arguments.clips < FOLDS:
        parser.error(f"--clips {arguments.clips}: {FOLDS} folds need at least {FOLDS} clips a category")
    met = [cost(arguments.cost_clips, arguments.memory_clips), correspondence(arguments.clips, arguments.workers)]
    raise SystemExit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
