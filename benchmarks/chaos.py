"""Backfills while things break: `python benchmarks/chaos.py --seconds 180 --store folder` (or `s3`), any length.

Real runs through the command line (`dagster asset materialize` of descriptions, clips and labels of one category, the
job `regenerate` over several) are disturbed at random from their first worker on: pool workers and whole runs are
killed, finished files are cut short or deleted, the disk of the home fills up, connections to the bucket are cut,
swallowed and delayed. After `--seconds` on the clock the disturbances end and a person's next steps follow:
`svta verify`, the same runs once more, `svta verify`. The drill passes when that last verify is clean and everything
equals a home that nobody disturbed: the same clips under the same names with the same bytes, the same rows.

The small disk is a tmpfs in a mount namespace of this program's own where that is allowed (it needs root); elsewhere a
limit on the size of files that workers may write stands for it. The report says which it was. The bucket is SeaweedFS
behind a proxy that lives in this program. Killed runs, refused runs and everything done are counted in the report.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import polars as pl

from svta_assets.workspace import Workspace
from svta_models.media_store import MediaStore, open_store, sha256_hex
from svta_resources.profiles import PROFILES, Home, project_root
from tests.flaky_proxy import Fate, flaky_proxy
from tests.s3_server import s3_server
from tests.toy_home import SVTA, DrillHome

STAGES = "llm_descriptions,videos,labels"
DISK_MB = 12  # of the tmpfs, a category: twenty clips, their tables, and little more
FULL_FOR_S = 1.5
CUT_FILES = ("clips/", "answers/", "metadata/labels/", "metadata/clips/", "metadata/descriptions/")
RUN_LIMIT_S = 900.0  # ends a drill that hangs
HEALED = 0.3  # how often somebody looks after things behind a run that did not end well
LOST_SHARE = 0.2  # of the finished files under clips/, when some are deleted
MADE_WHEN = {"clips": ("provenance", "made_at", "seconds", "device_seconds")}  # columns that differ between equal runs
WRITTEN_LIMIT = 2_000  # bytes of a file, where no tmpfs can be had


@dataclass
class Report:
    """What was done to the home, and how its runs ended."""

    seed: int
    store: str
    disk: str
    done: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    problems_found: int = 0
    disturbed_s: float = 0.0  # of the storm, when there was a run at work to disturb
    seconds: float = 0.0

    def text(self) -> str:
        """As one line of JSON."""
        facts = {**self.__dict__, "done": dict(sorted(self.done.items())), "runs": dict(sorted(self.runs.items()))}
        rounded = {"disturbed_s": round(self.disturbed_s, 1), "seconds": round(self.seconds, 1)}
        return json.dumps({**facts, **rounded})


class Chaos:
    """Disturbs one home while runs work in it."""

    def __init__(
        self, home: DrillHome, store: MediaStore, report: Report, chance: random.Random, given: argparse.Namespace
    ) -> None:
        self.home, self.store, self.report, self.chance, self.mounted = home, store, report, chance, given.mounted
        self._ends = time.monotonic() + given.seconds
        self._acts = [self.kill_worker, self.kill_worker, self.cut_file, self.cut_file, self.lose_files, self.kill_run]
        if store.local_path("x") is not None:
            self._acts += [self.fill_disk, self.fill_disk]

    @property
    def over(self) -> bool:
        """Whether nothing is disturbed any more."""
        return time.monotonic() > self._ends

    def fate(self, number: int) -> Fate:
        """What happens to a connection to the bucket."""
        del number
        if self.over or self.chance.random() > 0.3:
            return Fate()
        self.report.done["connection disturbed"] += 1
        return self.chance.choice(
            [Fate(cut_request_after=self.chance.randrange(20_000)), Fate(cut_answer_after=0), Fate(delay_s=0.05),
             Fate(cut_answer_after=self.chance.randrange(5_000))]
        )  # fmt: skip

    def run(self, categories: list[str]) -> bool:
        """One run, disturbed every second or so once it has workers, until it ends or is killed; whether it went well.

        It is for one category, or for all that have descriptions.
        """
        process = self._start(categories)
        began, at_work = time.monotonic(), False
        while process.poll() is None:
            if time.monotonic() - began > RUN_LIMIT_S:
                process.kill()
                raise AssertionError(f"a run of {categories} did not end within {RUN_LIMIT_S:.0f} s")
            at_work = at_work or bool(_workers(process.pid))
            if not at_work or self.over:
                time.sleep(0.25)
                continue
            pause = self.chance.uniform(0.1, 1.5)
            time.sleep(pause)
            self.report.disturbed_s += pause
            self.chance.choice(self._acts)(process)
        code = process.wait()
        self.report.runs["killed" if code == -signal.SIGKILL else "failed" if code else "ended well"] += 1
        _wait_for_orphans()
        return code == 0

    def _start(self, categories: list[str]) -> "subprocess.Popen[bytes]":
        described = [one for one in categories if self.store.list(f"metadata/descriptions/{one}")]
        if described and self.chance.random() < 0.5:
            config = {"categories": described, "mode": "missing"}
            return self.home.start_job("regenerate", {"regenerate_categories": config})
        return self.home.start(STAGES, self.chance.choice(categories))

    def kill_worker(self, run: "subprocess.Popen[bytes]") -> None:
        """kill -9 of one of the pool's processes."""
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.chance.choice(_workers(run.pid)), signal.SIGKILL)
            self.report.done["worker killed"] += 1

    def kill_run(self, run: "subprocess.Popen[bytes]") -> None:
        """kill -9 of the run itself; its workers must notice."""
        run.kill()
        self.report.done["run killed"] += 1

    def cut_file(self, run: "subprocess.Popen[bytes]") -> None:
        """Cut a finished object short, as a failing disk might."""
        del run
        objects = [item for item in self.store.list("") if item.key.startswith(CUT_FILES) and item.size > 1]
        if objects:
            victim = self.chance.choice(objects)
            data = self.store.get(victim.key)[: self.chance.randrange(victim.size)]
            path = self.store.local_path(victim.key)
            if path is None:
                self.store.put(victim.key, data)
            else:
                with suppress(FileNotFoundError):
                    os.truncate(path, len(data))
            self.report.done["file cut short"] += 1

    def lose_files(self, run: "subprocess.Popen[bytes]") -> None:
        """Delete some clips' videos, cards or both, as a person might by mistake."""
        del run
        keys = [item.key for item in self.store.list("clips")]
        self.store.delete(key for key in keys if self.chance.random() < LOST_SHARE)
        self.report.done["files deleted"] += bool(keys)

    def fill_disk(self, run: "subprocess.Popen[bytes]") -> None:
        """Leave no byte free for a moment."""
        self.report.done["disk filled"] += 1
        if not self.mounted:
            for pid in _workers(run.pid):
                with suppress(ProcessLookupError):
                    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE, (WRITTEN_LIMIT, -1))
                    del soft, hard
            time.sleep(FULL_FOR_S)
            for pid in _workers(run.pid):
                with suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (-1, -1))
            return
        filler = self.home.path / "filler"
        with suppress(OSError), open(filler, "wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)
        time.sleep(FULL_FOR_S)
        filler.unlink(missing_ok=True)


def _workers(run: int) -> list[int]:
    """Pool workers of a run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            command = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == run and b"svta_resources.video.worker" in command:
                found.append(int(folder.name))
    return sorted(found)


def _finished(command: list[str], home: DrillHome) -> "subprocess.CompletedProcess[str]":
    """Run a command of the home to its end; a busy machine may take minutes."""
    return subprocess.run(
        command,
        env=home.environment(),
        cwd=project_root(),
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_LIMIT_S,
    )


def _wait_for_orphans() -> None:
    """A worker sees within half a second that its run is gone."""
    time.sleep(1.0)


def described(folder: Path) -> DrillHome:
    """A home with texts, where nothing else was made."""
    home = DrillHome(folder).prepare()
    _must(home, "raw_texts", None)
    return home


def _must(home: DrillHome, stages: str, category: str | None) -> None:
    done = _finished(home.command(stages, category), home)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def result(work: Workspace) -> dict[str, object]:
    """Everything that must be the same: objects with their bytes, rows without the time they were made."""
    found: dict[str, object] = {
        item.key: sha256_hex(work.store.get(item.key)) for item in work.store.list("clips") if item.key.endswith(".mp4")
    }
    for table in ("descriptions", "clips", "labels"):
        rows = work.catalog.read(table).drop(MADE_WHEN.get(table, ()))
        for row in rows.sort(pl.all().exclude(pl.List)).iter_rows(named=True):
            found[f"{table}/{row.get('clip_id') if table == 'clips' else row['pair_id']}"] = row
    return found


def settle(home: DrillHome, categories: list[str], report: Report) -> None:
    """What a person does after the storm; raises AssertionError where that does not lead to a clean home."""
    found = _finished([SVTA, "verify"], home)
    report.problems_found = sum(
        ": " in line for line in found.stdout.splitlines() if not line.startswith(("note", "next"))
    )
    for category in categories:
        _must(home, STAGES, category)
    clean = _finished([SVTA, "verify"], home)
    assert clean.returncode == 0, found.stdout + clean.stdout + clean.stderr


def drill(origin: DrillHome, given: argparse.Namespace, scratch: Path, report: Report) -> None:
    """Disturb a copy of `origin`, settle, compare with another copy that nobody disturbed."""
    quiet = origin.copy(scratch / "undisturbed")
    for category in given.categories:
        _must(quiet, STAGES, category)
    wanted = result(quiet.work)
    chance = random.Random(given.seed)
    with _place(given, origin, scratch) as (home, media):
        chaos = Chaos(home, open_store(media), report, chance, given)
        with _connections(chaos, home, media):
            began = time.monotonic()
            while not chaos.over:
                if chaos.run(given.categories) or chance.random() < HEALED:
                    _finished([SVTA, "verify"], home)
            settle(home, given.categories, report)
            report.seconds = time.monotonic() - began
        found = result(Workspace(Home(PROFILES["demo"], home.path, media)))
    for key in sorted({*wanted, *found}):
        assert found.get(key) == wanted.get(key), f"{key}: {found.get(key)} instead of {wanted.get(key)}"


@contextmanager
def _place(given: argparse.Namespace, origin: DrillHome, scratch: Path) -> Iterator[tuple[DrillHome, str]]:
    """The home to disturb: on a small disk, or with its media in a bucket. Dagster's own files lie elsewhere."""
    if given.store == "folder":
        disk = scratch / "disk"
        disk.mkdir()
        if given.mounted:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_disk_mb(given)}m", "tmpfs", str(disk)], check=True)
        home = origin.copy(disk / "home")
        shutil.move(home.path / "dagster", scratch / "dagster")
        home.settings = {"DAGSTER_HOME": str(scratch / "dagster")}
        yield home, str(home.path)
        if given.mounted:
            subprocess.run(["umount", "-l", str(disk)], check=True)
        return
    with s3_server() as server:
        os.environ |= server.environment
        media = f"s3://{server.make_bucket()}/media"
        home = origin.copy(scratch / "home")
        here, there = open_store(home.path), open_store(media)
        for item in here.list("metadata"):
            there.put_new(item.key, here.get(item.key))
        given.port = server.port
        home.settings = {**server.environment, "SVTA_MEDIA_URL": media, "SVTA_S3_PATIENCE_S": "20"}
        yield home, media


@contextmanager
def _connections(chaos: Chaos, home: DrillHome, media: str) -> Iterator[None]:
    """Send the runs' connections through the proxy; this program's own go to the server directly."""
    if not media.startswith("s3://"):
        yield
        return
    port = int(home.settings["AWS_ENDPOINT_URL"].rpartition(":")[2])
    with flaky_proxy(port, chaos.fate) as through:
        home.settings["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{through}"
        yield


def _disk_mb(given: argparse.Namespace) -> int:
    return DISK_MB * max(2, len(given.categories))


def _may_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        probe = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def main() -> None:
    """Read the command line, move into a mount namespace where one is to be had, and report."""
    parser = argparse.ArgumentParser(description="Backfills while things break.")
    parser.add_argument("--seconds", type=float, default=180.0, help="on the clock in which things break")
    parser.add_argument("--store", choices=["folder", "s3"], default="folder")
    parser.add_argument("--seed", type=int, default=0, help="of what is done; when it hits differs from run to run")
    parser.add_argument("--categories", nargs="+", default=["fighting", "falling"])
    parser.add_argument("--described", type=Path, help="a home with texts to start from, which is copied")
    parser.add_argument("--mounted", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.store == "folder" and not given.mounted and _may_mount():
        os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv, "--mounted"])
    disk = f"tmpfs of {_disk_mb(given)} MB" if given.mounted else "limit on the size of files"
    report = Report(given.seed, given.store, disk if given.store == "folder" else "not filled")
    os.chdir(project_root())
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        origin = DrillHome(given.described) if given.described else described(scratch / "texts")
        try:
            drill(origin, given, scratch, report)
        finally:
            print(report.text(), flush=True)
    print("clean, and equal to a home that nobody disturbed", flush=True)


if __name__ == "__main__":
    main()
