"""Aiming: what a wish excludes without saying so is taken off where it shows, and brought by no step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_mapping.editing.closed_loop import ClosedLoopConfig, Observation, closed_loop_offset
from gan_mapping.mappers.layers import OffsetMapper
from tests.gan_mapping.editing.closed_loop_faces import NUM_WS, W_DIM, Face, three_axes


@pytest.fixture
def mapper() -> OffsetMapper:
    return three_axes()


class Lenses(Face):
    """Clear glasses appear half-way; far out, or while nothing is done about them, they are dark ones."""

    def __init__(
        self,
        dark_from: float,
        dark_before: float = 0.0,
        dark_answer: float = 1.0,
        clear_from: float = 0.5,
        darkens: bool = True,
    ) -> None:
        """darkens: dark glasses are read as no clear ones. shown: the steps that were drawn."""
        super().__init__((0.0, dark_before, 0.5), (1.0, dark_answer, 1.0))
        self.dark_from, self.clear_from, self.darkens = dark_from, clear_from, darkens
        self.shown: list[list[float]] = []

    def after(self, offset: Tensor) -> Tensor:
        clear, dark = offset[0, 0, :2].tolist()
        self.shown.append([clear, dark])
        toned = 1.2 * float(clear > self.dark_from) + float(self.before[1]) + float(self.answers[1]) * dark
        seen = 0.2 if self.darkens and toned > 0.6 else 1.0
        return torch.tensor([float(clear >= self.clear_from) * seen, toned, 0.5])


EXCLUDES = torch.zeros(3, 3, dtype=torch.bool)
EXCLUDES[0, 1] = True


def put_on(mapper: OffsetMapper, face: Lenses, wishes: tuple[float, ...], excludes: Tensor | None = EXCLUDES) -> Tensor:
    """What the face shows at the end."""
    before = Observation(face.before, torch.tensor(1.0))
    ws = torch.zeros(1, NUM_WS, W_DIM)
    return face.after(closed_loop_offset(mapper, ws, torch.tensor([wishes]), before, face, excludes=excludes).offset)


def test_glasses_that_turn_dark_are_taken_back(mapper: OffsetMapper) -> None:
    shown = put_on(mapper, Lenses(0.9), (1.0, 0.0, 0.0))
    assert shown[0] == 1.0 and shown[1] < 0.4
    assert put_on(mapper, Lenses(0.9), (1.0, 0.0, 0.0), excludes=None)[1] > 1.0


def test_who_has_dark_glasses_gets_clear_ones(mapper: OffsetMapper) -> None:
    shown = put_on(mapper, Lenses(5.0, dark_before=1.0), (1.0, 0.0, 0.0))
    assert shown[0] == 1.0 and shown[1] < ClosedLoopConfig().ceiling + ClosedLoopConfig().close


def test_dark_glasses_go_with_the_clear_ones(mapper: OffsetMapper) -> None:
    face = Lenses(5.0, dark_before=1.0)
    assert put_on(mapper, face, (-1.0, 0.0, 0.0))[1] < ClosedLoopConfig().ceiling + ClosedLoopConfig().close


def test_a_step_that_turned_dark_is_shortened_where_dark_ones_stay(mapper: OffsetMapper) -> None:
    """They hardly answer to their own removal, so only the way back is left."""
    face = Lenses(0.9, dark_answer=0.1)
    assert put_on(mapper, face, (1.0, 0.0, 0.0)) == pytest.approx([1.0, 0.0, 0.5], abs=0.1)
    spoiled_factor, shorten = ClosedLoopConfig().spoiled_factor, ClosedLoopConfig().shorten
    # Clear at the second look; a still shorter step is tried, as for any other wish.
    assert [clear for clear, _ in face.shown[:3]] == pytest.approx([1.0, spoiled_factor, spoiled_factor * shorten])


def test_dark_ones_that_always_come_are_taken_off_at_once(mapper: OffsetMapper) -> None:
    face = Lenses(0.3, clear_from=0.3)
    assert put_on(mapper, face, (1.0, 0.0, 0.0))[1] < 0.6
    assert face.shown[1][1] == pytest.approx(ClosedLoopConfig().ceiling - 1.2)


@pytest.mark.parametrize(("dark", "step"), [(0.5, 0.0), (1.0, -0.6), (3.0, -1.6)])
def test_the_first_step_takes_off_what_is_worn_as_far_as_steps_go(
    mapper: OffsetMapper, dark: float, step: float
) -> None:
    face = Lenses(5.0, dark_before=dark)
    put_on(mapper, face, (1.0, 0.0, 0.0))
    assert face.shown[0][1] == pytest.approx(step)


def test_glasses_that_are_read_beside_dark_ones_are_not_enough(mapper: OffsetMapper) -> None:
    face = Lenses(0.9, dark_answer=0.1, darkens=False)
    put_on(mapper, face, (1.0, 0.0, 0.0))
    assert face.shown[1][0] == pytest.approx(0.6)


def test_dark_glasses_that_were_there_shorten_nothing(mapper: OffsetMapper) -> None:
    """They go slowly; it was not the step towards clear ones that brought them."""
    face = Lenses(5.0, dark_before=1.0, dark_answer=0.3, clear_from=0.8)
    shown = put_on(mapper, face, (1.0, 0.0, 0.0))
    assert shown[0] == 1.0 and shown[1] < 0.6
    assert face.shown[0] == pytest.approx([1.0, ClosedLoopConfig().ceiling - 1.0])
    assert min(clear for clear, _ in face.shown) >= 0.99


def test_a_removal_is_not_shortened_by_dark_ones(mapper: OffsetMapper) -> None:
    face = Lenses(5.0, dark_answer=0.1)
    face.before[0] = 1.0
    brought = torch.tensor([0.0, 1.2, 0.0])

    def look(offset: Tensor) -> Observation:
        face.shown.append(offset[0, 0, :2].tolist())
        return Observation(face.before + brought, torch.tensor(1.0))

    before, ws = Observation(face.before, torch.tensor(1.0)), torch.zeros(1, NUM_WS, W_DIM)
    closed_loop_offset(mapper, ws, torch.tensor([[-1.0, 0.0, 0.0]]), before, look, excludes=EXCLUDES)
    assert face.shown[1][0] <= face.shown[0][0]


def test_nothing_that_was_kept_out_comes_with_the_opposite(mapper: OffsetMapper) -> None:
    face = Lenses(5.0, dark_before=1.0)
    before, ws = Observation(face.before, torch.tensor(1.0)), torch.zeros(1, NUM_WS, W_DIM)
    aimed = closed_loop_offset(mapper, ws, torch.tensor([[1.0, 0.0, 0.0]]), before, face, excludes=EXCLUDES)
    assert aimed.at(1.0)[0, 0, 1] < 0 and torch.equal(aimed.at(0.5), 0.5 * aimed.offset)
    assert aimed.at(-1.0)[0, 0, 0] == -aimed.offset[0, 0, 0] and not aimed.at(-1.0)[0, :, 1].any()


def test_who_asks_for_both_gets_both(mapper: OffsetMapper) -> None:
    assert put_on(mapper, Lenses(5.0), (1.0, 1.0, 0.0))[1] > 0.8


def test_what_does_not_show_is_let_alone(mapper: OffsetMapper) -> None:
    faces = Lenses(5.0), Lenses(5.0)
    put_on(mapper, faces[0], (1.0, 0.0, 0.0))
    put_on(mapper, faces[1], (1.0, 0.0, 0.0), excludes=None)
    assert faces[0].shown == faces[1].shown


def test_how_far_below_the_ceiling_it_is_does_not_matter(mapper: OffsetMapper) -> None:
    """Glasses come with half the step; with all of it the dark ones are nearer, but not there."""

    def look(offset: Tensor) -> Observation:
        clear = float(offset[0, 0, 0])
        return Observation(torch.tensor([float(clear >= 0.5), clear - 1.0, 0.5]), torch.tensor(1.0))

    ws, wish = torch.zeros(1, NUM_WS, W_DIM), torch.tensor([[1.0, 0.0, 0.0]])
    before = look(ws)
    offset = closed_loop_offset(mapper, ws, wish, before, look, excludes=EXCLUDES).offset
    assert float(offset[0, 0, 0]) == pytest.approx(0.6)
