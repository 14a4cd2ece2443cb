"""`svta metrics`: the figures of a home for Prometheus, as a page to scrape or a file to collect."""

import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from svta_models.errors import SvtaError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from svta_assets.workspace import Workspace

KEPT_S = 30.0  # a scrape reads whole tables: two servers that scrape must not read them twice


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Serve http://127.0.0.1:PORT/metrics until interrupted.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a file for a textfile collector.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The page has no login: keep it on loopback.")
def command(port: int | None, out: Path | None, host: str) -> None:
    """Figures for Prometheus: clips, yield, device time, tokens, price, runs, rejects, gates and freshness.

    Without an option they are printed once. Reads the tables and Dagster's runs; changes nothing.
    """
    if port and out:
        raise click.UsageError("choose --port or --out")
    client = _client()
    from svta_assets.workspace import open_workspace

    registry = _registry(open_workspace())
    if out:
        _write(client, out, registry)
    elif port:
        _serve(client, port, host, registry)
    else:
        click.echo(client.generate_latest(registry).decode(), nl=False)


def _client() -> Any:
    try:
        import prometheus_client
    except ModuleNotFoundError as error:
        raise SvtaError("the package prometheus-client is missing: run `pip install '.[production]'`") from error
    return prometheus_client


def _registry(work: "Workspace") -> "CollectorRegistry":
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(work))
    return registry


class _Collector:
    """Asks the home at a scrape, at most every KEPT_S."""

    def __init__(self, work: "Workspace") -> None:
        self._work = work
        self._lock = threading.Lock()
        self._kept: list[Any] = []
        self._read_at = float("-inf")

    def describe(self) -> Iterable[Any]:
        return []  # nothing is read before the first scrape

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        with self._lock:
            if time.monotonic() - self._read_at > KEPT_S:
                self._kept = self._read()
                self._read_at = time.monotonic()
            yield from self._kept
        yield GaugeMetricFamily("svta_scraped_timestamp_seconds", "When this was asked for.", value=time.time())

    def _read(self) -> list[Any]:
        """All families; `svta_up` is 0, and the reason is printed, where the home cannot be read."""
        from prometheus_client.core import GaugeMetricFamily

        from svta_assets.monitoring import gauges
        from svta_assets.workspace import Workspace

        families, up = [], 1
        try:
            for gauge in (*gauges(Workspace(self._work.home)), *_runs(self._work)):
                family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
                for labels, value in gauge.values:
                    family.add_metric(labels, value)
                families.append(family)
        except SvtaError as error:
            click.echo(f"svta: {error}", err=True)
            families, up = [], 0
        return [GaugeMetricFamily("svta_up", "Whether the home could be read: 1 or 0.", value=up), *families]


def _runs(work: "Workspace") -> Iterator[Any]:
    """Dagster's runs by status; nothing where the home has no instance yet."""
    from svta_assets.monitoring import Gauge, Labels
    from svta_resources.profiles import check_instance_file

    folder = work.home.dagster_home
    if not (folder / "dagster.yaml").exists():
        return
    check_instance_file(folder / "dagster.yaml")
    import dagster as dg

    with dg.DagsterInstance.from_config(str(folder)) as instance:
        counts: list[tuple[Labels, float]] = [
            ((status.value.lower(),), float(instance.get_runs_count(dg.RunsFilter(statuses=[status]))))
            for status in dg.DagsterRunStatus
        ]
    yield Gauge("svta_dagster_runs", "Runs in Dagster's storage, by status.", ("status",), counts)


def _write(client: Any, out: Path, registry: "CollectorRegistry") -> None:
    try:
        client.write_to_textfile(str(out), registry)  # under another name first: a collector never reads half
    except OSError as error:
        raise SvtaError(f"{out} cannot be written ({error.strerror or error}): choose another --out") from error


def _serve(client: Any, port: int, host: str, registry: "CollectorRegistry") -> None:
    for _ in registry.collect():  # imports and a first reading take seconds, longer than a scrape may
        pass
    try:
        server, thread = client.start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise SvtaError(f"{host}:{port} cannot be used ({error.strerror or error}): choose another --port") from error
    click.echo(f"metrics: http://{host}:{port}/metrics (stop with Ctrl-C)")
    try:
        thread.join()
    finally:
        server.shutdown()
        server.server_close()
