"""GRAM through the shared trainer: from random weights, from published ones, with and without sound; resumed."""

import io
import json
from dataclasses import replace

import av
import numpy as np
import polars as pl
import pytest
import torch

from svta_models.checkpoint import load_checkpoint
from svta_models.clip_input import read_clips
from svta_models.encoders import encoder_of
from svta_models.errors import SvtaError
from svta_models.evaluation import evaluate
from svta_models.execution import Execution
from svta_models.frames import VideoInfo, normalise, resize_frames
from svta_models.gallery import FrameChoice, ReleaseGallery, VideoGallery, frame_choice
from svta_models.gram.bert_tokenizer import BertTokenizer
from svta_models.gram.files import find_gram_files
from svta_models.gram.frames import preprocess_eval
from svta_models.gram.hearing import SoundChoice, Tracks
from svta_models.gram.tuning import draw_frames
from svta_models.input_cache import ClipView
from svta_models.media_store import open_store, sha256_hex
from svta_models.reading import read_ahead
from svta_models.recipe import GramScratch, GramTuning, read_recipe
from svta_models.release import DamagedClip, Release, write_release
from svta_models.training import train
from tests.models.synthetic import draw, encode, make_release_rows
from tests.models.tiny_gram import WORDS, quick_gram, sounding_rows, with_track, write_tiny_gram

SOUND = SoundChoice(mel_bins=32, length=64)


@pytest.fixture
def silent(tmp_path):
    store = open_store(tmp_path / "home")
    return Release(store, write_release(store, make_release_rows(store, per_scene=3, scenes=8)))


@pytest.fixture
def sounding(tmp_path):
    store = open_store(tmp_path / "home")
    return Release(store, write_release(store, sounding_rows(store, scenes=8)))


@pytest.fixture
def published(tmp_path, monkeypatch):
    monkeypatch.setenv("SVTA_GRAM_DIR", str(write_tiny_gram(tmp_path / "gram")))
    return tmp_path / "gram"


def trained(release, recipe, **how):
    return train(release, release.store, "checkpoints/gram", recipe, method="gram", **how)


def loaded(release, result):
    return load_checkpoint(release.store, "checkpoints/gram", result.checkpoint_id)


# -- recipes -----------------------------------------------------------------------------------------------------------


def test_the_paper_recipe_is_the_official_setting():
    paper, svta = (read_recipe({"name": name}, "gram") for name in ("paper", "svta"))
    assert isinstance(paper, GramTuning)
    official = {
        "preset": "published", "epochs": 5, "vision_lr": 5e-7, "weight_decay": 0.01, "warmup": 0.1, "max_words": 40,
        "max_frames": 8, "train_frames": 4, "frame_rule": "segments", "resize": "bilinear", "audio": "zero",
    }  # fmt: skip
    assert {name: paper.to_dict()[name] for name in official} == official
    differs = {name for name, value in svta.to_dict().items() if value != paper.to_dict()[name]}
    assert differs == {"name", "train_frames", "resize"}
    assert isinstance(read_recipe({}, "GRAM"), GramScratch)
    assert "audio" not in read_recipe({}, "xclip").to_dict(), "no setting of GRAM's changes another model's hash"


@pytest.mark.parametrize("recipe", ["scratch", "paper"])
def test_wrong_settings_are_refused_by_name(recipe):
    for wrong, said in (
        ({"audio": "loud"}, "audio 'loud' is none of zero, k2, real"),
        ({"frame_rule": "all"}, "neither sampled nor segments"),
        ({"preset": "vit-b-32"}, "no GRAM preset 'vit-b-32'"),
    ):
        with pytest.raises(SvtaError, match=said):
            read_recipe({"name": recipe, **wrong}, "gram")


def test_fewer_kept_frames_than_drawn_ones_are_refused():
    with pytest.raises(SvtaError, match="pool_frames 3 are fewer"):
        read_recipe({"name": "paper", "pool_frames": 3}, "gram")


# -- frames ------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_evaluated_with_the_frames_and_the_resize_it_was_trained_with():
    clip = VideoInfo(33, 15, 480, 832)
    paper = read_recipe({"name": "paper"}, "gram").to_dict()
    choice = frame_choice(paper, 224, "crop")
    assert choice.indices(clip) == [2, 6, 10, 14, 18, 22, 26, 30]
    assert choice.in_words == "8 frames middles of equal segments, bilinear resize"
    for name, resize in (("svta", "fast"), ("paper", "exact")):
        assert frame_choice(read_recipe({"name": name}, "xclip").to_dict(), 224, "crop").resize == resize
    assert frame_choice({"max_frames": 12}, 64, "squash") == FrameChoice(12, 64, "squash"), "a recipe of before"


def test_bilinear_pictures_are_the_published_ones_rounded():
    frames = np.random.default_rng(0).integers(0, 256, (2, 60, 90, 3), dtype=np.uint8)
    seen = FrameChoice(2, 32, resize="bilinear").fitted(frames)
    exact = preprocess_eval(frames, 32)
    assert np.abs(normalise(seen) - exact.numpy()).max() < 0.51 / 255 / 0.26
    assert not np.array_equal(seen, resize_frames(frames, 32))


def test_a_step_draws_a_frame_of_each_segment():
    pool = torch.arange(33).view(1, 33, 1, 1, 1).expand(2, 33, 3, 1, 1).contiguous().to(torch.uint8)
    mask = (torch.arange(33) < torch.tensor([[33], [2]])).long()
    random = torch.Generator().manual_seed(0)
    drawn = [draw_frames(pool, mask, 4, random) for _ in range(30)]
    frames = torch.stack([part[0][0, :, 0, 0, 0] for part in drawn])
    assert (frames.diff(dim=1) > 0).all() and frames[:, 0].max() <= 8 and frames[:, 3].min() >= 25
    assert len(set(frames[:, 0].tolist())) > 4
    assert drawn[0][1].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]], "a clip with two frames gives both"
    assert drawn[0][0][1, :, 0, 0, 0].tolist() == [0, 1, 0, 0]


# -- training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio", ["zero", "k2"])
def test_from_random_weights_with_the_way_of_sound_recorded(silent, audio):
    result = trained(silent, quick_gram("scratch", audio=audio))
    checkpoint = loaded(silent, result)
    assert checkpoint.recipe["audio"] == checkpoint.model.config.audio == audio
    assert [round(curve["loss"], 1) < 6 for curve in result.curves] == [True, True]
    found = evaluate(checkpoint, silent.split("test"))
    assert found.frames == "3 frames middles of equal segments, exact resize" and found.heard is None


def test_a_stopped_training_goes_on_to_the_same_weights(sounding, tmp_path, published):
    """From published weights with sound: frames, mirrors, windows, dropout and wrong pairs are drawn anew each step."""
    recipe = quick_gram("svta", audio="real")
    undisturbed = trained(sounding, recipe)
    how = Execution(folder=tmp_path / "state", checkpoint_every=1)

    def stop(report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(sounding, recipe, on_epoch=stop, how=how)
    resumed = trained(sounding, recipe, how=how)
    assert resumed.resumed_at == 1
    assert resumed.checkpoint_id == undisturbed.checkpoint_id


def test_the_paper_recipe_makes_real_steps_from_the_published_file(silent, published):
    said = []
    result = trained(silent, quick_gram("paper", epochs=1), say=said.append)
    checkpoint = loaded(silent, result)
    assert len(checkpoint.recipe["weights"]) == 64
    assert isinstance(checkpoint.tokenizer, BertTokenizer)
    before = torch.load(published / "ckpt" / "model_step_7.pt", weights_only=True)
    after = checkpoint.model.state_dict()
    moved = {name: (after[name] - before[f"module.{name}"]).abs().max().item() for name in after}
    visual, text = "vision_encoder.visual.blocks.0.mlp.fc1.weight", "multimodal_encoder.bert.encoder.layer.0."
    assert 0 < moved[visual] <= 2e-6, "the vision tower learns at its own rate"
    assert 2e-6 < moved[text + "attention.self.query.weight"] <= 4e-5
    assert moved["contra_head_va.weight"] == 0, "what no loss reads stays"
    assert checkpoint.model.config.itm_rerank_num == 4, "from the run's hps.json"


def test_files_that_are_missing_or_changed_are_named(silent, published, monkeypatch):
    recipe = quick_gram("paper")
    named = replace(recipe, weights=find_gram_files().sha256)
    (published / "vocab.txt").write_text("\n".join([*WORDS, "more"]))
    with pytest.raises(SvtaError, match="the recipe names .*: it was changed"):
        trained(silent, named)
    with pytest.raises(SvtaError, match=r"vocab.txt has \d+ words, the weights .*model_step_7.pt have \d+"):
        trained(silent, recipe)
    (published / "vocab.txt").write_text("a\nb\n")
    with pytest.raises(SvtaError, match=r"vocab.txt lacks \[PAD\], \[UNK\].*bert-base-uncased"):
        trained(silent, recipe)
    (published / "vocab.txt").unlink()
    (published / "log" / "hps.json").unlink()
    with pytest.raises(SvtaError, match=r"SVTA_GRAM_DIR\) lacks log/hps.json, vocab.txt: put it there"):
        trained(silent, recipe)
    monkeypatch.delenv("SVTA_GRAM_DIR")
    with pytest.raises(SvtaError, match="set SVTA_GRAM_DIR to the folder of the pre-training run"):
        trained(silent, recipe)


def test_two_weight_files_in_a_folder_are_refused(published):
    (published / "ckpt" / "model_step_8.pt").write_bytes(b"")
    with pytest.raises(SvtaError, match="holds model_step_7.pt and model_step_8.pt: keep one of them"):
        find_gram_files()


def test_berts_tokenizer_cuts_marks_and_comes_back():
    tokenizer = BertTokenizer(WORDS)
    ids, mask = tokenizer.encode(["The RÉD square drifts .", "zebra " * 9], 6)
    word = {name: number for number, name in enumerate(WORDS)}
    assert ids[0].tolist() == [2, word["the"], word["red"], word["square"], word["drift"], 3]
    assert ids[1].tolist() == [2, 1, 1, 1, 1, 3] and mask.all()
    again = BertTokenizer.from_json(tokenizer.to_json())
    assert torch.equal(again.encode(["a pole"], 6)[0], tokenizer.encode(["a pole"], 6)[0])
    assert tokenizer.encode(["a"], 6)[1].tolist() == [[1, 1, 1, 0, 0, 0]]
    assert len(json.loads(tokenizer.to_json())["words"]) == tokenizer.size == len(WORDS)


# -- real sound --------------------------------------------------------------------------------------------------------


def test_real_sound_is_heard_in_training_and_evaluation(sounding):
    said = []
    result = trained(sounding, quick_gram("scratch", audio="real", epochs=1), say=said.append)
    assert any("of 16 train clips have an audio track" in line for line in said)
    checkpoint, split = loaded(sounding, result), sounding.split("test")
    found = evaluate(checkpoint, split)
    tracks = sum(number % 4 > 0 for number in range(24)) - int(said[0].split()[0]) - int(said[1].split()[0])
    assert found.heard == tracks > 0
    encoder = encoder_of(checkpoint)
    assert encoder.sound == SoundChoice(32, 64, 1)
    deaf = replace(checkpoint.model.config, audio="zero")
    checkpoint.model.config = deaf
    assert not np.allclose(evaluate(checkpoint, split).similarity, found.similarity), "the tracks make a difference"


def test_a_damaged_track_is_a_broken_clip_and_silence_is_not(sounding):
    rows = sounding.frame
    train_rows = rows.filter(split="train")
    row = train_rows.row(1, named=True) if b"mp4a" in sounding.store.get(train_rows["uri"][1]) else None
    row = row or next(one for one in train_rows.to_dicts() if b"mp4a" in sounding.store.get(one["uri"]))
    broken = scrambled(sounding.store.get(row["uri"]))
    sounding.store.put(row["uri"], broken)
    changed = rows.to_dicts()
    next(one for one in changed if one["pair_id"] == row["pair_id"])["sha256"] = sha256_hex(broken)
    release = Release(sounding.store, write_release(sounding.store, pl.DataFrame(changed, schema=rows.schema)))
    view = ClipView(FrameChoice(3, 32))
    read = read_clips(release.split("train"), view, max_broken=0.2, sound=SOUND)
    assert list(read.broken) == [row["pair_id"]]
    assert row["clip_id"] in read.broken[row["pair_id"]] and "does not decode" in read.broken[row["pair_id"]]
    assert read.clips.sounds[:].shape == (15, 1, 64, 32)
    assert read_clips(release.split("train"), view).broken == {}, "who does not listen does not mind"


def test_a_damaged_track_stops_an_evaluation_and_of_real_videos_it_is_named(sounding, tmp_path):
    split = sounding.split("test")
    heard = [one for one in split.frame.to_dicts() if b"mp4a" in sounding.store.get(one["uri"])]
    good = sounding.store.get(heard[0]["uri"])
    files = {"good": good, "deaf": encode(draw("red", "sea", "pole", 0)), "scrambled": scrambled(good)}
    for name, data in files.items():
        (tmp_path / f"{name}.mp4").write_bytes(data)
    paths = [tmp_path / f"{name}.mp4" for name in files]
    videos = VideoGallery(list("abc"), list("abc"), list("abc"), paths)
    (read,) = read_ahead(videos, [[0, 1, 2]], FrameChoice(2, 32), SOUND)
    assert [read[number].heard.has_track for number in (0, 1)] == [True, False]
    assert read[0].heard.spectrograms_ASF.any() and not read[1].heard.spectrograms_ASF.any()
    assert "scrambled.mp4 does not decode" in read[2] and "audio: zero" in read[2]
    (silent,) = read_ahead(videos, [[2]], FrameChoice(2, 32))
    assert silent[2].heard is None, "its pictures are whole"
    gallery = ReleaseGallery(split)
    gallery._rows[0] = gallery._rows[0] | {"uri": "clips/x.mp4", "sha256": sha256_hex(files["scrambled"])}
    sounding.store.put("clips/x.mp4", files["scrambled"])
    with pytest.raises(DamagedClip, match=f"clip {gallery._rows[0]['clip_id']}: the audio of .* does not decode"):
        list(read_ahead(gallery, [[0]], FrameChoice(2, 32), SOUND))


def scrambled(data):
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.audio[0]
        places = [(packet.pos, packet.size) for packet in container.demux(stream) if packet.size]
    changed = bytearray(data)
    for start, size in places[1:]:
        changed[start : start + size] = b"\xff" * size
    return bytes(changed)


def test_tracks_are_decoded_when_asked_for_and_memory_is_bounded(sounding):
    rows = sounding.split("train").frame.to_dicts()
    clips = [with_track(sounding.store.get(row["uri"]), 440.0, seconds=1.4) for row in make_silent(rows)]
    reads = []

    def read(number):
        reads.append(number)
        return clips[number]

    second = 4 * 16_000
    tracks = Tracks(len(clips), read, SOUND, held=3 * second)
    tracks[[0, 1]]
    tracks[[0, 1]]
    assert reads == [0, 1]
    tracks[[2]]
    tracks[[1]]
    assert reads == [0, 1, 2], "the newest two fit"
    tracks[[0]]
    assert reads == [0, 1, 2, 0]
    random = torch.Generator().manual_seed(0)
    windows = [tracks.drawn([0], random) for _ in range(12)]
    assert len({float(window.sum()) for window in windows}) > 1, "a long track gives any of its windows"
    assert torch.equal(tracks[0:1], tracks[[0]])


def make_silent(rows):
    return rows[::3][:3]
