"""Order of the data, seeding, replacement of bad files, tokenizer, YAML configurations, annotations."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.vl_backbone.moving_shapes import MovingShapes
from tests.vl_backbone.tiny_recipes import TINY_CLIPS, annotations, stage_one, write_recipe
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.yaml_config import load_yaml
from vl_backbone.pretraining.masking import IGNORE, MaskingConfig
from vl_backbone.pretraining.recipe import DataConfig, PretrainingConfig, open_videos
from vl_backbone.pretraining.tokens import WordPieces
from vl_backbone.pretraining.video_text import VideoEntry, VideoTextDataset, present, read_jsonl
from vl_backbone.training.data import (
    BatchOrder,
    ClipTextCollator,
    Drawn,
    Fetcher,
    SeededDataset,
    stack_clips,
)
from vl_backbone.video.clips import ClipConfig
from vl_backbone.video.sampling import SamplingConfig

CLIPS = ClipConfig(SamplingConfig(1, 3, 3), resize=(18, 18), crop=(16, 16))


@dataclass
class Noise:
    """A data set that draws from every global generator; its first samples are unreadable."""

    bad: int = 0
    asked: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[int, float, float, float]:
        self.asked.append(index)
        if index < self.bad:
            raise InputError(f"sample {index} is broken")
        return index, random.random(), float(np.random.rand()), float(torch.rand(()))


@given(samples=st.integers(1, 60), batch=st.integers(1, 12), processes=st.integers(1, 4), first=st.integers(0, 20))
def test_batches_are_the_same_for_any_number_of_processes_and_any_start(
    samples: int, batch: int, processes: int, first: int
) -> None:
    batch *= processes
    if samples < batch:
        with pytest.raises(UsageError, match="too few"):
            BatchOrder(samples, batch, 0)
        return
    alone = list(BatchOrder(samples, batch, 7).batches(0, first + 5))
    shares = [list(BatchOrder(samples, batch, 7, r, processes).batches(first, first + 5)) for r in range(processes)]
    joined = [[key for part in parts for key in part] for parts in zip(*shares, strict=True)]
    assert joined == alone[first:]
    per_epoch = samples // batch
    for epoch in range((first + 5) // per_epoch):
        keys = [key for part in alone[epoch * per_epoch : (epoch + 1) * per_epoch] for key in part]
        assert len(set(keys)) == len(keys) == per_epoch * batch and {e for e, _ in keys} == {epoch}


def test_uneven_shares_are_refused() -> None:
    with pytest.raises(UsageError, match="shared evenly"):
        BatchOrder(10, 5, 0, 0, 2)


def test_a_sample_is_the_same_whenever_it_is_read() -> None:
    data = SeededDataset(Noise(), seed=3)
    first = data[(2, 5)]
    random.random(), np.random.rand(), torch.rand(9)
    assert data[(2, 5)] == first
    assert data[(3, 5)].sample[1:] != first.sample[1:], "another epoch, other clips"
    assert SeededDataset(Noise(), seed=4)[(2, 5)].sample[1:] != first.sample[1:]


def test_unreadable_samples_are_replaced_and_named() -> None:
    drawn = SeededDataset(Noise(bad=3), seed=0)[(0, 1)]
    assert drawn.sample[0] == 3
    assert drawn.complaints == ("sample 1 is broken", "sample 2 is broken")
    hopeless = SeededDataset(Noise(bad=10), seed=0)[(0, 4)]
    assert "sample 4 is broken" in str(Fetcher(lambda _: {})([hopeless]).error)


@dataclass
class Clip:
    hr: Tensor
    lr: Tensor | None
    captions: list[str]


def clip(side: int = 64, captions: tuple[str, ...] = ("a red disc",), neighbours: int = 2) -> Clip:
    hr = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    return Clip(hr, torch.zeros(1, neighbours, 3, 16, 16, dtype=torch.uint8), list(captions))


def test_collator_masks_each_sample_by_its_own_seed(moving_shapes: MovingShapes) -> None:
    tokenizer = WordPieces(moving_shapes.vocabulary)
    collate = ClipTextCollator(tokenizer, MaskingConfig(0.5))
    long = "a red disc moves to the left"
    together = collate([Drawn(clip(captions=(long,)), 1), Drawn(clip(captions=("a blue square",)), 2)])
    alone = collate([Drawn(clip(captions=("a blue square",)), 2)])
    length = alone["input_ids"].shape[1]
    assert torch.equal(together["input_ids"][1, :length], alone["input_ids"][0])
    assert torch.equal(together["labels"][1, :length], alone["labels"][0])
    assert (together["labels"][1, length:] == IGNORE).all() and (together["labels"] != IGNORE).any()
    assert together["hr"].shape == (2, 1, 3, 64, 64) and together["lr"].shape == (2, 1, 2, 3, 16, 16)
    captions = {
        tuple(collate([Drawn(clip(captions=("red", "blue", "green")), seed)])["labels"].shape) for seed in range(4)
    }
    assert captions == {(1, 3)}


def test_samples_of_different_shapes_are_an_input_error() -> None:
    with pytest.raises(InputError, match="different hr shapes"):
        stack_clips([clip(64), clip(128)])
    assert "lr" not in stack_clips([clip(neighbours=0)])
    fetched = Fetcher(lambda drawn: stack_clips([d.sample for d in drawn]))([Drawn(clip(64), 0), Drawn(clip(128), 1)])
    assert "different hr shapes" in str(fetched.error)


def test_word_pieces(moving_shapes: MovingShapes, tmp_path: Path) -> None:
    tokenizer = WordPieces(moving_shapes.vocabulary, max_tokens=5)
    ids, mask = tokenizer(["A RED disc moves to the left", "blue"])
    words = moving_shapes.vocabulary.read_text(encoding="utf-8").split()
    assert [words[i] for i in ids[0]] == ["[CLS]", "a", "red", "disc", "[SEP]"]
    assert mask.tolist() == [[1] * 5, [1, 1, 1, 0, 0]]
    assert tokenizer.special_tokens.special == (0, 1, 2, 3, 4) and tokenizer.special_tokens.mask == 4
    with pytest.raises(UsageError, match="vocabulary"):
        WordPieces(tmp_path / "none.txt")


def test_training_clips_differ_and_test_clips_do_not(moving_shapes: MovingShapes) -> None:
    entries = [VideoEntry(video.path, (video.caption,)) for video in moving_shapes.videos[:1]]
    training, test = VideoTextDataset(entries, CLIPS), VideoTextDataset(entries, CLIPS, training=False)
    random.seed(0)
    assert len({training[0].hr.sum().item() for _ in range(6)}) > 1
    assert torch.equal(test[0].hr, test[0].hr)


def test_jsonl_annotations(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = [{"video": "a/b.mp4", "caption": "one"}, {"video": "c.mp4", "captions": ["x", "y"], "start": 1, "end": 2.5}]
    path.write_text("\n".join(map(json.dumps, good)) + "\n\n", encoding="utf-8")
    first, second = read_jsonl(path, tmp_path)
    assert first.path == tmp_path / "a" / "b.mp4" and first.captions == ("one",) and first.end is None
    assert (second.captions, second.start, second.end) == (("x", "y"), 1.0, 2.5)
    with pytest.raises(InputError, match="None of the 2 videos"):
        present([first, second])
    for bad, reason in (
        ("[1]", "JSON object"),
        ("{", "not JSON"),
        ('{"video": "a.mp4"}', "captions"),
        ('{"video": "a.mp4", "caption": " "}', "captions"),
        ('{"video": "../a.mp4", "caption": "x"}', "outside"),
        ('{"video": "a.mp4", "caption": "x", "start": 3, "end": 2}', "seconds"),
        ('{"video": "a.mp4", "caption": "x", "start": NaN}', "seconds"),
        ("", "nothing"),
    ):
        path.write_text(bad, encoding="utf-8")
        with pytest.raises(UsageError, match=reason):
            read_jsonl(path, tmp_path)


def test_recipe_from_yaml(moving_shapes: MovingShapes, tmp_path: Path) -> None:
    recipe = stage_one(moving_shapes)
    recipe["text"]["vocabulary"] = "words/vocab.txt"
    recipe["optimizer"]["learning_rate"] = 1
    config = load_yaml(PretrainingConfig, write_recipe(tmp_path / "a.yaml", recipe))
    assert config.text.vocabulary == tmp_path.resolve() / "words" / "vocab.txt"
    assert config.optimizer.learning_rate == 1.0 and isinstance(config.optimizer.learning_rate, float)
    assert config.data is not None and config.data.clips == ClipConfig(
        SamplingConfig(1, 3, 6), resize=(16, 16), crop=(16, 16)
    )
    source = open_videos(DataConfig(annotations(moving_shapes), moving_shapes.folder, CLIPS))
    assert len(source) == 8 and source[0].captions == (moving_shapes.videos[0].caption,)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"stage": 3}, "stage"),
        ({"stage": 2}, "checkpoint"),
        ({"steps": 5}, "unknown field steps"),
        ({"run": {"batch": 5}}, r"unknown field run\.batch"),
        ({"run": {"batch_size": 0}}, "batch_size"),
        ({"run": {"batch_size": True}}, r"run\.batch_size must be a whole number"),
        ({"run": {"precision": "fp16"}}, r"run\.precision must be one of"),
        ({"optimizer": {"learning_rate": "1e-4"}}, "write 1.0e-4"),
        ({"text": {}}, r"text\.vocabulary is missing"),
        ({"data": {"annotations": "a", "videos": "b", "clips": {**TINY_CLIPS, "crop": [16]}}}, "list of 2"),
        ({"loss": {"kind": "triplet", "temperature": 0.1}}, "takes margin"),
        ({"model": {"kind": "mini", "resnet": "a.pt"}}, "mini"),
    ],
)
def test_wrong_recipes_are_refused_with_the_field(
    moving_shapes: MovingShapes, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    path = write_recipe(tmp_path / "a.yaml", {**stage_one(moving_shapes), **change})
    with pytest.raises(UsageError, match=reason) as caught:
        load_yaml(PretrainingConfig, path)
    assert "a.yaml" in str(caught.value)


@pytest.mark.parametrize("content", ["", "- 1", "a: [", "\x00", "stage: 1\nstage: !!python/object:os.system {}"])
def test_files_that_are_no_recipes(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"a\.yaml"):
        load_yaml(PretrainingConfig, tmp_path / "a.yaml")
