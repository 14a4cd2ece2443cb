"""GRAM as a model of this project: clips without sound, frames, short clips, training from scratch, checkpoints."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_models.checkpoint import load_checkpoint, save_checkpoint
from svta_models.gram import volume
from svta_models.gram.config import VisionConfig, gram_preset_values
from svta_models.gram.frames import eval_indices, preprocess_eval, preprocess_train, segments, train_indices
from svta_models.gram.losses import Volumes, draw_negatives, gather_detached, own_rows
from svta_models.gram.model import MIN_TEMPERATURE, Extras, Gram
from svta_models.gram.vision import _Block
from svta_models.media_store import FolderStore
from svta_models.presets import preset_values
from svta_models.published import build_model
from svta_models.tokenizer import CaptionTokenizer
from tests.models.golden import FOLDER
from tests.models.gram_golden import gram_golden


def tiny(**config):
    torch.manual_seed(0)
    values = gram_preset_values("tiny")
    values["config"] |= config
    values["bert_cfg"] |= {"vocab_size": 60}
    model = build_model("gram", values)
    assert isinstance(model, Gram)
    return model


def batch(pairs=4, slots=3, words=6):
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 59, (pairs, words), generator=random)
    frames = torch.randn(pairs, slots, 3, 64, 64, generator=random)
    return ids, torch.ones_like(ids), frames, torch.ones(pairs, slots, dtype=torch.long)


# -- clips without sound -----------------------------------------------------------------------------------------------


@torch.no_grad()
def test_zero_audio_is_an_empty_spectrogram():
    stored = gram_golden()
    model, given = stored.model(), stored.batch()
    empty = Extras(torch.zeros_like(stored.tensor("in/audio_spectrograms")))
    np.testing.assert_allclose(model.similarity(*given), model.similarity(*given, empty), rtol=0, atol=1e-6)
    _, heard = model.clip_side(*given[2:])
    np.testing.assert_allclose(heard, heard[:1].expand_as(heard), rtol=0, atol=0, err_msg="all clips sound alike")


@torch.no_grad()
def test_k2_compares_captions_and_frames_alone_and_is_blind_to_sign():
    stored = gram_golden()
    model, given = stored.model(audio="k2"), stored.batch()
    (text,), (seen,) = model.text_side(*given[:2]), model.clip_side(*given[2:])
    np.testing.assert_array_equal(model.similarity(*given), -volume(text, seen))
    cosine = text @ seen.T
    np.testing.assert_allclose(model.similarity(*given), -(1 - cosine**2).sqrt(), rtol=0, atol=2e-6)
    np.testing.assert_allclose(model.score((text,), (-seen,)), model.score((text,), (seen,)), rtol=0, atol=2e-6)
    tokens = model.condition(model.clip_tokens(*given[2:])).tokens_BKW
    assert tokens.shape[1] == 3 * 5, "the matching head reads frames alone too"
    with pytest.raises(ValueError, match="audio: k2"):
        model.similarity(*given, stored.extras("va"))


def test_real_audio_must_be_given():
    stored = gram_golden()
    model = stored.model(audio="real")
    with pytest.raises(ValueError, match="audio: real"):
        model.loss(*stored.batch())
    assert model.loss(*stored.batch(), extras=stored.extras("va")).isfinite()


@pytest.mark.parametrize("audio", ["zero", "k2", "real"])
def test_the_way_is_part_of_the_configuration(audio):
    assert tiny(audio=audio).config.to_dict()["config"]["audio"] == audio


# -- frames ------------------------------------------------------------------------------------------------------------


def test_frames_are_those_the_published_code_takes():
    cases = json.loads((FOLDER / "frame_sampling.json").read_text())["gram"]
    assert len(cases) == 16
    for case in cases:
        total, count = case["total_frames"], case["sample_num"]
        assert [list(bounds) for bounds in segments(total, count)] == case["segments"]
        assert eval_indices(total, count) == case["eval_frames"]
    assert eval_indices(33) == [2, 6, 10, 14, 18, 22, 26, 30]


@given(st.integers(1, 70), st.integers(1, 9), st.integers(0, 100))
@settings(max_examples=40, deadline=None)
def test_training_takes_one_frame_of_each_segment(total, count, seed):
    chosen = train_indices(total, torch.Generator().manual_seed(seed), count)
    bounds = segments(total, count)
    assert len(chosen) == len(bounds) == min(total, count)
    assert all(first <= number <= last for number, (first, last) in zip(chosen, bounds, strict=True))
    assert bounds[0][0] == 0 and bounds[-1][1] == total - 1


def test_every_frame_of_a_segment_can_be_drawn():
    random = torch.Generator().manual_seed(0)
    assert {train_indices(33, random, 8)[0] for _ in range(100)} == {0, 1, 2, 3, 4}
    with pytest.raises(ValueError, match="both start at 1"):
        segments(0, 8)


@pytest.mark.parametrize("antialias", [False, True])
def test_evaluation_pictures_equal_the_published_ones(antialias):
    with np.load(FOLDER / "preprocess.npz") as stored:
        for case in ("wide", "tall", "small"):
            measured = preprocess_eval(stored[f"clip/{case}_rgb"][None], 32, antialias)[0]
            expected = stored[f"gram/{case}_eval_cropflip_antialias{int(antialias)}"]
            np.testing.assert_allclose(measured, expected, rtol=0, atol=1e-5)


def test_training_pictures_share_one_crop_and_one_mirror_in_a_clip():
    picture = np.random.default_rng(0).integers(0, 256, (1, 40, 70, 3), dtype=np.uint8)
    clip = np.repeat(picture, 3, axis=0)
    seen = [preprocess_train(clip, 32, torch.Generator().manual_seed(seed)) for seed in range(8)]
    for frames in seen:
        assert frames.shape == (3, 3, 32, 32) and torch.equal(frames[0], frames[2])
    assert len({float(frames.sum()) for frames in seen}) > 4, "and another for every clip"


@torch.no_grad()
def test_empty_slots_change_nothing():
    model, (ids, mask, frames, _) = tiny().eval(), batch(slots=3)
    padded = torch.cat([frames, torch.randn(4, 2, 3, 64, 64)], dim=1)
    frame_mask = torch.tensor([[1, 1, 1, 0, 0]]).repeat(4, 1)
    whole = torch.ones(4, 3, dtype=torch.long)
    close = {"rtol": 0, "atol": 1e-5}
    np.testing.assert_allclose(
        model.similarity(ids, mask, padded, frame_mask), model.similarity(ids, mask, frames, whole), **close
    )
    model.vision_frame_embedding.zero_()  # positions are stretched over all slots: without them, nothing differs
    short, long = (model.condition(model.clip_tokens(f, m)) for f, m in ((frames, whole), (padded, frame_mask)))
    np.testing.assert_allclose(model.match(ids, mask, short), model.match(ids, mask, long), **close)
    assert short.mask_BK is None and long.mask_BK.sum().item() == short.tokens_BKW[..., 0].numel()


def test_frame_positions_stretch_to_other_numbers_of_frames():
    model, (_, _, frames, frame_mask) = tiny().eval(), batch(slots=4)
    with torch.no_grad():
        model.vision_frame_embedding[:] = torch.arange(8.0)[None, :, None]
        model.hidden_trans_vision_multimodal[1].weight.zero_()
        model.hidden_trans_vision_multimodal[1].bias.zero_()
        model.vision_type_embeddings.zero_()
        tokens = model.condition(model.clip_tokens(frames, frame_mask), ("vision",)).tokens_BKW
    assert tokens[0, ::17, 0].tolist() == [0, 2, 4, 6]


# -- losses and training -----------------------------------------------------------------------------------------------


def test_wrong_pairs_are_never_the_own_and_mostly_the_nearest():
    random = torch.Generator().manual_seed(0)
    measured = torch.full((5, 5), 9.0).fill_diagonal_(0.0)
    measured[torch.arange(5), torch.arange(1, 6) % 5] = 1.0
    drawn = [draw_negatives(Volumes(measured, measured.T), random) for _ in range(50)]
    of_text = torch.stack([pair.clip_of_text for pair in drawn])
    assert not (of_text == torch.arange(5)).any() and not (drawn[0].text_of_clip == torch.arange(5)).any()
    assert (of_text == (torch.arange(5) + 1) % 5).float().mean() > 0.5
    with pytest.raises(ValueError, match="at least 2"):
        draw_negatives(Volumes(torch.ones(1, 1), torch.ones(1, 1)))


def test_alone_nothing_is_gathered_and_the_other_side_has_no_gradient():
    tensor = torch.ones(2, 3, requires_grad=True)
    assert torch.equal(gather_detached(tensor), tensor) and not gather_detached(tensor).requires_grad
    assert own_rows(3, torch.device("cpu")).tolist() == [0, 1, 2]


def test_a_batch_that_stands_for_two_processes_has_the_same_loss():
    stored = gram_golden()
    model = stored.model().train()
    whole, negatives = stored.batch(), stored.negatives("va")
    rows = [0, 1, 2, 3]
    negatives = type(negatives)(*(part[:4].clamp(max=3) for part in negatives))
    args = [part[rows] for part in whole]
    extras = Extras(stored.tensor("in/audio_spectrograms")[rows])
    one, two = (model.losses(*args, extras, negatives, ranks) for ranks in (1, 2))
    np.testing.assert_allclose(one.total.item(), two.total.item(), rtol=1e-6)
    with pytest.raises(ValueError, match="5 pairs cannot stand for 2 processes"):
        model.loss(*whole, ranks=2)


@pytest.mark.parametrize("audio", ["zero", "k2"])
def test_a_tiny_model_learns_from_scratch(audio):
    model, given = tiny(audio=audio).train(), batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    before = model.losses(*given)
    for _ in range(25):
        optimizer.zero_grad()
        model.loss(*given).backward()
        optimizer.step()
        model.clamp_logit_scale()
    after = model.losses(*given)
    assert after.area < before.area - 0.3
    assert all(tensor.isfinite().all() for tensor in model.parameters())
    similarity = model.eval().similarity(*given)
    assert torch.equal(similarity.argmax(dim=1), torch.arange(4)), "every caption finds its clip"


def test_the_temperature_is_kept_above_zero():
    model = tiny()
    with torch.no_grad():
        model.contra_temp.fill_(-3.0)
    model.clamp_logit_scale()
    assert model.contra_temp.item() == pytest.approx(MIN_TEMPERATURE)


def test_reduced_precision_gives_nearly_the_same_similarity():
    model, given = tiny().eval(), batch()
    with torch.no_grad():
        exact = model.similarity(*given)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            reduced = model.similarity(*given)
            assert model.loss(*given).isfinite()
    assert reduced.dtype == torch.float32
    np.testing.assert_allclose(reduced, exact, rtol=0, atol=0.03)


def test_dropped_branches_keep_the_mean():
    torch.manual_seed(0)
    block = _Block(VisionConfig(8, 1, 2, 16, 32), drop=0.4).train()
    branch = block._kept(torch.ones(4000, 1, 8))
    assert sorted(set(branch[:, 0, 0].tolist())) == pytest.approx([0.0, 1 / 0.6])
    assert branch.mean().item() == pytest.approx(1.0, abs=0.05)
    assert torch.equal(block.eval()._kept(torch.ones(2, 1, 8)), torch.ones(2, 1, 8))


@torch.no_grad()
def test_a_clip_presets_sizes_make_a_gram_and_its_checkpoint_comes_back(tmp_path):
    torch.manual_seed(0)
    captions = ["a man falls", "a dog runs", "a car burns", "two men fight"]
    tokenizer = CaptionTokenizer.train(captions, 60)
    shape = preset_values("tiny") | {"vocab": tokenizer.size, "max_words": 8, "max_frames": 3}
    model = build_model("gram", shape).eval()
    assert (model.config.image, model.config.fit, model.config.contra_dim) == (64, "squash", 128)
    ids, mask = tokenizer.encode(captions, 8)
    frames, frame_mask = batch()[2:]
    assert model.encode_text(ids, mask).shape == (4, 128)
    assert model.encode_frames(frames).shape == (4, 3, 128)
    facts = {"recipe": {}, "release": "r", "seed": 1, "best_epoch": 1, "curves": []}
    store = FolderStore(tmp_path)
    loaded = load_checkpoint(store, "gram", save_checkpoint(store, "gram", model, tokenizer, facts))
    assert loaded.config["method"] == "gram"
    expected = model.similarity(ids, mask, frames, frame_mask)
    np.testing.assert_array_equal(loaded.model.similarity(ids, mask, frames, frame_mask), expected)


def test_captions_longer_than_the_positions_are_refused():
    with pytest.raises(ValueError, match="texts of 65 tokens, but this encoder has 64 positions"):
        tiny().encode_text(torch.ones(1, 65, dtype=torch.long))
