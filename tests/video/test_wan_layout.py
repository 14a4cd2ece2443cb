"""Weights are checked before anything loads: each problem is named with the file and the next step."""

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from svta_resources.video.wan.layout import SETTING, WanLayoutError, find_layout
from svta_resources.video.wan.presets import PRESETS, T5_FILE, TOKENIZER_FOLDER, VAE_FILE

TINY = PRESETS["tiny"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A complete folder; the files' tensors do not matter here."""
    root = tmp_path / "wan"
    (root / TOKENIZER_FOLDER).mkdir(parents=True)
    for number, name in enumerate(TINY.dit_files):
        save_file({f"w{number}": torch.ones(3, number + 1)}, root / name)
    for name in (T5_FILE, VAE_FILE):
        torch.save({"w": torch.ones(4)}, root / name)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (root / TOKENIZER_FOLDER / name).write_text("{}")
    return root


def _problem(folder: Path | None) -> str:
    with pytest.raises(WanLayoutError) as problem:
        find_layout(TINY, folder)
    return str(problem.value)


def test_a_complete_folder_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SETTING, str(folder))
    layout = find_layout(TINY)
    assert all(Path(path).is_file() for path in (*layout.dit, layout.t5, layout.vae))
    assert Path(layout.tokenizer).is_dir()


def test_without_a_folder_the_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    assert f"set {SETTING} to the folder with {TINY.dit_files[0]}" in _problem(None)


def test_a_folder_that_is_none_is_named(folder: Path) -> None:
    assert "is not a folder" in _problem(folder / "nowhere")


@pytest.mark.parametrize("name", [TINY.dit_files[1], T5_FILE, VAE_FILE, f"{TOKENIZER_FOLDER}/tokenizer.json"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert name in _problem(folder)


def test_a_folder_one_level_too_high_is_answered_with_the_right_one(folder: Path) -> None:
    assert f"set {SETTING}={folder}" in _problem(folder.parent)


def test_another_models_shards_are_told_from_none(folder: Path) -> None:
    with pytest.raises(WanLayoutError, match="2 transformer file"):
        find_layout(PRESETS["wan2.1-t2v-14b"], folder)


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_shard_cut_short_is_found_without_loading_it(folder: Path, keep: int) -> None:
    shard = folder / TINY.dit_files[0]
    shard.write_bytes(shard.read_bytes()[:keep])
    assert TINY.dit_files[0] in _problem(folder)


def test_the_identity_is_the_weights_and_not_when_or_where_they_were_copied(folder: Path, tmp_path: Path) -> None:
    first = find_layout(TINY, folder).identity()
    os.utime(folder / T5_FILE, (1, 1))
    folder.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    assert find_layout(TINY, moved).identity() == first
    save_file({"w0": torch.ones(3, 2)}, moved / TINY.dit_files[0])
    assert find_layout(TINY, moved).identity() != first


def test_equal_shapes_have_one_identity(folder: Path) -> None:
    """Told apart by `svta doctor --hash` alone: reading 70 GB before every plan is not an option."""
    layout = find_layout(TINY, folder)
    identity = layout.identity()
    save_file({"w0": torch.zeros(3, 1)}, folder / TINY.dit_files[0])
    assert layout.identity() == identity
