"""GRAM reproduces the published model: encoders, heads, both losses, gradients, optimiser steps; real files of weights."""

import json

import numpy as np
import pytest
import torch

from svta_models.errors import SvtaError
from svta_models.gram.config import GramConfig, gram_preset, gram_preset_values
from svta_models.gram.losses import Negatives
from svta_models.gram.model import MODALITIES as NAMES
from svta_models.gram.model import Gram
from svta_models.gram.optim import gram_groups, gram_optimizer, warmup_linear
from svta_models.gram.weights import open_gram
from svta_models.published import load_published, open_published
from svta_models.weights import WrongWeights
from tests.models.golden import assert_norms_equal
from tests.models.gram_golden import MODALITIES, gram_golden

ALL = pytest.mark.parametrize("modalities", MODALITIES)
PUBLISHED_PARAMETERS = 1_250_011_181  # of which EVA-CLIP-g has 1.01, BERT 0.14 and BEATs 0.09 billion


def close(measured, expected, atol):
    np.testing.assert_allclose(measured, expected, rtol=0, atol=atol)


@torch.no_grad()
def test_encoders_and_features_equal_the_published_ones():
    stored = gram_golden()
    model, (ids, mask, frames, frame_mask) = stored.model(), stored.batch()
    clips = model.clip_tokens(frames, frame_mask, stored.extras("vasd"))
    recorded = stored.arrays
    close(clips.tokens["vision"], recorded["eval/vision_output"], 2e-5)
    close(clips.tokens["audio"], recorded["eval/audio_output"], 2e-5)
    close(clips.tokens["subtitle"], recorded["eval/subtitle_output"], 2e-5)
    close(clips.tokens["depth"].sum(dim=(1, 2)), recorded["eval/depth_output_sum_over_tokens"], 1e-4)
    close(model.text_tokens(ids, mask), recorded["eval/caption_output"], 2e-5)
    close(model.text_side(ids, mask)[0], recorded["eval/feat_t"], 2e-5)
    for name, feature in zip("vasd", model.features(clips), strict=True):
        close(feature, recorded[f"eval/feat_{name}"], 2e-5)
    for joined in (NAMES[:2], (NAMES[0], NAMES[2]), NAMES[:3]):
        letters = "".join(name[0] for name in joined)
        close(model.joint_feature(clips, joined), recorded[f"eval/feat_{letters}"], 2e-5)


@torch.no_grad()
def test_condition_tokens_and_matching_equal_the_published_ones():
    stored = gram_golden()
    model, (ids, mask, frames, frame_mask) = stored.model(), stored.batch()
    clips = model.clip_tokens(frames, frame_mask, stored.extras("vasd"))
    close(model.condition(clips, NAMES[:1]).tokens_BKW, stored.arrays["eval/condition_feats_v"], 2e-5)
    for letters, names in (
        ("a", NAMES[1:2]),
        ("s", NAMES[2:3]),
        ("va", NAMES[:2]),
        ("vas", NAMES[:3]),
        ("vasd", NAMES),
    ):
        summed = model.condition(clips, names).tokens_BKW.sum(dim=1)
        close(summed, stored.arrays[f"eval/condition_feats_{letters}_sum_over_tokens"], 1e-4)
    condition = model.condition(clips)
    close(model.match(ids, mask, condition), stored.arrays["eval/itm_score_matched"], 2e-5)
    shifted = model.match(ids.roll(1, 0), mask.roll(1, 0), condition)
    close(shifted, stored.arrays["eval/itm_score_shifted_text"], 2e-5)


@ALL
def test_losses_and_gradients_equal_the_published_ones(modalities):
    stored = gram_golden()
    model = stored.model().train()
    losses = model.losses(*stored.batch(), stored.extras(modalities), stored.negatives(modalities))
    for name, value in zip(("loss_area", "loss_itm_weighted", "loss_total"), losses, strict=True):
        assert value.item() == pytest.approx(float(stored.arrays[f"{modalities}/{name}"]), abs=1e-5), name
    losses.total.backward()
    gradients = {name: tensor.grad for name, tensor in model.named_parameters()}
    recorded = stored.facts[f"{modalities}_grad_norm"]
    assert set(recorded) == set(gradients)
    assert {name for name, gradient in gradients.items() if gradient is None} == {
        name for name, norm in recorded.items() if norm is None
    }
    assert_norms_equal({n: g.norm().item() for n, g in gradients.items() if g is not None}, recorded)


def test_optimiser_groups_and_steps_equal_the_published_ones():
    stored = gram_golden()
    model, recorded = stored.model().train(), stored.facts["optimizer"]
    run, names = recorded["run_cfg"], {tensor: name for name, tensor in model.named_parameters()}
    optimizer = gram_optimizer(model, run["num_train_steps"], run["learning_rate"], run["clip_lr"])
    losses, batch = [], stored.batch()
    for step, drawn in enumerate(stored.tensor("opt/drawn_negatives")):
        loss = model.losses(*batch, stored.extras("va"), Negatives(*drawn.chunk(2))).total
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ratio = warmup_linear(step + 1, run["num_train_steps"], run["warmup_ratio"])
        assert ratio == pytest.approx(stored.arrays["opt/lr_ratio"][step])
    close(losses, stored.arrays["opt/losses"], 1e-5)
    theirs = [group for group in recorded["groups"] if group["params"]]
    for group, expected in zip(optimizer.param_groups, theirs, strict=True):
        assert {names[tensor] for tensor in group["params"]} == set(expected["params"])
        for setting in ("lr", "init_lr", "weight_decay", "eps"):
            assert group[setting] == pytest.approx(expected[setting]), setting
        assert list(group["betas"]) == expected["betas"]
    after, before = model.published_state(), stored.state
    changed = {name: (after[name] - before[name]).float().norm().item() for name in after}
    assert_norms_equal(changed, recorded["delta_norm"])
    for name in stored.arrays:
        if name.startswith("opt/after/"):
            np.testing.assert_allclose(after[name[10:]], stored.arrays[name], rtol=0, atol=2e-5, err_msg=name)


def test_every_parameter_is_in_one_group():
    model = gram_golden().model()
    grouped = [tensor for group in gram_groups(model) for tensor in group["params"]]
    assert len(grouped) == len(set(grouped)) == len(list(model.parameters()))


def test_published_names_make_an_exact_round_trip():
    stored = gram_golden()
    written = stored.model().published_state()
    assert set(written) == set(stored.state)
    for name, tensor in stored.state.items():
        assert written[name].dtype == tensor.dtype and torch.equal(written[name], tensor), name
    addresses = [tensor.data_ptr() for tensor in written.values()]
    assert len(set(addresses)) == len(addresses), "safetensors refuses tensors that share memory"


def test_the_full_size_has_the_published_order_of_parameters():
    with torch.device("meta"):
        model = Gram(gram_preset("published"))
    parameters = sum(tensor.numel() for tensor in model.parameters())
    assert parameters == PUBLISHED_PARAMETERS
    assert 1.0e9 < parameters < 1.5e9, "about a billion, as published"
    assert model.vision_encoder.visual.pos_embed.shape == (1, 257, 1408)


# -- files -------------------------------------------------------------------------------------------------------------


def run_folder(tmp_path, state, said):
    (tmp_path / "ckpt").mkdir()
    (tmp_path / "log").mkdir()
    torch.save({f"module.{name}": tensor for name, tensor in state.items()}, tmp_path / "ckpt" / "model_step_7.pt")
    (tmp_path / "log" / "hps.json").write_text(json.dumps(said))
    return tmp_path / "ckpt" / "model_step_7.pt"


def test_a_published_run_opens_with_its_own_settings(tmp_path, monkeypatch):
    stored = gram_golden()
    tiny = {name: dict(stored.facts[name]) for name in ("config", "vision_cfg", "audio_cfg", "bert_cfg")}
    tiny["config"] |= {"contra_dim": 512, "itm_rerank_num": 50}  # the run's own file must win
    monkeypatch.setattr(
        "svta_models.gram.weights.gram_preset_values", lambda name: {**tiny, "config": dict(tiny["config"])}
    )
    path = run_folder(tmp_path, stored.state, {"model_cfg": stored.facts["config"], "run_cfg": {"seed": 50}})
    model = open_gram(path)
    assert not model.training
    assert (model.config.contra_dim, model.config.itm_rerank_num) == (32, 4)
    (path.parent.parent / "log" / "hps.json").write_text("[1]")
    with pytest.raises(SvtaError, match=r"hps\.json is not a readable configuration"):
        open_gram(path)
    (path.parent.parent / "log" / "hps.json").unlink()
    with pytest.raises(SvtaError, match=r"model_step_7\.pt has no .*hps\.json beside it: give the configuration"):
        open_gram(path)
    opened = open_published("gram", path, stored.facts)
    assert torch.equal(opened.contra_temp, model.contra_temp)


def test_states_that_do_not_fit_are_named():
    stored = gram_golden()
    state = stored.state
    del state["itm_head.linear2.bias"]
    state["extra.weight"] = torch.zeros(2)
    state["contra_temp"] = torch.zeros(2)
    with pytest.raises(WrongWeights) as error:
        load_published("gram", state, stored.facts)
    assert error.value.missing == ("itm_head.linear2.bias",) and error.value.unexpected == ("extra.weight",)
    assert "contra_temp (2,) instead of ()" in str(error.value)
    with pytest.raises(WrongWeights, match="missing"):
        load_published("gram", {}, stored.facts)
    only_clip = {"visual.proj": torch.zeros(2, 2)}
    with pytest.raises(WrongWeights, match=r"unexpected \(clip\.visual\.proj\)"):
        load_published("gram", only_clip, stored.facts)


def test_configurations_without_meaning_are_refused():
    facts = gram_golden().facts
    with pytest.raises(SvtaError, match="lacks the sections bert_cfg"):
        GramConfig.from_mapping({name: value for name, value in facts.items() if name != "bert_cfg"})
    with pytest.raises(SvtaError, match="no audio way 'loud': choose zero, k2, real"):
        GramConfig.from_mapping({**facts, "config": {"audio": "loud"}})
    with pytest.raises(SvtaError, match="vision_cfg is not whole"):
        GramConfig.from_mapping({**facts, "vision_cfg": {"depth": 2}})
    with pytest.raises(SvtaError, match="layer_norm_first is True"):
        GramConfig.from_mapping({**facts, "audio_cfg": facts["audio_cfg"] | {"layer_norm_first": True}})
    with pytest.raises(SvtaError, match="bert_cfg hidden_act is 'relu'"):
        GramConfig.from_mapping({**facts, "bert_cfg": facts["bert_cfg"] | {"hidden_act": "relu"}})
    with pytest.raises(SvtaError, match="embed_dim 64 is not a multiple of its 5 attention heads"):
        GramConfig.from_mapping({**facts, "vision_cfg": facts["vision_cfg"] | {"num_heads": 5}})
    with pytest.raises(SvtaError, match="audio_melbins 40 is not a multiple of its patch size 16"):
        GramConfig.from_mapping({**facts, "config": {"audio_melbins": 40}})
    with pytest.raises(SvtaError, match="choose one of tiny, published"):
        gram_preset_values("huge")


def test_a_configuration_survives_a_checkpoint():
    config = GramConfig.from_mapping(gram_golden().facts)
    assert GramConfig.from_mapping(json.loads(json.dumps(config.to_dict()))) == config
