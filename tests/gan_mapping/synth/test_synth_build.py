"""FDVD-synth: blocks that survive interruption, splits, captions that are true of what was drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdvd.attributes.table import HELD_OUT_SEEDS
from fdvd.datasets.sources import open_dataset
from fdvd.language.captions import untrue
from gan_mapping.generators.protocol import Generator
from gan_mapping.hdvila_mini.report import statistics
from gan_mapping.synth.build import SynthConfig, build, missing_blocks, write_manifest
from gan_mapping.synth.probes import Probes
from gan_mapping.synth.walks import seed_of
from tests.gan_mapping.synth.synth_helpers import SmallPictures, files_of
from vl_backbone.common.errors import UsageError

CONFIG = SynthConfig(clips=23, frames=3, hr_size=64, lr_size=16, block=5)


def run(out: Path, generator: Any, probes: Probes, config: SynthConfig = CONFIG, shards: int = 1) -> Path:
    for shard in range(shards):
        build(out, generator, probes, config, lambda _: None, shard, shards)
    assert missing_blocks(out, config) == []
    return write_manifest(out, config)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, generator: Generator, probes: Probes) -> Path:
    out: Path = tmp_path_factory.mktemp("synth")
    run(out, SmallPictures(generator), probes)
    return out


@pytest.mark.parametrize("stops", [(0, 3, 11), (14, 14, 15, 16), (30,), (1, 2, 3, 4)])
def test_interrupted_builds_end_with_the_same_bytes(
    stops: tuple[int, ...], built: Path, tmp_path: Path, generator: Generator, probes: Probes
) -> None:
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path, SmallPictures(generator, fail_at=stop), probes, CONFIG, lambda _: None)
    # What a kill in the middle of a write leaves behind, and a picture file without its part of the manifest.
    (tmp_path / "blocks" / ".00004.zip.leftover").write_bytes(b"half")
    (tmp_path / "blocks" / "00004.zip").write_bytes(b"half")
    run(tmp_path, SmallPictures(generator), probes)
    mine, theirs = files_of(tmp_path), files_of(built)
    mine.pop("blocks/.00004.zip.leftover")
    assert mine == theirs


def test_shards_make_the_same_files(built: Path, tmp_path: Path, generator: Generator, probes: Probes) -> None:
    build(tmp_path, SmallPictures(generator), probes, CONFIG, lambda _: None, 1, 3)
    assert missing_blocks(tmp_path, CONFIG) == [0, 2, 3]
    run(tmp_path, SmallPictures(generator), probes, shards=3)
    assert files_of(tmp_path) == files_of(built)


def test_finished_blocks_are_not_drawn_again(built: Path, generator: Generator, probes: Probes) -> None:
    again = SmallPictures(generator)
    build(built, again, probes, CONFIG, lambda _: None)
    assert again.drawn == 0


def test_other_settings_are_refused(built: Path, generator: Generator, probes: Probes) -> None:
    with pytest.raises(UsageError, match="other settings"):
        build(built, SmallPictures(generator), probes, SynthConfig(clips=24, hr_size=64, lr_size=16), lambda _: None)
    with pytest.raises(UsageError, match="divisor"):
        build(built, SmallPictures(generator), probes, SynthConfig(clips=2, hr_size=60), lambda _: None)
    with pytest.raises(UsageError, match="0 <= I < N"):
        build(built, SmallPictures(generator), probes, CONFIG, lambda _: None, 3, 3)


@pytest.mark.parametrize("wrong", [{"clips": 0}, {"clips": 5, "frames": 2}, {"clips": 5, "jpeg_quality": 101}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        SynthConfig(**wrong)


def test_the_clips_read_back(built: Path) -> None:
    dataset = open_dataset(built)
    rows = [json.loads(line) for line in (built / "manifest.jsonl").read_text().splitlines()]
    assert [clip.id for clip in dataset.clips] == [row["id"] for row in rows]
    for index, row in enumerate(rows):
        sample = dataset[index]
        assert sample.lr is not None and sample.latent is not None
        assert sample.hr.shape == (1, 3, 64, 64) and sample.hr.dtype == torch.uint8
        assert sample.lr.shape == (1, 3, 3, 16, 16) and sample.latent.shape == (3, 512)
        still = row["motion"] == "still"
        assert (
            still == torch.equal(sample.lr[0, 0], sample.lr[0, 2]) == bool((sample.latent[0] == sample.latent[2]).all())
        )


def test_captions_state_only_the_facts(built: Path) -> None:
    for line in (built / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert len(set(row["captions"])) == 10
        assert not any(untrue(caption, row["facts"]) for caption in row["captions"])


def test_statistics_add_up(built: Path, probes: Probes) -> None:
    numbers = statistics(built, probes)
    assert numbers["clips"] == sum(numbers["motions"].values()) == sum(numbers["splits"].values()) == 23
    assert numbers["captions"] == 230
    assert numbers["bytes"] == sum(path.stat().st_size for path in (built / "blocks").glob("*.zip"))
    json.dumps(numbers, allow_nan=False)


@settings(max_examples=50)
@given(st.integers(0, 30_000))
def test_held_out_seeds_are_the_held_out_split(clip: int) -> None:
    seed, split = seed_of(clip)
    assert (seed in HELD_OUT_SEEDS) == (split == "heldout")


def test_every_clip_has_a_face_of_its_own() -> None:
    seeds = [seed_of(clip) for clip in range(6000)]
    assert len({seed for seed, _ in seeds}) == 6000
    assert {seed for seed, split in seeds[:2000] if split == "heldout"} == set(HELD_OUT_SEEDS)
    assert {seed for seed, split in seeds[:2000] if split == "train"} == set(range(1600))
