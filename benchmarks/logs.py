"""Time of reading a log that has a file a verdict: `python benchmarks/logs.py [--files 4000] [--s3]`.

Writes that many verdicts of one row each, one file each, and reads the table twice: file after file, and as the catalog
does. In a folder of its own, or with `--s3` in a bucket of the tests' server on this machine, whose answers come within
a millisecond: from one that is farther away, one after another costs its distance times the number of files.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl

from svta_assets.schemas import TABLES
from svta_models.media_store import open_store
from svta_resources.catalog import Catalog

TABLE = "label_reviews"
VERDICT = {"caption": "A man falls.", "name": "fall", "is_anomaly": True, "verdict": "right", "by": "ann"}
WRITERS = 8


def main() -> None:
    """Print what both ways cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=4000, help="how many verdicts")
    parser.add_argument("--s3", action="store_true", help="in a bucket of a server on this machine")
    asked = parser.parse_args()
    if not asked.s3:
        with tempfile.TemporaryDirectory() as folder:
            measure("folder", folder, asked.files)
        return
    from tests.s3_server import s3_server

    with s3_server() as server:
        os.environ.update(server.environment)
        measure("bucket", f"s3://{server.make_bucket()}/home", asked.files)


def measure(where: str, url: str, files: int) -> None:
    """Write the log to a store, read it both ways, and compare."""
    catalog = Catalog(open_store(url), TABLES)
    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(lambda number: _say(catalog, number), range(files)))
    one_by_one = _timed(
        f"{where}, {files:,} files, one after another",
        lambda: pl.concat([catalog.read_file(item) for item in catalog.files(TABLE)]),
    )
    together = _timed(f"{where}, {files:,} files, together", lambda: catalog.read(TABLE))
    assert together.equals(one_by_one)


def _say(catalog: Catalog, number: int) -> None:
    catalog.append(TABLE, "all", [{**VERDICT, "pair_id": f"p{number}", "at": f"{number:09d}"}])


def _timed(what: str, read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    wall, cpu = time.perf_counter(), time.process_time()
    rows = read()
    print(f"{what}: {time.perf_counter() - wall:.1f} s, {time.process_time() - cpu:.1f} CPU s")
    return rows


if __name__ == "__main__":
    main()
