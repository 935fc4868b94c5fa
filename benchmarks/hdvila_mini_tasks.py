"""What HD-VILA-mini has learned, on seeds 1600-1999 and their clips: retrieval, motion, attributes, masked words."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from gan_mapping.evaluation.measures import area_under_curve
from gan_mapping.hdvila_mini.maps import StoredMaps
from vl_backbone.backbones.protocol import TextFeatures, VideoFeatures
from vl_backbone.downstream.metrics import Ranking, ranking
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.maps import MapCollator, encode_maps
from vl_backbone.pretraining.masking import IGNORE, MaskingConfig
from vl_backbone.pretraining.tokens import WordPieces
from vl_backbone.training.data import Batch, Drawn, Tokenizer

BATCH = 32
# What a clip shows -> the sentence for it and the one for its opposite.
MOTIONS: dict[str, tuple[str, str]] = {
    "turns_left": ("turns to the left", "turns to the right"),
    "turns_right": ("turns to the right", "turns to the left"),
    "starts_smile": ("starts to smile", "stops smiling"),
    "stops_smile": ("stops smiling", "starts to smile"),
    "opens_mouth": ("opens the mouth", "closes the mouth"),
    "closes_mouth": ("closes the mouth", "opens the mouth"),
}


@dataclass(frozen=True)
class Prompts:
    """`evaluation.yaml`: words that name what is to be seen; attribute -> (with, without), in the captions' words
    and in words that no caption uses."""

    words: tuple[str, ...]
    seen: dict[str, tuple[str, str]]
    unseen: dict[str, tuple[str, str]]


@functools.cache
def load_prompts() -> Prompts:
    """What the model is tried with."""
    data = yaml.safe_load(Path(__file__).with_name("hdvila_mini_tasks.yaml").read_text(encoding="utf-8"))
    pairs = [{name: (pair[0], pair[1]) for name, pair in data[key].items()} for key in ("seen", "unseen")]
    return Prompts(tuple(data["words"]), *pairs)


@dataclass(frozen=True)
class Seen:
    """Held-out pictures or clips as a view shows them: grid [N, 1, h', w', D], embedding [N, E]."""

    grid: Tensor
    embedding: Tensor


@torch.inference_mode()
def look(model: HDVILA, source: StoredMaps, view: str) -> Seen:
    """Every sample of `source` through "hr", "lr" or "both"."""
    grids, embeddings = [], []
    for first in range(0, len(source), BATCH):
        samples = [source[i] for i in range(first, min(first + BATCH, len(source)))]
        batch: Batch = {}
        for part in ("high", "middle", "low"):
            arrays = [getattr(s, part) for s in samples]
            if arrays[0] is not None:
                batch[part] = torch.from_numpy(np.stack(arrays)).float()
        video = encode_maps(model, batch, view)
        grids.append(video.grid)
        embeddings.append(video.embedding)
    return Seen(torch.cat(grids), torch.cat(embeddings))


@torch.inference_mode()
def embed(model: HDVILA, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Sentences or paragraphs -> unit-norm embeddings [N, E]."""
    return torch.cat(
        [model.encode_text(*tokenizer(texts[first : first + BATCH])).embedding for first in range(0, len(texts), BATCH)]
    )


def retrieval(
    model: HDVILA, tokenizer: Tokenizer, video: Tensor, captions: Sequence[Sequence[str]]
) -> tuple[Ranking, Ranking]:
    """Text to clip: by a paragraph of all captions, and by every single sentence."""
    eye = torch.eye(len(video), dtype=torch.bool)
    paragraphs = embed(model, tokenizer, [" ".join(rows) for rows in captions])
    sentences = embed(model, tokenizer, [text for rows in captions for text in rows])
    owner = torch.tensor([i for i, rows in enumerate(captions) for _ in rows])
    return ranking(paragraphs @ video.T, eye), ranking(sentences @ video.T, eye[owner])


def motion_accuracy(
    model: HDVILA, tokenizer: Tokenizer, video: Tensor, facts: Sequence[Sequence[str]]
) -> tuple[float, int]:
    """Share of clips closer to what they show than to its opposite ("turns to the left" or right), and how many."""
    table = {name: embed(model, tokenizer, [f"This person {text}." for text in pair]) for name, pair in MOTIONS.items()}
    right = [
        bool((video[i] @ table[name][0]) > (video[i] @ table[name][1]))
        for i, row in enumerate(facts)
        for name in row
        if name in table
    ]
    return float(np.mean(right)), len(right)


def attribute_auc(
    model: HDVILA, tokenizer: Tokenizer, video: Tensor, truths: dict[str, Tensor], prompts: dict[str, tuple[str, str]]
) -> dict[str, float]:
    """Zero-shot: similarity to "with" minus "without" against labels [N] (0, 1, nan: unknown) -> AUC by attribute."""
    result = {}
    for name, pair in prompts.items():
        yes, no = embed(model, tokenizer, pair)
        known = ~truths[name].isnan()
        result[name] = area_under_curve((video @ (yes - no))[known], truths[name][known] > 0.5)
    return result


@torch.inference_mode()
def masked_word_accuracy(model: HDVILA, tokenizer: Tokenizer, source: StoredMaps, view: str) -> tuple[float, float]:
    """Share of masked word pieces recovered with the right picture, and with another clip's picture instead."""
    collate = MapCollator(tokenizer, MaskingConfig(masked=1.0, random=0.0))
    return _recovered(model, source, view, lambda rows: collate([Drawn(source[i], 1000 + i) for i in rows]))


def attribute_word_accuracy(model: HDVILA, tokenizer: WordPieces, source: StoredMaps, view: str) -> tuple[float, float]:
    """The same for the words that name what a face has, all of a sentence's hidden at once: only the picture tells.

    One sentence of each clip; other word pieces stay as they are.
    """
    plain = MapCollator(tokenizer)
    names = torch.tensor([ids[1] for ids in tokenizer(load_prompts().words)[0].tolist()])

    def hide(rows: Sequence[int]) -> Batch:
        batch = plain([Drawn(source[i], 1000 + i) for i in rows])
        texts = [source[i].captions[i % len(source[i].captions)] for i in rows]
        batch["input_ids"], batch["attention_mask"] = tokenizer(texts)
        asked = torch.isin(batch["input_ids"], names)
        batch["labels"] = torch.where(asked, batch["input_ids"], IGNORE)
        batch["input_ids"] = batch["input_ids"].masked_fill(asked, tokenizer.special_tokens.mask)
        return batch

    return _recovered(model, source, view, hide)


def _recovered(
    model: HDVILA, source: StoredMaps, view: str, hidden: Callable[[Sequence[int]], Batch]
) -> tuple[float, float]:
    """Share of the asked word pieces that get the highest score: with their own clip's picture, with another's."""
    hits = np.zeros(2)
    asked = 0
    for first in range(0, len(source) - 1, BATCH):
        batch = hidden(range(first, min(first + BATCH, len(source))))
        where = batch["labels"] != IGNORE
        tokens = model.encode_tokens(batch["input_ids"], batch["attention_mask"])
        text = TextFeatures(tokens, batch["attention_mask"], tokens[:, 0])
        video = encode_maps(model, batch, view)
        for k, grid in enumerate((video.grid, video.grid.roll(1, dims=0))):
            logits = model.predict_words(VideoFeatures(grid, video.embedding), text, where)
            hits[k] += int((logits.argmax(-1) == batch["labels"][where]).sum())
        asked += int(where.sum())
    return float(hits[0] / asked), float(hits[1] / asked)
