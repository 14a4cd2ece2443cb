"""A full disk and a home that may not be written: a clear error, and nothing half-written."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT = 4 * 1024 * 1024

_FILL = f"""
import json, os, resource, signal, sys
from pathlib import Path
from svta_assets.workspace import Workspace
from svta_models.media_store import StoreError, open_store
from svta_resources.profiles import PROFILES, Home, HomeError

root = Path(sys.argv[1])
if sys.argv[2] == "limit":  # no private mount allowed here: a limit on the size of one file stands for the full disk
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, 700_000))
store = open_store(root / "home")
said = []
for number in range(64):
    size = 600_000 if number < 6 else 900_000
    try:
        store.put_new(f"clips/fire/{{number}}.mp4", bytes(size))
    except StoreError as error:
        said.append(str(error))
        break
try:
    store.put("clips/fire/whole.mp4", bytes({LIMIT}))
except StoreError as error:
    said.append(str(error))
listed = {{item.key: item.size for item in store.list("clips")}}
files = sorted(path.name for path in root.rglob("*") if path.is_file())
filler = root / "filler"
if sys.argv[2] != "limit":
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    home = Home(PROFILES["demo"], root / "home", str(root / "home"))
    for call in (home.prepare, home.prepare_dagster, lambda: Workspace(home).refresh()):
        try:
            call()
            said.append("no error")
        except HomeError as error:
            said.append(str(error))
    filler.unlink()
    files += sorted(path.name for path in root.rglob("*") if path.is_file() and ".mp4" not in path.name)
print(json.dumps({{"said": said, "listed": listed, "files": files}}))
"""


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = 'mount -t tmpfs -o size=4m tmpfs "$1"'
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(["unshare", "-m", "sh", "-c", probe, "sh", folder], capture_output=True, check=False)
    return done.returncode == 0


def test_a_full_disk_names_the_file_and_the_next_step_and_keeps_what_was_finished(tmp_path: Path) -> None:
    """On a real 4 MB tmpfs in a private mount namespace where that is allowed, else under a file-size limit."""
    python = [sys.executable, "-c", _FILL, str(tmp_path)]
    mounted = _may_mount()
    if mounted:
        script = f'mount -t tmpfs -o size={LIMIT} tmpfs "$1" && shift && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "sh", str(tmp_path), *python, "tmpfs"]
    else:
        command = [*python, "limit"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    listed = report["listed"]
    assert list(listed) == [f"clips/fire/{number}.mp4" for number in range(6)]
    assert set(listed.values()) == {600_000}, "finished clips are whole"
    assert report["files"][:6] == [f"{number}.mp4" for number in range(6)]
    assert report["files"][6:] == [], "no partial file, home.json or dagster.yaml was left half-written"
    assert "clips/fire/6.mp4" in report["said"][0]
    assert "clips/fire/whole.mp4" in report["said"][1]
    assert "run again after" in report["said"][0]
    if mounted:
        assert "the disk is full: free some space or set SVTA_HOME to another disk" in report["said"][0]
        assert all("No space left on device" in text and "SVTA_HOME" in text for text in report["said"][2:])
        assert len(report["said"]) == 5


_UNWRITABLE = """
import json, os, sys
import duckdb
from pathlib import Path
from svta_assets.workspace import Workspace
from svta_models.media_store import open_store
from svta_resources.errors import SvtaError
from svta_resources.profiles import PROFILES, Home
from svta_resources.query import refresh

root = Path(sys.argv[1])
if os.geteuid() == 0:  # modes do not bind root
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
home = Home(PROFILES["demo"], root / "home", str(root / "home"))
store = open_store(root / "home")
calls = {
    "prepare": home.prepare,
    "prepare_dagster": home.prepare_dagster,
    "put": lambda: store.put("clips/x.mp4", b"1"),
    "put_new": lambda: store.put_new("clips/x.mp4", b"1"),
    "delete": lambda: store.delete(["kept.txt"]),
    "move": lambda: store.move("kept.txt", "damaged/kept.txt"),
    "refresh": lambda: refresh(Workspace(home).catalog, home.path),
}
said = {}
for name, call in calls.items():
    try:
        call()
        said[name] = "no error"
    except SvtaError as error:
        said[name] = str(error)
print(json.dumps(said))
"""


@pytest.fixture
def readonly() -> Iterator[Path]:
    """A folder that everybody may read (pytest's own is private to its user) with a home that nobody may write."""
    root = Path(tempfile.mkdtemp())
    (root / "home").mkdir()
    (root / "home" / "kept.txt").write_text("kept")
    os.chmod(root, 0o755)
    os.chmod(root / "home", 0o555)
    yield root
    os.chmod(root / "home", 0o755)
    shutil.rmtree(root)


def test_a_home_that_may_not_be_written_says_so_and_what_to_do(readonly: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _UNWRITABLE, str(readonly)], capture_output=True, text=True, check=True, timeout=60
    )
    said = json.loads(done.stdout)
    for name in ("prepare", "prepare_dagster"):
        assert f"home {readonly}/home cannot be written (Permission denied)" in said[name]
        assert "SVTA_HOME" in said[name]
    for name in ("put", "put_new", "delete", "move"):
        assert "not writable: give this user write access or set SVTA_HOME" in said[name]
    assert "svta.duckdb cannot be written" in said["refresh"]
    assert [path.name for path in (readonly / "home").iterdir()] == ["kept.txt"]
