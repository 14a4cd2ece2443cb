"""The production profile end to end: texts to labels by the real commands, with real S3, Postgres and model servers."""

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from svta_models.media_store import sha256_hex
from svta_resources.profiles import project_root
from tests.language.servers import Scene, completion, label_answer, port_server
from tests.s3_server import S3Server
from tests.toy_home import DAGSTER, MODULE, SVTA, DrillHome

CATEGORY = "arson"  # five packaged texts
GENERATOR = "procedural?height=64&width=96&frames=5"
Rows = list[tuple[Any, ...]]
pytestmark = pytest.mark.timeout(600)  # real runs in processes of their own: minutes on a machine that others use too


@dataclass
class Production:
    """A project of profile production that real runs have filled."""

    server: S3Server
    home: Path
    media: str
    logs: str
    environment: dict[str, str]
    database: dict[str, str]
    keys: list[str]
    secrets: dict[str, str]

    def run(self, *command: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """A command as a user runs it; its output is kept with the home, to be searched for secrets."""
        done = subprocess.run(
            command,
            env={**self.environment, **changed},
            cwd=project_root(),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        with open(self.home.parent / "printed", "a") as file:
            file.write(done.stdout + done.stderr)
        return done

    def materialize(self, select: str, *more: str, **changed: str) -> subprocess.CompletedProcess[str]:
        return self.run(DAGSTER, "asset", "materialize", "-m", MODULE, "--select", select, *more, **changed)

    def rows(self, sql: str) -> Rows:
        """Ask Postgres."""
        import psycopg2

        names = ("host", "port", "dbname", "user", "password")
        login = dict(zip(names, self.database.values(), strict=True))
        with closing(psycopg2.connect(**login)) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


@pytest.fixture(scope="module")
def made(server: S3Server, database: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """The runs themselves: raw_texts, then a category from its descriptions to its labels."""
    home = tmp_path_factory.mktemp("production") / "home"
    media, logs, key = server.make_bucket(), server.make_bucket(), f"sk-{secrets.token_hex(16)}"
    scene = Scene([(200, {}, json.dumps(completion(json.dumps(label_answer("setting a fire", is_anomaly=True)))))])
    with port_server(scene) as address:
        chosen = {
            "SVTA_PROFILE": "production",
            "SVTA_VIDEO_GENERATOR": GENERATOR,
            "SVTA_WORKERS": "1",
            "SVTA_MEDIA_URL": f"s3://{media}/svta",
            "SVTA_LOG_BUCKET": logs,
            "SVTA_LLM_MODEL": "some-model",
            "OPENAI_BASE_URL": address,
            "OPENAI_API_KEY": key,
        }
        environment = DrillHome(home).environment(**chosen, **server.environment, **database)
        hidden = {
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "OPENAI_API_KEY": key,
            "PGPASSWORD": database["PGPASSWORD"],
        }
        production = Production(server, home, media, logs, environment, database, scene.keys, hidden)
        instance = home / "dagster" / "dagster.yaml"
        instance.parent.mkdir(parents=True)
        instance.write_text((project_root() / "deploy" / "production" / "dagster.yaml").read_text())
        for command in (("raw_texts",), ("llm_descriptions,videos,labels", "--partition", CATEGORY)):
            done = production.materialize(*command)
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        yield production


def test_clips_tables_and_answers_are_in_the_bucket_and_nothing_but_the_database_at_home(made: Production) -> None:
    objects = made.server.objects(made.media)
    assert objects
    assert all(key.startswith("svta/") for key in objects)
    cards = {
        key: json.loads(data)
        for key, data in objects.items()
        if key.startswith(f"svta/clips/{CATEGORY}/") and key.endswith(".json")
    }
    assert len(cards) == 5
    for card in cards.values():
        assert sha256_hex(objects[f"svta/{card['uri']}"]) == card["sha256"]
    for table in ("texts", "descriptions", "clips", "labels"):
        assert any(key.startswith(f"svta/metadata/{table}/") for key in objects), table
    assert any(key.startswith("svta/answers/label/") for key in objects)
    local = [path.relative_to(made.home).as_posix() for path in made.home.rglob("*") if path.is_file()]
    assert [name for name in local if name.endswith((".mp4", ".parquet", ".db"))] == []


def test_runs_are_in_postgres_and_their_output_in_s3(made: Production) -> None:
    assert made.rows("select status, count(*) from runs group by 1") == [("SUCCESS", 2)]
    [(materialized,)] = made.rows("select count(*) from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'")
    assert materialized >= 4
    run_ids = {run for (run,) in made.rows("select run_id from runs")}
    logs = made.server.objects(made.logs)
    assert {key.split("/")[2] for key in logs} == run_ids
    assert b"STEP_SUCCESS" in b"".join(logs.values())


def test_verify_is_clean_and_status_counts_what_is_there(made: Production) -> None:
    verified = made.run(SVTA, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "clean: 5 clips" in verified.stdout
    status = made.run(SVTA, "status", "--json")
    assert status.returncode == 0, status.stdout + status.stderr
    facts = json.loads(status.stdout)
    assert facts["media"] == f"s3://{made.media}/svta"
    [row] = [row for row in facts["categories"] if row["category"] == CATEGORY]
    assert (row["pairs"], row["clips"], row["missing"]) == (5, 5, 0)


def test_a_project_in_a_bucket_comes_home_whole(made: Production, tmp_path: Path) -> None:
    done = made.run(SVTA, "mirror", f"s3://{made.media}/svta", str(tmp_path / "copy"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "copy" / "home.json").read_text())["profile"] == "production"
    at_home = made.run(SVTA, "verify", SVTA_MEDIA_URL="", SVTA_HOME=str(tmp_path / "copy"))
    assert at_home.returncode == 0, at_home.stdout + at_home.stderr
    assert "clean: 5 clips" in at_home.stdout


def test_a_bucket_that_is_not_there_fails_the_run_with_one_sentence(made: Production) -> None:
    done = made.materialize("raw_texts", SVTA_MEDIA_URL="s3://was-deleted/svta")
    assert done.returncode != 0
    sentence = f"there is no bucket was-deleted at {made.server.endpoint}; create it, or correct SVTA_MEDIA_URL"
    assert sentence in done.stdout + done.stderr
    assert any(sentence in event for (event,) in made.rows("select event from event_logs"))


def test_no_secret_is_in_the_home_the_buckets_the_event_log_or_the_output(made: Production) -> None:
    """Runs last in this file: by now there were runs, a failed one, and commands."""
    assert f"Bearer {made.secrets['OPENAI_API_KEY']}" in made.keys, "the key was used"
    places = {str(path): path.read_bytes() for path in made.home.parent.rglob("*") if path.is_file()}
    for bucket in (made.media, made.logs):
        places |= {f"s3://{bucket}/{key}": data for key, data in made.server.objects(bucket).items()}
    tables = [
        name for (name,) in made.rows("select table_name from information_schema.tables where table_schema = 'public'")
    ]
    assert "event_logs" in tables
    places |= {f"table {table}": repr(made.rows(f'select * from "{table}"')).encode() for table in tables}
    found = [
        (name, place)
        for name, secret in made.secrets.items()
        for place, data in places.items()
        if secret.encode() in data
    ]
    assert found == []
    assert CATEGORY.encode() in places["table event_logs"], "the search reads what is there"
