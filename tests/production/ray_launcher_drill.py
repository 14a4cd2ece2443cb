"""Runs of the production instance as jobs of a Ray cluster, of which a machine is lost; what came of it, as JSON.

`test_ray_launcher.py` starts it in a network namespace of its own and judges the facts:
`python -m tests.production.ray_launcher_drill FOLDER`, where FOLDER has a short path and receives facts.json.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from svta_assets.workspace import Workspace
from svta_models.media_store import sha256_hex
from svta_resources.profiles import home_from, project_root
from tests.drills.daemon_drill import backfill, daemon, wait_for
from tests.production.ray_site import RUNNERS, Site, production_site
from tests.toy_home import DAGSTER, MODULE, SVTA

BACKFILL = ("arson", "burglary")  # five packaged texts each, of which no language model makes more
LOST = ("abuse", "arrest", "assault")  # one run makes all three; its machine is lost in the second
RUN_S = 900.0  # only ends a drill that hangs; a run takes half a minute on a machine that is not busy
ENDED = ("SUCCESS", "FAILURE", "CANCELED")


class Drill:
    """The site, its daemon's instance, and what was seen so far."""

    def __init__(self, site: Site, instance: dg.DagsterInstance) -> None:
        from ray.job_submission import JobSubmissionClient

        self.site, self.instance = site, instance
        self.jobs = JobSubmissionClient(site.nodes.job_server)
        self.facts: dict[str, Any] = {}
        self._began = time.monotonic()

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:6.1f} s  {what}", flush=True)

    def describe(self) -> None:
        """Texts, and descriptions for the run that will be lost: nothing that this drill is about."""
        from svta_assets.definitions import defs

        assert defs.resolve_job_def("sources").execute_in_process(instance=self.instance).success
        descriptions = [dg.AssetKey("llm_descriptions")]
        for category in LOST:
            job = defs.resolve_job_def("generate")
            assert job.execute_in_process(
                partition_key=category, asset_selection=descriptions, instance=self.instance
            ).success

    def backfill(self) -> None:
        """Two categories through the queue, each a job of the cluster."""
        before = {run.run_id for run in self.instance.get_runs()}
        self.say("backfill is asked for")
        backfill(self.site.home, BACKFILL)
        self._wait("the runs of the backfill", lambda: [self._over(run) for run in self._since(before)] == [True] * 2)
        self.facts["backfill"] = [self._seen(run) for run in self._since(before)]
        self.say("backfill is done")

    def lose_a_node(self) -> None:
        """The node that a run is on is lost in the middle of its clips, and the run is made again on the other.

        Its process stops as on a frozen machine, and goes on, if it still can, once the loss is noticed.
        """
        before = {run.run_id for run in self.instance.get_runs()}
        run_id = self._launch_regenerate()
        self._wait("clips of the second category", lambda: len(self.cards(LOST[1])) >= 1)
        where, orphan = self.node_of(run_id), self.processes_of(run_id)
        assert orphan, "the run has a process"
        for process in orphan:  # on a fast machine it would be done before anybody misses its node
            os.kill(process, signal.SIGSTOP)
        os.kill(self.site.nodes.raylet(where), signal.SIGKILL)
        killed, made = time.monotonic(), self._made()
        self.say(f"raylet of {where} is killed")
        seconds: dict[str, float] = {}

        def since_then(name: str, holds: Callable[[], bool]) -> None:
            self._wait(name, holds)
            seconds[name] = round(time.monotonic() - killed, 1)
            self.say(name)

        since_then("noticed", lambda: self._status(run_id) == "FAILURE")
        for process in orphan:
            with suppress(ProcessLookupError):  # Ray's own watcher may have ended it
                os.kill(process, signal.SIGCONT)
        since_then("queued again", lambda: len(self._since(before)) == 2)
        [again] = [run.run_id for run in self._since(before) if run.run_id != run_id]
        since_then("started again", lambda: self._status(again) in ("STARTED", *ENDED))
        since_then("done", lambda: self._status(again) in ENDED)
        since_then("orphan is gone", lambda: all(self.site.nodes.state(process) in "ZX" for process in orphan))
        lost, retried = (self._seen(self._run(one)) for one in (run_id, again))
        self.facts["loss"] = {"seconds": seconds, "where": where, "made before": made, "lost": lost, "retried": retried}
        self.facts["loss"]["parent"] = self._run(again).parent_run_id == run_id

    def look(self) -> None:
        """What is in the bucket and the tables at the end."""
        work = Workspace(home_from())
        objects = self.site.store.objects(self.site.media)
        self.facts["clips"] = {
            category: _category(work, category, {key: objects[key] for key in objects if f"/{category}/" in key})
            for category in (*BACKFILL, *LOST)
        }
        command = [SVTA, "verify"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project_root(), timeout=300)
        self.facts["verify"] = [done.returncode, done.stdout + done.stderr]
        self.facts["key was used"] = f"Bearer {self.site.hidden['OPENAI_API_KEY']}" in self.site.keys
        disks = {ip: self.site.nodes.disk(ip) for ip in RUNNERS}
        self.facts["disks"] = {ip: sorted(path.name for path in disk.rglob("*")) for ip, disk in disks.items()}

    def search(self) -> None:
        """Look for every secret in whatever Ray stores and shows, and in Dagster's tables and logs."""
        from tests.production.ray_places import places

        self.facts["jobs"] = [_shown(job) for job in self.jobs.list_jobs()]
        there = places(self.site, self.jobs)
        found = [
            [name, place]
            for name, secret in self.site.hidden.items()
            for place, data in there.items()
            if secret.encode() in data
        ]
        self.facts["places"] = {place: len(data) for place, data in there.items()}
        self.facts["found"] = found

    def cards(self, category: str) -> list[str]:
        """Keys of the finished clips' cards of a category."""
        pages = self.site.store.client().list_objects_v2(Bucket=self.site.media, Prefix=f"svta/clips/{category}/")
        return [one["Key"] for one in pages.get("Contents", []) if one["Key"].endswith(".json")]

    def node_of(self, run_id: str) -> str:
        """Address of the node that the process of a run was started on."""
        return str(urlsplit(self.jobs.get_job_info(f"dagster-run-{run_id}").driver_agent_http_address).hostname)

    def processes_of(self, run_id: str) -> list[int]:
        """The processes that execute a run: its id is in their command."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if run_id.encode() in line and b"execute_run" in line:
                found.append(int(folder.name))
        return found

    def _launch_regenerate(self) -> str:
        config = {"ops": {"regenerate_categories": {"config": {"categories": list(LOST), "mode": "missing"}}}}
        file = self.site.home.path / "regenerate.json"
        file.write_text(json.dumps(config))
        before = {run.run_id for run in self.instance.get_runs()}
        command = [DAGSTER, "job", "launch", "-m", MODULE, "-j", "regenerate", "-c", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project_root(), timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        [run] = self._since(before)
        self.say("regenerate is asked for")
        return run.run_id

    def _made(self) -> dict[str, int]:
        return {category: len(self.cards(category)) for category in LOST}

    def _since(self, before: set[str]) -> list[dg.DagsterRun]:
        return [run for run in self.instance.get_runs() if run.run_id not in before]

    def _run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def _status(self, run_id: str) -> str:
        return self._run(run_id).status.value

    def _wait(self, what: str, holds: Callable[[], bool]) -> None:
        wait_for(what, holds, RUN_S)

    def _over(self, run: dg.DagsterRun) -> bool:
        """Whether a run has ended, and its process, which lives a little longer."""
        return run.status.value in ENDED and self._job(run).status.is_terminal()

    def _job(self, run: dg.DagsterRun) -> Any:
        return self.jobs.get_job_info(f"dagster-run-{run.run_id}")

    def _seen(self, run: dg.DagsterRun) -> dict[str, Any]:
        """A run as Dagster, Ray and the bucket tell of it."""
        work, logs = Workspace(home_from()), self.site.store.objects(self.site.logs)
        events = self.instance.all_logs(run.run_id)
        made = [event.get_dagster_event() for event in events if _type(event) == "ASSET_MATERIALIZATION"]
        costs = work.catalog.read("costs").filter(run_id=run.run_id)
        job = self._job(run)
        return {
            "run": run.run_id,
            "status": run.status.value,
            "category": run.tags.get("dagster/partition"),
            "node": self.node_of(run.run_id),
            "job": str(job.status.value),
            "metadata": job.metadata,
            "materialized": [[event.materialization.asset_key.to_user_string(), event.partition] for event in made],
            "costs": sorted(costs.select("stage", "partition", "items").iter_rows()),
            "log": b"".join(data for key, data in logs.items() if f"/{run.run_id}/" in key).decode(errors="replace"),
            "said": [
                event.user_message or event.message
                for event in events
                if _type(event) in ("RUN_FAILURE", "ENGINE_EVENT")
            ],
        }


def _type(event: dg.EventLogEntry) -> str:
    return event.dagster_event_type.name if event.dagster_event_type else ""


def _shown(job: Any) -> dict[str, Any]:
    return {
        "id": job.submission_id,
        "settings": sorted((job.runtime_env or {}).get("env_vars", {})),
        "metadata": job.metadata,
    }


def _category(work: Workspace, category: str, objects: dict[str, bytes]) -> dict[str, Any]:
    """Pairs, rows and objects of a category, by what each calls a clip."""
    rows = work.catalog.read("clips", category)
    cards = {key: json.loads(data) for key, data in objects.items() if "/clips/" in key and key.endswith(".json")}
    videos = {key: sha256_hex(data) for key, data in objects.items() if key.endswith(".mp4")}
    return {
        "pairs": sorted(work.catalog.read("descriptions", category)["pair_id"]),
        "rows": sorted(rows["pair_id"]),
        "cards": sorted(card["pair_id"] for card in cards.values()),
        "by row": sorted([f"svta/{uri}", sha] for uri, sha in rows.select("uri", "sha256").iter_rows()),
        "by card": sorted([f"svta/{card['uri']}", card["sha256"]] for card in cards.values()),
        "by object": sorted([key, sha] for key, sha in videos.items()),
        "rejects": work.catalog.read("rejects", f"videos.{category}").height,
    }


def main(folder: Path) -> None:
    with production_site(folder) as site, daemon(site.home) as instance:
        drill = Drill(site, instance)
        try:
            for part in (drill.describe, drill.backfill, drill.lose_a_node, drill.look, drill.search):
                part()
        finally:
            (folder / "facts.json").write_text(json.dumps(drill.facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
