"""Words after the fit: what they change stays, within the budget."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gan_mapping.editing.closed_loop import Observation
from gan_mapping.superres.clips import ClipResolver
from gan_mapping.superres.pixels import box_filter, consistency, within_budget
from gan_mapping.superres.resolver import ResolverConfig
from tests.gan_mapping.superres.linear_world import RESOLUTION, W_DIM, linear_generator, linear_resolver
from vl_backbone.common.errors import InputError

SIDE = 16
WISH, SILENCE = torch.ones(1, 1), torch.zeros(1, 1)


@settings(deadline=None)
@given(st.integers(0, 1000), st.sampled_from([8, 16, 33]), st.floats(0, 20))
def test_what_the_budget_leaves_of_a_change(seed: int, side: int, budget: float) -> None:
    change = 10 * torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(seed)) ** 3
    kept = within_budget(change, budget)
    assert float(kept.abs().mean()) <= budget + 1e-3
    assert bool((kept * change >= 0).all()) and bool((kept.abs() <= change.abs() + 1e-4).all())
    if float(change.abs().mean()) <= budget:
        assert torch.equal(kept, change)
    else:
        assert float(kept.abs().mean()) == pytest.approx(budget, abs=0.01)
        # A pixel that changes more loses no more than one that changes less.
        loss = (change - kept).abs().mean(dim=1).flatten()
        order = change.abs().mean(dim=1).flatten().argsort()
        assert bool((loss[order].diff() >= -1e-3).all())


def face(seed: int) -> torch.Tensor:
    """A picture [1, 3, R, R] of the linear world in 0..255, without the attribute."""
    w = torch.randn(1, 1, W_DIM, generator=torch.Generator().manual_seed(seed))
    w[..., 0] = 0
    return (linear_generator().synthesis(w).clamp(-1, 1) + 1) * 127.5


def corner(image: torch.Tensor) -> float:
    """Mean of the part that the attribute darkens."""
    return float(image[..., RESOLUTION // 4 : RESOLUTION // 2, RESOLUTION // 4 : 3 * RESOLUTION // 4].mean())


def test_words_show_and_stay_consistent() -> None:
    resolver = linear_resolver()
    pixels = box_filter(face(1), SIDE)
    fit = resolver.fit(pixels)
    plain, said = resolver.answer(fit, pixels, SILENCE), resolver.answer(fit, pixels, WISH)
    assert plain.error < 0.5 and plain.error < said.error <= 2.0
    assert corner(said.image) < corner(plain.image) - 3
    strict = linear_resolver(ResolverConfig(word_budget=0)).answer(fit, pixels, WISH)
    assert strict.error < 0.5 and corner(strict.image) > corner(said.image) + 3
    again = resolver.resolve(pixels, WISH)
    assert torch.allclose(again.image, said.image, atol=0.01)


def test_no_strength_is_no_words() -> None:
    resolver = linear_resolver()
    pixels = box_filter(face(2), SIDE)
    fit = resolver.fit(pixels)
    assert torch.equal(resolver.answer(fit, pixels, WISH, 0.0).image, resolver.answer(fit, pixels, SILENCE).image)


def test_words_that_hardly_show_are_said_louder() -> None:
    resolver = linear_resolver()
    resolver.mappers.offset.directions.mul_(0.05)
    pixels = box_filter(face(1), SIDE)
    fit = resolver.fit(pixels)
    plain, said = resolver.answer(fit, pixels, SILENCE), resolver.answer(fit, pixels, WISH)

    def observe(image: torch.Tensor, ws: torch.Tensor) -> Observation:
        """The attribute is there when its corner is 8 grey levels darker; every latent is as hard to read."""
        return Observation(torch.tensor([(corner(plain.image) - corner(image)) / 8]), torch.tensor(1.0))

    resolver.observe = observe
    louder = resolver.answer(fit, pixels, WISH)
    assert corner(louder.image) < corner(said.image) - 1
    assert louder.error <= 2.0
    assert torch.equal(resolver.answer(fit, pixels, SILENCE).image, plain.image)


def test_words_that_miss_the_limit_give_way() -> None:
    pixels = box_filter(face(1), SIDE)
    loose = linear_resolver(ResolverConfig(word_budget=8, word_limit=50)).resolve(pixels, WISH)
    held = linear_resolver(ResolverConfig(word_budget=8)).resolve(pixels, WISH)
    plain = linear_resolver().resolve(pixels, SILENCE)
    assert loose.error > 2.5 and held.error <= 2.0
    assert corner(loose.image) < corner(held.image) < corner(plain.image) - 3


@pytest.mark.parametrize(
    "settings", [{"word_rounds": -1}, {"word_budget": -1.0}, {"word_budget": float("nan")}, {"word_limit": -1.0}]
)
def test_settings_that_make_no_sense(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="words"):
        ResolverConfig(**settings)  # type: ignore[arg-type]


def test_a_clip_is_one_person_until_it_cuts() -> None:
    resolver = linear_resolver()
    clip = ClipResolver(resolver, WISH)
    answers = []
    for step in range(4):
        pixels = box_filter((face(3) + 2 * step).clamp(0, 255), SIDE)
        answers.append(clip.resolve(pixels))
        assert answers[-1].error <= 2.0
    assert clip.shots == 1
    alone = resolver.resolve(pixels, WISH)
    assert float((answers[-1].image - alone.image).abs().mean()) < 3
    other = 255 - box_filter(face(3), SIDE)
    assert consistency(clip.resolve(other).image, other) <= 2.0 and clip.shots == 2


def test_drafts_are_looked_at_and_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    resolver = linear_resolver()
    pixels = box_filter(face(1), SIDE)
    fit = resolver.fit(pixels)
    resolver.observe = lambda image, ws: Observation(image.mean()[None] / 255, torch.tensor(1.0))
    wanted = resolver.answer(fit, pixels, WISH)
    drafts: list[torch.Tensor] = []

    def dark(ws: torch.Tensor) -> torch.Tensor:
        drafts.append(ws)
        return resolver.generator.synthesis(ws) - 0.02

    monkeypatch.setattr(resolver.generator, "draft", dark)
    found = resolver.answer(fit, pixels, WISH)
    assert drafts
    assert float((found.image - wanted.image).abs().mean()) < 1
