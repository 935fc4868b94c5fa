"""Trunk maps of pictures and clips on disk, so that pre-training reads them instead of running the trunks again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gan_mapping.training.bank import SHARD, save_array
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.maps import MapSample

BATCH = 8
PARTS = ("high", "middle", "low")
# Rows [start, stop) -> hr uint8 [n, 3, H, W] and lr [n, N, 3, h, w] in 0..255; N is 1 for still pictures.
ReadFrames = Callable[[int, int], tuple[Tensor, Tensor]]


@torch.inference_mode()
def map_shards(count: int, read: ReadFrames, model: HDVILA, folder: Path) -> Iterator[int]:
    """Stores the maps of `count` pictures or clips as fp16 in folder/PART-000.npy, ...; yields finished shards.

    Resumable: `high` is written last and says that a shard is complete.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for shard, start in enumerate(range(0, count, SHARD)):
        if not part_file(folder, "high", shard).exists():
            rows: dict[str, list[np.ndarray]] = {}
            stop = min(start + SHARD, count)
            for first in range(start, stop, BATCH):
                hr, lr = read(first, min(first + BATCH, stop))
                maps = model.trunk_maps(hr, lr)
                for part in PARTS:
                    rows.setdefault(part, []).append(getattr(maps, part).half().cpu().numpy())
            for part in reversed(PARTS):
                save_array(part_file(folder, part, shard), np.concatenate(rows[part]))
        yield shard


def part_file(folder: Path, part: str, shard: int) -> Path:
    """Where one part of a shard lies."""
    return folder / f"{part}-{shard:03d}.npy"


@dataclass(frozen=True)
class Wording:
    """What may be said of a clip; see `MapSample` for the last three."""

    captions: Sequence[str]
    backwards: Sequence[str] = ()
    telling: Collection[str] = ()
    opposites: Sequence[tuple[str, str]] = ()


class StoredMaps(Dataset[MapSample]):
    """The chosen rows of a folder of `map_shards`, with their captions.

    rows: numbers of pictures or clips; wordings: of each of these rows. frames: how many LR neighbours a sample has;
    a still picture's one is repeated.
    """

    def __init__(self, folder: Path, rows: Sequence[int], wordings: Sequence[Wording], frames: int = 3) -> None:
        self.folder = folder
        self.rows = list(rows)
        self.wordings = wordings
        self.frames = frames
        self._open: dict[tuple[str, int], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> MapSample:
        shard, row = divmod(self.rows[index], SHARD)
        high, middle, low = (self._array(part, shard)[row] for part in PARTS)
        words = self.wordings[index]
        if len(low) == 1:
            low = np.repeat(low, self.frames, axis=0)
        return MapSample(high, middle, low, words.captions, words.backwards, words.telling, words.opposites)

    def _array(self, part: str, shard: int) -> np.ndarray:
        if (part, shard) not in self._open:
            self._open[part, shard] = np.load(part_file(self.folder, part, shard), mmap_mode="r")
        return self._open[part, shard]
