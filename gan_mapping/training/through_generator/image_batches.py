"""Faces and sentences -> batches: each face with one of its captions and an edit sentence of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fdvd.attributes.table import ATTRIBUTES
from fdvd.language.instructions import Instruction, load_heldout, sample
from gan_mapping.training.through_generator.image_faces import Face
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.training.data import Batch, Drawn

# Strengths of the edits in training: half of them full ones; the slider must do something all the way.
STRENGTHS = (1.0, 1.0, 0.5, 0.75)


def training_sentences(count: int, seed: int, neutral: bool) -> list[Instruction]:
    """Sentences of the edit grammar, none of the held-out wordings; neutral: also those that ask for nothing."""
    held = {row.text.lower() for row in load_heldout()}
    found = [s for s in sample(seed + 1, count) if s.text.lower() not in held]
    return [s for s in found if neutral or s.intents]


@dataclass(frozen=True)
class FaceCollator:
    """Drawn faces -> picture uint8 [B, 3, 512, 512], grid [B, F] or view [B, 3, s, s], and what was said of them.

    latent [B, w_dim], known [B]: 1 where the latent is. caption_ids, caption_mask; sentence_ids,
    sentence_mask, intents [B, A] as the grammar meant them; strength [B]. Every choice depends on the sample's seed.
    language: the backbone that reads captions and sentences for the losses (language_ids, language_mask of the
    sentences); reader: the one whose token states the text mapper reads.
    """

    reader: Backbone
    language: Backbone
    sentences: Sequence[Instruction]
    w_dim: int

    def __call__(self, drawn: Sequence[Drawn]) -> Batch:
        faces: list[Face] = [d.sample for d in drawn]
        choices = [np.random.default_rng(d.seed) for d in drawn]
        asked = [self.sentences[int(rng.integers(len(self.sentences)))] for rng in choices]
        captions = [
            face.captions[int(rng.integers(len(face.captions)))] if face.captions else ""
            for face, rng in zip(faces, choices, strict=True)
        ]
        texts = [instruction.text for instruction in asked]
        read, told, described = (
            self.reader.tokenize(texts),
            self.language.tokenize(texts),
            self.language.tokenize(captions),
        )
        batch = {
            "picture": torch.stack([face.picture for face in faces]),
            "latent": torch.stack([torch.zeros(self.w_dim) if f.latent is None else f.latent for f in faces]),
            "known": torch.tensor([float(face.latent is not None) for face in faces]),
            "strength": torch.tensor([float(rng.choice(STRENGTHS)) for rng in choices]),
            "intents": torch.stack([_intents(instruction) for instruction in asked]),
            **{"sentence_ids": read.input_ids, "sentence_mask": read.attention_mask},
            **{"language_ids": told.input_ids, "language_mask": told.attention_mask},
            **{"caption_ids": described.input_ids, "caption_mask": described.attention_mask},
        }
        for name in ("grid", "view"):
            tensors = [getattr(face, name) for face in faces]
            if all(tensor is not None for tensor in tensors):
                batch[name] = torch.stack(tensors)
        return batch


def _intents(instruction: Instruction) -> Tensor:
    row = torch.zeros(len(ATTRIBUTES))
    for name, value in instruction.intents.items():
        row[ATTRIBUTES.index(name)] = value
    return row
