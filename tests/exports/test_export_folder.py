"""An export is complete or plainly unfinished: killed, damaged, repeated, concurrent, in a foreign folder."""

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from svta_assets.exports.export import FORMATS, Settings, export_release
from svta_assets.exports.files import ExportError
from svta_assets.exports.job import AHEAD, READERS, ExportJob
from svta_assets.workspace import Workspace
from svta_models.release import DamagedClip, Release, resolve
from tests.exports.conftest import Svta, fill
from tests.toy_home import clean_environment

SETTINGS = Settings(shard_clips=4)


def _contents(folder: Path) -> dict[str, str]:
    """Every file below a folder -> sha256."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("form", FORMATS)
def test_two_exports_of_a_release_are_equal_and_checksums_hold(small: Workspace, tmp_path: Path, form: str) -> None:
    for name in ("a", "b"):
        export_release(small, form, tmp_path / name, "v1", SETTINGS)
    first = _contents(tmp_path / "a")
    assert first == _contents(tmp_path / "b")
    listed = dict(
        reversed(line.split("  ", 1)) for line in (tmp_path / "a" / "checksums.sha256").read_text().splitlines()
    )
    assert listed == {name: sha for name, sha in first.items() if name not in ("checksums.sha256", "manifest.json")}
    assert listed


@pytest.mark.parametrize("form", FORMATS)
def test_a_stopped_export_goes_on_and_ends_like_any_other(
    small: Workspace, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    export_release(small, form, whole, "v1", SETTINGS)
    read = ExportJob.clip
    calls = 0

    def fails(job: ExportJob, row: dict[str, object]) -> bytes:
        nonlocal calls
        calls += 1
        if calls > 9:
            raise KeyboardInterrupt
        return read(job, row)

    with monkeypatch.context() as patched:
        patched.setattr(ExportJob, "clip", fails)
        with pytest.raises(KeyboardInterrupt):
            export_release(small, form, stopped, "v1", SETTINGS)
    assert not (stopped / "manifest.json").exists() and not (stopped / "checksums.sha256").exists()
    so_far = _contents(stopped)
    assert not [name for name in so_far if name.endswith(".svta-part")]
    _, done = export_release(small, form, stopped, "v1", SETTINGS)
    assert done.kept == len(so_far) - 1 > 0, "all but the journal"
    assert _contents(stopped) == _contents(whole)


def test_a_killed_process_leaves_an_export_that_the_same_command_finishes(small: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    script = (
        "import sys, time, pathlib\n"
        "from svta_cli.main import run\n"
        "from svta_assets.exports.job import ExportJob\n"
        "read = ExportJob.clip\n"
        "def slow(job, row):\n    time.sleep(0.1)\n    return read(job, row)\n"
        "ExportJob.clip = slow\n"
        "sys.exit(run(sys.argv[1:]))\n"
    )
    given = {name: value for name, value in clean_environment(small.home.path).items() if value is not None}
    arguments = ["export", "msrvtt", "--release", "v1", "--to", str(folder)]
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], env={**os.environ, **given})
    deadline = time.monotonic() + 60
    while len(list(folder.glob("MSRVTT_Videos/*.mp4"))) < 2:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (folder / "manifest.json").exists()
    (folder / "MSRVTT_Videos" / "videohalf.mp4.svta-part").write_bytes(b"what a killed writer leaves")
    _, done = export_release(small, "msrvtt", folder, "v1")
    assert done.kept >= 2
    export_release(small, "msrvtt", tmp_path / "whole", "v1")
    assert _contents(folder) == _contents(tmp_path / "whole")


def test_a_rerun_checks_what_is_there_and_writes_only_what_is_missing_or_damaged(
    small: Workspace, tmp_path: Path
) -> None:
    _, first = export_release(small, "webdataset", tmp_path, "v1", SETTINGS)
    before = _contents(tmp_path)
    _, again = export_release(small, "webdataset", tmp_path, "v1", SETTINGS)
    assert (again.made, again.kept) == (0, first.made)
    shard = tmp_path / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:-100])
    (tmp_path / "test-000000.tar").unlink()
    _, repaired = export_release(small, "webdataset", tmp_path, "v1", SETTINGS)
    assert repaired.made == 2
    assert _contents(tmp_path) == before


def test_a_foreign_folder_another_export_and_a_stray_file_are_refused(small: Workspace, tmp_path: Path) -> None:
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("years of work")
    with pytest.raises(ExportError, match=r"not empty.*chapter\.tex"):
        export_release(small, "webdataset", thesis)
    assert [path.name for path in thesis.iterdir()] == ["chapter.tex"]
    folder = tmp_path / "e"
    export_release(small, "webdataset", folder, "v1", SETTINGS)
    with pytest.raises(ExportError, match="another export.*format 'webdataset' instead of 'huggingface'"):
        export_release(small, "huggingface", folder)
    with pytest.raises(ExportError, match="another export.*shard_clips"):
        export_release(small, "webdataset", folder, "v1", Settings(shard_clips=9))
    (folder / "train-000099.tar").write_bytes(b"of an older release")
    with pytest.raises(ExportError, match=r"train-000099\.tar, which is not part of this export"):
        export_release(small, "webdataset", folder, "v1", SETTINGS)
    with pytest.raises(ExportError, match="is a file"):
        export_release(small, "webdataset", thesis / "chapter.tex")


def test_a_folder_that_another_process_writes_is_refused(small: Workspace, tmp_path: Path) -> None:
    import fcntl

    identity = {"format": "webdataset", "release": resolve(small.store, "v1"), "settings": {"shard_clips": 4}}
    with open(tmp_path / ".svta-export.jsonl", "w") as journal:
        journal.write(json.dumps(identity) + "\n")
        journal.flush()
        fcntl.flock(journal, fcntl.LOCK_EX)
        with pytest.raises(ExportError, match="another process is writing"):
            export_release(small, "webdataset", tmp_path, "v1", SETTINGS)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("harm", ["missing", "damaged"])
def test_a_missing_or_damaged_clip_is_named_and_nothing_looks_complete(
    own_copy: Workspace, tmp_path: Path, form: str, harm: str
) -> None:
    row = Release(own_copy.store, resolve(own_copy.store, "v1")).frame.filter(split="val").row(0, named=True)
    clip = own_copy.store.local_path(row["uri"])
    assert clip is not None
    clip.unlink() if harm == "missing" else clip.write_bytes(clip.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedClip, match=rf"{row['clip_id']}.*svta verify.*materialize"):
        export_release(own_copy, form, tmp_path / "e", "v1", SETTINGS)
    names = _contents(tmp_path / "e")
    assert "manifest.json" not in names and "checksums.sha256" not in names
    assert not [name for name in names if "val-000000" in name or "validation-00000" in name or row["pair_id"] in name]
    assert not [name for name in names if name.endswith(".svta-part")]


def test_an_export_of_a_bucket_equals_that_of_a_folder(
    small: Workspace, tmp_path: Path, new_bucket: Callable[[], str]
) -> None:
    bucket = fill(tmp_path / "home", new_bucket())
    for form in FORMATS:
        export_release(bucket, form, tmp_path / "s3" / form, "v1", SETTINGS)
        export_release(small, form, tmp_path / "folder" / form, "v1", SETTINGS)
    assert _contents(tmp_path / "s3") == _contents(tmp_path / "folder")


def test_clips_are_read_a_few_at_a_time_and_in_order(small: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from svta_assets.exports.job import open_job

    job = open_job(small, "v1")
    rows = job.rows.to_dicts() * 5
    read = ExportJob.clip
    begun = 0

    def counted(job: ExportJob, row: dict[str, object]) -> bytes:
        nonlocal begun
        begun += 1
        return read(job, row)

    monkeypatch.setattr(ExportJob, "clip", counted)
    for taken, (row, data) in enumerate(job.clips(rows), start=1):
        assert row is rows[taken - 1] and hashlib.sha256(data).hexdigest() == row["sha256"]
        assert begun - taken <= AHEAD + 1
    assert begun == len(rows) and READERS <= AHEAD


def test_the_command_says_what_it_wrote(
    small: Workspace, svta: Svta, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in clean_environment(small.home.path).items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    folder = str(tmp_path / "e")
    code, out, _ = svta("export", "webdataset", "--release", "v1", "--to", folder)
    assert code == 0 and "24 pairs (train 16, val 2, test 6)" in out and "3 files written, 0 were there" in out
    assert "0 files written, 3 were there and whole" in svta("export", "webdataset", "--to", folder)[1]
    code, _, err = svta("export", "webdataset", "--release", "v9", "--to", folder)
    assert code == 1 and "no release 'v9'" in err
    assert svta("export", "webdataset", "--to", folder, "--silent-audio")[0] == 2
