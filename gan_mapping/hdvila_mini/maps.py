"""Trunk maps of pictures and clips on disk, so that pre-training reads them instead of running the trunks again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gan_mapping.training.closed_form.stages import digest_of, fingerprint
from gan_mapping.training.rendered_set import SHARD, save_array
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.maps import MapSample
from vl_backbone.weights.files import write_atomically

BATCH = 8
PARTS = ("high", "middle", "low")
MARK = "made-{}.txt"  # written last; holds a digest of what a shard was made from
# Rows [start, stop) -> hr uint8 [n, 3, H, W] and lr [n, N, 3, h, w] in 0..255; N is 1 for still pictures.
ReadFrames = Callable[[int, int], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Frames:
    """Pictures or clips to be seen; made_from: a plain value for rows [start, stop), which changes when they do."""

    count: int
    read: ReadFrames
    made_from: Callable[[int, int], object]


@torch.inference_mode()
def map_shards(frames: Frames, model: HDVILA, folder: Path) -> Iterator[int]:
    """Stores the maps of pictures or clips as fp16 in folder/PART-000.npy, ...; yields finished shards.

    Resumable: `made-000.txt`, written last, says what a complete shard was made from. Of other frames or trunks it is
    made anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trunks = fingerprint(*model.cnn.state_dict().values(), *model.cnn_low.state_dict().values())
    for shard, start in enumerate(range(0, frames.count, SHARD)):
        stop = min(start + SHARD, frames.count)
        mark = folder / MARK.format(f"{shard:03d}")
        digest = digest_of([trunks, start, stop, frames.made_from(start, stop)])
        if not mark.exists() or mark.read_text() != digest:
            mark.unlink(missing_ok=True)
            rows: dict[str, list[np.ndarray]] = {}
            for first in range(start, stop, BATCH):
                maps = model.trunk_maps(*frames.read(first, min(first + BATCH, stop)))
                for part in PARTS:
                    rows.setdefault(part, []).append(getattr(maps, part).half().cpu().numpy())
            for part in PARTS:
                save_array(part_file(folder, part, shard), np.concatenate(rows[part]))
            write_atomically(mark, [digest.encode()])
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

    @property
    def made_from(self) -> list[str]:
        """What the folder's shards were made from, as digests."""
        return [mark.read_text() for mark in sorted(self.folder.glob(MARK.format("*")))]

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
