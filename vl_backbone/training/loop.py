"""The training loop of every recipe, through accelerate: CPU or GPU, one process or many, float32 or bfloat16.

A run that was killed and started again with the same settings goes on from its last saved state and ends with the
same weights: the order of the data, the augmentation, the masks and the dropout depend only on the seed and the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vl_backbone.common.checks import require_counts
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.training.averaging import WeightAverage
from vl_backbone.training.checks import Checker, Watch
from vl_backbone.training.data import Batch, BatchOrder, Drawn, Fetched, Fetcher, SampleSource, SeededDataset
from vl_backbone.training.keys import resume_key
from vl_backbone.training.logs import RunLog
from vl_backbone.training.optim import (
    AdamWDecayAfter,
    OptimizerConfig,
    ScheduleConfig,
    build_optimizer,
    schedule_factor,
    set_learning_rates,
)
from vl_backbone.training.seeds import STEPS, derived_seed, seed_everything
from vl_backbone.training.state import load_state, save_state

if TYPE_CHECKING:
    from accelerate import Accelerator

STATE_FILE = "state.safetensors"


@dataclass(frozen=True)
class RunConfig:
    """epochs, or steps if given: how long. batch_size: samples a step over all processes together.

    accumulate: so many batches make one step (contrastive pairs meet only within one batch). save_every, log_every:
    in steps. workers: processes that read data. precision: "bf16" computes the networks in bfloat16.
    ema_decay: above 0, checks and the final weights are a moving average of the weights (`WeightAverage`).
    check_every: steps between checks of held-out samples, where the recipe has them; 0 for none. patience: so many
    checks in a row without a better one end the run; 0 for never.
    """

    epochs: int = 1
    steps: int | None = None
    batch_size: int = 16
    accumulate: int = 1
    precision: Literal["no", "bf16"] = "no"
    seed: int = 0
    workers: int = 0
    save_every: int = 500
    log_every: int = 10
    tensorboard: bool = False
    ema_decay: float = 0.0
    check_every: int = 0
    patience: int = 0

    def __post_init__(self) -> None:
        require_counts(self, ("epochs", "batch_size", "accumulate", "save_every", "log_every"))
        if (self.steps is not None and self.steps < 1) or self.workers < 0 or self.seed < 0:
            raise UsageError("steps must be 1 or more; workers and seed must not be negative.")
        if not 0 <= self.ema_decay < 1 or self.check_every < 0 or self.patience < 0:
            raise UsageError("ema_decay must lie in [0, 1); check_every and patience must not be negative.")


@dataclass(frozen=True)
class FitConfig:
    """Everything that the loop itself needs to know."""

    run: RunConfig = field(default_factory=RunConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)


@dataclass(frozen=True)
class Progress:
    """Where a run is: step of total, epoch, the step's figures (loss, accuracy, learning_rate, ...)."""

    step: int
    total: int
    epoch: int
    figures: dict[str, float]


Report = Callable[[Progress], None]
Say = Callable[[str], None]


def fit(
    objective: nn.Module,
    source: SampleSource,
    collate: Callable[[Sequence[Drawn]], Batch],
    config: FitConfig,
    folder: Path,
    *,
    settings: Mapping[str, object] | None = None,
    report: Report | None = None,
    say: Say | None = None,
    accelerator: Accelerator | None = None,
    checker: Checker | None = None,
) -> int:
    """Trains `objective.model` in place until the last step, which it returns.

    objective: a module with the network as `.model` whose forward takes a batch and gives {"loss": scalar, ...}.
    source: any dataset; collate: drawn samples to a batch. folder: for the state and the log; a state in it is
    gone on from. settings: further named values that a resumed run must share (see `keys`). Several machines must
    share `folder`. checker: looks at held-out samples before the first step, every config.run.check_every steps and at
    the end, on the main process; the model then ends with the weights of the best check, else with the averaged ones
    where an average is kept, else with the last (in the main process). Raises UsageError for impossible settings and
    when the loss is no longer a number, InputError when no sample can be read.
    """
    accelerator = accelerator or make_accelerator(config.run.precision)
    run = config.run
    order = BatchOrder(len(source), run.batch_size, run.seed, accelerator.process_index, accelerator.num_processes)
    total = run.steps or max(1, order.per_epoch * run.epochs // run.accumulate)
    objective.to(accelerator.device).train()
    network = objective.model
    assert isinstance(network, nn.Module)
    optimizer = build_optimizer(network.named_parameters(), config.optimizer)
    average = WeightAverage(network, run.ema_decay) if run.ema_decay else None
    fingerprint = _fingerprint(config, total, len(source), settings or {})
    done = _resume(accelerator, folder, network, optimizer, fingerprint, average)
    if done and say and accelerator.is_main_process:
        say(f"Going on after step {done} of {total}.")
    wrapped = accelerator.prepare(objective)
    batches = _fetch(source, collate, order, run, done, total)
    complained: set[str] = set()
    with RunLog(folder, run.log_every, run.tensorboard, accelerator.is_main_process, done) as log:
        watch = Watch(accelerator, network, average, checker if run.check_every else None, log)
        watch.begin(folder, run.check_every, run.patience, done)
        for step in range(done + 1, total + 1):
            if watch.stopped:
                break
            done = step
            epoch = order.epoch_of((step - 1) * run.accumulate)
            factor = schedule_factor(step, total, config.schedule, epoch)
            set_learning_rates(optimizer, factor)
            figures, complaints = _step(accelerator, wrapped, optimizer, batches, config, step)
            if average:
                average.update(network, step)
            for complaint in complaints - complained:
                if say:
                    say(f"Left out: {complaint}")
            complained |= complaints
            figures["learning_rate"] = config.optimizer.learning_rate * factor
            if not math.isfinite(figures["loss"]):
                raise UsageError(f"The loss is {figures['loss']} at step {step}; lower the learning rate.")
            log.write(step, epoch, figures, last=step == total)
            if report and accelerator.is_main_process:
                report(Progress(step, total, epoch, figures))
            watch.after(step, last=step == total)
            if step % run.save_every == 0 or step == total or watch.stopped:
                if accelerator.is_main_process:
                    averaged = average.tensors if average else None
                    save_state(folder / STATE_FILE, network, optimizer, step, fingerprint, averaged)
                accelerator.wait_for_everyone()
    if watch.stopped and say and accelerator.is_main_process:
        say(f"Stopped after step {done} of {total}: the last {run.patience} checks were no better.")
    watch.finish()
    return done


def make_accelerator(precision: str = "no", cpu: bool = False) -> Accelerator:
    """The processes and devices of this run, as `accelerate launch` or the environment say."""
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs
    except ImportError:
        raise UsageError("Training needs accelerate: pip install 'vilaface[train]'.") from None
    # Some parameters of HD-VILA get no gradient (the low-resolution trunk's last stage, an unused norm).
    parallel = DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
    return Accelerator(mixed_precision=precision, cpu=cpu, kwargs_handlers=[parallel])


def _step(
    accelerator: Accelerator,
    wrapped: nn.Module,
    optimizer: AdamWDecayAfter,
    batches: Iterator[Fetched],
    config: FitConfig,
    step: int,
) -> tuple[dict[str, float], set[str]]:
    """One update from `accumulate` batches: mean figures over them and what could not be read."""
    sums: dict[str, float] = {}
    complaints: set[str] = set()
    parts = config.run.accumulate
    optimizer.zero_grad(set_to_none=True)
    for part in range(parts):
        fetched = next(batches)
        if fetched.error:
            raise InputError(fetched.error)
        complaints.update(fetched.complaints)
        batch = {name: tensor.to(accelerator.device, non_blocking=True) for name, tensor in fetched.batch.items()}
        # After the batch is read: reading it may have seeded this process's generators, or a worker's.
        seed_everything(derived_seed(config.run.seed, STEPS, step, part, accelerator.process_index))
        with nullcontext() if part + 1 == parts else accelerator.no_sync(wrapped):
            outputs = wrapped(batch)
            accelerator.backward(outputs["loss"] / parts)
        for name, value in _over_processes(accelerator, outputs).items():
            sums[name] = sums.get(name, 0.0) + value / parts
    if config.optimizer.clip_norm:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        sums["gradient_norm"] = float(nn.utils.clip_grad_norm_(parameters, config.optimizer.clip_norm))
    optimizer.step()
    return sums, complaints


def _over_processes(accelerator: Accelerator, outputs: dict[str, Tensor]) -> dict[str, float]:
    """Each figure's mean over the processes."""
    figures = torch.stack([value.detach().float() for value in outputs.values()])
    means = accelerator.reduce(figures, reduction="mean")
    assert isinstance(means, Tensor)
    return dict(zip(outputs, means.tolist(), strict=True))


def _fetch(
    source: SampleSource,
    collate: Callable[[Sequence[Drawn]], Batch],
    order: BatchOrder,
    run: RunConfig,
    done: int,
    total: int,
) -> Iterator[Fetched]:
    loader = DataLoader(
        SeededDataset(source, run.seed),
        batch_sampler=order.batches(done * run.accumulate, total * run.accumulate),
        collate_fn=Fetcher(collate),
        num_workers=run.workers,
        pin_memory=False,
    )
    return iter(loader)


def _resume(
    accelerator: Accelerator,
    folder: Path,
    network: nn.Module,
    optimizer: AdamWDecayAfter,
    fingerprint: str,
    average: WeightAverage | None,
) -> int:
    from accelerate.utils import gather_object

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STATE_FILE
    found = path.exists()
    if accelerator.num_processes > 1 and len(set(gather_object([found]))) > 1:
        raise UsageError(f"{path} is not there for all processes; all machines must share the output folder.")
    averaged = average.tensors if average else None
    return load_state(path, network, optimizer, fingerprint, averaged) if found else 0


def _fingerprint(config: FitConfig, total: int, samples: int, settings: Mapping[str, object]) -> str:
    """A hash of what a resumed run must share; how often it saves or logs and how many workers read may change."""
    run = config.run
    return resume_key(
        {
            "steps": total,
            "samples": samples,
            "settings": settings,
            "batch_size": run.batch_size,
            "accumulate": run.accumulate,
            "precision": run.precision,
            "seed": run.seed,
            "ema_decay": run.ema_decay,
            "check_every": run.check_every,
            "patience": run.patience,
            "optimizer": config.optimizer,
            "schedule": config.schedule,
        }
    )
