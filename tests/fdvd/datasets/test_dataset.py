"""One interface to all data sets, workers, and loaders that go on exactly where they stopped."""

from __future__ import annotations

import itertools
import json
import pickle
from pathlib import Path

import pytest
import torch

from fdvd.datasets.dataset import ClipBatch, ClipDataset, ClipLoader, SeededSampler, collate
from fdvd.datasets.sources import VideoClips, open_dataset
from tests.fdvd.datasets.dataset_files import packed, stills, videos
from vl_backbone.common.errors import InputError, UsageError


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    return open_dataset(packed(tmp_path_factory.mktemp("packed") / "set", 13))


def ids(loader: ClipLoader, count: int) -> list[tuple[str, ...]]:
    return [batch.ids for batch in itertools.islice(iter(loader), count)]


def test_a_packed_clip(clips: ClipDataset) -> None:
    sample = clips[7]
    assert (sample.id, sample.split, sample.captions, sample.attributes) == (
        "clip-7",
        "train",
        ("Clip 7.",),
        {"male": 1},
    )
    assert sample.hr.shape == (1, 3, 32, 32) and sample.hr.dtype == torch.uint8
    assert sample.lr is not None and sample.lr.shape == (1, 3, 3, 8, 8)
    assert (sample.hr.int() - 70).abs().max() <= 2 and (sample.lr.int() - 70).abs().max() <= 2
    assert sample.latent is not None and (sample.latent == 7).all() and sample.latent.dtype == torch.float32


def test_a_video_clip_is_cut_on_demand(tmp_path: Path) -> None:
    root = videos(tmp_path / "fdvd")
    sample = open_dataset(root, size=32, lr_size=16)[0]
    assert sample.hr.shape == (1, 3, 32, 32) and sample.lr is not None and sample.lr.shape == (1, 3, 3, 16, 16)
    grey = sample.lr[0].float().mean((1, 2, 3)) / 8
    assert grey.tolist() == pytest.approx([4, 12, 20], abs=0.7)
    assert float(sample.hr.float().mean()) / 8 == pytest.approx(12, abs=0.7)
    two = VideoClips(root, 32, 16, segments=2, frames=5, stride=2)[0]
    assert two.hr.shape == (2, 3, 32, 32) and two.lr is not None and two.lr.shape == (2, 5, 3, 16, 16)
    assert (two.lr.float().mean((2, 3, 4)) / 8).flatten().diff()[:4].tolist() == pytest.approx([2] * 4, abs=0.7)


def test_stills_have_no_neighbours(tmp_path: Path) -> None:
    dataset = open_dataset(stills(tmp_path / "faces"), size=24)
    assert len(dataset) == 2 and len(dataset[1].captions) == 10
    assert dataset[1].hr.shape == (1, 3, 24, 24) and (dataset[1].hr == 100).all()
    assert dataset[1].lr is None and dataset[1].latent is None
    batch = collate([dataset[0], dataset[1]])
    assert batch.hr.shape == (2, 1, 3, 24, 24) and batch.lr is None and batch.latent is None


def test_splits(clips: ClipDataset) -> None:
    held = clips.split("heldout")
    assert [clip.id for clip in held.clips] == ["clip-4", "clip-9"] and held[1].id == "clip-9"
    assert len(clips.split("train")) == 11
    with pytest.raises(UsageError, match="heldout, train"):
        clips.split("test")


def test_sampler_order_depends_on_seed_and_epoch_alone() -> None:
    first = list(SeededSampler(20, seed=1))
    assert first == list(SeededSampler(20, seed=1)) and sorted(first) == list(range(20)) and first != list(range(20))
    assert first != list(SeededSampler(20, seed=2)) and first != list(SeededSampler(20, seed=1, epoch=1))
    assert list(SeededSampler(20, seed=1, start=5)) == first[5:]


def test_loader_walks_through_epochs(clips: ClipDataset) -> None:
    seen = ids(ClipLoader(clips, 4, seed=3), 6)
    for epoch in (seen[:3], seen[3:]):
        names = [name for batch in epoch for name in batch]
        assert len(set(names)) == 12
    assert seen[:3] != seen[3:]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [1, 3, 4])
def test_resumed_loader_goes_on_exactly(clips: ClipDataset, stop: int, workers: int) -> None:
    whole = ids(ClipLoader(clips, 4, seed=3), 7)
    first = ClipLoader(clips, 4, seed=3, workers=workers)
    assert ids(first, stop) == whole[:stop]
    state = json.loads(json.dumps(first.state_dict()))
    second = ClipLoader(clips, 4, seed=3, workers=2 - workers)
    second.load_state_dict(state)
    assert ids(second, 7 - stop) == whole[stop:]


def test_workers_give_the_same_pixels(clips: ClipDataset) -> None:
    clips[0]  # opens an archive in this process, which forked workers must not share
    for ours, theirs in zip(
        itertools.islice(ClipLoader(clips, 3, seed=1), 4),
        itertools.islice(ClipLoader(clips, 3, seed=1, workers=2), 4),
        strict=True,
    ):
        assert (
            isinstance(ours, ClipBatch) and torch.equal(ours.hr, theirs.hr) and torch.equal(ours.latent, theirs.latent)
        )
    assert torch.equal(pickle.loads(pickle.dumps(clips))[5].hr, clips[5].hr)


@pytest.mark.parametrize("change", [{"seed": 4}, {"clips": 12}, {"batch_size": 2}])
def test_foreign_states_are_refused(clips: ClipDataset, change: dict[str, int]) -> None:
    loader = ClipLoader(clips, 4, seed=3)
    with pytest.raises(UsageError, match=next(iter(change))):
        loader.load_state_dict(loader.state_dict() | change)


def test_batches_larger_than_the_data_are_refused(clips: ClipDataset) -> None:
    with pytest.raises(UsageError, match="13 clips"):
        ClipLoader(clips, 14, seed=0)


class TestBadInput:
    def test_a_damaged_block_is_named_and_the_rest_read(self, tmp_path: Path) -> None:
        root = packed(tmp_path / "set", 8)
        block = root / "blocks" / "00001.zip"
        for broken in (block.read_bytes()[:900], b"", None):
            block.write_bytes(broken) if broken is not None else block.unlink()
            dataset = open_dataset(root)
            with pytest.raises(InputError, match=r"00001\.zip: clip clip-5"):
                dataset[5]
            assert dataset[3].id == "clip-3"

    @pytest.mark.parametrize(
        "line",
        ["{", "[]", "3", '{"id": 1, "captions": []}', '{"id": "a"}', '{"id": "a", "captions": [1]}', "[" * 10**5],
    )
    def test_a_bad_line_is_named(self, tmp_path: Path, line: str) -> None:
        root = packed(tmp_path / "set", 2)
        with (root / "manifest.jsonl").open("a") as stream:
            stream.write(line)
        with pytest.raises(InputError, match="line 3"):
            open_dataset(root)

    def test_an_unfinished_build_is_named(self, tmp_path: Path) -> None:
        root = packed(tmp_path / "set", 2)
        (root / "manifest.jsonl").unlink()
        with pytest.raises(InputError, match="build the data set to its end"):
            open_dataset(root)

    def test_paths_out_of_the_folder_are_refused(self, tmp_path: Path) -> None:
        root = packed(tmp_path / "set", 1)
        text = (root / "manifest.jsonl").read_text()
        (root / "manifest.jsonl").write_text(text.replace('"00000"', '"../../secret"'))
        with pytest.raises(InputError, match="no block"):
            open_dataset(root)[0]
        film = videos(tmp_path / "fdvd")
        (film / "manifest.jsonl").write_text((film / "manifest.jsonl").read_text().replace("clips/a", "../set/a"))
        with pytest.raises(InputError, match="out of the folder"):
            open_dataset(film)[0]

    def test_an_empty_folder_is_refused(self, tmp_path: Path) -> None:
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(UsageError):
                open_dataset(folder)
