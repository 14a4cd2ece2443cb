"""What must hold of the six models whatever their weights: padding, blocks, lengths, and the formulas of the papers."""

import pytest
import torch
from torch.nn import functional as F

from svta_models.clip import at_end_token
from svta_models.errors import SvtaError
from svta_models.evaluation import encode_split, similarity_of
from svta_models.published import load_published
from svta_models.scoring import score_blocks
from svta_models.transformer import key_bias
from svta_models.xclip import attend
from tests.models.golden import METHODS, golden, rows_of

ALL = pytest.mark.parametrize("name", METHODS)
LOOSE = ["clip4clip_meanP", "clip4clip_seqLSTM", "clip4clip_seqTransf"]
MASKED = pytest.mark.parametrize("name", [*LOOSE, "clip4clip_tightTransf"])


def noisy_padding(frames, frame_mask):
    return torch.where(frame_mask[:, :, None, None, None] > 0, frames, torch.randn_like(frames))


@MASKED
@torch.no_grad()
def test_padded_frames_never_change_a_clip(name):
    model, (ids, mask, frames, frame_mask) = golden(name).model(), golden(name).batch
    expected = model.similarity(ids, mask, frames, frame_mask)
    noisy = noisy_padding(frames, frame_mask)
    torch.testing.assert_close(model.similarity(ids, mask, noisy, frame_mask), expected)
    wider = F.pad(frames, (0, 0, 0, 0, 0, 0, 0, 3))
    torch.testing.assert_close(model.similarity(ids, mask, wider, F.pad(frame_mask, (0, 3))), expected)


@torch.no_grad()
def test_x_clip_reads_its_padded_frames_and_words_as_published():
    model, (ids, mask, frames, frame_mask) = golden("xclip_patch32").model(), golden("xclip_patch32").batch
    before = model.similarity(ids, mask, frames, frame_mask)
    after = model.similarity(ids, mask, noisy_padding(frames, frame_mask), frame_mask)
    full = frame_mask.sum(dim=1) == frame_mask.shape[1]
    torch.testing.assert_close(after[:, full], before[:, full])
    assert ((after - before)[:, ~full].abs() > 1e-3).any()
    torch.testing.assert_close(model.similarity(ids, mask * 0, frames, frame_mask), before)


@torch.no_grad()
def test_tokens_that_nothing_reads_are_not_computed_and_change_nothing():
    clip, (ids, _, frames, _) = golden("clip4clip_meanP").model().clip, golden("clip4clip_meanP").batch
    every = at_end_token(clip.encode_text_tokens(ids), ids)
    torch.testing.assert_close(clip.encode_text(ids), every, rtol=1e-5, atol=1e-5)
    later = torch.arange(ids.shape[1]) > ids.argmax(dim=1, keepdim=True)
    torch.testing.assert_close(clip.encode_text(torch.where(later, 1, ids)), every, rtol=1e-5, atol=1e-5)
    tower, images = clip.visual, frames.flatten(0, 1)
    patches = tower.conv1(images).flatten(2).transpose(1, 2)
    x = torch.cat([tower.class_embedding.expand(len(images), 1, -1), patches], dim=1) + tower.positional_embedding
    first = tower.transformer(tower.ln_pre(x))[:, 0]
    torch.testing.assert_close(tower(images), tower.ln_post(first) @ tower.proj, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cells", [1, 700, 40_000, None])
@ALL
@torch.no_grad()
def test_blocks_do_not_change_a_similarity(name, cells):
    model, batch = golden(name).model(), golden(name).batch
    texts, clips = model.text_side(*batch[:2]), model.clip_side(*batch[2:])
    expected = model.similarity(*batch)
    torch.testing.assert_close(score_blocks(model, texts, clips, cells), expected, rtol=1e-5, atol=1e-5)
    uneven = score_blocks(model, tuple(side[:2] for side in texts), clips, cells)
    torch.testing.assert_close(uneven, expected[:2], rtol=1e-5, atol=1e-5)


@ALL
@torch.no_grad()
def test_a_pair_scores_alike_in_any_company(name):
    model, batch = golden(name).model(), golden(name).batch
    order = torch.tensor([3, 0, 5])
    torch.testing.assert_close(
        model.similarity(*rows_of(batch, order)), model.similarity(*batch)[order][:, order], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (2, 1), (1, 4), (2, 4)])
@torch.no_grad()
def test_what_tight_shares_between_pairs_changes_nothing(layers, heads):
    stored = golden("clip4clip_tightTransf")
    state = {key: value for key, value in stored.state.items() if f"cross.transformer.resblocks.{layers}." not in key}
    model = load_published(stored.method, state, stored.config | {"cross_layers": layers, "cross_heads": heads})
    batch = stored.batch
    sides = model.encode_text(batch[0]), model.encode_frames(batch[2]), batch[3]
    torch.testing.assert_close(model.cross.pairs_shared(*sides), model.cross.pairs(*sides))


@torch.no_grad()
def test_tight_gives_a_clip_without_frames_a_finite_score_of_its_own():
    model, (ids, mask, frames, frame_mask) = (
        golden("clip4clip_tightTransf").model(),
        golden("clip4clip_tightTransf").batch,
    )
    for empty in (frame_mask * 0, frame_mask * (torch.arange(6) != 2)[:, None]):
        similarity = model.similarity(ids, mask, frames, empty)
        plain = model.cross.pairs(model.encode_text(ids), model.encode_frames(frames), empty)
        expected = model.similarity_dense(model.cross.pooler(plain)).view(6, 6)
        torch.testing.assert_close(similarity, expected)
        assert similarity.isfinite().all()


def test_dropout_acts_on_tight_while_training_only():
    stored = golden("clip4clip_tightTransf")
    model = load_published(stored.method, stored.state, stored.config | {"dropout": 0.1})
    plain = stored.model().similarity(*stored.batch)
    torch.testing.assert_close(model.similarity(*stored.batch), plain)
    torch.manual_seed(0)
    first, second = (model.train().similarity(*stored.batch) for _ in range(2))
    assert not torch.equal(first, second)
    assert (first - plain).abs().max() > 1e-3


@torch.no_grad()
def test_a_clip_without_frames_has_no_vector():
    for name in ("clip4clip_meanP", "clip4clip_seqTransf"):
        model, (ids, mask, frames, frame_mask) = golden(name).model(), golden(name).batch
        frame_mask = frame_mask * (torch.arange(6) != 2)[:, None]
        similarity = model.similarity(ids, mask, frames, frame_mask)
        assert similarity[:, 2].isnan().all()
        assert similarity[:, torch.arange(6) != 2].isfinite().all()
    model = golden("clip4clip_seqLSTM").model()
    with pytest.raises(ValueError, match="without any frame"):
        model.similarity(ids, mask, frames, frame_mask)


def test_lengths_that_do_not_fit_are_refused():
    model, (ids, mask, frames, frame_mask) = golden("xclip_patch32").model(), golden("xclip_patch32").batch
    with pytest.raises(ValueError, match="8 tokens, but this X-CLIP was made for max_words 9"):
        model.similarity(ids[:, :8], mask[:, :8], frames, frame_mask)
    with pytest.raises(ValueError, match="3 frame slots, but this X-CLIP was made for max_frames 4"):
        model.similarity(ids, mask, frames[:, :3], frame_mask[:, :3])
    model = golden("clip4clip_tightTransf").model()
    with pytest.raises(ValueError, match="78 positions asked of 77"):
        model.score((torch.zeros(1, 64),), (torch.zeros(1, 77, 64), torch.ones(1, 77)))
    with pytest.raises(ValueError, match="context is 77"):
        model.encode_text(torch.ones(1, 78, dtype=torch.long))


@torch.no_grad()
def test_attention_over_scores_is_the_formula_of_the_paper():
    torch.manual_seed(0)
    scores, weight = torch.randn(3, 5, 4), torch.eye(5) + 0.1 * torch.randn(5, 5)
    for row, column in [(0, 0), (2, 3)]:
        line = scores[row, :, column]
        expected = ((torch.softmax(line / 0.01, dim=0) @ weight) * line).sum()
        torch.testing.assert_close(attend(scores, weight)[row, column], expected)


@torch.no_grad()
def test_x_clips_levels_equal_a_plain_loop_over_pairs():
    model, batch = golden("xclip_patch16").model(), golden("xclip_patch16").batch
    (texts, words), (clips, frames) = model.text_side(*batch[:2]), model.clip_side(*batch[2:])

    def level(line, weight):
        return ((torch.softmax(line / 0.01, dim=-1) @ weight) * line).sum(dim=-1)

    similarity = model.similarity(*batch)
    for i, j in [(0, 0), (1, 4), (5, 2)]:
        grid = words[i] @ model.local_mat_weight @ frames[j].T
        by_frame = level(grid.T, model.word_mat_weight)
        by_word = level(grid, model.frame_mat_weight)
        finest = (level(by_frame, model.frame_mat_weight2) + level(by_word, model.word_mat_weight2)) / 2
        expected = (
            texts[i] @ model.global_mat_weight @ clips[j]
            + level(words[i] @ clips[j], model.word_logit_weight)
            + level(frames[j] @ texts[i], model.frame_logit_weight)
            + finest
        ) / 4
        torch.testing.assert_close(similarity[i, j], model.clip.logit_scale.exp() * expected, rtol=1e-5, atol=1e-5)


def test_one_vector_per_side_gives_the_coarse_similarity_and_tight_has_none():
    from svta_models.dataset import DecodedSplit
    from svta_models.tokenizer import CaptionTokenizer

    stored = golden("clip4clip_seqTransf")
    captions = ["a man runs", "a woman falls"]
    tokenizer = CaptionTokenizer.train(captions, vocab=40)
    frames = torch.randint(0, 255, (2, 4, 3, 48, 48), dtype=torch.uint8)
    split = DecodedSplit(frames, torch.ones(2, 4, dtype=torch.long), captions, ["a", "b"], ["x", "x"])
    model = stored.model()
    text, clip = encode_split(model, tokenizer, split, 9)
    cosine = F.normalize(text) @ F.normalize(clip).T
    expected = model.clip.logit_scale.exp() * cosine
    torch.testing.assert_close(torch.from_numpy(similarity_of(model, text, clip)), expected)
    with pytest.raises(SvtaError, match="has no clip vector"):
        encode_split(golden("clip4clip_tightTransf").model(), tokenizer, split, 9)


def test_a_padded_key_has_no_weight_at_all():
    scores = torch.randn(1, 4) * 50 + key_bias(torch.tensor([[1, 1, 0, 0]]))
    assert torch.softmax(scores, dim=1)[0, 2:].tolist() == [0.0, 0.0]


@torch.no_grad()
def test_the_logit_scale_is_clamped_from_above_only():
    model = golden("clip4clip_meanP").model()
    for value, expected in [(9.0, 4.605170185988092), (-3.0, -3.0)]:
        model.clip.logit_scale.fill_(value)
        model.clamp_logit_scale()
        assert model.clip.logit_scale.item() == pytest.approx(expected)
