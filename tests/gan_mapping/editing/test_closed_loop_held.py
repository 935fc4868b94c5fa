"""What an edit changes unasked is put back: a smile that thins the beard, glasses that come with age."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from fdvd.attributes.table import attribute_table
from gan_mapping.editing.closed_loop import ClosedLoopConfig, EditOffset, Observation, closed_loop_offset
from gan_mapping.mappers.layers import OffsetMapper

SMILE, BEARD, AGE = range(3)


@dataclass
class LeakyFace:
    """w has an axis for each attribute; a step along one moves the reading of another by the leak."""

    leaks: dict[tuple[int, int], float]
    start: tuple[float, float, float] = (0.0, 1.0, 0.0)
    residual_per_step: float = 0.0
    seen: list[Tensor] = field(default_factory=list)

    def __call__(self, offset: Tensor) -> Observation:
        moved = offset[0, 0]
        scores = torch.tensor(self.start) + moved
        for (source, target), leak in self.leaks.items():
            scores[target] += leak * moved[source]
        self.seen.append(scores)
        return Observation(scores, 1 + self.residual_per_step * moved[BEARD].abs())


def edit(face: LeakyFace, asked: int, config: ClosedLoopConfig | None = None, held: bool = True) -> EditOffset:
    mapper = OffsetMapper(3, 1, 3)
    mapper.directions.copy_(torch.eye(3)[:, None])
    mapper.probe_weight.copy_(torch.eye(3))
    mapper.relative[AGE] = 1
    intents = torch.zeros(1, 3)
    intents[0, asked] = 1
    mask = torch.zeros(3, 3, dtype=torch.bool)
    mask[:, BEARD] = held
    mask[BEARD, BEARD] = False
    ws = torch.zeros(1, 1, 3)
    before = face(ws)
    face.seen.clear()
    return closed_loop_offset(mapper, ws, intents, before, face, config, held=mask)


@pytest.mark.parametrize("asked", [SMILE, AGE])
def test_a_beard_that_goes_comes_back(asked: int) -> None:
    """For goals (a smile) and for changes without one (older), which nothing else looks at."""
    face = LeakyFace({(asked, BEARD): -0.8})
    found = edit(face, asked)
    assert float(face(found.offset).scores[BEARD]) > 0.7
    assert float(face(found.offset).scores[asked]) > 0.8
    without = edit(face, asked, ClosedLoopConfig(restorations=0))
    assert float(face(without.offset).scores[BEARD]) < 0.5
    # The opposite of the edit takes nothing of it along.
    assert torch.allclose(found.at(-1.0), -without.offset, atol=1e-5)


def test_what_the_wish_may_change_stays_changed() -> None:
    face = LeakyFace({(SMILE, BEARD): -0.8})
    assert float(edit(face, SMILE, held=False).offset[0, 0, BEARD]) == 0


def test_small_changes_are_left_alone() -> None:
    face = LeakyFace({(SMILE, BEARD): -0.1})
    assert float(edit(face, SMILE).offset[0, 0, BEARD]) == 0


def test_a_restoration_that_tears_the_picture_is_not_taken() -> None:
    face = LeakyFace({(SMILE, BEARD): -0.8}, residual_per_step=5.0)
    assert float(edit(face, SMILE).offset[0, 0, BEARD]) == 0


def test_the_table_says_what_is_held() -> None:
    table = attribute_table()
    assert {"beard", "glasses", "male"} <= table.held_from("smile")
    assert "beard" not in table.held_from("male") and "sunglasses" not in table.held_from("glasses")
    assert "glasses" in table.held_from("age") and not table.held_from("smile") & table.may_follow("smile")
