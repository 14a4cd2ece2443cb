"""CLIP's own tokenizer: what captions must pass through before published weights see them.

Byte-pair encoding over 49,408 ids: 256 bytes, the same at the end of a word, 48,894 merges, start and end. Text is
repaired (mojibake, HTML entities read twice), white space collapsed, lower-cased; digits stand alone. A caption becomes
[start] + tokens cut to max_words - 1 items, then [end], padded with id 0.
Source: published CLIP4Clip and X-CLIP data path; recorded cases in tests/models/goldens/tokenization.json.
"""

import html
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from svta_models.errors import SvtaError
from svta_models.gram.bert_tokenizer import KIND as BERT
from svta_models.gram.bert_tokenizer import BertTokenizer
from svta_models.tokenizer import CaptionTokenizer

_MERGES = Path(__file__).parent / "clip_merges.json"
_WORD = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
_END_OF_WORD = "</w>"
_SPACES = re.compile(r"\s+")


class ClipTokenizer:
    """Captions to CLIP's ids; the same interface as `CaptionTokenizer`."""

    def __init__(self) -> None:
        self._pieces = _pieces()
        self.start, self.end = 49406, 49407
        self.size = 49408

    def encode(self, captions: Sequence[str], max_words: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Captions to ids (N, max_words) int64, padded with 0, and mask (N, max_words) int64, 1 = real token."""
        ids_NL = torch.zeros(len(captions), max_words, dtype=torch.long)
        mask_NL = torch.zeros_like(ids_NL)
        cleaned = [clean_caption(caption) for caption in captions]
        for row, encoded in enumerate(self._pieces.encode_batch(cleaned)):
            kept = [*[self.start, *encoded.ids][: max_words - 1], self.end]
            ids_NL[row, : len(kept)] = torch.tensor(kept)
            mask_NL[row, : len(kept)] = 1
        return ids_NL, mask_NL

    def to_json(self) -> str:
        """What a checkpoint keeps: nothing was learned, so the name is enough."""
        return json.dumps({"kind": "clip"})


AnyTokenizer = CaptionTokenizer | ClipTokenizer | BertTokenizer


def tokenizer_from_json(text: str) -> AnyTokenizer:
    """Read what any tokenizer's `to_json` wrote. Raises SvtaError for anything else."""
    if text == ClipTokenizer().to_json():
        return ClipTokenizer()
    if text.startswith(f'{{"kind": "{BERT}"'):
        return BertTokenizer.from_json(text)
    return CaptionTokenizer.from_json(text)


def clean_caption(caption: str) -> str:
    """Repaired, unescaped twice, white space collapsed, lower case. Raises SvtaError without the package ftfy."""
    try:
        import ftfy
    except ImportError as error:
        raise SvtaError("CLIP's tokenizer repairs text with the package ftfy: install it (pip install ftfy)") from error
    repaired: str = html.unescape(html.unescape(ftfy.fix_text(caption)))
    return _SPACES.sub(" ", repaired.strip()).strip().lower()


@cache
def _pieces() -> Tokenizer:
    facts: dict[str, Any] = json.loads(_MERGES.read_text(encoding="utf-8"))
    merges = [tuple(merge.split(" ")) for merge in facts["merges"]]
    letters = _byte_letters()
    names = [*letters, *(letter + _END_OF_WORD for letter in letters), *(left + right for left, right in merges)]
    model = models.BPE(
        vocab={name: number for number, name in enumerate(names)}, merges=merges, end_of_word_suffix=_END_OF_WORD
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORD), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return tokenizer


def _byte_letters() -> list[str]:
    """The 256 bytes as printable letters, in the order of CLIP's ids: printable ones as themselves come first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(others)]
