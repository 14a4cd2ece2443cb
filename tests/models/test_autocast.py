"""Under bfloat16 autocast similarities stay near those of float32: comparing is done in float32."""

import pytest
import torch

from svta_models.retrieval import full_precision
from svta_models.trainers import FineTuner
from tests.models.golden import METHODS, golden


@pytest.mark.parametrize("name", METHODS)
def test_similarity_and_gradients_survive_bfloat16(name):
    """In units of a cosine: measured 0.0011 to 0.0025 over the six; what is left is the towers' own rounding."""
    stored = golden(name)
    model = stored.model().eval()
    exact = model.similarity(*stored.batch)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.similarity(*stored.batch)
        loss = model.loss(*stored.batch)
    off = (rounded.float() - exact).abs().max() / model.clip.logit_scale.exp()
    assert off < 0.005
    assert loss.dtype == torch.float32
    loss.backward()
    assert all(tensor.grad.isfinite().all() for tensor in model.parameters() if tensor.grad is not None)
    assert all(tensor.dtype == torch.float32 for tensor in model.parameters())


@pytest.mark.parametrize("name", ["xclip_patch32", "xclip_patch16", "clip4clip_meanP"])
def test_comparing_equal_features_gives_equal_scores_inside_autocast(name):
    """The softmaxes at temperature 0.01 included: what goes in is rounded, what is done with it is not."""
    stored = golden(name)
    model = stored.model().eval()
    ids, mask, frames, frame_mask = stored.batch
    with torch.no_grad():
        texts, clips = model.text_side(ids, mask), model.clip_side(frames, frame_mask)
        exact = model.score(texts, clips)
        with torch.autocast("cpu", torch.bfloat16):
            inside = model.score(texts, clips)
            coarse = (texts[0] @ clips[0].T).float()
    assert inside.dtype == torch.float32
    assert torch.equal(inside, exact)
    assert not torch.equal(coarse, texts[0] @ clips[0].T), "autocast was on"


def test_outside_autocast_features_are_passed_as_they_are():
    side = (torch.ones(2, 3, dtype=torch.float64),)
    with full_precision(side) as (same,):
        assert same[0] is side[0]


def test_a_fine_tuner_keeps_float32_weights_under_bf16(tmp_path, monkeypatch):
    """One step through `accelerate` on the CPU: autocast was on, weights and moments are float32."""
    from svta_models.dataset import DecodedSplit
    from svta_models.placement import placed
    from tests.models.tiny_clip import quick, write_tiny_clip

    path = write_tiny_clip(tmp_path)
    torch.manual_seed(0)
    clips = DecodedSplit(
        torch.randint(0, 255, (8, 3, 3, 64, 64), dtype=torch.uint8), torch.ones(8, 3, dtype=torch.long),
        [f"caption {number}" for number in range(8)], [str(number) for number in range(8)], [""] * 8,
    )  # fmt: skip
    recipe, losses = quick("svta", max_frames=3), {}
    for precision in ("fp32", "bf16"):
        torch.manual_seed(0)
        with placed("cpu", precision) as place:
            trainer = FineTuner(recipe, "clip4clip-seqLSTM", path, clips, torch.Generator().manual_seed(0), place)
            losses[precision] = list(trainer.steps([torch.arange(8)] * 2))
        tensors = [*trainer.model.parameters(), *(s["next_v"] for s in trainer.optimizer.state.values())]
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"] == pytest.approx(losses["fp32"], abs=0.05)
