"""Send the newest morning digest to a Slack channel: `SVTA_HOME=... SLACK_WEBHOOK=... python examples/digest_slack.py`.

Run it from cron a little after the schedule `digest` (07:00). SLACK_WEBHOOK is the address of an incoming webhook: a
secret, so it comes from the environment. Slack renders no Markdown tables: they are sent as they are, in monospace,
and the moving sheets stay in the home beside the digest.
"""

import json
import os
import re
import sys
import urllib.request
from pathlib import Path

TEXT_LIMIT = 2900  # characters; Slack takes 3000 in one section
SECTIONS = 6


def newest(home: Path) -> Path:
    """The newest digest of a home."""
    found = sorted((home / "reports" / "digests").glob("????-??-??.md"))
    if not found:
        sys.exit(f"no digest in {home}: run `svta nightly --digest`, or start the schedule `digest`")
    return found[-1]


def message(digest: str) -> dict[str, object]:
    """A Slack message of a digest's Markdown: its headline, then each section in monospace."""
    head, *sections = re.split(r"^#+ ", digest, flags=re.MULTILINE)[1:]
    headline = head.splitlines()[0]
    blocks: list[dict[str, object]] = [{"type": "header", "text": {"type": "plain_text", "text": headline[:150]}}]
    for section in [one for one in sections if "![" not in one][:SECTIONS]:
        title, _, body = section.partition("\n")
        text = f"*{title}*\n```{body.strip()[:TEXT_LIMIT]}```"
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    return {"text": headline, "blocks": blocks}


def main() -> None:
    """Post the newest digest."""
    digest = newest(Path(os.environ["SVTA_HOME"])).read_text(encoding="utf-8")
    body = json.dumps(message(digest)).encode()
    request = urllib.request.Request(
        os.environ["SLACK_WEBHOOK"], data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        print(f"sent: {answer.status}")


if __name__ == "__main__":
    main()
