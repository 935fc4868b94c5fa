"""One interface to all data sets."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from fdvd.datasets.dataset import ClipDataset
from fdvd.datasets.sources import VideoClips, open_dataset
from tests.fdvd.datasets.dataset_files import packed, stills, videos
from vl_backbone.common.errors import InputError, UsageError


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> ClipDataset:
    return open_dataset(packed(tmp_path_factory.mktemp("packed") / "set", 13))


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


def test_splits(clips: ClipDataset) -> None:
    held = clips.split("heldout")
    assert [clip.id for clip in held.clips] == ["clip-4", "clip-9"] and held[1].id == "clip-9"
    assert len(clips.split("train")) == 11
    with pytest.raises(UsageError, match="heldout, train"):
        clips.split("test")


def test_what_goes_to_a_worker_reads_the_same(clips: ClipDataset) -> None:
    clips[0]  # opens an archive in this process, which workers must not share
    assert torch.equal(pickle.loads(pickle.dumps(clips))[5].hr, clips[5].hr)


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
