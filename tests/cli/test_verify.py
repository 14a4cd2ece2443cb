"""`svta verify` finds every kind of damage, names it, sets aside what the next run can make again, and loses nothing."""

import json
import os
import time
from pathlib import Path

import polars as pl
import pytest

from svta_assets.videos.plan import Mode
from svta_cli.integrity import check_home
from svta_models.identity import canonical_json
from svta_models.media_store import sha256_hex
from svta_models.release import release_log
from tests.cli.conftest import CAPTIONS, Svta, release_of
from tests.stages.toy_category import CATEGORY, ToyCategory


def _files(home: Path) -> set[str]:
    return {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}


def _age(path: Path, seconds: float = 3600.0) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_whole_home_is_clean_and_stays_as_it_is(released: ToyCategory, svta: Svta) -> None:
    before = _files(released.work.home.path)
    code, out, _ = svta("verify")
    assert (code, out) == (0, "clean: 12 clips, 1 releases, 0 checkpoints; each is what was recorded\n")
    assert _files(released.work.home.path) == before


def test_a_truncated_clip_is_set_aside_with_its_releases_named_and_made_again(
    released: ToyCategory, svta: Svta
) -> None:
    clip, whole = released.file("p3-0"), released.file("p3-0").read_bytes()
    clip.write_bytes(whole[:100])
    code, out, _ = svta("verify")
    assert code == 1
    uri = clip.relative_to(released.work.home.path).as_posix()
    assert f"damaged, set aside in damaged/: {uri}" in out
    assert f"release: {release_log(released.work.store)[-1].hash}: 1 of its clips" in out
    assert f"svta regen {CATEGORY} --mode missing" in out
    assert (released.work.home.path / "damaged" / uri).read_bytes() == whole[:100]
    assert "p3" not in released.current, "the row goes with the clip"

    assert released.run().made == 1
    assert clip.read_bytes() == whole
    assert svta("verify")[0] == 0


def test_a_lost_clip_stays_named_until_it_is_made_again(released: ToyCategory, svta: Svta) -> None:
    clip = released.file("p3-0")
    clip.unlink()
    for _ in range(2):
        code, out, _ = svta("verify")
        assert code == 1
        assert f"missing: clips/{CATEGORY}/{clip.name}" in out
    released.run()
    assert svta("verify")[0] == 0


def test_new_bytes_under_an_old_name_are_reported_by_release(released: ToyCategory, svta: Svta) -> None:
    """The clip and its card agree, but the release was promised other bytes."""
    clip = released.file("p3-0")
    clip.write_bytes(b"another encoder's bytes")
    card = clip.with_suffix(".json")
    card.write_text(json.dumps(json.loads(card.read_text()) | {"sha256": sha256_hex(clip.read_bytes())}))
    code, out, _ = svta("verify")
    assert code == 1
    assert "damaged, set aside" not in out
    assert f"1 of its clips are damaged, missing or changed: clips/{CATEGORY}/{clip.name}" in out
    assert "svta release" in out


def test_a_clip_without_a_card_is_reported_unless_it_was_just_made(toy: ToyCategory) -> None:
    card = toy.file("p3-0").with_suffix(".json")
    card.unlink()
    found = check_home(toy.work)
    assert found.problems == []
    assert any("no recipe card yet" in remark for remark in found.remarks)
    _age(card.with_suffix(".mp4"))
    found = check_home(toy.work)
    assert [problem.kind for problem in found.problems] == ["without a recipe card"]
    toy.run()  # renders again, meets the finished file, and only adds the card
    assert card.exists()
    assert check_home(toy.work).problems == []


def test_an_unreadable_card_is_set_aside_and_the_next_run_writes_it_again(toy: ToyCategory, svta: Svta) -> None:
    card = toy.file("p3-0").with_suffix(".json")
    card.write_text('{"clip_id": "p3-0", "pa')
    _age(card.with_suffix(".mp4"))
    code, out, _ = svta("verify")
    assert code == 1
    assert f"unreadable recipe card, set aside in damaged/: clips/{CATEGORY}/{card.name}" in out
    toy.run()
    assert json.loads(card.read_text())["clip_id"] == "p3-0"
    assert svta("verify")[0] == 0


def test_rows_that_a_killed_run_never_wrote_are_brought_into_step(toy: ToyCategory, svta: Svta) -> None:
    rows = toy.clips
    toy.work.catalog.publish("clips", CATEGORY, rows.head(4))
    code, out, _ = svta("verify")
    assert code == 0
    assert "4 rows before, 12 now" in out
    assert toy.clips.equals(rows)


@pytest.mark.parametrize("damage", ["changed", "truncated"])
def test_a_damaged_release_is_named_and_hides_nothing_else(released: ToyCategory, svta: Svta, damage: str) -> None:
    first = release_log(released.work.store)[-1].hash
    path = released.work.store.local_path(f"releases/{first}.parquet")
    assert path is not None
    if damage == "changed":
        pl.read_parquet(path).with_columns(caption=pl.lit("x")).write_parquet(path)
    else:
        path.write_bytes(path.read_bytes()[:200])
    released.file("p5-0").unlink()
    code, out, _ = svta("verify")
    assert code == 1
    assert f"release: releases/{first}.parquet" in out
    assert "missing: " in out


def _checkpoint(toy: ToyCategory, weights: bytes = b"weights") -> Path:
    config = canonical_json({"weights_sha256": sha256_hex(weights)}).encode()
    folder = f"checkpoints/clip4clip-meanp/{sha256_hex(config)[:16]}"
    toy.work.store.put_new(f"{folder}/config.json", config)
    toy.work.store.put_new(f"{folder}/model.safetensors", weights)
    row = {"checkpoint_id": folder.rsplit("/", 1)[-1], "model": "clip4clip-meanp", "uri": folder}
    toy.work.catalog.publish("checkpoints", "clip4clip-meanp", [row])
    return toy.work.home.path / folder


@pytest.mark.parametrize("damage", ["weights", "config", "gone"])
def test_a_damaged_checkpoint_is_named(toy: ToyCategory, svta: Svta, damage: str) -> None:
    folder = _checkpoint(toy)
    assert svta("verify")[0] == 0
    if damage == "weights":
        (folder / "model.safetensors").write_bytes(b"weight")
    elif damage == "config":
        (folder / "config.json").write_bytes(b"{}")
    else:
        (folder / "model.safetensors").unlink()
    code, out, _ = svta("verify")
    assert code == 1
    assert out.count("checkpoint: ") == 1
    assert folder.name in out
    assert "materialize model_checkpoints" in out


def test_unreadable_metadata_is_named_with_its_partition(released: ToyCategory, svta: Svta) -> None:
    item = released.work.catalog.files("splits")[0]
    path = released.work.store.local_path(item.key)
    assert path is not None
    path.write_bytes(b"PAR1 no more")
    code, out, _ = svta("verify")
    assert code == 1
    assert f"metadata: metadata file {item.key}" in out


def test_every_release_is_checked_whether_or_not_it_is_the_latest(released: ToyCategory, svta: Svta) -> None:
    first = release_log(released.work.store)[-1].hash
    released.run(Mode.NEW_TAKE)
    second = release_of(released)
    assert second != first
    released.work.store.delete([f"clips/{CATEGORY}/{path.name}" for path in _take(released, 0)])
    code, out, _ = svta("verify")
    assert code == 1
    assert f"release: {first}: {len(CAPTIONS)} of its clips" in out
    assert f"release: {second}" not in out


def _take(toy: ToyCategory, take: int) -> list[Path]:
    folder = toy.work.home.path / "clips" / CATEGORY
    return sorted(path for path in folder.glob("*.mp4") if path.name.split("-")[1] == str(take))
