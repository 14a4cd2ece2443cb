"""Runs a drill in a network namespace of its own and returns the facts that it wrote."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svta_resources.profiles import project_root
from tests.toy_home import DrillHome
from tests.video.ray_nodes import Namespace


@contextmanager
def facts_of(drill: str, seconds: float) -> Iterator[dict[str, Any]]:
    """Facts of `python -m drill FOLDER`, which must end well within `seconds`; FOLDER lasts as long as the block.

    The drill's environment names no home: a drill chooses its own.
    """
    folder = Path(tempfile.mkdtemp(prefix="svta-site-"))  # short: it holds sockets, whose paths must be
    environment = DrillHome(folder).environment(PYTHONPATH=str(project_root()))
    for name in ("SVTA_HOME", "DAGSTER_HOME"):
        del environment[name]
    namespace = Namespace()
    try:
        command = namespace.command([sys.executable, "-m", drill, str(folder)])
        with open(folder / "said", "w") as said:
            ended = subprocess.run(command, env=environment, stdout=said, stderr=said, check=False, timeout=seconds)
        assert ended.returncode == 0, (folder / "said").read_text()[-12000:]
        yield json.loads((folder / "facts.json").read_text())
    finally:
        namespace.close()
        time.sleep(0.2)  # the kernel ends the processes; they may still write
        shutil.rmtree(folder, ignore_errors=True)
