"""What size costs: `python benchmarks/scale.py graph --home DIR`, `python benchmarks/scale.py rows --home DIR`.

graph: as many clips as asked for through the real jobs (sources, generate for every category, organize), then status,
verify and a second refresh. Two things are not the product's: the captions, which a grammar of this file writes into a
folder of sources, and the video generator `fake`, known to this program only, which draws four frames of 16 x 16
coloured noise by caption and seed. Encoding, scoring, publishing, gates and tables are the real ones. One process works
(the pool `inline`), so that its peak memory is the platform's.

rows: metadata alone. Texts, descriptions, clips and labels of many pairs are written as projections, then measured:
refresh of svta.duckdb (from nothing, and after one category has changed), `clusters`, `splits` with its release, and
status.

Each prints a line a stage as it ends, and writes them to `<home>/scale.jsonl`. Wall time means little on a busy
machine: CPU seconds of this process stand beside it.
"""

import argparse
import hashlib
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from svta_assets.categories import load_categories
from svta_resources.profiles import PROFILES, Home

SEEDS_AND_DESCRIPTIONS = 23 * 40  # what `llm_descriptions` writes in the demo profile
NORMAL_SHARE = 16_145 / 41_315  # SVTA paper: normal texts among all
CATEGORIES_WITH_TEXTS = ("ucf", "oops")
WORDS = {
    "who": ("a man", "a woman", "a boy", "a girl", "an old man", "a nurse", "a guard", "two men", "a waiter"),
    "what": ("walks", "runs", "sits down", "carries a box", "opens a door", "falls over", "waves", "climbs a ladder",
             "rides a bicycle", "throws a stone", "reads a paper", "pushes a cart"),
    "how": ("slowly", "in a hurry", "without looking", "while talking", "again and again", "in the rain"),
    "where": ("in a park", "in a street", "in a shop", "on a roof", "at a station", "in a kitchen", "near a fence",
              "on a beach", "in an office", "beside a car", "in a yard", "under a bridge"),
}  # fmt: skip


class FakeGenerator:
    """Sixteen pixels of coloured noise, four frames, by caption and seed: the cheapest clip that passes the gates."""

    def generate(self, caption: str, seed: int, *, category: str | None = None) -> np.ndarray:
        del category
        digest = hashlib.sha256(f"{caption}/{seed}".encode()).digest()
        return np.random.default_rng(list(digest)).integers(30, 225, (4, 16, 16, 3), dtype=np.uint8)

    def recipe(self) -> dict[str, Any]:
        return {"kind": "fake", "fps": 8, "frames": 4, "height": 16, "width": 16}

    def provenance(self) -> dict[str, Any]:
        return {"device": "cpu"}


class Book:
    """Times stages, and keeps what they cost."""

    def __init__(self, home: Path, facts: dict[str, Any]) -> None:
        self._file, self._facts = home / "scale.jsonl", facts
        home.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def stage(self, name: str, **facts: Any) -> Iterator[None]:
        """Time the block; print and keep a line."""
        wall, cpu = time.monotonic(), time.process_time()
        yield
        self.note(name, wall_s=round(time.monotonic() - wall, 2), cpu_s=round(time.process_time() - cpu, 2), **facts)

    def note(self, name: str, **facts: Any) -> None:
        """Keep facts that are no duration."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        line = {**self._facts, "stage": name, **facts, "peak_mb": round(peak), "load": round(os.getloadavg()[0], 1)}
        print(json.dumps(line), flush=True)
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")


def caption_of(number: int) -> str:
    """A sentence of its own. The four names in it keep captions from being near each other, as real ones rarely are."""
    chosen, rest = [], number
    for words in WORDS.values():
        rest, place = divmod(rest, len(words))
        chosen.append(words[place])
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return f"{' '.join(chosen).capitalize()}, between {', '.join(digest[at : at + 5] for at in range(0, 20, 5))}."


def write_sources(folder: Path, count: int) -> None:
    """A folder of sources with `count` texts: normal ones and those of the classes, in the paper's proportion."""
    keys = [one.key for one in load_categories() if one.origin in CATEGORIES_WITH_TEXTS]
    normal = round(count * NORMAL_SHARE)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "files": {
            "texts.jsonl": {"source": "scale", "columns": {"caption": "caption", "id": "id", "category": "category"}}
        }
    }
    (folder / "sources.yaml").write_text(json.dumps(settings))
    with (folder / "texts.jsonl").open("w") as file:
        for number, caption in enumerate(map(caption_of, range(count))):
            category = "normal" if number < normal else keys[number % len(keys)]
            file.write(json.dumps({"id": str(number), "caption": caption, "category": category}) + "\n")


def graph(home: Path, clips: int) -> None:
    """Take clips through the graph."""
    from svta_resources.video import generator

    generator._OPENERS["fake"] = lambda preset, settings: FakeGenerator()
    PROFILES["demo"] = replace(
        PROFILES["demo"], generator="fake", pool="inline", confirm_above_gpu_hours=1e9, normal_categories=30,
        anomaly_categories=68,
    )  # fmt: skip
    os.environ["SVTA_SOURCES_DIR"] = str(home / "sources")
    texts = clips - SEEDS_AND_DESCRIPTIONS
    if texts < 100:
        raise SystemExit(f"--clips must be at least {SEEDS_AND_DESCRIPTIONS + 100}: so many are written descriptions")
    write_sources(home / "sources", texts)
    book = Book(home, {"clips": clips})
    with book.stage("sources"):
        run_job("sources")
    with book.stage("descriptions, clips and labels"):
        for one in load_categories():
            if not one.retired:
                run_job("generate", one.key)
    with book.stage("clusters, splits"):
        run_job("organize")
    stages(book)
    look(book, home)


def run_job(name: str, partition: str | None = None) -> None:
    """Execute a job in this process, as `dagster job execute` does in its own."""
    from svta_assets.definitions import defs

    done = defs.resolve_job_def(name).execute_in_process(
        partition_key=partition,
        run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        instance=instance(),
    )
    assert done.success, f"job {name} of {partition} failed"


@cache
def instance() -> Any:
    """The home's Dagster instance, opened once."""
    import dagster as dg

    return dg.DagsterInstance.get()


def stages(book: Book) -> None:
    """Wall seconds of each stage, as its runs recorded them: without starting a run, and without Dagster's own part."""
    import polars as pl

    from svta_assets.workspace import open_workspace

    costs = (
        open_workspace().catalog.read("costs").group_by("stage").agg(pl.col("seconds").sum(), pl.len().alias("runs"))
    )
    for row in costs.sort("stage").iter_rows(named=True):
        book.note(f"of these {row['stage']}", wall_s=round(row["seconds"], 1), runs=row["runs"])


def look(book: Book, home: Path) -> None:
    """What people do with a home of this size, and what it takes on the disk."""
    from svta_assets.workspace import open_workspace
    from svta_cli.garbage import find_waste
    from svta_cli.integrity import check_home
    from svta_cli.status import gather

    with book.stage("first refresh"):
        open_workspace().refresh()
    with book.stage("refresh, nothing changed"):
        open_workspace().refresh()
    with book.stage("status"):
        gather(open_workspace(), [], everything=False)
    with book.stage("gc, shown"):
        find_waste(open_workspace(), time.time())
    with book.stage("verify"):
        found = check_home(open_workspace())
    assert not found.problems, found.problems[:3]
    book.note("on the disk", verified=found.clips, releases=found.releases, **sizes(home))


def sizes(home: Path) -> dict[str, Any]:
    """Files and megabytes by folder of a home."""
    found: dict[str, Any] = {}
    for name in ("clips", "metadata", "answers", "embeddings", "releases", "dagster"):
        files = [path.stat().st_size for path in (home / name).rglob("*") if path.is_file()]
        found |= {f"{name}_files": len(files), f"{name}_mb": round(sum(files) / 1e6, 1)}
    database = home / "svta.duckdb"
    return found | {"duckdb_mb": round(database.stat().st_size / 1e6, 1)}


# -- metadata alone ------------------------------------------------------------------------------------------------


def rows(home: Path, count: int, names: int) -> None:
    """Metadata of `count` rows in all, a quarter in each of the four tables that grow with the pairs."""
    from svta_assets.clusters.organize import organize_labels
    from svta_assets.splits.release import write_splits_and_release
    from svta_assets.workspace import prepare_workspace

    pairs = count // 4
    PROFILES["demo"] = replace(PROFILES["demo"], normal_categories=30, anomaly_categories=68)
    work = prepare_workspace(Home(PROFILES["demo"], home, str(home)))
    book = Book(home, {"rows": count, "names": names})
    with book.stage("rows written"):
        keys = [one.key for one in load_categories() if not one.retired]
        for place, key in enumerate(keys):
            write_partition(work, key, range(place, pairs, len(keys)), names)
    with book.stage("first refresh"):
        work.refresh()
    with book.stage("refresh, nothing changed"):
        work.refresh()
    write_partition(work, keys[0], range(0, pairs, len(keys)), names, note="seen again")
    with book.stage("refresh, one category changed"):
        work.refresh()
    with book.stage("clusters", embedding="included"):
        organize_labels(work)
    with book.stage("clusters, unchanged"):
        organize_labels(work)
    with book.stage("splits, leakage, release"):
        write_splits_and_release(work)
    with book.stage("splits, unchanged"):
        write_splits_and_release(work)
    with book.stage("status of the tables"):
        ask(work)
    book.note("on the disk", **sizes(home))


def write_partition(work: Any, key: str, numbers: range, names: int, note: str = "") -> None:
    """The rows of a category as the stages would have written them, without clips."""
    import polars as pl

    said = [f"{hashlib.sha256(str(number).encode()).hexdigest()[:12]}" for number in numbers]
    pair = [f"{digest}{number:08d}" for digest, number in zip(said, numbers, strict=True)]
    caption = [f"{caption_of(number)} {note}".strip() for number in numbers]
    normal = key.startswith("normal-")
    shared = pl.DataFrame({"pair_id": pair, "caption": caption}).with_columns(category=pl.lit(key))
    name = [name_of(number % names) for number in numbers]
    columns: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
        "texts": lambda frame: frame.rename({"pair_id": "text_id"}).with_columns(
            source=pl.lit("scale"), source_video=pl.Series([f"v{number // 12}" for number in numbers])
        ),
        "descriptions": lambda frame: frame.with_columns(origin=pl.lit("source"), source=pl.lit("scale")),
        "labels": lambda frame: frame.drop("caption").with_columns(
            name=pl.Series(name, dtype=pl.String), is_anomaly=pl.lit(not normal), clip_id=pl.col("pair_id") + "-0"
        ),
        "clips": lambda frame: frame.with_columns(
            clip_id=pl.col("pair_id") + "-0", take=pl.lit(0), status=pl.lit("accepted"), current=pl.lit(True),
            uri=pl.format("clips/{}/{}-0-0123456789ab.mp4", "category", "pair_id"), generator=pl.lit("fake"),
            sha256=pl.Series([hashlib.sha256(one.encode()).hexdigest() for one in pair], dtype=pl.String),
            recipe=pl.lit("{}"), provenance=pl.lit("{}"),
        ),
    }  # fmt: skip
    for table, build in columns.items():
        work.catalog.publish(table, key, build(shared), as_of_ns=time.time_ns())


def name_of(number: int) -> str:
    """A short label name; different for different numbers."""
    verbs, things = WORDS["what"], WORDS["where"]
    rest, verb = divmod(number, len(verbs))
    rest, thing = divmod(rest, len(things))
    return f"{verbs[verb]} {things[thing]} {rest}".strip()


def ask(work: Any) -> None:
    """The sums that `svta status` shows, asked of svta.duckdb."""
    from svta_resources.query import query

    work.refresh()
    query(
        work.home.path,
        "select category, count(*), sum(current::int), sum((status = 'rejected')::int) from clips group by category",
    )
    query(work.home.path, "select split, count(*) from splits group by split")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="?", choices=["graph", "rows"], help="without it: 50,000 rows, and no home stays")
    parser.add_argument("--clips", type=int, default=41_315)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--names", type=int, default=40_000)
    parser.add_argument("--home", type=Path, help="a folder that is not there yet")
    given = parser.parse_args()
    if given.what is None:
        with tempfile.TemporaryDirectory() as folder:
            measure("rows", Path(folder) / "home", clips=0, count=50_000, names=2_000)
    elif given.home is None:
        parser.error("--home is needed: a folder that is not there yet")
    else:
        measure(given.what, given.home.absolute(), given.clips, given.rows, given.names)


def measure(what: str, home: Path, clips: int, count: int, names: int) -> None:
    """Measure in a new home."""
    if home.exists():
        raise SystemExit(f"{home} exists: name another folder")
    for name in [name for name in os.environ if name.startswith("SVTA_")]:
        del os.environ[name]
    (home / "dagster").mkdir(parents=True)
    os.environ |= {"SVTA_HOME": str(home), "DAGSTER_HOME": str(home / "dagster"), "OMP_NUM_THREADS": "1"}
    if what == "graph":
        graph(home, clips)
    else:
        rows(home, count, names)


if __name__ == "__main__":
    main()
