"""CLIP's tokenizer gives the ids that published weights were trained with."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svta_models.clip_tokenizer import ClipTokenizer, clean_caption, tokenizer_from_json
from svta_models.errors import SvtaError
from svta_models.tokenizer import CaptionTokenizer
from tests.models.golden import FOLDER

CASES = json.loads((FOLDER / "tokenization.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['text'][:20]}/{case['max_words']}")
def test_ids_and_mask_equal_the_published_ones(case):
    ids, mask = ClipTokenizer().encode([case["text"]], case["max_words"])
    assert ids[0].tolist() == case["input_ids"]
    assert mask[0].tolist() == case["input_mask"]


@settings(deadline=None)
@given(st.text(max_size=80), st.integers(3, 77))
def test_every_caption_starts_ends_and_is_padded(caption, max_words):
    tokenizer = ClipTokenizer()
    (ids,), (mask,) = tokenizer.encode([caption], max_words)
    real = int(mask.sum())
    assert (ids[0], ids[real - 1]) == (tokenizer.start, tokenizer.end)
    assert ids.argmax() == real - 1
    assert not ids[real:].any()
    assert (ids[:real] < tokenizer.size).all()


def test_captions_are_independent_of_their_neighbours():
    captions = ["A man runs.", "", "Two women dance in the rain"]
    together, _ = ClipTokenizer().encode(captions, 12)
    alone = torch.cat([ClipTokenizer().encode([caption], 12)[0] for caption in captions])
    assert torch.equal(together, alone)


def test_text_is_repaired_before_it_is_split():
    assert clean_caption("  The cafÃ©\n is &amp;lt;OPEN&amp;gt; ") == "the café is <open>"


def test_a_checkpoint_can_name_either_tokenizer():
    assert isinstance(tokenizer_from_json(ClipTokenizer().to_json()), ClipTokenizer)
    learned = CaptionTokenizer.train(["a man runs", "a man falls"], vocab=50)
    assert tokenizer_from_json(learned.to_json()).to_json() == learned.to_json()
    with pytest.raises(SvtaError, match="tokenizer is not readable"):
        tokenizer_from_json("{")
