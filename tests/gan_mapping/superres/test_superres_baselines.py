"""Baselines in a linear world, and the bookkeeping of appearances that flip."""

from __future__ import annotations

import io

import pytest
import torch

from fdvd.attributes.table import DATA_DIR, HELD_OUT_SEEDS, parse_labels
from gan_mapping.superres.baselines import SphereSearch, nearest_latent
from gan_mapping.superres.fairness import QUESTIONS, appearance, balanced, flip_rows, labelled
from gan_mapping.superres.pixels import box_filter, render_to_pixels
from tests.gan_mapping.superres.linear_world import W_DIM, linear_generator
from tests.standin import NUM_WS


def test_the_nearest_face_of_a_bank_is_judged_by_its_drawing() -> None:
    generator = linear_generator()
    latents = torch.randn(40, W_DIM, generator=torch.Generator().manual_seed(0))
    pictures = render_to_pixels(generator.render(latents[:, None].expand(-1, NUM_WS, -1)))
    # Rough previews: the right face is only among the nearest.
    bank = box_filter(pictures, 16) + 3 * torch.randn(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    ws, image = nearest_latent(box_filter(pictures[7:8], 16), bank, latents, generator)
    assert torch.equal(ws[0, 0], latents[7]) and torch.allclose(image[0], pictures[7], atol=1e-3)


def test_a_search_that_was_interrupted_ends_like_one_that_was_not() -> None:
    generator = linear_generator()
    wanted = generator.render(generator.mapping(torch.randn(1, W_DIM, generator=torch.Generator().manual_seed(9))))
    pixels = box_filter(render_to_pixels(wanted), 16)
    whole = SphereSearch(pixels, generator)
    whole.run(30)
    first = SphereSearch(pixels, generator)
    first.run(12)
    buffer = io.BytesIO()
    torch.save(first.state(), buffer)
    buffer.seek(0)
    second = SphereSearch(pixels, generator)
    second.load(torch.load(buffer, weights_only=True))
    second.run(18)
    assert second.errors == pytest.approx(whole.errors, rel=1e-4)
    assert whole.ws is not None and second.ws is not None and torch.allclose(second.ws, whole.ws, atol=1e-4)
    assert min(whole.errors) < 0.5 * whole.errors[0]


def readings(
    male: float = -1, age: float = -1, child: float = -1, dark: float = -1, asian: float = -1
) -> dict[str, float]:
    return {"male": male, "age": age, "child": child, "dark_skin": dark, "asian": asian}


def test_flips_are_counted_by_group_beside_the_judges_own_error() -> None:
    woman, man = appearance(readings()), appearance(readings(male=2))
    assert woman["age group"] == "young" and appearance(readings(age=1))["age group"] == "older"
    assert appearance(readings(age=1, child=1))["age group"] == "child"
    # Two women, one of whom turns into a man; one man whom the judge takes for a woman, before and after.
    rows = {row.group: row for row in flip_rows([(woman, woman, woman), (woman, woman, man), (man, woman, woman)])}
    assert rows["all"].faces == 3 and rows["all"].flipped["gender"] == pytest.approx(1 / 3)
    assert rows["gender: woman"].flipped["gender"] == 0.5 and rows["gender: woman"].misread["gender"] == 0
    assert rows["gender: man"].flipped["gender"] == 0 and rows["gender: man"].misread["gender"] == 1
    assert all(rows["all"].flipped[question] == 0 for question in QUESTIONS if question != "gender")


def test_the_chosen_faces_are_balanced_as_far_as_the_labels_go() -> None:
    labels = parse_labels(DATA_DIR / "labels.csv")
    faces = {seed: labels[seed] for seed in HELD_OUT_SEEDS}
    chosen = balanced(faces, 48)
    assert len(set(chosen)) == 48 and set(chosen) <= set(HELD_OUT_SEEDS)
    assert balanced(faces, 24) == chosen[:24]
    groups = [labelled(faces[seed]) for seed in chosen]
    for question, rarest in (("gender", 20), ("age group", 12), ("skin tone", 12), ("East Asian features", 12)):
        values = [group[question] for group in groups]
        assert min(values.count(value) for value in set(values)) >= rarest
