"""Do edits do what the sentence says, and nothing else? Held-out generated faces, judged from pictures alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from gan_mapping.editing import FaceEditor
from gan_mapping.evaluation.judge import Judge
from gan_mapping.images import to_batch, to_uint8

INSTRUCTIONS_FILE = Path(__file__).parent / "instructions.yaml"
# Attributes the judge reads well enough on held-out faces to accuse an edit of leaking into them.
JUDGED_AUC = 0.85


@dataclass(frozen=True)
class BenchmarkInstruction:
    """A sentence, the attribute it must reach (wanted: present or absent), and what may change along."""

    text: str
    target: str
    wanted: bool
    may: frozenset[str]


def load_instructions() -> list[BenchmarkInstruction]:
    """The benchmark's twenty sentences."""
    rows = yaml.safe_load(INSTRUCTIONS_FILE.read_text(encoding="utf-8"))
    return [
        BenchmarkInstruction(r["text"], r["target"].lstrip("-"), not r["target"].startswith("-"), frozenset(r["may"]))
        for r in rows
    ]


@dataclass(frozen=True)
class EditScore:
    """Shares over faces for one sentence.

    reached: the target holds after the edit. reached_new: the same among faces where it did not hold before.
    flipped: mean share of unmentioned, well-judged attributes whose reading changed. identity: mean distance
    in the face network between reconstruction and edit. monotone: mean Spearman correlation of strength and
    target reading (nan when not measured).
    """

    instruction: BenchmarkInstruction
    reached: float
    reached_new: float
    flipped: float
    identity: float
    monotone: float


def evaluate_edits(
    editor: FaceEditor,
    judge: Judge,
    latents: Tensor,
    *,
    strengths: Sequence[float] = (0.25, 0.5, 0.75, 1.0),
    strength_faces: int = 5,
    progress: Callable[[str], None] | None = None,
) -> list[EditScore]:
    """Edits the faces drawn from `latents` [N, w_dim], seen only as pictures, by every benchmark sentence.

    Each face is drawn, read back by the vision mapper, and edited at strength 1; on the first
    `strength_faces` faces that do not fit the sentence yet, the other strengths are drawn too.
    """
    names = list(judge.attributes)
    well_judged = torch.tensor([judge.auc[n] >= JUDGED_AUC for n in names])
    ws = torch.cat([editor.invert(_draw(editor, w[None].expand(editor.generator.num_ws, -1))) for w in latents])
    before, who = _look(editor, judge, ws)
    scores = []
    for instruction in load_instructions():
        a = names.index(instruction.target)
        sign = 1.0 if instruction.wanted else -1.0
        unmentioned = well_judged & torch.tensor([n != instruction.target and n not in instruction.may for n in names])
        offsets = editor.mappers.offset(ws, editor.read(instruction.text).expand(len(ws), -1))
        after, became = _look(editor, judge, ws + offsets)
        held = before[:, a] * sign > 0
        reached = after[:, a] * sign > 0
        flips = ((before > 0) != (after > 0))[:, unmentioned].float().mean()
        slopes = []
        # A face that already is what the sentence asks for has nowhere to go: only the others show the slider.
        for i in torch.nonzero(~held)[:strength_faces, 0].tolist():
            between = [_look(editor, judge, (ws[i] + k * offsets[i])[None])[0][0] for k in strengths if k < 1]
            line = [row[a] * sign for row in (before[i], *between, after[i])]
            slopes.append(spearman(torch.stack(line)))
        moved = (became - who).norm(dim=1).mean()
        scores.append(
            EditScore(
                instruction,
                float(reached.float().mean()),
                float(reached[~held].float().mean()) if bool((~held).any()) else float("nan"),
                float(flips),
                float(moved),
                float(np.mean(slopes)) if slopes else float("nan"),
            )
        )
        if progress is not None:
            progress(f"{instruction.text}: reached {scores[-1].reached:.0%}, flipped {scores[-1].flipped:.1%}")
    return scores


def spearman(values: Tensor) -> float:
    """Rank correlation of a sequence [n] with its own order: 1 when it only rises."""
    ranks = torch.argsort(torch.argsort(values)).double()
    order = torch.arange(len(values)).double()
    return float(torch.corrcoef(torch.stack((ranks, order)))[0, 1])


def _draw(editor: FaceEditor, ws: Tensor) -> np.ndarray:
    """ws [num_ws, w_dim] -> uint8 [R, R, 3]."""
    return to_uint8(editor.generator.render(ws[None]))[0]


def _look(editor: FaceEditor, judge: Judge, ws: Tensor) -> tuple[Tensor, Tensor]:
    """ws [N, num_ws, w_dim] -> readings [N, A] and identity vectors [N, 128], one picture in memory at a time."""
    readings, who = [], []
    for row in ws:
        picture = _draw(editor, row)
        readings.append(judge.logits(to_batch([picture], None, judge.bias.device)))
        who.append(editor.describe_identity([picture]))
    return torch.cat(readings), torch.cat(who)
