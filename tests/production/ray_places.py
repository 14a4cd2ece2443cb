"""Everything of a site that a secret could be left in: what Ray stores and shows, and what Dagster does."""

import os
from contextlib import closing
from typing import Any

from tests.production.ray_site import Site

ASKED = (
    "/api/jobs/",
    "/api/v0/actors?detail=1",
    "/api/v0/runtime_envs?detail=1",
    "/api/v0/workers?detail=1",
    "/api/v0/nodes?detail=1",
)


def places(site: Site, jobs: Any) -> dict[str, bytes]:
    """Name of every place -> what is there."""
    return {**_of_the_job_server(jobs), **_files(site), **_logs_of_runs(site), **_tables()}


def _of_the_job_server(jobs: Any) -> dict[str, bytes]:
    """Answers of Ray's own pages; what the jobs have printed is among the files."""
    answers = {path: jobs._do_request("GET", path).content for path in ASKED}  # the client knows the token
    return {**answers, "list of jobs": repr(jobs.list_jobs()).encode()}


def _files(site: Site) -> dict[str, bytes]:
    """Every file of Ray's session (logs of all processes of all nodes) and of the machines' disks."""
    there = site.nodes.folder
    files = [path for path in there.rglob("*") if path.is_file() and not path.is_symlink()]
    return {str(path.relative_to(there)): path.read_bytes() for path in files}


def _logs_of_runs(site: Site) -> dict[str, bytes]:
    return {f"s3://{site.logs}/{key}": data for key, data in site.store.objects(site.logs).items()}


def _tables() -> dict[str, bytes]:
    """All that Dagster keeps in Postgres: events, runs with their tags and configuration."""
    import psycopg2

    login = {name: os.environ[f"PG{name.upper()}"] for name in ("host", "port", "user", "password")}
    with (
        closing(psycopg2.connect(dbname=os.environ["PGDATABASE"], **login)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select table_name from information_schema.tables where table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        return {f"table {table}": _rows(cursor, table) for table in tables}


def _rows(cursor: Any, table: str) -> bytes:
    cursor.execute(f'select * from "{table}"')
    return repr(cursor.fetchall()).encode()
