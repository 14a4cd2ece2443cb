"""Each format read back by the library, or by a reader of the loaders' description: every pair, split and byte."""

import io
import json
from pathlib import Path

import av
import polars as pl
import pytest

from svta_assets.exports.export import Settings, export_release
from svta_assets.workspace import Workspace
from svta_models.media_store import sha256_hex
from tests.exports import msrvtt_reader

SPLITS = ("train", "val", "test")


def _wanted(rows: pl.DataFrame, split: str) -> dict[str, tuple[str, str]]:
    """pair_id -> caption and sha256 of the clip, as the release says."""
    part = rows.filter(split=split).select("pair_id", "caption", "sha256")
    return {pair: (caption, sha) for pair, caption, sha in part.iter_rows()}


def test_webdataset_reads_every_pair_of_every_split(small: Workspace, rows: pl.DataFrame, tmp_path: Path) -> None:
    import webdataset

    job, _ = export_release(small, "webdataset", tmp_path, "v1", Settings(shard_clips=5))
    shards = json.loads((tmp_path / "manifest.json").read_text())["shards"]
    assert shards["train"] == "train-{000000..000003}.tar", "16 training pairs in shards of 5"
    for split in SPLITS:
        found = {}
        for sample in webdataset.WebDataset(str(tmp_path / shards[split]), shardshuffle=False):
            facts = json.loads(sample["json"])
            assert sample["__key__"] == facts["pair_id"]
            assert facts["generator"] == "toy" and facts["split"] == split
            found[facts["pair_id"]] = (facts["caption"], sha256_hex(sample["mp4"]))
        assert found == _wanted(rows, split)
    assert sum(map(len, job.splits.values())) == rows.height


def test_hugging_face_datasets_loads_the_folder_with_a_video_column(
    small: Workspace, rows: pl.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from datasets import Video, load_dataset

    folder = tmp_path / "hf"
    export_release(small, "huggingface", folder, "v1", Settings(shard_clips=7))
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert list(loaded) == ["train", "validation", "test"]
    for split, name in zip(SPLITS, loaded, strict=True):
        assert isinstance(loaded[name].features["video"], Video)
        raw = loaded[name].cast_column("video", Video(decode=False))
        found = {row["pair_id"]: (row["caption"], sha256_hex(row["video"]["bytes"])) for row in raw}
        assert found == _wanted(rows, split)
        for column in ("category", "final_category", "kind", "group"):
            kept = dict(zip(raw["pair_id"], raw[column], strict=True))
            assert kept == dict(rows.filter(split=split).select("pair_id", column).iter_rows())
    with av.open(io.BytesIO(raw[0]["video"]["bytes"])) as video:
        assert sum(1 for _ in video.decode(video=0)) == 3


def test_the_msrvtt_layout_gives_the_loaders_every_pair(small: Workspace, rows: pl.DataFrame, tmp_path: Path) -> None:
    export_release(small, "msrvtt", tmp_path, "v1", Settings(silent_audio=True))
    read = {
        "train": msrvtt_reader.training_pairs(tmp_path),
        "test": msrvtt_reader.evaluation_pairs(tmp_path),
        "val": msrvtt_reader.evaluation_pairs(tmp_path, "MSRVTT_JSFUSION_val.csv"),
    }
    for split, pairs in read.items():
        found = {
            name.removeprefix("video"): (caption, sha256_hex(msrvtt_reader.video(tmp_path, name).read_bytes()))
            for name, caption in pairs
        }
        assert found == _wanted(rows, split)
        assert msrvtt_reader.gram_pairs(tmp_path, split, tmp_path / "MSRVTT_Audio") == pairs
    assert len(set(msrvtt_reader.parents(tmp_path).values())) == rows.height, "no clip was cut from another's video"
    data = json.loads((tmp_path / "MSRVTT_data.json").read_text())
    assert {one["split"] for one in data["videos"]} == {"train", "validate", "test"}
    assert {one["end time"] for one in data["videos"]} == {0.375}, "three frames at 8 a second"
    silence = next((tmp_path / "MSRVTT_Audio").iterdir())
    with av.open(str(silence)) as audio:
        assert not any(frame.to_ndarray().any() for frame in audio.decode(audio=0))


def test_without_silent_audio_gram_would_keep_nothing_and_the_page_says_so(small: Workspace, tmp_path: Path) -> None:
    export_release(small, "msrvtt", tmp_path, "v1")
    assert msrvtt_reader.gram_pairs(tmp_path, "test", tmp_path / "MSRVTT_Audio") == []


def test_the_manifest_says_what_the_export_is(small: Workspace, rows: pl.DataFrame, tmp_path: Path) -> None:
    job, done = export_release(small, "webdataset", tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["release"] == job.release.hash and manifest["release_names"] == ["v1"]
    assert manifest["pairs"] == rows.height == sum(manifest["pairs_by_split"].values())
    assert manifest["pairs_by_kind"] == dict(rows["kind"].value_counts().iter_rows())
    assert manifest["generators"] == ["toy"]
    assert any("toy" in line for line in manifest["terms"])
    assert manifest["svta_version"] == "0.1.0"
    assert manifest["bytes"] == done.total_bytes == sum(path.stat().st_size for path in tmp_path.glob("*.tar"))
