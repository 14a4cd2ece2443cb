"""A production site in a network namespace: bucket, database, language model, and three Ray nodes with a disk each."""

import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from svta_resources.profiles import project_root
from tests.language.servers import Scene, completion, label_answer, port_server
from tests.postgres_server import postgres
from tests.s3_server import S3Server, s3_server
from tests.toy_home import DrillHome
from tests.video.ray_nodes import FOURTH, OTHER, THIRD, Inside, RayNodes

GENERATOR = "procedural?height=240&width=416&frames=97"  # a second a clip: long enough to lose the machine in one
HEAD, RUNNERS = FOURTH, (OTHER, THIRD)  # runs are on the second kind only
LAUNCHED = ("SVTA_HOME", "DAGSTER_HOME")  # of these, nodes know what the launcher tells them
INSTANCE = project_root() / "deploy" / "production" / "dagster.yaml"


@dataclass
class Site:
    """What a drill acts on.

    Attributes:
        home: the home of the daemon's machine; its settings are those of every command on that machine.
        keys: what the language model was sent as Authorization.
        hidden: the secrets, by the name of their variable.
    """

    home: DrillHome
    store: S3Server
    nodes: RayNodes
    media: str
    logs: str
    keys: list[str]
    hidden: dict[str, str]


@contextmanager
def production_site(folder: Path) -> Iterator[Site]:
    """Start everything but the daemon; `os.environ` is then the daemon's machine."""
    key, token = f"sk-{secrets.token_hex(16)}", secrets.token_hex(32)
    scene = Scene([(200, {}, json.dumps(completion(json.dumps(label_answer("some name", is_anomaly=True)))))])
    with s3_server() as store, postgres() as database, port_server(scene) as model:
        everywhere = {  # docs/many-gpus.md: what every node has in its environment
            **store.environment, **database, "OPENAI_API_KEY": key, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }  # fmt: skip
        media, logs = store.make_bucket(), store.make_bucket()
        nodes = RayNodes(Inside(), folder, everywhere, head=HEAD)
        home = DrillHome(folder / "home")
        home.settings = {  # and what the daemon's machine has besides
            **everywhere, "SVTA_PROFILE": "production", "SVTA_MEDIA_URL": f"s3://{media}/svta",
            "SVTA_LOG_BUCKET": logs, "SVTA_RAY_ADDRESS": nodes.address, "RAY_API_SERVER_ADDRESS": nodes.job_server,
            "SVTA_VIDEO_GENERATOR": GENERATOR, "SVTA_WORKERS": "2",
            "SVTA_LLM_MODEL": "some-model", "OPENAI_BASE_URL": model,
        }  # fmt: skip
        (home.path / "dagster").mkdir(parents=True)
        shutil.copyfile(INSTANCE, home.path / "dagster" / "dagster.yaml")
        nodes.start(HEAD, cpus=0, gpus=0, job_server=True)
        for ip in RUNNERS:
            nodes.start(ip, cpus=2, gpus=0, disk=home.path)  # for a run and a worker
        for ip in (HEAD, *RUNNERS):
            nodes.wait_for_agent(ip)
        os.environ.update(home.environment())
        hidden = {
            name: everywhere[name]
            for name in ("PGPASSWORD", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "RAY_AUTH_TOKEN")
        }
        yield Site(home, store, nodes, media, logs, scene.keys, hidden)
