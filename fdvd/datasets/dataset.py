"""One interface to every data set of faces: clips with frames, captions, attributes and latents.

`open_dataset` finds out what a folder holds. What comes out is the same for FDVD, FDVD-synth and folders of stills,
so that backbone pre-training and mapper training read any of them.
"""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from vl_backbone.common.errors import InputError, UsageError


@dataclass(frozen=True)
class Clip:
    """A clip without its pictures. split: "train", "heldout", ... or None; attributes: known values by name."""

    id: str
    split: str | None
    captions: tuple[str, ...]
    attributes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipSample:
    """A clip with its pictures, RGB in 0..255.

    hr: uint8 [S, 3, H, W], the middle frame of each of S segments. lr: uint8 [S, N, 3, h, w], the N frames around
    it (the middle one among them), or None for a still picture. latent: float32 [frames, w_dim], where known.
    """

    id: str
    split: str | None
    captions: tuple[str, ...]
    attributes: Mapping[str, float]
    hr: Tensor
    lr: Tensor | None
    latent: Tensor | None


class ClipDataset(Dataset[ClipSample]):
    """Clips in a fixed order. Subclasses say where pictures come from; they must survive pickling to workers."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = tuple(clips)

    @abstractmethod
    def pictures(self, index: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """-> hr, lr, latent of one clip, as in `ClipSample`. InputError when its file is missing or damaged."""

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> ClipSample:
        clip = self.clips[index]
        hr, lr, latent = self.pictures(index)
        return ClipSample(clip.id, clip.split, clip.captions, clip.attributes, hr, lr, latent)

    def split(self, name: str) -> ClipDataset:
        """The clips of one split; UsageError when there are none."""
        rows = [i for i, clip in enumerate(self.clips) if clip.split == name]
        if not rows:
            known = ", ".join(sorted({str(clip.split) for clip in self.clips})) or "no clips at all"
            raise UsageError(f"There is no split {name!r} in this data set; it has {known}.")
        return _Selection(self, rows)


class _Selection(ClipDataset):
    def __init__(self, source: ClipDataset, rows: Sequence[int]) -> None:
        super().__init__([source.clips[row] for row in rows])
        self._source, self._rows = source, tuple(rows)

    def pictures(self, index: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        return self._source.pictures(self._rows[index])


@dataclass(frozen=True)
class ClipBatch:
    """Clips side by side: hr [B, S, 3, H, W], lr [B, S, N, 3, h, w] or None, latent [B, frames, w_dim] or None."""

    ids: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]
    attributes: tuple[Mapping[str, float], ...]
    hr: Tensor
    lr: Tensor | None
    latent: Tensor | None


def collate(samples: Sequence[ClipSample]) -> ClipBatch:
    """Samples of one shape -> a batch; what not all of them have is None. InputError when their sizes differ."""

    def stacked(tensors: Sequence[Tensor | None]) -> Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        if len(present) < len(tensors):
            return None
        if len({tensor.shape for tensor in present}) > 1:
            raise InputError(f"clips of different sizes cannot share a batch: {', '.join(s.id for s in samples)}")
        return torch.stack(present)

    hr = stacked([sample.hr for sample in samples])
    assert hr is not None
    return ClipBatch(
        tuple(sample.id for sample in samples),
        tuple(sample.captions for sample in samples),
        tuple(sample.attributes for sample in samples),
        hr,
        stacked([sample.lr for sample in samples]),
        stacked([sample.latent for sample in samples]),
    )


class SeededSampler(Sampler[int]):
    """A shuffled pass over `count` samples: the order depends on seed and epoch alone, and it can start anywhere."""

    def __init__(self, count: int, seed: int, epoch: int = 0, start: int = 0) -> None:
        self.count, self.seed, self.epoch, self.start = count, seed, epoch, start

    def __iter__(self) -> Iterator[int]:
        order = list(range(self.count))
        random.Random(f"{self.seed}/{self.epoch}").shuffle(order)
        return iter(order[self.start :])

    def __len__(self) -> int:
        return self.count - self.start


class ClipLoader:
    """Batches for training without end, epoch after epoch; goes on exactly where `state_dict` was taken.

    The state counts what was handed out, not what workers have read ahead. The last samples of an epoch, too few
    for a batch, are left out. `seed` orders the clips; equal arguments and states give equal batches with any
    number of workers.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        batch_size: int,
        seed: int,
        workers: int = 0,
        collate_fn: Callable[[Sequence[ClipSample]], Any] = collate,
    ) -> None:
        if not 1 <= batch_size <= len(dataset):
            raise UsageError(f"A batch of {batch_size} cannot be taken from {len(dataset)} clips.")
        self.dataset, self.batch_size, self.seed, self.workers = dataset, batch_size, seed, workers
        self.collate_fn = collate_fn
        self.epoch = self.position = 0

    def state_dict(self) -> dict[str, int]:
        """Where the loader is: everything that a resumed run needs."""
        return {
            "epoch": self.epoch,
            "position": self.position,
            "seed": self.seed,
            "clips": len(self.dataset),
            "batch_size": self.batch_size,
        }

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Goes on from a state; UsageError when it belongs to other data, another seed or another batch size."""
        mine = self.state_dict()
        for name in ("seed", "clips", "batch_size"):
            if state.get(name) != mine[name]:
                raise UsageError(f"The saved state has {name} {state.get(name)}, but this run has {mine[name]}.")
        self.epoch, self.position = state["epoch"], state["position"]

    def __iter__(self) -> Iterator[Any]:
        while True:
            sampler = SeededSampler(len(self.dataset), self.seed, self.epoch, self.position)
            loader: DataLoader[ClipSample] = DataLoader(
                self.dataset,
                self.batch_size,
                sampler=sampler,
                num_workers=self.workers,
                collate_fn=self.collate_fn,
                drop_last=True,
            )
            for batch in loader:
                self.position += self.batch_size
                yield batch
            self.epoch, self.position = self.epoch + 1, 0
