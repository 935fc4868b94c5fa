"""Aiming: edits of faces that answer more or less than the average end where they were wanted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_mapping.editing.closed_loop import ClosedLoopConfig, Observation, closed_loop_offset
from gan_mapping.mappers.layers import OffsetMapper
from tests.gan_mapping.editing.closed_loop_faces import NUM_WS, W_DIM, Face, three_axes
from vl_backbone.common.errors import UsageError


@pytest.fixture
def mapper() -> OffsetMapper:
    return three_axes()


def aim(mapper: OffsetMapper, face: Face, wishes: tuple[float, ...], config: ClosedLoopConfig | None = None) -> Tensor:
    ws = torch.zeros(1, NUM_WS, W_DIM)
    before = Observation(face.before, torch.tensor(1.0))
    return closed_loop_offset(mapper, ws, torch.tensor([wishes]), before, face, config).offset


@pytest.mark.parametrize("answer", [0.5, 0.8, 1.0, 1.7])
def test_a_face_that_answers_more_or_less_arrives_all_the_same(mapper: OffsetMapper, answer: float) -> None:
    face = Face((0.1, 0.9, 0.5), (answer, 1.0, 1.0))
    arrived = face.after(aim(mapper, face, (1.0, 0.0, 0.0)))
    assert arrived[0] == pytest.approx(1.0, abs=ClosedLoopConfig().close + 0.01)
    assert torch.equal(arrived[1:], face.before[1:])


def test_removals_arrive_too_and_a_face_without_it_is_left_alone(mapper: OffsetMapper) -> None:
    face = Face((0.9, -0.2, 0.5), (0.6, 1.0, 1.0))
    offset = aim(mapper, face, (-1.0, -1.0, 0.0))
    assert face.after(offset)[0] == pytest.approx(0.0, abs=0.13)
    assert not offset[0, :, 1].any()
    gone = Face((-0.3, 0.0, 0.5), (1.0, 1.0, 1.0))
    assert not aim(mapper, gone, (-1.0, 0.0, 0.0)).any() and gone.looks == 1


@pytest.mark.parametrize("answer", [0.6, 1.0, 1.5])
def test_a_bit_goes_a_bit_of_the_way(mapper: OffsetMapper, answer: float) -> None:
    """As far as without a look, on a face that answers like the average."""
    face = Face((0.0, 0.0, 0.5), (answer, 1.0, 1.0))
    config = ClosedLoopConfig(close=0.01)
    moved = float(face.after(aim(mapper, face, (0.3, 0.0, 0.0), config))[0])
    ws = torch.zeros(1, NUM_WS, W_DIM)
    unlooked = mapper.steps(ws, torch.tensor([[0.3, 0.0, 0.0]]), face.before[None])[0, 0]
    assert moved == pytest.approx(float(unlooked), abs=0.03) and moved < 0.3


def test_an_edit_that_arrives_at_once_is_looked_at_again_to_see_that_less_is_too_little(mapper: OffsetMapper) -> None:
    face, near = Face((0.0, 0.0, 0.5), (1.0, 1.0, 1.0)), ClosedLoopConfig().close
    step = float(aim(mapper, face, (1.0, 0.0, 0.0))[0, 0, 0])
    assert 1 - near <= step <= 1 and 1 < face.looks <= ClosedLoopConfig().looks
    face.looks = 0
    assert float(aim(mapper, face, (1.0, 0.0, 0.0), ClosedLoopConfig(shorten=1.0))[0, 0, 0]) == 1.0
    assert face.looks == 1, "who does not want the shortest step looks once"


class Sudden(Face):
    """Attribute a is there from one step on, up to another one."""

    def __init__(self, there: float, until: float = 9.0) -> None:
        super().__init__((0.0, 0.0, 0.5), (-0.1, 0.9, 1.0))
        self.there, self.until = there, until

    def after(self, offset: Tensor) -> Tensor:
        scores = super().after(offset)
        scores[0] += 1.1 * float(self.there <= float(offset[0, 0, 0]) < self.until)
        return scores


@pytest.mark.parametrize("there", [0.2, 0.3, 0.5, 0.59])
def test_what_is_there_with_a_shorter_step_gets_a_shorter_one(mapper: OffsetMapper, there: float) -> None:
    """Glasses come suddenly; beyond that a longer step only makes another person of the face."""
    face = Sudden(there)
    step = float(aim(mapper, face, (1.0, 0.0, 0.0))[0, 0, 0])
    assert there <= step <= 0.61 and face.looks <= ClosedLoopConfig().looks
    assert step < 2 * there


def test_each_attribute_gets_its_own_step(mapper: OffsetMapper) -> None:
    offset = aim(mapper, Sudden(0.5), (1.0, 1.0, 0.0), ClosedLoopConfig(close=0.1))
    assert float(offset[0, 0, 0]) == pytest.approx(0.6) and float(offset[0, 0, 1]) > 0.85


def test_everything_gets_there_before_anything_is_shortened(mapper: OffsetMapper) -> None:
    """A look at a shorter first step would be lost on the second one."""
    face = Sudden(0.5)
    face.answers = torch.tensor([-0.1, 0.45, 1.0])
    seen: list[Tensor] = []

    def look(offset: Tensor) -> Observation:
        seen.append(offset[0, 0, :2])
        return face(offset)

    before = Observation(face.before, torch.tensor(1.0))
    closed_loop_offset(mapper, torch.zeros(1, NUM_WS, W_DIM), torch.tensor([[1.0, 1.0, 0.0]]), before, look)
    (first, second), (third, fourth) = seen[0].tolist(), seen[1].tolist()
    assert third == first and fourth > 2 * second - 0.01
    assert float(seen[2][0]) == pytest.approx(0.6)


def test_what_another_step_takes_back_is_extended_again(mapper: OffsetMapper) -> None:
    """The second attribute's direction takes back a part of what the first one brings."""
    before = torch.zeros(3)

    def look(offset: Tensor) -> Observation:
        a, b = offset[0, 0, :2].tolist()
        return Observation(torch.tensor([a - 0.3 * max(0.0, b - 1.0), 0.5 * b, 0.0]), torch.tensor(1.0))

    ws, wishes = torch.zeros(1, NUM_WS, W_DIM), torch.tensor([[1.0, 1.0, 0.0]])
    offset = closed_loop_offset(mapper, ws, wishes, Observation(before, torch.tensor(1.0)), look).offset
    assert float(look(offset).scores[0]) > 1 - ClosedLoopConfig().close and float(offset[0, 0, 0]) > 1.05


def test_who_went_past_the_goal_comes_back(mapper: OffsetMapper) -> None:
    """Glasses that a longer step turns into sunglasses."""
    face = Sudden(0.5, until=0.9)
    assert 0.5 <= float(aim(mapper, face, (1.0, 0.0, 0.0))[0, 0, 0]) < 0.9


def test_relative_wishes_are_steps_from_where_the_face_is(mapper: OffsetMapper) -> None:
    face = Face((0.0, 0.0, 0.5), (1.0, 1.0, 0.3))
    assert aim(mapper, face, (0.0, 0.0, 1.0))[0, 0, 2] == 1.0
    assert face.looks == 0


def test_a_face_that_answers_little_is_not_torn_apart(mapper: OffsetMapper) -> None:
    config = ClosedLoopConfig(looks=9)
    offset = aim(mapper, Face((0.0, 0.0, 0.5), (0.25, 1.0, 1.0)), (1.0, 0.0, 0.0), config)
    assert float(offset[0, 0, 0]) == pytest.approx(config.furthest)


def test_what_answers_the_wrong_way_is_not_pushed_further(mapper: OffsetMapper) -> None:
    offset = aim(mapper, Face((0.0, 0.0, 0.5), (1.0, -0.5, 1.0)), (0.0, 1.0, 0.0))
    assert float(offset[0, 0, 1]) == pytest.approx(0.6)


def test_the_last_edit_before_the_picture_falls_apart_is_taken(mapper: OffsetMapper) -> None:
    face = Face((0.0, 0.0, 0.5), (0.4, 1.0, 1.0))
    assert float(aim(mapper, face, (1.0, 0.0, 0.0))[0, 0, 0]) > 2.0
    face.breaks_at = 1.5
    assert float(aim(mapper, face, (1.0, 0.0, 0.0))[0, 0, 0]) == pytest.approx(1.0)


def test_a_latent_that_reads_itself_well_is_not_torn_sooner(mapper: OffsetMapper) -> None:
    """A latent read off a picture is read back to a fifth; its edits are judged like those of any other face."""
    face, ws, wish = Face((0.0, 0.0, 0.5), (0.4, 1.0, 1.0)), torch.zeros(1, NUM_WS, W_DIM), torch.tensor([[1.0, 0, 0]])
    before = Observation(face.before, torch.tensor(0.2))
    strict = closed_loop_offset(mapper, ws, wish, before, face).offset
    assert float(strict[0, 0, 0]) <= 1.0
    fair = closed_loop_offset(mapper, ws, wish, before, face, reference_residual=1.0).offset
    assert torch.equal(fair, aim(mapper, face, (1.0, 0.0, 0.0))) and float(fair[0, 0, 0]) > 2.0


def test_a_latent_that_reads_itself_badly_is_not_torn_later(mapper: OffsetMapper) -> None:
    """A refined latent is read back from five times as far; its pictures fall apart as soon as any other."""
    face, ws, wish = Face((0.0, 0.0, 0.5), (0.4, 1.0, 1.0)), torch.zeros(1, NUM_WS, W_DIM), torch.tensor([[1.0, 0, 0]])
    face.breaks_at = 1.5
    before = Observation(face.before, torch.tensor(9.0))
    assert float(closed_loop_offset(mapper, ws, wish, before, face).offset[0, 0, 0]) > 2.0
    assert float(
        closed_loop_offset(mapper, ws, wish, before, face, reference_residual=1.0).offset[0, 0, 0]
    ) == pytest.approx(1.0)


def test_an_edit_that_tears_the_picture_at_once_is_taken_back(mapper: OffsetMapper) -> None:
    face = Face((0.0, 0.0, 0.5), (1.0, 1.0, 1.0))
    face.breaks_at = 0.6
    assert float(aim(mapper, face, (1.0, 0.0, 0.0))[0, 0, 0]) == pytest.approx(0.49)


def test_who_has_it_already_still_sees_an_answer(mapper: OffsetMapper) -> None:
    face = Face((1.8, 0.0, 0.5), (1.0, 1.0, 1.0))
    offset = aim(mapper, face, (1.0, 0.0, 0.0))
    assert float(offset[0, 0, 0]) == pytest.approx(mapper.limits.at_least)
    assert face.looks == 1, "the same edit is not drawn twice"


@pytest.mark.parametrize(
    "settings",
    [
        {"looks": 0},
        {"least": 0.0},
        {"most": 0.5},
        {"max_ratio": -1.0},
        {"reference_share": 0.0},
        {"reference_share": 1.5},
        {"shorten": 0.0},
        {"worth": 1.1},
        {"length_weight": -0.1},
        {"backtrack": 1.0},
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="The closed loop needs"):
        ClosedLoopConfig(**settings)  # type: ignore[arg-type]
