"""A small byte-pair tokenizer for models trained from scratch: learned on a release's training captions.

It keeps CLIP's conventions: lower case, [start] + tokens cut to max_words - 1 items, then [end]; pad id 0; the end
token has the largest id, because the text tower reads its feature at the largest id of a caption.
"""

from collections.abc import Sequence

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from svta_models.errors import SvtaError

PAD, UNKNOWN = "[pad]", "[unk]"


class CaptionTokenizer:
    """Captions to ids. `size` counts all ids: pad 0, learned pieces, then start and end as the two largest."""

    def __init__(self, pieces: Tokenizer) -> None:
        self._pieces = pieces
        learned = pieces.get_vocab_size()
        if pieces.token_to_id(PAD) != 0:
            raise SvtaError(f"this tokenizer does not have {PAD} as id 0: it was not written by CaptionTokenizer")
        self.start, self.end, self.size = learned, learned + 1, learned + 2

    @classmethod
    def train(cls, captions: Sequence[str], vocab: int = 2000) -> "CaptionTokenizer":
        """Learn at most `vocab` ids from captions; the same captions in any order give the same tokenizer."""
        if not captions:
            raise SvtaError("no captions to learn a tokenizer from: the training split is empty")
        pieces = Tokenizer(models.BPE(unk_token=UNKNOWN))
        pieces.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
        pieces.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(True)])
        trainer = trainers.BpeTrainer(
            vocab_size=vocab - 2, min_frequency=2, special_tokens=[PAD, UNKNOWN], show_progress=False
        )
        pieces.train_from_iterator(sorted(captions), trainer)
        return cls(pieces)

    @classmethod
    def from_json(cls, text: str) -> "CaptionTokenizer":
        """Read what `to_json` wrote."""
        try:
            return cls(Tokenizer.from_str(text))
        except SvtaError:
            raise
        except Exception as error:  # the tokenizers library raises bare Exception
            raise SvtaError(f"the checkpoint's tokenizer is not readable ({error}): restore config.json") from error

    def to_json(self) -> str:
        """The whole tokenizer as text, for a checkpoint's config.json."""
        return self._pieces.to_str()

    def encode(self, captions: Sequence[str], max_words: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Captions to ids (N, max_words) int64, padded with 0, and mask (N, max_words) int64, 1 = real token."""
        ids_NL = torch.zeros(len(captions), max_words, dtype=torch.long)
        mask_NL = torch.zeros_like(ids_NL)
        for row, encoded in enumerate(self._pieces.encode_batch(list(captions))):
            kept = [*[self.start, *encoded.ids][: max_words - 1], self.end]
            ids_NL[row, : len(kept)] = torch.tensor(kept)
            mask_NL[row, : len(kept)] = 1
        return ids_NL, mask_NL
