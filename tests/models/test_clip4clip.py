"""CLIP4Clip-MeanP reproduces the published model: features, similarity, loss and gradients."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from svta_models.clip4clip import Clip4ClipMeanP, WrongWeights, load_published
from svta_models.errors import SvtaError
from svta_models.presets import preset

GOLDENS = Path(__file__).parents[1] / "goldens"


@pytest.fixture(scope="module")
def golden():
    torch.set_num_threads(1)
    return np.load(GOLDENS / "clip4clip_meanP.npz"), json.loads((GOLDENS / "clip4clip_meanP.json").read_text())


def published(golden):
    arrays, facts = golden
    state = {name[6:]: torch.from_numpy(arrays[name]) for name in arrays.files if name.startswith("state/")}
    return load_published("clip4clip-meanP", state, facts["config"]), state


def batch(golden):
    arrays, _ = golden
    names = ("in/input_ids", "in/input_mask", "in/video", "in/video_mask")
    ids, mask, video, video_mask = (torch.from_numpy(arrays[name]) for name in names)
    return ids[:, 0], mask[:, 0], video[:, 0, :, 0], video_mask[:, 0]


@torch.no_grad()
def test_features_and_similarity_equal_the_published_model(golden):
    arrays, _ = golden
    model, _ = published(golden)
    ids, mask, frames, frame_mask = batch(golden)
    np.testing.assert_allclose(model.encode_text(ids, mask), arrays["out/text_features"][:, 0], atol=2e-5)
    np.testing.assert_allclose(model.encode_frames(frames), arrays["out/frame_features"], atol=2e-5)
    similarity = model.similarity(ids, mask, frames, frame_mask)
    np.testing.assert_allclose(similarity, arrays["out/similarity"], atol=1e-4)


def test_loss_and_gradients_equal_the_published_model(golden):
    arrays, facts = golden
    model, _ = published(golden)
    loss = model.train().loss(*batch(golden))
    assert loss.item() == pytest.approx(float(arrays["train/loss"]), abs=1e-5)
    loss.backward()
    parameters = dict(model.named_parameters())
    for name, norm in facts["train"]["grad_norm"].items():
        if norm is not None:
            assert parameters[name].grad.norm().item() == pytest.approx(norm, rel=1e-3, abs=1e-6), name
    stored = [name for name in arrays.files if name.startswith("train/grad/")]
    assert len(stored) > 40
    for name in stored:
        np.testing.assert_allclose(parameters[name[11:]].grad, arrays[name], atol=2e-5, err_msg=name)


def test_published_names_make_an_exact_round_trip(golden):
    model, state = published(golden)
    back = model.published_state()
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_wrong_and_partial_weights_are_refused_by_name(golden):
    _, facts = golden
    _, state = published(golden)
    partial = {name: tensor for name, tensor in state.items() if name != "clip.visual.proj"}
    with pytest.raises(WrongWeights, match=r"1 missing \(clip.visual.proj\)"):
        load_published("clip4clip-meanP", partial, facts["config"])
    with pytest.raises(WrongWeights, match=r"1 unexpected \(extra\)"):
        load_published("clip4clip-meanP", {**state, "extra": torch.zeros(1)}, facts["config"])
    reshaped = {**state, "clip.text_projection": torch.zeros(64, 32)}
    with pytest.raises(WrongWeights, match=r"clip.text_projection \(64, 32\) instead of \(64, 64\)"):
        load_published("clip4clip-meanP", reshaped, facts["config"])
    with pytest.raises(SvtaError, match="clip4clip-meanP"):
        load_published("clip5clip", state, facts["config"])


@torch.no_grad()
def test_padded_frames_never_change_a_clip(golden):
    model, _ = published(golden)
    ids, mask, frames, frame_mask = batch(golden)
    noisy = torch.where(frame_mask[:, :, None, None, None] > 0, frames, torch.randn_like(frames))
    expected = model.similarity(ids, mask, frames, frame_mask)
    torch.testing.assert_close(model.similarity(ids, mask, noisy, frame_mask), expected)


@pytest.mark.parametrize(("name", "millions"), [("tiny", 1.4), ("vit-b-32", 151.3), ("vit-b-16", 149.6)])
def test_presets_have_the_published_sizes(name, millions):
    with torch.device("meta"):
        model = Clip4ClipMeanP(preset(name))
    assert sum(tensor.numel() for tensor in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(SvtaError, match="tiny, vit-b-32, vit-b-16"):
        preset("vit-l-14")
