"""BERT's WordPiece tokenizer behind the small seam that training needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor
from transformers import BertTokenizer

from vl_backbone.common.errors import UsageError
from vl_backbone.pretraining.masking import SpecialTokens


class WordPieces:
    """Lower-cased WordPiece of a vocab.txt (or a folder with a tokenizer), cut to `max_tokens` pieces.

    HD-VILA reads 50 word pieces, 100 for MSR-VTT-QA and 30 for TGIF-QA. Sentences are padded to the longest of the
    batch; padding to a fixed length would give the same states. Raises UsageError when there is no vocabulary.
    """

    def __init__(self, vocabulary: Path, max_tokens: int = 50) -> None:
        if max_tokens < 3:
            raise UsageError(f"max_tokens must be 3 or more ([CLS], a word, [SEP]), got {max_tokens}.")
        try:
            if vocabulary.is_dir():
                tokenizer = BertTokenizer.from_pretrained(vocabulary, local_files_only=True)
            else:
                words = vocabulary.read_text(encoding="utf-8").splitlines()
                tokenizer = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
        except (OSError, ValueError) as error:
            raise UsageError(f"{vocabulary}: no BERT vocabulary can be read there ({error}).") from None
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        special = tuple(sorted(set(tokenizer.all_special_ids)))
        self.special_tokens = SpecialTokens(tokenizer.mask_token_id, special, len(tokenizer))

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """-> input_ids, attention_mask, both [B, L] int64 with [CLS] and [SEP]."""
        encoded = self._tokenizer(
            list(texts), padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
        )
        return encoded["input_ids"], encoded["attention_mask"]
