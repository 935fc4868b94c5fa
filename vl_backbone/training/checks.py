"""Looking at held-out samples now and then: the best weights are kept, and a run that no longer improves ends."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from vl_backbone.training.averaging import WeightAverage
from vl_backbone.training.logs import RunLog
from vl_backbone.training.state import append_line, cut_log, load_weights, save_weights

if TYPE_CHECKING:
    from accelerate import Accelerator

CHECKS_FILE, BEST_FILE = "checks.jsonl", "best.safetensors"


@dataclass(frozen=True)
class Check:
    """figures of held-out samples; "loss" decides which weights are best. pictures: uint8 [3, H, W] by name."""

    figures: dict[str, float]
    pictures: dict[str, Tensor] = field(default_factory=dict)


# Looks at the model as it is; must give the same answer for the same weights, whatever the random state.
Checker = Callable[[], Check]


class CheckHistory:
    """The checks of a run in checks.jsonl, and the weights of the best one in best.safetensors.

    done: steps of the saved state that the run goes on from; later checks are dropped, they will be made again.
    patience: so many checks in a row that are no better end the run; 0 for never.
    """

    def __init__(self, folder: Path, patience: int, done: int) -> None:
        self.path, self.best_path, self.patience = folder / CHECKS_FILE, folder / BEST_FILE, patience
        if done:
            cut_log(self.path, done)
        else:
            self.path.unlink(missing_ok=True)
        rows = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        self.losses = [float(json.loads(row)["loss"]) for row in rows]

    @property
    def stopped(self) -> bool:
        """Whether the last `patience` checks were all no better than the best before them."""
        if not self.patience or len(self.losses) <= self.patience:
            return False
        best = min(range(len(self.losses)), key=self.losses.__getitem__)
        return len(self.losses) - 1 - best >= self.patience

    def add(self, step: int, figures: dict[str, float], model: nn.Module) -> None:
        """Notes a check of these weights; keeps them when they are the best so far."""
        loss = figures["loss"] if math.isfinite(figures["loss"]) else math.inf
        if not self.losses or loss < min(self.losses):
            save_weights(self.best_path, model)
        self.losses.append(loss)
        append_line(self.path, {"step": step, **figures, "loss": loss})


class Watch:
    """The checks of a run: made by the main process, known to all. stopped: the run is to end here."""

    def __init__(
        self,
        accelerator: Accelerator,
        network: nn.Module,
        average: WeightAverage | None,
        checker: Checker | None,
        log: RunLog,
    ) -> None:
        self.accelerator, self.network, self.average = accelerator, network, average
        self.checker, self.log = checker, log
        self.history: CheckHistory | None = None
        self.every = 0
        self.stopped = False

    def begin(self, folder: Path, every: int, patience: int, done: int) -> None:
        """Goes on after step `done`; before the first step, looks at the start."""
        self.every = every
        if self.checker is None:
            return
        if self.accelerator.is_main_process:
            self.history = CheckHistory(folder, patience, done)
        if not done:
            self._check(0)
        self._share()

    def after(self, step: int, last: bool) -> None:
        """Looks after this step, if it is time to."""
        if self.checker and (last or step % self.every == 0):
            self._check(step)
            self._share()

    def finish(self) -> None:
        """Puts the best weights into the network (main process), else the averaged ones."""
        if self.history:
            load_weights(self.history.best_path, self.network)
        elif self.average:
            self.average.apply(self.network)

    def _check(self, step: int) -> None:
        if self.history is None or self.checker is None:
            return
        with self.average.applied(self.network) if self.average else nullcontext():
            check = self.checker()
            self.history.add(step, check.figures, self.network)
        self.log.scalars({f"held_out/{name}": value for name, value in check.figures.items()}, step)
        self.log.pictures(check.pictures, step)

    def _share(self) -> None:
        """Tells all processes whether the run ends here."""
        stopped = [self.history.stopped if self.history else False]
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(stopped)
        self.stopped = stopped[0]
