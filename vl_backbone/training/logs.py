"""What a run writes beside its state: log.jsonl and, where wanted, tensorboard's event files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from vl_backbone.common.errors import UsageError
from vl_backbone.training.state import append_line, cut_log

LOG_FILE = "log.jsonl"


class RunLog:
    """Written by the main process only (active); a resumed run drops what was logged after step `done`."""

    def __init__(self, folder: Path, every: int, tensorboard: bool, active: bool, done: int) -> None:
        self.path, self.every, self.active = folder / LOG_FILE, every, active
        self.board: Any = None
        if active:
            cut_log(self.path, done)
            if tensorboard:
                self.board = _summary_writer(folder / "tensorboard", done + 1)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self.board:
            self.board.close()

    def write(self, step: int, epoch: int, figures: Mapping[str, float], last: bool) -> None:
        """The figures of a step, every so often and at the last."""
        if self.active and (last or step % self.every == 0):
            append_line(self.path, {"step": step, "epoch": epoch, **figures})
            self.scalars(figures, step)

    def scalars(self, figures: Mapping[str, float], step: int) -> None:
        """Curves of tensorboard, nothing without it."""
        for name, value in figures.items():
            if self.board:
                self.board.add_scalar(name, value, step)

    def pictures(self, pictures: Mapping[str, Tensor], step: int) -> None:
        """Pictures of tensorboard, uint8 [3, H, W] by name; nothing without it."""
        for name, picture in pictures.items():
            if self.board:
                self.board.add_image(name, picture.cpu(), step)


def _summary_writer(folder: Path, first: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("tensorboard: true needs tensorboard: pip install 'vilaface[train]'.") from None
    return SummaryWriter(str(folder), purge_step=first)
