"""The examples that send a digest do so, against real servers on loopback."""

import json
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from svta_assets.regeneration.digest import digest_of, write
from svta_resources.profiles import project_root
from tests.stages.toy_category import CATEGORY, ToyCategory


@pytest.fixture
def toy(tmp_path: Path) -> ToyCategory:
    made = ToyCategory(tmp_path / "home", {f"p{n}": f"House {n} burns." for n in range(3)})
    made.run()
    write(made.work, digest_of(made.work))
    return made


def _run(name: str, toy: ToyCategory, **settings: str) -> None:
    done = subprocess.run(
        [sys.executable, str(project_root() / "examples" / name)],
        env={**os.environ, "SVTA_HOME": str(toy.work.home.path), **settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sent: ")


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_slack_gets_the_headline_and_the_sections(toy: ToyCategory) -> None:
    got: list[dict[str, Any]] = []

    class Slack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Slack)
    with _serving(server):
        _run("digest_slack.py", toy, SLACK_WEBHOOK=f"http://127.0.0.1:{server.server_port}/hook", no_proxy="127.0.0.1")
    [sent] = got
    assert "3 clips made, 3 accepted, 0 rejected" in sent["text"]
    texts = [block["text"]["text"] for block in sent["blocks"][1:]]
    assert [text.splitlines()[0].split(" (")[0] for text in texts] == ["*What ran*", "*Clips*", "*Validation R@1"]
    assert f"| {CATEGORY} | 3 | 3 |" in texts[1]


def test_the_mail_has_the_digest_and_its_sheet(toy: ToyCategory) -> None:
    mails: list[bytes] = []

    class Mail(socketserver.StreamRequestHandler):
        """As much of SMTP as a client without a password needs (RFC 5321)."""

        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line[:4].upper()
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = iter(self.rfile.readline, b".\r\n")
                    mails.append(b"".join(one[1:] if one.startswith(b"..") else one for one in lines))
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
                if word == b"QUIT":
                    return

    server = socketserver.TCPServer(("127.0.0.1", 0), Mail)
    with _serving(server):
        port = str(server.server_address[1])
        _run("digest_email.py", toy, SMTP_HOST="127.0.0.1", SMTP_PORT=port, MAIL_TO="a@example.org", SMTP_USER="")
    [raw] = mails
    mail = message_from_bytes(raw, policy=policy.default)
    assert "3 clips made" in mail["Subject"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert f"| {CATEGORY} | 3 | 3 |" in body.get_content()
    [sheet] = list(mail.iter_attachments())
    assert sheet.get_content()[8:12] == b"WEBP"
