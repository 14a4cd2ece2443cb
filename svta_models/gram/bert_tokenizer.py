"""BERT's own tokenizer: what captions must pass through before published GRAM weights see them.

WordPiece over the lines of a `vocab.txt` (bert-base-uncased: 30,522 ids). Text is lower-cased and stripped of accents.
A caption becomes [CLS] + pieces cut to max_words - 2 + [SEP], padded with id 0.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from svta_models.errors import SvtaError

PAD, UNKNOWN, START, END = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
KIND = "bert"


class BertTokenizer:
    """Captions to BERT's ids; the same interface as `CaptionTokenizer`. `words`: its vocabulary, by id."""

    def __init__(self, words: Sequence[str], origin: str = "the checkpoint's vocabulary") -> None:
        ids = {word: number for number, word in enumerate(words)}
        missing = [word for word in (PAD, UNKNOWN, START, END) if word not in ids]
        if missing or ids[PAD] != 0 or len(ids) != len(words):
            why = f"lacks {', '.join(missing)}" if missing else f"does not begin with {PAD}, or has a word twice"
            raise SvtaError(f"{origin} {why}: give bert-base-uncased's vocab.txt, one word a line")
        self._words, self.size = list(words), len(words)
        self._start, self._end = ids[START], ids[END]
        self._pieces = Tokenizer(models.WordPiece(vocab=ids, unk_token=UNKNOWN))
        self._pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
        self._pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        self._pieces.decoder = decoders.WordPiece()

    @classmethod
    def from_file(cls, path: Path) -> "BertTokenizer":
        """Read a `vocab.txt`. Raises SvtaError naming the file."""
        try:
            words = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SvtaError(f"{path} cannot be read ({error}): fetch bert-base-uncased's vocab.txt again") from error
        return cls(words, str(path))

    @classmethod
    def from_json(cls, text: str) -> "BertTokenizer":
        """Read what `to_json` wrote."""
        return cls(json.loads(text)["words"])

    def to_json(self) -> str:
        """The whole vocabulary as text, for a checkpoint's config.json."""
        return json.dumps({"kind": KIND, "words": self._words}, ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """Hash of the vocabulary."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def encode(self, captions: Sequence[str], max_words: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Captions to ids (N, max_words) int64, padded with 0, and mask (N, max_words) int64, 1 = real token."""
        ids_NL = torch.zeros(len(captions), max_words, dtype=torch.long)
        mask_NL = torch.zeros_like(ids_NL)
        for row, encoded in enumerate(self._pieces.encode_batch(list(captions))):
            kept = [self._start, *encoded.ids[: max_words - 2], self._end]
            ids_NL[row, : len(kept)] = torch.tensor(kept)
            mask_NL[row, : len(kept)] = 1
        return ids_NL, mask_NL
