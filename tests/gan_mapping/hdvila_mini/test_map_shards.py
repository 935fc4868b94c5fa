"""Stored trunk maps: kept as long as frames and trunks are the same, made anew when one of them is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_mapping.hdvila_mini.maps import Frames, StoredMaps, Wording, map_shards
from vl_backbone.hdvila.mini import HR_SIZE, mini_config, still_neighbours
from vl_backbone.hdvila.model import HDVILA, build_hdvila


class Pictures:
    """Two noisy pictures, drawn from a seed; reads are counted."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.reads = 0

    def read(self, first: int, last: int) -> tuple[Tensor, Tensor]:
        self.reads += 1
        rng = np.random.default_rng(self.seed)
        hr = torch.from_numpy(rng.integers(0, 256, (2, 3, HR_SIZE, HR_SIZE), dtype=np.uint8))[first:last]
        return hr, still_neighbours(hr, frames=1)

    def frames(self) -> Frames:
        return Frames(2, self.read, lambda first, last: [self.seed, first, last])


@pytest.fixture(scope="module")
def model() -> HDVILA:
    torch.manual_seed(0)
    return build_hdvila(mini_config(), stage=1).eval()


def maps_in(folder: Path) -> StoredMaps:
    return StoredMaps(folder, [0, 1], [Wording(["a face"])] * 2)


def stored(folder: Path) -> np.ndarray:
    return np.array(maps_in(folder)[1].high)


def test_maps_are_made_once_and_anew_for_other_pictures(model: HDVILA, tmp_path: Path) -> None:
    one, other = Pictures(1), Pictures(2)
    assert list(map_shards(one.frames(), model, tmp_path)) == [0]
    first, reads, made_from = stored(tmp_path), one.reads, maps_in(tmp_path).made_from
    list(map_shards(one.frames(), model, tmp_path))
    assert one.reads == reads and np.array_equal(stored(tmp_path), first)
    assert maps_in(tmp_path).made_from == made_from and len(made_from) == 1
    list(map_shards(other.frames(), model, tmp_path))
    assert other.reads == reads and not np.array_equal(stored(tmp_path), first)
    assert maps_in(tmp_path).made_from != made_from


def test_other_trunks_see_other_maps(model: HDVILA, tmp_path: Path) -> None:
    pictures = Pictures(1)
    list(map_shards(pictures.frames(), model, tmp_path))
    before, reads = stored(tmp_path), pictures.reads
    torch.manual_seed(1)
    list(map_shards(pictures.frames(), build_hdvila(mini_config(), stage=1).eval(), tmp_path))
    assert pictures.reads == 2 * reads and not np.array_equal(stored(tmp_path), before)


def test_a_shard_that_was_broken_off_is_done_again(model: HDVILA, tmp_path: Path) -> None:
    list(map_shards(Pictures(1).frames(), model, tmp_path))

    def torn(first: int, last: int) -> tuple[Tensor, Tensor]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(map_shards(Frames(2, torn, lambda first, last: 3), model, tmp_path))
    pictures = Pictures(1)
    list(map_shards(pictures.frames(), model, tmp_path))
    assert pictures.reads > 0
