"""CLIP4Clip and X-CLIP reproduce the published models: features, similarity, loss, gradients, optimiser steps."""

import numpy as np
import pytest
import torch

from svta_models.optim import BertAdam, published_groups, published_optimizer, published_step
from tests.models.golden import METHODS, assert_norms_equal, golden, rows_of

ALL = pytest.mark.parametrize("name", METHODS)
XCLIP = pytest.mark.parametrize("name", ["xclip_patch32", "xclip_patch16"])


@ALL
@torch.no_grad()
def test_features_and_similarity_equal_the_published_model(name):
    stored = golden(name)
    model, (ids, mask, frames, frame_mask) = stored.model(), stored.batch
    np.testing.assert_allclose(
        model.encode_text(ids, mask), stored.arrays["out/text_features"][:, 0], rtol=0, atol=2e-5
    )
    np.testing.assert_allclose(model.encode_frames(frames), stored.arrays["out/frame_features"], rtol=0, atol=2e-5)
    similarity = model.similarity(ids, mask, frames, frame_mask)
    np.testing.assert_allclose(similarity, stored.arrays["out/similarity"], rtol=0, atol=1e-4)


@XCLIP
@torch.no_grad()
def test_words_and_the_finest_level_of_x_clip_equal_the_published_ones(name):
    stored = golden(name)
    model, (ids, mask, frames, frame_mask) = stored.model(), stored.batch
    np.testing.assert_allclose(model.encode_words(ids), stored.arrays["out/word_features"], rtol=0, atol=2e-5)
    finest = model.word_frame(model.text_side(ids, mask)[1], model.clip_side(frames, frame_mask)[1])
    np.testing.assert_allclose(finest, stored.arrays["out/fine_grained_unscaled"], rtol=0, atol=1e-4)


@ALL
def test_loss_and_gradients_equal_the_published_model(name):
    stored = golden(name)
    model = stored.model().train()
    loss = model.loss(*stored.batch)
    assert loss.item() == pytest.approx(float(stored.arrays["train/loss"]), abs=1e-5)
    loss.backward()
    gradients = {name: tensor.grad for name, tensor in model.named_parameters()}
    recorded = stored.facts["train"]["grad_norm"]
    assert {name for name, gradient in gradients.items() if gradient is None} == {
        name for name, norm in recorded.items() if norm is None
    }
    norms = {name: gradient.norm().item() for name, gradient in gradients.items() if gradient is not None}
    assert_norms_equal(norms, recorded)
    assert np.linalg.norm(list(norms.values())) == pytest.approx(stored.facts["train"]["total_grad_norm"], rel=1e-3)
    values = stored.stored("train/grad/")
    assert len(values) > 40
    differences = {name: np.linalg.norm(gradients[name].numpy() - value) for name, value in values.items()}
    limits = {name: 1e-3 * np.linalg.norm(value) + 1e-6 for name, value in values.items()}
    assert {name: off for name, off in differences.items() if off > limits[name]} == {}


@ALL
def test_optimiser_groups_equal_the_published_ones(name):
    stored = golden(name)
    model, config, recorded = stored.model(), stored.config, stored.facts["optimizer"]["param_groups"]
    names = {tensor: parameter for parameter, tensor in model.named_parameters()}
    optimizer = BertAdam(
        [group for group in published_groups(model, config["lr"], config["coef_lr"]) if group["params"]],
        warmup=config["warmup"], t_total=config["t_total"],
    )  # fmt: skip
    recorded = [group for group in recorded if group["params"]]
    assert len(optimizer.param_groups) == len(recorded)
    for ours, theirs in zip(optimizer.param_groups, recorded, strict=True):
        assert {names[tensor] for tensor in ours["params"]} == set(theirs["params"])
        for setting in ("lr", "weight_decay", "schedule", "warmup", "t_total", "b1", "b2", "e", "max_grad_norm"):
            assert ours[setting] == pytest.approx(theirs[setting]), setting


@ALL
def test_optimiser_steps_equal_the_published_ones(name):
    stored = golden(name)
    model, config, recorded = stored.model().train(), stored.config, stored.facts["optimizer"]
    before = {parameter: tensor.clone() for parameter, tensor in model.published_state().items()}
    optimizer = published_optimizer(model, config["t_total"], config["lr"], config["coef_lr"], config["warmup"])
    losses = []
    for rows in recorded["batch_row_order"]:
        loss = model.loss(*rows_of(stored.batch, rows))
        losses.append(loss.item())
        loss.backward()
        published_step(model, optimizer)
    np.testing.assert_allclose(losses, stored.arrays["opt/losses"], rtol=0, atol=1e-5)
    after = model.published_state()
    change = {key: (after[key] - before[key]).norm().item() for key in after}
    # A constant added to every similarity changes no loss: the gradient of that bias is rounding, and so is its step.
    noise = {key for key, norm in stored.facts["train"]["grad_norm"].items() if norm is not None and norm < 1e-6}
    assert noise <= {"similarity_dense.bias"}
    assert all(change[key] < 1e-4 for key in noise)
    assert_norms_equal(change, {key: norm for key, norm in recorded["delta_norm"].items() if key not in noise})
    for parameter, value in stored.stored("opt/after/").items():
        np.testing.assert_allclose(after[parameter], value, rtol=0, atol=2e-5, err_msg=parameter)
    assert after["clip.logit_scale"].item() == pytest.approx(float(stored.arrays["opt/logit_scale_after"]), abs=1e-6)
    with torch.no_grad():
        similarity = model.eval().similarity(*stored.batch)
    np.testing.assert_allclose(similarity, stored.arrays["opt/similarity_after"], rtol=0, atol=1e-3)
