"""From a photo to w by linear layers: a world in which codes and face vectors are parts of w."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fdvd.media.photos import load_photo
from gan_mapping.editing.encoding import CORRECTIONS, Seen, read_latent
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.images import to_uint8
from gan_mapping.mappers.layers import CorrectionMapper, VisionMapper
from gan_mapping.training.closed_form.correction import fit_correction
from tests.paths import ASTRONAUT

PHOTO = ASTRONAUT
RANK, PERSON, W_DIM, NUM_WS = 3, 2, 5, 4


class World:
    """The first three numbers of w are codes, the last two the face's vector; the vision mapper sees 80% of codes."""

    def __init__(self) -> None:
        self.vision = VisionMapper(RANK, RANK, W_DIM).requires_grad_(False)
        self.vision.down.weight.copy_(torch.eye(RANK))
        self.vision.up.weight.copy_(0.8 * torch.eye(W_DIM)[:, :RANK])
        self.vision.up.bias.zero_()
        self.correction = CorrectionMapper(RANK, PERSON, W_DIM).requires_grad_(False)
        self.correction.picture.weight.copy_(torch.eye(W_DIM)[:, :RANK])
        self.correction.person.weight.copy_(torch.eye(W_DIM)[:, RANK:] / CorrectionMapper.PERSON_GAIN)
        self.drawn = 0

    def recognise(self, ws: Tensor) -> Seen:
        self.drawn += 1
        return self.seen(ws[:, 0])

    def seen(self, w: Tensor) -> Seen:
        return Seen(w[:, :RANK], w[:, RANK:])


def test_corrections_bring_both_what_is_seen_and_who_it_is() -> None:
    world, w = World(), torch.tensor([[1.0, -2.0, 0.5, 0.7, -0.9]])
    first = world.vision.latent(world.seen(w).codes, NUM_WS)
    ws = read_latent(world.seen(w), world.recognise, world.vision, world.correction, NUM_WS)
    assert ws.shape == (1, NUM_WS, W_DIM) and world.drawn == CORRECTIONS
    assert float((ws - w[:, None]).norm()) < 0.3 * float((first - w[:, None]).norm())
    assert torch.allclose(ws[0, 0, RANK:], w[0, RANK:]), "who it is arrives at once"


def test_a_drawing_that_shows_what_the_photo_shows_is_left_alone() -> None:
    world = World()
    assert not world.correction(torch.zeros(1, RANK), torch.zeros(1, PERSON)).any()
    photo = Seen(torch.zeros(1, RANK), torch.zeros(1, PERSON))
    assert not read_latent(photo, world.recognise, world.vision, world.correction, NUM_WS).any()


def test_face_vectors_no_further_apart_than_usual_say_nothing() -> None:
    correction = World().correction
    correction.usual.fill_(0.3)
    near, far = torch.tensor([[0.2, 0.2]]), torch.tensor([[2.0, 2.0]])
    nothing = torch.zeros(1, RANK)
    assert not correction(nothing, near).any()
    assert correction(nothing, far)[0, RANK:].tolist() == pytest.approx([2.0, 2.0], rel=0.02)


def test_without_a_correction_mapper_the_reading_of_the_drawing_is_taken_off() -> None:
    world, w = World(), torch.tensor([[1.0, -2.0, 0.5, 0.7, -0.9]])
    ws = read_latent(world.seen(w), world.recognise, world.vision, None, NUM_WS)
    # .8 of the truth, and .8 of the .2 that its drawing lacks.
    assert ws[0, 0, :RANK].tolist() == pytest.approx([0.96, -1.92, 0.48]) and world.drawn == 1


def test_the_fit_gives_the_face_vector_only_what_the_codes_do_not_tell() -> None:
    """The face vector holds one number of its own and a copy of what a code tells already."""
    torch.manual_seed(0)
    latents = torch.randn(4000, W_DIM)
    codes = latents[:, :RANK]
    persons = torch.stack([latents[:, 3], codes[:, 0] + 0.5 * torch.randn(4000)], dim=1)
    mapper = fit_correction(codes, persons, latents, penalty=1e-3)
    assert mapper.picture.weight[:RANK].diagonal().tolist() == pytest.approx([1.0] * RANK, abs=0.05)
    assert float(mapper.person.weight[3, 0]) == pytest.approx(1.0, abs=0.05)
    assert float(mapper.person.weight[0].abs().max()) < 0.05, "the copy has nothing to add"


@pytest.mark.slow
def test_a_real_photo_comes_nearer_than_by_the_vision_mapper_alone(model: FaceModel) -> None:
    photo = load_photo(PHOTO).rgb
    crop = model.find_faces(photo)[0][1].crop(photo)
    target, *read = model.describe_identity(
        [crop, *(to_uint8(model.generator.render(ws))[0] for ws in (model.encode([crop]), model.invert(crop)))]
    )
    alone, mended = (float((target - person).norm()) for person in read)
    assert mended < alone - 0.1
    assert np.isfinite(mended)
