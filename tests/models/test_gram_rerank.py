"""Re-ranking and GRAM's own ranks: the published rule, and the honest one beside it."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_models.gram.rerank import (
    Reranked,
    caption_positions,
    clip_positions,
    honest_ranks,
    honest_scores,
    matcher,
    nearest,
    published_ranks,
    published_scores,
    rerank,
)
from svta_models.metrics import ranks, recall_at
from tests.models.golden import FOLDER
from tests.models.gram_golden import gram_golden


def evaluated(modalities):
    stored = gram_golden()
    model, prefix = stored.model(), f"evalret_{modalities}/in_"
    ids, mask, frames, frame_mask = stored.batch(prefix)
    with torch.no_grad():
        clips = model.clip_tokens(frames, frame_mask, stored.extras(modalities, prefix))
        volume = -model.score(model.text_side(ids, mask), model.features(clips))
        condition = model.condition(clips, ("vision", "audio", "subtitle"))
    count = stored.facts["tiny"]["rerank"]
    return volume, rerank(volume, matcher(model, ids, mask, condition), count, pairs=7)


@pytest.mark.parametrize("modalities", ["va", "vas"])
def test_an_evaluation_equals_the_published_one_with_and_without_re_ranking(modalities):
    stored, prefix = gram_golden(), f"evalret_{modalities}"
    printed = stored.facts[prefix]
    volume, both = evaluated(modalities)
    np.testing.assert_allclose(volume, stored.arrays[f"{prefix}/volume"], rtol=0, atol=2e-6)
    assert volume.amin(dim=1).mean().item() == pytest.approx(printed["gramian_value"]["value"], abs=1e-5)
    count, own = len(volume), torch.arange(len(volume))
    forward, backward = published_scores(both.t2v, count), published_scores(both.v2t, count).T
    np.testing.assert_allclose(forward, stored.arrays[f"{prefix}/itm_rerank_text_to_video"], rtol=0, atol=2e-5)
    np.testing.assert_allclose(backward, stored.arrays[f"{prefix}/itm_rerank_video_to_text"], rtol=0, atol=2e-5)
    assert recalls(caption_positions(-volume, own)) == printed["ret_area_forward"]["volume_T2D_recall"]
    assert recalls(clip_positions(-volume, own)) == printed["ret_area_backard"]["forward_recall"]
    for found, way in ((both.t2v, "T2D"), (both.v2t, "D2T")):
        first = recall_at(published_ranks(found, own).numpy(), 1)
        assert round(first, 1) == printed["ret_itm_area"][f"volume_ITM_{way}_r1"]


def recalls(positions):
    return "/".join(str(round(recall_at(positions.numpy(), k), 1)) for k in (1, 5, 10))


def drawn(seed, queries=9, gallery=12, count=4):
    """Random volumes and probabilities with many ties, and the wanted item of each query."""
    random = torch.Generator().manual_seed(seed)
    volume = torch.rand(queries, gallery, generator=random).mul(6).round() / 6
    candidates = nearest(volume, count)
    match = torch.rand(queries, count, generator=random).mul(3).round() / 3
    return volume, Reranked(candidates, match), torch.randint(gallery, (queries,), generator=random)


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_ranks_are_those_of_a_full_sort(seed):
    volume, found, own = drawn(seed)
    scores = published_scores(found, volume.shape[1])
    order = scores.sort(dim=1, descending=True, stable=True).indices
    published = published_ranks(found, own)
    assert torch.equal(published, 1 + (order == own[:, None]).int().argmax(dim=1))
    assert torch.equal(caption_positions(scores, own), published)
    honest = honest_ranks(volume, found, own)
    for query, wanted in enumerate(own.tolist()):
        row, items = volume[query], found.candidates_QK[query].tolist()
        if wanted in items:
            mine = found.match_QK[query, items.index(wanted)]
            above, tied = (found.match_QK[query] > mine).sum(), (found.match_QK[query] == mine).sum()
        else:
            rest = torch.tensor([row[item] for item in range(len(row)) if item not in items])
            above, tied = len(items) + (rest < row[wanted]).sum(), (rest == row[wanted]).sum()
        assert honest[query] == above + (tied + 1) / 2


def test_where_the_wanted_item_was_not_read_only_the_honest_rank_says_how_near_it_was():
    volume = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.5, 0.6]]).repeat(2, 1)
    found = Reranked(nearest(volume, 2), torch.tensor([[0.4, 0.9], [0.4, 0.9]]))
    assert published_ranks(found, torch.tensor([2, 5])).tolist() == [3, 6]
    assert honest_ranks(volume, found, torch.tensor([2, 5])).tolist() == [3, 6]
    volume = volume.flip(1)
    found = Reranked(nearest(volume, 2), found.match_QK)
    assert published_ranks(found, torch.tensor([3, 0])).tolist() == [6, 3], "the order of the gallery, an accident"
    assert honest_ranks(volume, found, torch.tensor([3, 0])).tolist() == [3, 6]
    assert (
        published_ranks(found, torch.tensor([4, 5])).tolist()
        == [1, 2]
        == honest_ranks(volume, found, torch.tensor([4, 5])).tolist()
    ), "of items that were read both rules say the same"


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_honest_scores_rank_as_the_honest_ranks_do(seed):
    volume, found, _ = drawn(seed, queries=12)
    found = Reranked(found.candidates_QK, found.match_QK + 0.1)  # a probability of exactly 0 could tie with no volume
    own = torch.arange(12)
    np.testing.assert_array_equal(ranks(honest_scores(volume, found)), honest_ranks(volume, found, own))


def test_fewer_items_than_candidates_are_all_read_and_blocks_do_not_matter():
    volume = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    truth = torch.rand(5, 5, generator=torch.Generator().manual_seed(1))
    seen = []

    def match(captions, clips):
        seen.append(len(captions))
        return truth[captions, clips]

    both = rerank(volume, match, count=50, pairs=4)
    assert max(seen) == 4 and sum(seen) == 50
    np.testing.assert_array_equal(published_scores(both.t2v, 5), truth)
    np.testing.assert_array_equal(published_scores(both.v2t, 5), truth.T)
    with pytest.raises(ValueError, match="both start at 1"):
        rerank(volume, match, count=0)


@pytest.mark.parametrize("case", ["multi/uneven", "multi/uniform", "square/distinct"])
def test_recalls_equal_those_of_the_published_metrics(case):
    with np.load(FOLDER / "metrics.npz") as arrays:
        scores = torch.from_numpy(arrays[f"{case}/sim"]).float()
        counts = arrays[f"{case}/captions_per_video"] if case.startswith("multi") else np.ones(len(scores), dtype=int)
    printed = json.loads((FOLDER / "metrics.json").read_text())["gram"][case]["cosine_style"]
    owner = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
    assert recalls(caption_positions(scores, owner)) == printed["forward_recall"]
    assert recalls(clip_positions(scores, owner)) == printed["backward_recall"]
