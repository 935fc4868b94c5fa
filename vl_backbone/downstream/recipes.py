"""Downstream tasks from one YAML file each: fine-tuning on a training set, measuring on a test set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from vl_backbone.common.errors import UsageError
from vl_backbone.downstream.answering import AnswerObjective, QuestionCollator, QuestionDataset, evaluate_answers
from vl_backbone.downstream.captions import RetrievalLayout, read_retrieval
from vl_backbone.downstream.questions import (
    AnswerVocabulary,
    QuestionLayout,
    read_choices,
    read_open_questions,
)
from vl_backbone.downstream.retrieval import (
    Advance,
    ChoiceResult,
    RetrievalResult,
    evaluate_caption_choice,
    evaluate_retrieval,
)
from vl_backbone.hdvila.checkpoint import load_official_checkpoint
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.objectives import ContrastiveObjective, LossConfig
from vl_backbone.pretraining.recipe import TextConfig, make_tokenizer, run_recipe
from vl_backbone.pretraining.starts import ModelConfig, read_architecture
from vl_backbone.pretraining.video_text import VideoTextDataset, present
from vl_backbone.training.data import ClipTextCollator
from vl_backbone.training.loop import FitConfig, Report, RunConfig, Say
from vl_backbone.training.optim import OptimizerConfig, ScheduleConfig
from vl_backbone.video.clips import ClipConfig
from vl_backbone.video.sampling import SamplingConfig
from vl_backbone.weights.files import partial_file

ANSWERS_FILE = "answers.json"
T = TypeVar("T")


def _training_clips() -> ClipConfig:
    return ClipConfig(SamplingConfig(clips=2, frames=7, rate=4), fps=6.0, flip=1 / 3)


def _test_clips() -> ClipConfig:
    return ClipConfig(SamplingConfig(clips=4, frames=7, rate=4), fps=6.0)


@dataclass(frozen=True)
class CaptionSet:
    """One split of a retrieval data set. split: of MSR-VTT's own .json. clips: how its videos are shown."""

    layout: RetrievalLayout
    annotations: Path
    videos: Path
    split: str | None = None
    clips: ClipConfig | None = None


@dataclass(frozen=True)
class RetrievalConfig:
    """model.checkpoint: what is measured, or fine-tuned from. train: to fine-tune on; test: to measure on.

    Clips default to MSR-VTT's: 7 frames, every 4th of 6 a second; 2 clips in training, 4 in tests. Published runs
    took 11 frames for DiDeMo and LSMDC, 13 for ActivityNet, and 4/8 clips for DiDeMo and ActivityNet.
    """

    model: ModelConfig
    text: TextConfig
    train: CaptionSet | None = None
    test: CaptionSet | None = None
    loss: LossConfig = field(default_factory=lambda: LossConfig("nce"))
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    run: RunConfig = field(default_factory=RunConfig)


def train_retrieval(
    config: RetrievalConfig, out: Path, report: Report | None = None, say: Say | None = None, cpu: bool = False
) -> HDVILA:
    """Fine-tunes the two encoders contrastively; as `pretrain` otherwise."""
    data = _needed(config.train, "train")
    entries = present(read_retrieval(data.layout, data.annotations, data.videos, data.split))
    return run_recipe(
        config.model,
        1,
        lambda model: ContrastiveObjective(model, config.loss),
        VideoTextDataset(entries, data.clips or _training_clips()),
        ClipTextCollator(make_tokenizer(config.text)),
        FitConfig(config.run, config.optimizer, config.schedule),
        out,
        settings={"max_tokens": config.text.max_tokens, "loss": config.loss, "clips": data.clips},
        report=report,
        say=say,
        cpu=cpu,
    )


def measure_retrieval(
    config: RetrievalConfig, weights: Path | None = None, device: str = "cpu", advance: Advance | None = None
) -> RetrievalResult:
    """Zero-shot with the configured checkpoint, or with `weights` (fine-tuned, or of any stage)."""
    data = _needed(config.test, "test")
    entries = read_retrieval(data.layout, data.annotations, data.videos, data.split)
    model = _model(config.model, weights, 0).to(device)
    clips = data.clips or _test_clips()
    return evaluate_retrieval(model, make_tokenizer(config.text), entries, clips, config.run.batch_size, advance)


@dataclass(frozen=True)
class QuestionSet:
    """One split of a question data set; clips: how its videos are shown."""

    layout: QuestionLayout
    annotations: Path
    videos: Path
    clips: ClipConfig | None = None


@dataclass(frozen=True)
class QuestionConfig:
    """Open-ended (msrvtt-qa, tgif-frameqa) or multiple choice (tgif-action, tgif-transition, msrvtt-mc).

    answers: classes of open-ended answering, the most frequent of the training set, or those in `answers_file`.
    msrvtt-mc has no training set: it is measured only, with the embeddings of a (fine-tuned) retrieval model.
    """

    model: ModelConfig
    text: TextConfig
    train: QuestionSet | None = None
    test: QuestionSet | None = None
    answers: int = 1500
    answers_file: Path | None = None
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.answers < 1:
            raise UsageError(f"answers must be 1 or more, got {self.answers}.")
        if self.train and self.train.layout == "msrvtt-mc":
            raise UsageError("msrvtt-mc has no training set; fine-tune retrieval and measure msrvtt-mc with it.")


def train_questions(
    config: QuestionConfig, out: Path, report: Report | None = None, say: Say | None = None, cpu: bool = False
) -> HDVILA:
    """Fine-tunes the whole model with an answer head; writes `out`/answers.json beside the model for open questions."""
    data = _needed(config.train, "train")
    clips = data.clips or replace(_training_clips(), sampling=SamplingConfig(clips=1, frames=7, rate=4))
    vocabulary = None
    answers = 1
    if data.layout == "msrvtt-qa" or data.layout == "tgif-frameqa":
        questions = read_open_questions(data.layout, data.annotations, data.videos)
        vocabulary = (
            AnswerVocabulary.read(config.answers_file)
            if config.answers_file
            else AnswerVocabulary.of(questions, config.answers)
        )
        answers = len(vocabulary.answers)
        if answers < 2:
            raise UsageError(f"{data.annotations}: open questions need two different answers or more.")
        with partial_file(out / ANSWERS_FILE) as partial:
            partial.write_text(vocabulary.to_json(), encoding="utf-8")
        source = QuestionDataset(questions, clips, True, vocabulary)
    else:
        source = QuestionDataset(read_choices(data.layout, data.annotations, data.videos), clips, True)
    return run_recipe(
        config.model,
        2,
        AnswerObjective,
        source,
        QuestionCollator(make_tokenizer(config.text)),
        FitConfig(config.run, config.optimizer, config.schedule),
        out,
        answers=answers,
        settings={
            "max_tokens": config.text.max_tokens,
            "layout": data.layout,
            "clips": data.clips,
            "vocabulary": vocabulary,
        },
        report=report,
        say=say,
        cpu=cpu,
    )


def measure_questions(
    config: QuestionConfig, weights: Path, device: str = "cpu", advance: Advance | None = None
) -> ChoiceResult:
    """Percent of test questions that `weights` answer rightly; open-ended ones need answers.json beside them."""
    data = _needed(config.test, "test")
    tokenizer = make_tokenizer(config.text)
    clips = data.clips or replace(_test_clips(), sampling=SamplingConfig(clips=8, frames=7, rate=4))
    if data.layout == "msrvtt-mc":
        choices = read_choices(data.layout, data.annotations, data.videos)
        model = _model(config.model, weights, 0).to(device)
        return evaluate_caption_choice(model, tokenizer, choices, clips, config.run.batch_size, advance)
    if data.layout == "msrvtt-qa" or data.layout == "tgif-frameqa":
        vocabulary = AnswerVocabulary.read(config.answers_file or weights.with_name(ANSWERS_FILE))
        questions = read_open_questions(data.layout, data.annotations, data.videos)
        source = QuestionDataset(questions, clips, False, vocabulary)
        answers = len(vocabulary.answers)
    else:
        read = read_choices(data.layout, data.annotations, data.videos)
        source, answers = QuestionDataset(read, clips, False), 1
    model = _model(config.model, weights, answers).to(device)
    return evaluate_answers(model, tokenizer, source, config.run.batch_size, advance)


def _model(start: ModelConfig, weights: Path | None, answers: int) -> HDVILA:
    """The trained model that is to be measured; UsageError when it lacks what the task needs."""
    path = weights or start.checkpoint
    if path is None:
        raise UsageError("Nothing to measure: give --weights, or model.checkpoint in the configuration.")
    model = load_official_checkpoint(path, read_architecture(start))
    if model.answers != answers:
        has = f"an answer head of {model.answers}" if model.answers else "no answer head"
        wants = f"an answer head of {answers}" if answers else "a model without one"
        raise UsageError(f"{path} has {has}, but this task needs {wants}.")
    return model


def _needed(data: T | None, name: str) -> T:
    if data is None:
        raise UsageError(f"The configuration has no field {name}: the annotations and videos to use.")
    return data
