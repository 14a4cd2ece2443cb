"""Send the newest morning digest by e-mail: `SVTA_HOME=... MAIL_TO=... SMTP_HOST=... python examples/digest_email.py`.

Run it from cron a little after the schedule `digest` (07:00). SMTP_PORT, SMTP_USER, SMTP_PASSWORD and MAIL_FROM are
read from the environment, too; with a user the connection is encrypted first. The text is the digest's Markdown, its
moving sheets are attached as animated WebP.
"""

import os
import re
import smtplib
import sys
from collections.abc import Mapping
from email.message import EmailMessage
from pathlib import Path


def newest(home: Path) -> Path:
    """The newest digest of a home."""
    found = sorted((home / "reports" / "digests").glob("????-??-??.md"))
    if not found:
        sys.exit(f"no digest in {home}: run `svta nightly --digest`, or start the schedule `digest`")
    return found[-1]


def message(digest: Path, sender: str, to: str) -> EmailMessage:
    """The digest as a message with its sheets attached."""
    text = digest.read_text(encoding="utf-8")
    made = EmailMessage()
    made["Subject"] = text.splitlines()[0].lstrip("# ")
    made["From"], made["To"] = sender, to
    made.set_content(text)
    for name in re.findall(r"^!\[[^\]]*\]\(([^):]+\.webp)\)$", text, re.MULTILINE):
        data = (digest.parent / name).read_bytes()
        made.add_attachment(data, maintype="image", subtype="webp", filename=name)
    return made


def send(made: EmailMessage, environ: Mapping[str, str]) -> None:
    """Hand a message to the mail server."""
    with smtplib.SMTP(environ["SMTP_HOST"], int(environ.get("SMTP_PORT", "587")), timeout=30) as server:
        if user := environ.get("SMTP_USER"):
            server.starttls()
            server.login(user, environ["SMTP_PASSWORD"])
        server.send_message(made)


def main() -> None:
    """Send the newest digest."""
    digest = newest(Path(os.environ["SVTA_HOME"]))
    to = os.environ["MAIL_TO"]
    send(message(digest, os.environ.get("MAIL_FROM", to), to), os.environ)
    print(f"sent: {digest.name} to {to}")


if __name__ == "__main__":
    main()
