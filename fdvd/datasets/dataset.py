"""One interface to every data set of faces: clips with frames, captions, attributes and latents.

`open_dataset` finds out what a folder holds. What comes out is the same for FDVD, FDVD-synth and folders of stills,
so that backbone pre-training and mapper training read any of them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor
from torch.utils.data import Dataset

from vl_backbone.common.errors import UsageError


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
