"""The published optimiser's rules that the recorded steps alone would not explain."""

import math

import pytest
import torch
from torch import nn

from svta_models.optim import (
    BertAdam,
    freeze_layers,
    published_groups,
    published_optimizer,
    published_step,
    warmup_cosine,
)
from tests.models.golden import golden


def test_the_schedule_starts_at_zero_jumps_after_warm_up_and_ends_at_zero():
    assert warmup_cosine(0.0, 0.1) == 0.0
    assert warmup_cosine(0.05, 0.1) == pytest.approx(0.5)
    assert warmup_cosine(0.1, 0.1) == pytest.approx(0.975528, abs=1e-6)
    assert warmup_cosine(1.0, 0.1) == pytest.approx(0.0)
    assert warmup_cosine(0.0, 0.0) == 1.0


def test_the_first_step_changes_nothing_but_the_moments():
    weight = nn.Parameter(torch.ones(3))
    optimizer = BertAdam([weight], lr=0.5, warmup=0.1, t_total=10)
    weight.grad = torch.tensor([1.0, -2.0, 3.0])
    assert optimizer.rates() == [0.0]
    optimizer.step()
    assert torch.equal(weight, torch.ones(3))
    assert set(optimizer.state[weight]) == {"step", "next_m", "next_v"}
    assert optimizer.rates() == [pytest.approx(0.5 * 0.5 * (1 + math.cos(math.pi * 0.1)))]


def test_a_step_is_the_published_formula():
    weight = nn.Parameter(torch.tensor([2.0, -1.0]))
    optimizer = BertAdam([weight], lr=0.1, t_total=-1, weight_decay=0.2)
    weight.grad = torch.tensor([3.0, 4.0])  # norm 5, clipped to 1
    optimizer.step()
    gradient = torch.tensor([0.6, 0.8])
    moments = 0.1 * gradient, 0.02 * gradient**2
    expected = torch.tensor([2.0, -1.0]) * (1 - 0.1 * 0.2) - 0.1 * moments[0] / (moments[1].sqrt() + 1e-6)
    torch.testing.assert_close(weight.detach(), expected)


def test_a_parameter_without_gradient_is_not_even_decayed():
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = BertAdam([used, unused], lr=0.1)
    used.grad = torch.ones(2)
    optimizer.step()
    assert torch.equal(unused, torch.ones(2))
    assert not torch.equal(used, torch.ones(2))


def test_an_optimiser_goes_on_where_its_saved_state_stood():
    def run(reload):
        torch.manual_seed(0)
        layer = nn.Linear(4, 3)
        optimizer = BertAdam(layer.parameters(), lr=0.05, t_total=8)
        for step in range(6):
            if step == 3 and reload:
                saved = optimizer.state_dict()
                optimizer = BertAdam(layer.parameters(), lr=9.0, t_total=99)
                optimizer.load_state_dict(saved)
            optimizer.zero_grad()
            layer(torch.arange(4.0) + step).square().sum().backward()
            optimizer.step()
        return layer.weight.detach()

    assert torch.equal(run(reload=True), run(reload=False))


def test_the_gradient_is_clipped_as_a_whole_before_the_step():
    stored = golden("clip4clip_meanP")
    model = stored.model().train()
    optimizer = published_optimizer(model, t_total=10)
    model.loss(*stored.batch).backward()
    assert published_step(model, optimizer) == pytest.approx(stored.facts["train"]["total_grad_norm"], rel=1e-3)
    assert all(tensor.grad is None for tensor in model.parameters())


def test_clip_is_matched_with_its_case_and_only_biases_escape_decay():
    model = golden("xclip_patch32").model()
    names = {tensor: name for name, tensor in model.named_parameters()}
    clip, new, clip_biases, new_biases = (
        {names[tensor] for tensor in group["params"]} for group in published_groups(model, 1e-4, 1e-3)
    )
    assert {"clip.logit_scale", "clip.ln_final.weight", "clip.visual.ln_pre.weight"} <= clip
    assert {"transformerClip.resblocks.0.ln_1.weight", "global_mat_weight"} <= new
    assert "clip.ln_final.bias" in clip_biases
    assert "transformerClip.resblocks.0.ln_1.bias" in new_biases
    assert len(clip | new | clip_biases | new_biases) == len(names)


def test_freezing_follows_the_published_setting():
    assert freeze_layers(golden("clip4clip_meanP").model(), -1) == []
    model = golden("clip4clip_seqTransf").model()
    assert set(freeze_layers(model, 0)) == {
        "clip.positional_embedding", "clip.token_embedding.weight", "clip.visual.class_embedding",
        "clip.visual.positional_embedding", "clip.visual.conv1.weight", "clip.visual.ln_pre.weight",
        "clip.visual.ln_pre.bias",
    }  # fmt: skip
    frozen = freeze_layers(model, 1)
    assert {name for name in frozen if "resblocks" in name} == {
        name for name, _ in model.named_parameters()
        if name.startswith(("clip.transformer.resblocks.0.", "clip.visual.transformer.resblocks.0."))
    }  # fmt: skip
    assert not any(tensor.requires_grad for name, tensor in model.named_parameters() if name in frozen)
    with pytest.raises(ValueError, match="freeze_layer_num is -2"):
        freeze_layers(model, -2)


def test_frozen_parameters_stay_as_they_are():
    stored = golden("clip4clip_meanP")
    model = stored.model().train()
    frozen = freeze_layers(model, 1)
    optimizer = published_optimizer(model, t_total=10, lr=1e-2, coef_lr=1.0)
    for _ in range(3):
        model.loss(*stored.batch).backward()
        published_step(model, optimizer)
    changed = {name for name, tensor in model.published_state().items() if not torch.equal(tensor, stored.state[name])}
    assert changed == set(stored.state) - set(frozen)


def test_rates_without_meaning_are_refused():
    with pytest.raises(ValueError, match="lr -1"):
        BertAdam([nn.Parameter(torch.ones(1))], lr=-1)
