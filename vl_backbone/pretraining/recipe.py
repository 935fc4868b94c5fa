"""Pre-training from one YAML file: stage 1 (contrastive) or stage 2 (masked words), and what they have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import nn

from vl_backbone.common.errors import UsageError
from vl_backbone.hdvila.checkpoint import save_official_checkpoint
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.calibration import calibrate_batch_norms
from vl_backbone.pretraining.masking import MaskingConfig
from vl_backbone.pretraining.objectives import ContrastiveObjective, LossConfig, MaskedWordsObjective
from vl_backbone.pretraining.starts import ModelConfig, build_model, read_architecture
from vl_backbone.pretraining.video_text import VideoTextDataset, present, read_jsonl
from vl_backbone.training.data import (
    Batch,
    BatchOrder,
    ClipTextCollator,
    Drawn,
    Fetcher,
    SampleSource,
    SeededDataset,
    Tokenizer,
)
from vl_backbone.training.loop import STATE_FILE, FitConfig, Report, RunConfig, Say, fit, make_accelerator
from vl_backbone.training.optim import OptimizerConfig, ScheduleConfig
from vl_backbone.training.seeds import STEPS, derived_seed, seed_everything
from vl_backbone.video.clips import ClipConfig

MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class TextConfig:
    """vocabulary: a BERT vocab.txt or tokenizer folder. max_tokens: word pieces that are read of a sentence."""

    vocabulary: Path
    max_tokens: int = 50


@dataclass(frozen=True)
class DataConfig:
    """annotations: a .jsonl of videos below `videos` with their captions. clips: how a file becomes clips."""

    annotations: Path
    videos: Path
    clips: ClipConfig = field(default_factory=ClipConfig)


@dataclass(frozen=True)
class PretrainingConfig:
    """One run. data may be left out when a program brings its own data set.

    loss: of stage 1. masking, frozen_dropout: of stage 2.
    """

    stage: Literal[1, 2]
    text: TextConfig
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig | None = None
    loss: LossConfig = field(default_factory=LossConfig)
    masking: MaskingConfig = field(default_factory=MaskingConfig)
    frozen_dropout: bool = True
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    run: RunConfig = field(default_factory=RunConfig)

    def __post_init__(self) -> None:
        if self.stage == 2 and self.model.checkpoint is None and self.model.kind == "hdvila":
            raise UsageError("Stage 2 freezes what stage 1 has learned: give model.checkpoint, its weights.")
        if self.stage == 2 and self.loss != LossConfig():
            raise UsageError("Stage 2 has no contrastive loss; leave the field loss out.")


def pretrain(
    config: PretrainingConfig,
    out: Path,
    source: SampleSource | None = None,
    report: Report | None = None,
    say: Say | None = None,
    cpu: bool = False,
) -> HDVILA:
    """Runs the recipe in the folder `out`, going on from its saved state, and writes `out`/model.safetensors.

    source: a data set of clips with captions (see ClipTextSample) in place of config.data. Give the weights back
    to `load_official_checkpoint`, with the same config. Errors as `fit` and `build_model`.
    """
    tokenizer = make_tokenizer(config.text)
    if source is None:
        if config.data is None:
            raise UsageError("The configuration names no data.")
        source = open_videos(config.data)
    masking = config.masking if config.stage == 2 else None
    collate = ClipTextCollator(tokenizer, masking)

    def objective_of(model: HDVILA) -> nn.Module:
        if config.stage == 1:
            return ContrastiveObjective(model, config.loss)
        return MaskedWordsObjective(model, config.frozen_dropout)

    return run_recipe(
        config.model,
        config.stage,
        objective_of,
        source,
        collate,
        FitConfig(config.run, config.optimizer, config.schedule),
        out,
        settings={
            "stage": config.stage,
            "max_tokens": config.text.max_tokens,
            "loss": config.loss,
            "masking": masking,
            "frozen_dropout": config.frozen_dropout,
        },
        report=report,
        say=say,
        cpu=cpu,
    )


def run_recipe(
    start: ModelConfig,
    stage: int,
    objective_of: Callable[[HDVILA], nn.Module],
    source: SampleSource,
    collate: Callable[[Sequence[Drawn]], Batch],
    config: FitConfig,
    out: Path,
    *,
    answers: int = 0,
    settings: Mapping[str, object],
    report: Report | None = None,
    say: Say | None = None,
    cpu: bool = False,
) -> HDVILA:
    """Builds the model, trains it with `fit`, writes it to `out`; what every recipe has in common."""
    accelerator = make_accelerator(config.run.precision, cpu)
    seed_everything(derived_seed(config.run.seed, STEPS, 0))
    model, notes = build_model(start, stage, answers)
    if say and accelerator.is_main_process:
        for note in notes:
            say(note)
    if start.calibration_batches and not (out / STATE_FILE).exists():
        calibrate_batch_norms(model, _first_batches(source, collate, config.run, start.calibration_batches))
    objective = objective_of(model)
    shared = {"task": settings, "architecture": read_architecture(start), "answers": answers}
    fit(
        objective,
        source,
        collate,
        config,
        out,
        settings=shared,
        report=report,
        say=say,
        accelerator=accelerator,
    )
    model.to("cpu").eval()
    if accelerator.is_main_process:
        save_official_checkpoint(model, out / MODEL_FILE)
    accelerator.wait_for_everyone()
    return model


def make_tokenizer(config: TextConfig) -> Tokenizer:
    """The WordPiece tokenizer of a recipe."""
    from vl_backbone.pretraining.tokens import WordPieces

    return WordPieces(config.vocabulary, config.max_tokens)


def open_videos(config: DataConfig, training: bool = True) -> VideoTextDataset:
    """The data set that a recipe names; videos that are not there are left out."""
    return VideoTextDataset(present(read_jsonl(config.annotations, config.videos)), config.clips, training)


def _first_batches(
    source: SampleSource, collate: Callable[[Sequence[Drawn]], Batch], run: RunConfig, count: int
) -> Iterator[Batch]:
    """The first batches of the run, whole, in every process: so all measure the same."""
    samples, fetch = SeededDataset(source, run.seed), Fetcher(collate)
    for keys in BatchOrder(len(source), run.batch_size, run.seed).batches(0, count):
        fetched = fetch([samples[key] for key in keys])
        if not fetched.error:
            yield fetched.batch
