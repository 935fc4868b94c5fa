"""What pre-training reads: any dataset of clips with sentences, in an order that a resumed run repeats."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import Dataset

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.pretraining.masking import MaskingConfig, SpecialTokens, mask_tokens
from vl_backbone.training.seeds import ORDER, SAMPLES, derived_seed, seed_everything

Batch = dict[str, Tensor]
# (epoch, number of the sample): what the dataset is asked for, so that each epoch shows other clips of a video.
SampleKey = tuple[int, int]


class ClipTextSample(Protocol):
    """One video with sentences about it.

    hr: uint8 RGB [S, 3, H, W] middle frames. lr: uint8 RGB [S, N, 3, h, w] neighbours, or None for still pictures.
    captions: one sentence or more, of which one is drawn each time.
    """

    @property
    def hr(self) -> Tensor: ...

    @property
    def lr(self) -> Tensor | None: ...

    @property
    def captions(self) -> Sequence[str]: ...


class SampleSource(Protocol):
    """Any map-style dataset. It may draw from Python's, numpy's and torch's global generators: they are seeded."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Tokenizer(Protocol):
    """Sentences to padded word-piece numbers."""

    @property
    def special_tokens(self) -> SpecialTokens: ...

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """-> input_ids, attention_mask, both [B, L] int64."""
        ...


@dataclass(frozen=True)
class Drawn:
    """A sample with its own seed. complaints: why samples in whose place it stands could not be read.

    unreadable: not one sample could be read, and there is none here. Errors travel as text because a data worker
    would dress them up in its own traceback.
    """

    sample: Any
    seed: int
    complaints: tuple[str, ...] = ()
    unreadable: bool = False


class SeededDataset(Dataset[Drawn]):
    """Gives each (epoch, sample) the same randomness, in whichever process it is read.

    A sample that raises InputError is replaced by the next one, so that a bad file does not end a long run.
    """

    def __init__(self, source: SampleSource, seed: int) -> None:
        self.source = source
        self.seed = seed

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: SampleKey) -> Drawn:
        epoch, number = key
        complaints: list[str] = []
        for step in range(len(self.source)):
            index = (number + step) % len(self.source)
            seed = derived_seed(self.seed, SAMPLES, epoch, index)
            seed_everything(seed)
            try:
                return Drawn(self.source[index], seed, tuple(complaints))
            except InputError as error:
                complaints.append(str(error))
        return Drawn(None, 0, tuple(complaints), unreadable=True)


class BatchOrder:
    """Which samples each step reads: a new permutation every epoch, the same for any number of processes.

    batch_size counts the samples of all processes together; each process takes its consecutive share. The samples
    left over at the end of an epoch are not read in it.
    """

    def __init__(self, samples: int, batch_size: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        if batch_size % processes:
            raise UsageError(f"A batch of {batch_size} cannot be shared evenly by {processes} processes.")
        if samples < batch_size:
            raise UsageError(f"The data set has {samples} samples, too few for a batch of {batch_size}.")
        self.samples, self.batch_size, self.seed = samples, batch_size, seed
        self.rank, self.share = rank, batch_size // processes
        self.per_epoch = samples // batch_size

    def epoch_of(self, number: int) -> int:
        """The 0-based epoch that the 0-based batch `number` of the run belongs to."""
        return number // self.per_epoch

    def batches(self, first: int, last: int) -> Iterator[list[SampleKey]]:
        """This process's share of the batches number first..last-1 of the run."""
        epoch, order = -1, torch.empty(0, dtype=torch.long)
        for number in range(first, last):
            if self.epoch_of(number) != epoch:
                epoch = self.epoch_of(number)
                generator = torch.Generator().manual_seed(derived_seed(self.seed, ORDER, epoch))
                order = torch.randperm(self.samples, generator=generator)
            start = number % self.per_epoch * self.batch_size + self.rank * self.share
            yield [(epoch, int(sample)) for sample in order[start : start + self.share]]


@dataclass(frozen=True)
class ClipTextCollator:
    """Drawn clips with sentences -> a batch: hr [B, S, 3, H, W], lr, input_ids, attention_mask [B, L].

    masking: for stage 2, adds `labels` and hides word pieces; each sample's mask depends on its own seed only.
    """

    tokenizer: Tokenizer
    masking: MaskingConfig | None = None

    def __call__(self, drawn: Sequence[Drawn]) -> Batch:
        captions = [random.Random(d.seed).choice(_captions(d.sample)) for d in drawn]
        input_ids, attention_mask = self.tokenizer(captions)
        batch = {**stack_clips([d.sample for d in drawn]), "input_ids": input_ids, "attention_mask": attention_mask}
        if self.masking:
            hide_words(batch, [d.seed for d in drawn], self.tokenizer.special_tokens, self.masking)
        return batch


def hide_words(batch: Batch, seeds: Sequence[int], special: SpecialTokens, masking: MaskingConfig) -> None:
    """Masks `input_ids` in place of what was there and adds `labels`; each row's mask depends on its own seed."""
    pairs = [
        mask_tokens(row, special, torch.Generator().manual_seed(seed), masking)
        for row, seed in zip(batch["input_ids"], seeds, strict=True)
    ]
    batch["input_ids"] = torch.stack([shown for shown, _ in pairs])
    batch["labels"] = torch.stack([labels for _, labels in pairs])


def stack_clips(samples: Sequence[Any]) -> Batch:
    """hr (and lr, where there are neighbours) of all samples; InputError when their shapes differ."""
    clips = {"hr": [s.hr for s in samples]}
    if all(s.lr is not None and s.lr.shape[1] for s in samples):
        clips["lr"] = [s.lr for s in samples]
    for name, tensors in clips.items():
        shapes = {tuple(t.shape) for t in tensors}
        if len(shapes) > 1:
            raise InputError(f"The samples of a batch have different {name} shapes: {sorted(shapes)}.")
    return {name: torch.stack(tensors) for name, tensors in clips.items()}


@dataclass(frozen=True)
class Fetched:
    """A batch on its way to the device, with what went wrong on the way. error: why there is no batch."""

    batch: Batch
    complaints: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True)
class Fetcher:
    """collate for a DataLoader over SeededDataset: a collator's batch, complaints beside it."""

    collate: Callable[[Sequence[Drawn]], Batch]

    def __call__(self, drawn: Sequence[Drawn]) -> Fetched:
        complaints = tuple(text for d in drawn for text in d.complaints)
        if any(d.unreadable for d in drawn):
            return Fetched({}, error=f"No sample of the data set can be read. The first: {complaints[0]}")
        try:
            return Fetched(self.collate(drawn), complaints)
        except InputError as error:
            return Fetched({}, error=str(error))


def _captions(sample: ClipTextSample) -> Sequence[str]:
    if not sample.captions:
        raise InputError("A sample has no caption.")
    return sample.captions
