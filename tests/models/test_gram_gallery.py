"""GRAM's evaluation of a gallery: re-ranked by both rules, resumed, and in pieces that memory can hold."""

import numpy as np
import pytest
import torch

import svta_models.gram.rerank_gallery as module
from svta_models.checkpoint import Checkpoint
from svta_models.encoders import encoder_of
from svta_models.evaluation import evaluate_gallery
from svta_models.feature_blocks import BLOCK
from svta_models.frames import DecodeError
from svta_models.gram.config import gram_preset_values
from svta_models.gram.encoder import GramEncoder
from svta_models.gram.hearing import Heard
from svta_models.gram.rerank import Reranked, honest_ranks, matcher, nearest, published_ranks, rerank
from svta_models.metrics import ranks
from svta_models.published import build_model
from svta_models.tokenizer import CaptionTokenizer

PAIRS, NEAREST, WORDS = BLOCK + 9, 6, 8
COLOURS = "red green blue white black brown pink grey".split()
PLACES = "sea hill road wood lake moor".split()


class Gallery:
    """Frames of noise; the clips in `twice` are those of another pair, and captions with them equal too."""

    def __init__(self, twice=(), fail_at=None):
        self.pair_ids = [f"p{number:03d}" for number in range(PAIRS)]
        words = [f"a {COLOURS[n % 8]} dog at the {PLACES[n // 8]}" for n in range(PAIRS)]
        self.captions = [words[0] if number in twice else words[number] for number in range(PAIRS)]
        self.categories = ["c"] * PAIRS
        self.clip_keys = [f"k{0 if number in twice else number}" for number in range(PAIRS)]
        self.reads, self.fail_at = [], fail_at

    def frames(self, number, choice):
        self.reads.append(number)
        if self.fail_at is not None and len(self.reads) > self.fail_at:
            raise MemoryError("the machine went down")
        random = torch.Generator().manual_seed(number)
        frames = torch.randint(0, 256, (2, 3, 64, 64), generator=random, dtype=torch.uint8)
        return frames, torch.tensor([1, int(number % 5 > 0)])

    def sound(self, number, choice):
        random = torch.Generator().manual_seed(number)
        shape = (choice.windows, choice.length, choice.mel_bins)
        return Heard(torch.randn(shape, generator=random) * (number % 2), bool(number % 2))


@pytest.fixture(scope="module")
def checkpoint():
    tokenizer = CaptionTokenizer.train(Gallery().captions, 200)
    values = gram_preset_values("tiny")
    values["config"] |= {"itm_rerank_num": NEAREST, "max_vision_sample_num": 2}
    values["vision_cfg"] |= {"depth": 1}
    values["bert_cfg"] |= {"vocab_size": tokenizer.size, "num_hidden_layers": 1}
    torch.manual_seed(0)
    model = build_model("gram", values).eval()
    torch.nn.init.normal_(model.itm_head.linear2.weight)  # probabilities that differ
    recipe = {"max_frames": 2, "max_words": WORDS, "frame_rule": "segments"}
    return Checkpoint("c", model, tokenizer, {"method": "gram", "recipe": recipe, "release": "r"})


@pytest.fixture(scope="module")
def found(checkpoint):
    return evaluate_gallery(encoder_of(checkpoint), Gallery())


@torch.no_grad()
def test_ranks_are_those_of_a_re_ranking_held_in_memory(checkpoint, found):
    gallery, model = Gallery(), checkpoint.model
    read = [gallery.frames(number, None) for number in range(PAIRS)]
    encoder = encoder_of(checkpoint)
    ids, mask = encoder.tokens(gallery.captions)
    condition = encoder.condition(*(torch.stack(parts) for parts in zip(*read, strict=True)))
    volume = -torch.from_numpy(found.similarity)
    both, own = rerank(volume, matcher(model, ids, mask, condition), NEAREST), torch.arange(PAIRS)
    for direction, part, oriented in (("t2v", both.t2v, volume), ("v2t", both.v2t, volume.T)):
        measured = {rule: by[direction] for rule, by in found.reranked.ranks.items()}
        np.testing.assert_array_equal(measured["honest"], honest_ranks(oriented, part, own))
        np.testing.assert_array_equal(measured["published"], published_ranks(part, own))
        by_volume = ranks(-oriented.numpy())
        read_again = by_volume <= NEAREST
        assert (measured["honest"][read_again] <= NEAREST).all()
        np.testing.assert_array_equal(measured["honest"][~read_again], by_volume[~read_again])
        assert (measured["published"][~read_again] > NEAREST).all()
    assert found.reranked.candidates == NEAREST


def test_figures_by_volume_are_untouched_by_the_re_ranking(found):
    assert found.metrics_t2v["MnR"] == pytest.approx(ranks(found.similarity).mean())


def test_a_re_ranking_that_was_interrupted_goes_on(checkpoint, found, tmp_path):
    encoder, first = encoder_of(checkpoint), Gallery(fail_at=PAIRS + BLOCK + 1)
    with pytest.raises(MemoryError):
        evaluate_gallery(encoder, first, work=tmp_path)
    again = Gallery()
    resumed = evaluate_gallery(encoder, again, work=tmp_path)
    assert again.reads == list(range(BLOCK, PAIRS)), "the clips of the block that was not kept, once"
    for rule, by_direction in found.reranked.ranks.items():
        for direction, expected in by_direction.items():
            np.testing.assert_array_equal(resumed.reranked.ranks[rule][direction], expected)


def test_every_pair_is_read_once_and_in_small_parts(checkpoint, monkeypatch):
    monkeypatch.setattr(module, "_PAIRS", 3)
    monkeypatch.setattr(module, "_ROWS", 7)
    encoder, sizes = encoder_of(checkpoint), []

    def match(ids, mask, condition):
        sizes.append((len(ids), len(condition.tokens_BKW)))
        return GramEncoder.match(encoder, ids, mask, condition)

    encoder.match = match
    measured = evaluate_gallery(encoder, Gallery())
    volume = -torch.from_numpy(measured.similarity)
    pairs = {(row, column) for row in range(PAIRS) for column in nearest(volume, NEAREST)[row].tolist()}
    pairs |= {(row, column) for column in range(PAIRS) for row in nearest(volume.T, NEAREST)[column].tolist()}
    assert sum(count for count, _ in sizes) == len(pairs)
    assert max(sizes) <= (3, 1), "against one clip at a time"


def test_equal_captions_and_clips_are_read_once_and_share_their_rank(checkpoint):
    twice = (3, 20)
    gallery = Gallery(twice)
    measured = evaluate_gallery(encoder_of(checkpoint), gallery)
    assert sorted(gallery.reads) == sorted([*(set(range(PAIRS)) - set(twice))] * 2)
    for direction in ("t2v", "v2t"):
        honest = measured.reranked.ranks["honest"][direction]
        assert honest[3] == honest[20] == honest[0]
    assert measured.reranked.ranks["published"]["t2v"][0] < measured.reranked.ranks["published"]["t2v"][20]


def test_a_video_that_breaks_in_between_stops_the_re_ranking(checkpoint):
    class Breaking(Gallery):
        def frames(self, number, choice):
            if self.reads.count(number):
                raise DecodeError("the disk was taken out")
            return super().frames(number, choice)

    with pytest.raises(Exception, match="not for its re-ranking: the disk was taken out"):
        evaluate_gallery(encoder_of(checkpoint), Breaking())


@torch.no_grad()
def test_many_texts_read_one_clip_as_they_read_copies_of_it(checkpoint):
    model, random = checkpoint.model, torch.Generator().manual_seed(0)
    ids = torch.randint(1, 20, (5, 6), generator=random)
    mask = torch.ones_like(ids)
    frames, frame_mask = torch.randn(1, 2, 3, 64, 64, generator=random), torch.tensor([[1, 0]])
    condition = model.condition(model.clip_tokens(frames, frame_mask))
    copies = condition.rows(torch.zeros(5, dtype=torch.long))
    np.testing.assert_allclose(model.match(ids, mask, condition), model.match(ids, mask, copies), rtol=0, atol=1e-6)


def test_a_re_ranking_of_nothing_but_ties_is_a_rank_for_everyone():
    tied = Reranked(nearest(torch.zeros(4, 4), 2), torch.full((4, 2), 0.5))
    assert sorted(honest_ranks(torch.zeros(4, 4), tied, torch.arange(4)).tolist()) == [1.5, 1.5, 3.5, 3.5]
