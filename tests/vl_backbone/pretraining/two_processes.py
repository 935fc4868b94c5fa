"""One of two real processes: the contrastive loss and its gradients over features gathered from both.

Run by test_distributed.py with the environment of a process group (MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE).
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from safetensors.torch import save_file
from torch import Tensor, nn

from vl_backbone.pretraining.contrastive import contrastive_loss, gather_features


class TwoTowers(nn.Module):
    """A video side and a text side that meet in one space."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.video = nn.Linear(6, 4)
        self.text = nn.Linear(5, 4)

    def forward(self, video: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.normalize(self.video(video), dim=1), nn.functional.normalize(self.text(text), dim=1)


def joined_batch() -> tuple[Tensor, Tensor]:
    """Eight pairs, made the same way in every process."""
    generator = torch.Generator().manual_seed(3)
    return torch.randn(8, 6, generator=generator), torch.randn(8, 5, generator=generator)


def results(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """Loss and gradients by name, as they are after backward."""
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return {"loss": loss.detach(), **gradients}


def main(folder: Path) -> None:
    """Trains on this process's half of the batch and writes what came out."""
    accelerator = Accelerator(cpu=True)
    model = accelerator.prepare(TwoTowers())
    rank, half = accelerator.process_index, 8 // accelerator.num_processes
    rows = slice(rank * half, (rank + 1) * half)
    video, text = joined_batch()
    seen, read = model(video[rows], text[rows])
    loss = contrastive_loss(gather_features(seen), gather_features(read))
    accelerator.backward(loss)
    save_file(
        results(accelerator.unwrap_model(model), loss), folder / f"{accelerator.num_processes}-{rank}.safetensors"
    )
    # Whoever leaves first would take the group away from under the other.
    accelerator.wait_for_everyone()
    accelerator.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
