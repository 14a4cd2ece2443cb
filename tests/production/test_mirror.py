"""`svta mirror`: folder to bucket to folder, killed and resumed, and never over something that differs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from svta_cli.main import cli
from svta_models.media_store import MediaStore, open_store, sha256_hex
from svta_models.release import COLUMNS, name_release, open_release, release_log, write_release
from svta_resources.errors import SvtaError
from tests.flaky_proxy import Fate, flaky_proxy
from tests.s3_server import S3Server
from tests.stages.toy_category import CATEGORY, ToyCategory

Media = Callable[[], str]


def _release(toy: ToyCategory, split: str = "train") -> str:
    """A release of the current clips, as `splits` writes it."""
    captions = dict(toy.work.catalog.read("descriptions", CATEGORY).select("pair_id", "caption").iter_rows())
    rows = [
        {
            **dict.fromkeys(COLUMNS, CATEGORY),
            **{name: row[name] for name in ("pair_id", "clip_id", "uri", "sha256")},
            "caption": captions[row["pair_id"]],
            "kind": "anomaly",
            "split": split,
        }
        for row in toy.clips.filter("current").iter_rows(named=True)
    ]
    return write_release(toy.work.store, pl.DataFrame(rows))


@pytest.fixture
def toy(tmp_path: Path) -> ToyCategory:
    """A home with eight clips, a checkpoint, an approved taxonomy and the release v1."""
    toy = ToyCategory(tmp_path / "home", {f"pair-{n}": f"smoke rises from house {n}" for n in range(8)})
    toy.run()
    digest, store, weights = _release(toy), toy.work.store, os.urandom(200_000)
    name_release(store, "v1")
    config = json.dumps({"model": "toy", "weights_sha256": sha256_hex(weights)}).encode()
    folder = f"checkpoints/toy/{sha256_hex(config)[:12]}"
    store.put(f"{folder}/model.safetensors", weights)
    store.put(f"{folder}/config.json", config)
    store.put("taxonomy/versions/1.json", b"{}")
    row = {"checkpoint_id": folder[-12:], "model": "toy", "release": digest, "uri": folder}
    toy.work.catalog.publish("checkpoints", "toy", [row])
    return toy


def _svta(*arguments: str, home: Path | None = None) -> Result:
    environment = {"SVTA_HOME": str(home)} if home else {}
    return CliRunner().invoke(cli, list(arguments), env={"SVTA_MEDIA_URL": "", **environment})


def _mirror(source: str | Path, target: str | Path, *options: str) -> Result:
    done = _svta("mirror", str(source), str(target), *options)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def _everything(store: MediaStore) -> dict[str, bytes]:
    """All objects of a place, apart from what only a folder has."""
    local = ("home.json", "svta.duckdb", ".svta.duckdb.lock")
    return {item.key: store.get(item.key) for item in store.list("") if item.key not in local}


def test_a_project_goes_to_a_bucket_and_to_another_folder_and_stays_the_same(
    toy: ToyCategory, media: Media, tmp_path: Path
) -> None:
    home, bucket, copy = tmp_path / "home", media(), tmp_path / "copy"
    there = _mirror(home, bucket)
    back = _mirror(bucket, copy)
    assert (there.exit_code, back.exit_code) == (0, 0), there.output + back.output
    before = _everything(toy.work.store)
    assert len(before) > 20
    assert _everything(open_store(bucket)) == before == _everything(open_store(copy))
    assert json.loads((copy / "home.json").read_text()) == json.loads((home / "home.json").read_text())
    ours, theirs = open_release(home, "v1"), open_release(copy, "v1")
    assert theirs.hash == ours.hash == open_release(bucket, "v1").hash
    assert theirs.frame.equals(ours.frame)
    assert [theirs.clip_bytes(row) for row in theirs.frame.to_dicts()] == [
        ours.clip_bytes(row) for row in ours.frame.to_dicts()
    ]
    verified = _svta("verify", home=copy)
    assert verified.exit_code == 0, verified.output
    assert "clean: 8 clips, 1 releases, 1 checkpoints" in verified.output
    status = json.loads(_svta("status", "--json", home=copy).output)
    assert (status["release"], status["categories"][0]["current"]) == (ours.hash, 8)


def test_the_state_of_a_training_under_way_stays_where_it_is(toy: ToyCategory, tmp_path: Path) -> None:
    toy.work.store.put("checkpoints/gram/.training/ab/00000001-0123456789abcdef.pt", b"state")
    assert _mirror(tmp_path / "home", tmp_path / "copy").exit_code == 0
    assert not (tmp_path / "copy" / "checkpoints" / "gram").exists()


def test_a_second_copy_sends_nothing(toy: ToyCategory, media: Media, tmp_path: Path) -> None:
    bucket = media()
    _mirror(tmp_path / "home", bucket)
    stamps = {item.key: item.modified for item in open_store(bucket).list("")}
    for options in ((), ("--quick",)):
        again = _mirror(tmp_path / "home", bucket, *options)
        assert again.exit_code == 0
        assert "there already: " in again.output and "copied" not in again.output and "0.0 MB sent" in again.output
    assert {item.key: item.modified for item in open_store(bucket).list("")} == stamps


def test_a_dry_run_changes_nothing(toy: ToyCategory, media: Media, tmp_path: Path) -> None:
    bucket = media()
    said = _mirror(tmp_path / "home", bucket, "--dry-run")
    assert f"to copy: {len(_everything(toy.work.store))} objects" in said.output
    assert open_store(bucket).list("") == []
    _mirror(tmp_path / "home", tmp_path / "copy", "--dry-run")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("size", ["same", "other"])
def test_an_object_that_differs_is_named_and_left_alone(
    size: str, toy: ToyCategory, media: Media, tmp_path: Path
) -> None:
    bucket, uri = media(), toy.clips["uri"][0]
    whole = toy.work.store.get(uri)
    other = bytes(len(whole)) if size == "same" else b"other"
    open_store(bucket).put(uri, other)
    said = _mirror(tmp_path / "home", bucket)
    assert said.exit_code == 1
    assert f"differs at the target: {uri}" in said.output
    assert open_store(bucket).get(uri) == other
    assert len(open_store(bucket).list("clips")) == 16, "the others are there"


def test_a_damaged_clip_is_not_carried_on(toy: ToyCategory, media: Media, tmp_path: Path) -> None:
    bucket, clip = media(), toy.clips["clip_id"][0]
    toy.file(clip).write_bytes(b"half of it")
    said = _mirror(tmp_path / "home", bucket)
    assert said.exit_code == 1
    assert f"not what was recorded, at the source: {toy.clips['uri'][0]}" in said.output
    assert not open_store(bucket).exists(toy.clips["uri"][0])


def test_one_release_takes_its_clips_and_checkpoints_and_no_others(
    toy: ToyCategory, media: Media, tmp_path: Path
) -> None:
    toy.work.catalog.publish(
        "descriptions",
        CATEGORY,
        [*toy.work.catalog.read("descriptions", CATEGORY).to_dicts(), {"pair_id": "late", "category": CATEGORY, "caption": "a late text", "origin": "source"}],
    )  # fmt: skip
    toy.run()
    newer = _release(toy)
    bucket = media()
    said = _mirror(tmp_path / "home", bucket, "--release", "v1")
    assert said.exit_code == 0, said.output
    store = open_store(bucket)
    assert len([item for item in store.list("clips") if item.key.endswith(".mp4")]) == 8
    assert [entry.hash for entry in release_log(store)] == [open_release(tmp_path / "home", "v1").hash]
    assert open_release(bucket).frame.equals(open_release(tmp_path / "home", "v1").frame)
    assert len(store.list("checkpoints")) == 2
    _mirror(bucket, tmp_path / "copy")
    verified = _svta("verify", home=tmp_path / "copy")
    assert verified.exit_code == 0, verified.output
    assert "table clips" not in verified.output, "its rows are in step with the clips that came along"
    rest = _mirror(tmp_path / "home", tmp_path / "copy")
    assert rest.exit_code == 0, rest.output
    assert open_release(tmp_path / "copy").hash == newer


def test_a_target_that_was_worked_with_is_not_called_equal(toy: ToyCategory, media: Media, tmp_path: Path) -> None:
    _mirror(tmp_path / "home", tmp_path / "copy")
    copy = ToyCategory(tmp_path / "copy", {"another": "a text of the copy"})
    said = _mirror(tmp_path / "home", tmp_path / "copy")
    assert said.exit_code == 1
    assert f"the target is ahead of the source: descriptions, {CATEGORY}" in said.output
    assert "ahead of the source: releases" not in said.output
    assert copy.work.catalog.read("descriptions", CATEGORY)["pair_id"].to_list() == ["another"]


def test_a_target_whose_latest_release_is_another_is_not_called_equal(toy: ToyCategory, tmp_path: Path) -> None:
    _mirror(tmp_path / "home", tmp_path / "copy")
    frame = open_release(tmp_path / "copy", split="all").frame
    write_release(open_store(tmp_path / "copy"), frame.with_columns(split=pl.lit("test")))
    said = _mirror(tmp_path / "home", tmp_path / "copy")
    assert said.exit_code == 1
    assert "the target is ahead of the source: releases, latest" in said.output


def test_two_profiles_never_mix(toy: ToyCategory, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "home.json").write_text('{"profile": "gpu"}')
    with pytest.raises(SvtaError, match="belongs to profile 'gpu'"):
        _mirror(tmp_path / "home", tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["home.json"]


def test_a_wrong_source_is_named(tmp_path: Path, media: Media) -> None:
    with pytest.raises(SvtaError, match=r"nowhere is not a folder"):
        _mirror(tmp_path / "nowhere", tmp_path / "copy")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SvtaError, match=r"empty holds nothing of a project"):
        _mirror(tmp_path / "empty", tmp_path / "copy")
    with pytest.raises(SvtaError, match="same place"):
        _mirror(tmp_path / "empty", tmp_path / "empty")
    media()
    with pytest.raises(SvtaError, match="there is no bucket not-here"):
        _mirror("s3://not-here/x", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def _killed_in_the_middle(source: str, target: str, there: MediaStore, environment: dict[str, str]) -> set[str]:
    """Kill the real command when some clips have arrived; return the keys that are there."""
    command = [str(Path(sys.executable).with_name("svta")), "mirror", source, target]
    writer = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(there.list("clips")) < 3 and time.monotonic() < until:
        time.sleep(0.02)
    assert writer.poll() is None, "it was to be killed while it copies"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    return {item.key for item in there.list("")}


@pytest.mark.parametrize("direction", ["to the bucket", "from the bucket"])
def test_a_copy_killed_in_the_middle_goes_on_and_sends_only_the_rest(
    direction: str, toy: ToyCategory, media: Media, server: S3Server, tmp_path: Path
) -> None:
    home, bucket, copy = str(tmp_path / "home"), media(), str(tmp_path / "copy")
    if direction == "from the bucket":
        assert _mirror(home, bucket).exit_code == 0
    source, target = (home, bucket) if direction == "to the bucket" else (bucket, copy)
    there = open_store(target, endpoint=server.endpoint) if target == bucket else open_store(target)
    with flaky_proxy(server.port, lambda number: Fate(delay_s=0.1)) as port:
        arrived = _killed_in_the_middle(source, target, there, {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
    everything = _everything(toy.work.store)
    assert {key: there.get(key) for key in arrived - {"home.json"}}.items() <= everything.items(), "nothing half"
    assert not any(key.startswith("releases/log") for key in arrived), "the release is named when all of it is there"
    stamps = {item.key: item.modified for item in there.list("")}
    again = _mirror(source, target)
    assert again.exit_code == 0, again.output
    sent = len(everything) - len(arrived - {"home.json"})
    assert f"copied: {sent}; there already: {len(everything) - sent}" in again.output
    assert _everything(there) == everything
    assert {item.key: item.modified for item in there.list("") if item.key in arrived} == stamps


def test_a_server_that_goes_away_ends_the_copy_with_one_sentence(
    toy: ToyCategory, media: Media, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = media()
    monkeypatch.setenv("SVTA_S3_PATIENCE_S", "0")
    with flaky_proxy(server.port, lambda number: Fate() if number < 3 else Fate(cut_answer_after=0)) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        with pytest.raises(SvtaError, match=rf"http://127.0.0.1:{port} does not answer for bucket .* run again after"):
            _mirror(tmp_path / "home", bucket)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
    assert _mirror(tmp_path / "home", bucket).exit_code == 0
    assert _everything(open_store(bucket)) == _everything(toy.work.store)
