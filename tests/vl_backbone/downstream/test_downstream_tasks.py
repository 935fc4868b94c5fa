"""Each downstream recipe on the small set of real videos: it trains, it measures, bad videos are named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from moving_shapes import COLOURS, MovingShapes
from tiny_recipes import TINY_CLIPS, TINY_FIELDS, read_log, write_recipe

from vl_backbone.downstream.answering import QuestionCollator, QuestionDataset, evaluate_answers
from vl_backbone.downstream.questions import Choice
from vl_backbone.downstream.recipes import (
    CaptionSet,
    QuestionConfig,
    RetrievalConfig,
    measure_questions,
    measure_retrieval,
    train_questions,
    train_retrieval,
)
from vl_backbone.downstream.retrieval import evaluate_caption_choice
from vl_backbone.errors import InputError, UsageError
from vl_backbone.hdvila.checkpoint import save_official_checkpoint
from vl_backbone.hdvila.model import build_hdvila
from vl_backbone.pretraining.calibration import calibrate_batch_norms
from vl_backbone.pretraining.data import stack_clips
from vl_backbone.pretraining.tokens import WordPieces
from vl_backbone.pretraining.yaml_config import load_yaml
from vl_backbone.video.clips import ClipConfig, load_clips
from vl_backbone.video.sampling import SamplingConfig

CLIPS = ClipConfig(SamplingConfig(1, 3, 3), resize=(18, 18), crop=(16, 16))


@pytest.fixture(scope="module")
def weights(moving_shapes: MovingShapes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage-2 checkpoint that has learned nothing yet; its batch norms fit the videos."""
    torch.manual_seed(0)
    model = build_hdvila(TINY_FIELDS, 2)
    clips = [load_clips(video.path, CLIPS) for video in moving_shapes.videos[::4]]
    calibrate_batch_norms(model, [stack_clips(clips)])
    path = tmp_path_factory.mktemp("weights") / "untrained.safetensors"
    save_official_checkpoint(model, path)
    return path


def recipe(shapes: MovingShapes, weights: Path, **sets: Any) -> dict[str, Any]:
    return {
        "model": {"fields": TINY_FIELDS, "checkpoint": str(weights)},
        "text": {"vocabulary": str(shapes.vocabulary)},
        "optimizer": {"learning_rate": 1.0e-3},
        "run": {"steps": 40, "batch_size": 12, "log_every": 1},
        **{name: {"clips": TINY_CLIPS, "videos": str(shapes.folder), **value} for name, value in sets.items()},
    }


def msrvtt(shapes: MovingShapes, folder: Path) -> dict[str, str]:
    """The small set in MSR-VTT's own layout."""
    content = {
        "videos": [{"video_id": v.path.stem, "split": "train"} for v in shapes.videos],
        "sentences": [{"video_id": v.path.stem, "caption": v.caption} for v in shapes.videos],
    }
    path = folder / "info.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return {"layout": "msrvtt", "annotations": str(path), "split": "train"}


@pytest.fixture(scope="module")
def fine_tuned(moving_shapes: MovingShapes, weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The YAML of a retrieval recipe; its fine-tuned model is beside it."""
    folder = tmp_path_factory.mktemp("retrieval")
    data = msrvtt(moving_shapes, folder)
    path = write_recipe(folder / "recipe.yaml", recipe(moving_shapes, weights, train=data, test=data))
    train_retrieval(load_yaml(RetrievalConfig, path), folder, cpu=True)
    return path


@pytest.mark.slow
def test_retrieval_zero_shot_and_fine_tuned(fine_tuned: Path) -> None:
    config = load_yaml(RetrievalConfig, fine_tuned)
    before = measure_retrieval(config)
    after = measure_retrieval(config, fine_tuned.with_name("model.safetensors"))
    assert before.videos == after.videos == before.text_to_video.queries == 24
    assert before.text_to_video.mean_rank > 9, "untrained weights guess"
    assert after.text_to_video.mean_rank < 0.7 * before.text_to_video.mean_rank
    assert after.video_to_text.r10 > before.video_to_text.r10


@pytest.mark.slow
def test_caption_choice_by_embeddings(moving_shapes: MovingShapes, fine_tuned: Path, tmp_path: Path) -> None:
    rows = []
    for video in moving_shapes.videos:
        others = [video.caption.replace(video.colour, colour) for colour in COLOURS if colour != video.colour]
        options = [*others[:2], video.caption, *others[2:4]]
        rows.append(json.dumps({"clip_name": video.path.name, "options": options, "answer": 2}))
    path = tmp_path / "mc.jsonl"
    path.write_text("\n".join(rows), encoding="utf-8")
    values = recipe(moving_shapes, fine_tuned, test={"layout": "msrvtt-mc", "annotations": str(path)})
    config = load_yaml(QuestionConfig, write_recipe(tmp_path / "r.yaml", values))
    result = measure_questions(config, fine_tuned.with_name("model.safetensors"))
    assert result.questions == 24 and result.failed == ()
    assert result.accuracy > 35, "chance is 20"


@pytest.mark.slow
def test_open_ended_answers(moving_shapes: MovingShapes, weights: Path, tmp_path: Path) -> None:
    rows = [
        {"video_id": v.path.stem, "question": "what colour is the shape?", "answer": v.colour}
        for v in moving_shapes.videos
    ]
    (tmp_path / "qa.json").write_text(json.dumps(rows), encoding="utf-8")
    data = {"layout": "msrvtt-qa", "annotations": str(tmp_path / "qa.json")}
    values = {**recipe(moving_shapes, weights, train=data, test=data), "answers": 5}
    config = load_yaml(QuestionConfig, write_recipe(tmp_path / "r.yaml", values))
    train_questions(config, tmp_path / "out", cpu=True)
    rows_of_log = read_log(tmp_path / "out")
    assert sum(r["loss"] for r in rows_of_log[-5:]) < 0.8 * sum(r["loss"] for r in rows_of_log[:5])
    result = measure_questions(config, tmp_path / "out" / "model.safetensors")
    # Of six colours one is not among the five answers, and those questions are always wrong.
    assert result.questions == 24 and 30 < result.accuracy <= 100 * 20 / 24
    with pytest.raises(UsageError, match="answer head"):
        measure_questions(replace(config, answers_file=tmp_path / "out" / "answers.json"), weights)


@pytest.mark.slow
def test_multiple_choice_answers(moving_shapes: MovingShapes, weights: Path, tmp_path: Path) -> None:
    lines = ["gif_name\tquestion\ta1\ta2\ta3\tanswer\tvid_id\tkey"]
    names = list(COLOURS)
    for number, video in enumerate(moving_shapes.videos):
        options = [names[(names.index(video.colour) + shift) % 6] for shift in (1, 2)]
        options.insert(number % 3, video.colour)
        columns = (video.path.stem, "which colour is it ?", *options, str(number % 3), "A", str(number))
        lines.append("\t".join(columns))
    (tmp_path / "q.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = {"layout": "tgif-action", "annotations": str(tmp_path / "q.csv")}
    values = recipe(moving_shapes, weights, train=data, test=data)
    config = load_yaml(QuestionConfig, write_recipe(tmp_path / "r.yaml", values))
    train_questions(config, tmp_path / "out", cpu=True)
    rows = read_log(tmp_path / "out")
    assert sum(r["loss"] for r in rows[-5:]) < sum(r["loss"] for r in rows[:5])
    result = measure_questions(config, tmp_path / "out" / "model.safetensors")
    assert result.questions == 24


def test_unreadable_videos_are_named_and_left_out(moving_shapes: MovingShapes, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video" * 99)
    tokenizer, video = WordPieces(moving_shapes.vocabulary), moving_shapes.videos[0]
    choices = [Choice(path, "", (video.caption, "it"), 0, path.stem) for path in (broken, video.path)]
    result = evaluate_caption_choice(build_hdvila(TINY_FIELDS, 1), tokenizer, choices, CLIPS)
    assert result.questions == 1 and len(result.failed) == 1 and "broken.mp4" in result.failed[0]
    model = build_hdvila(TINY_FIELDS, 2, answers=1)
    answered = evaluate_answers(model, tokenizer, QuestionDataset(choices, CLIPS, training=False))
    assert answered.questions == 1 and "broken.mp4" in answered.failed[0]
    with pytest.raises(InputError, match=r"broken\.mp4"):
        evaluate_answers(model, tokenizer, QuestionDataset(choices[:1], CLIPS, training=False))


def test_question_batches(moving_shapes: MovingShapes) -> None:
    video = moving_shapes.videos[0]
    choices = [Choice(video.path, "which colour is it ?", ("red", "blue"), 1, "v")] * 3
    data = QuestionDataset(choices, CLIPS, training=False)
    batch = QuestionCollator(WordPieces(moving_shapes.vocabulary)).batch([data[0], data[1]])
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 2, 8)
    assert batch["answers"].tolist() == [1, 1]


def test_recipes_say_what_is_missing(moving_shapes: MovingShapes, weights: Path, tmp_path: Path) -> None:
    config = load_yaml(RetrievalConfig, write_recipe(tmp_path / "r.yaml", recipe(moving_shapes, weights)))
    with pytest.raises(UsageError, match="field train"):
        train_retrieval(config, tmp_path / "out", cpu=True)
    with pytest.raises(UsageError, match="field test"):
        measure_retrieval(config)
    test = CaptionSet("didemo", tmp_path / "none.json", moving_shapes.folder)
    with pytest.raises(UsageError, match=r"none\.json"):
        measure_retrieval(replace(config, test=test))
    mc = {"layout": "msrvtt-mc", "annotations": "x"}
    with pytest.raises(UsageError, match="no training set"):
        load_yaml(QuestionConfig, write_recipe(tmp_path / "q.yaml", recipe(moving_shapes, weights, train=mc)))
