"""SuperResolver: pixels and intents -> latents that fit both.

The pixel mapper gives a first w. Then rounds of: render, see what the box-filtered picture misses of the input, and
move the latent by a few cheap gradient steps on the preview so that it makes up for that. Words come last: the
offset of the editor's mappers is added to the fitted latent, and mended by what the answer then shows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gan_mapping.editing.closed_loop import ClosedLoopConfig, Observation, closed_loop_offset
from gan_mapping.generators.protocol import Generator
from gan_mapping.losses.reconstruction import row_spread
from gan_mapping.mappers.files import Mappers
from gan_mapping.superres.pixels import back_project, box_filter, consistency, render_to_pixels, within_budget
from gan_mapping.superres.preview import PREVIEW_SIDE, preview_of
from gan_mapping.superres.start import PixelStart
from vl_backbone.common.errors import InputError

# The input's pixels hold an answer together, and its latent is harder to read than a drawn face's in any case.
CLOSED_LOOP = ClosedLoopConfig(close=0.12, shorten=1.0, length_weight=0.0, max_ratio=2.0, backtrack_ratio=3.0)


@dataclass(frozen=True)
class ResolverConfig:
    """How the latent is fitted to the pixels.

    rounds: how often a render is followed by fitting.
    steps: gradient steps a round, on the preview. learning_rate: Adam's, for the shared w; the rows get a third.
    emphasis: the first estimate's distance from w_mean is too small by this factor (ridge regression shrinks).
    pixel, spread, start: weights of the squared error (of 0..1), of rows apart from each other, and of the
    distance from the first estimate.
    correct: whether the low-frequency correction follows.
    word_rounds: rounds of fitting after the words, to the input as the words change it.
    word_budget: how far (mean absolute, of 255) words may take what the corrected picture aims at from the input.
    word_limit: an answer with words that comes out further off than this is aimed nearer to the input.
    """

    rounds: int = 3
    steps: int = 12
    learning_rate: float = 0.06
    emphasis: float = 1.2
    pixel: float = 100.0
    spread: float = 0.004
    start: float = 0.002
    correct: bool = True
    word_rounds: int = 1
    word_budget: float = 1.5
    word_limit: float = 1.95

    def __post_init__(self) -> None:
        if self.rounds < 0 or self.steps < 1 or self.learning_rate <= 0 or self.emphasis <= 0:
            raise InputError("Super-resolution needs 0 or more rounds, 1 or more steps and positive rates.")
        if self.word_rounds < 0 or not (self.word_budget >= 0 and self.word_limit >= 0):
            raise InputError("The words of super-resolution need 0 or more rounds, a budget and a limit of 0 or more.")


@dataclass(frozen=True)
class Resolved:
    """ws [1, num_ws, w_dim], image [1, 3, R, R] in 0..255, and its error before and after the correction."""

    ws: Tensor
    image: Tensor
    latent_error: float
    error: float


@dataclass(frozen=True)
class Fit:
    """ws [1, num_ws, w_dim], its render [1, 3, R, R] in 0..255, and the render's mean absolute error at the input's
    size, 0..255."""

    ws: Tensor
    image: Tensor
    error: float


class SuperResolver:
    """Composes generator, pixel mapper and text offsets; pure of files and of photos.

    observe: what a picture [1, 3, R, R] in 0..255, drawn from ws [1, num_ws, w_dim], shows; without it, nobody checks
    whether the words arrived.
    """

    def __init__(
        self,
        generator: Generator,
        pixel_mapper: PixelStart,
        mappers: Mappers,
        config: ResolverConfig | None = None,
        observe: Callable[[Tensor, Tensor], Observation] | None = None,
    ) -> None:
        self.generator = generator
        self.pixel_mapper = pixel_mapper
        self.mappers = mappers
        self.config = config or ResolverConfig()
        self.observe = observe
        self._draw = generator.render
        self._preview = preview_of(generator, pixel_mapper.preview)

    def resolve(self, pixels: Tensor, intents: Tensor, strength: float = 1.0, noise: Tensor | None = None) -> Resolved:
        """pixels [1, 3, s, s] in 0..255, intents [1, A] (all zero: no words) -> one answer.

        noise: [q] standard normal numbers that choose among what the pixels leave open; None: the likeliest.
        """
        return self.answer(self.fit(pixels, noise), pixels, intents, strength)

    def fit(self, pixels: Tensor, noise: Tensor | None = None) -> Fit:
        """The latent that fits the pixels before any words; see `resolve` for the arguments."""
        w_mean = self.generator.w_mean
        w = w_mean + self.config.emphasis * (self.pixel_mapper(pixels) - w_mean)
        if noise is not None:
            w = w + (self.pixel_mapper.open_directions(pixels.shape[-1])[:, : len(noise)] @ noise)[None]
        start = w[:, None].expand(-1, self.generator.num_ws, -1).contiguous()
        return self.refit(self.render(start, pixels), pixels, self.config.rounds)

    def answer(self, fit: Fit, pixels: Tensor, intents: Tensor, strength: float = 1.0) -> Resolved:
        """What `resolve` gives, from a fit to the same pixels; one fit serves any number of sentences."""
        return self.moved(fit, pixels, self.offset(fit, pixels, intents, strength))

    def offset(self, fit: Fit, pixels: Tensor, intents: Tensor, strength: float = 1.0) -> Tensor | None:
        """How the words move that latent, [1, num_ws, w_dim]; None when they say nothing.

        Tried out on the answer, not on the moved latent's render: the pixels take back a part of what the words add.
        """
        if strength == 0 or not bool(intents.any()):
            return None
        observe = self.observe
        if observe is None:
            step: Tensor = strength * self.mappers.offset(fit.ws, intents)
            return step

        drafting = copy.copy(self)
        drafting._draw = self.generator.draft

        def observe_answer(offset: Tensor) -> Observation:
            answer = drafting.moved(fit, pixels, offset)
            return observe(answer.image, answer.ws)

        before = observe(self.moved(fit, pixels, None).image, fit.ws)
        mappers = self.mappers
        edit = closed_loop_offset(
            mappers.offset, fit.ws, intents, before, observe_answer, CLOSED_LOOP, excludes=mappers.excludes
        )
        return edit.at(strength)

    def moved(self, fit: Fit, pixels: Tensor, offset: Tensor | None) -> Resolved:
        """The answer from a fit to these pixels, moved by the offset of words."""
        goal = pixels
        if offset is not None:
            fit, goal = self._say(fit, pixels, offset)
        image = self._corrected(fit.image, pixels, goal) if self.config.correct else fit.image
        return Resolved(fit.ws, image, fit.error, consistency(image, pixels))

    def _corrected(self, image: Tensor, pixels: Tensor, goal: Tensor) -> Tensor:
        """The picture with the low-frequency correction towards a goal, which words have taken from the pixels."""
        corrected = back_project(image, goal)
        for _ in range(2):
            said = float((goal - pixels).abs().mean())
            over = consistency(corrected, pixels) - self.config.word_limit
            if over <= 0 or said == 0:
                break
            # What the correction itself could not reach comes on top of the budget: the words give way.
            goal = pixels + (goal - pixels) * max(0.0, 1 - 1.1 * over / said)
            corrected = back_project(image, goal)
        return corrected

    def _say(self, fit: Fit, pixels: Tensor, offset: Tensor) -> tuple[Fit, Tensor]:
        """The fit with the words' offset added, and the pixels it is to be corrected to.

        The words change some pixels (glasses are dark where the input is not). Corrected to the input itself, they
        would be taken back; so the input is changed as the words ask, as far as the budget goes.
        """
        side = pixels.shape[-1]
        said = self.render(fit.ws + offset, pixels)
        change = box_filter(said.image, side) - box_filter(fit.image, side)
        goal = (pixels + within_budget(change, self.config.word_budget)).clamp(0, 255)
        for _ in range(self.config.word_rounds):
            said = self.render(self._step(said, said.ws, goal), pixels)
        return said, goal

    def refit(self, fit: Fit, pixels: Tensor, rounds: int, start: Tensor | None = None) -> Fit:
        """The best of a fit and of that many further rounds from it, held near `start` (default: its own latent)."""
        best = fit
        start = fit.ws if start is None else start
        for _ in range(rounds):
            fit = self.render(self._step(fit, start, pixels), pixels)
            best = min(best, fit, key=lambda one: one.error)
        return best

    def render(self, ws: Tensor, pixels: Tensor) -> Fit:
        """ws [1, num_ws, w_dim] drawn and compared with the pixels."""
        image = render_to_pixels(self._draw(ws)).to(pixels.device)
        return Fit(ws, image, consistency(image, pixels))

    def _step(self, now: Fit, start: Tensor, pixels: Tensor) -> Tensor:
        """One round of gradient steps: the preview is to change by what the render misses."""
        config = self.config
        side = min(pixels.shape[-1], PREVIEW_SIDE)
        ws = now.ws
        with torch.no_grad():
            goal = box_filter(self._preview(ws), side) + box_filter(pixels, side) - box_filter(now.image, side)
        shared = torch.zeros_like(ws[:, :1]).requires_grad_()
        rows = torch.zeros_like(ws).requires_grad_()
        rate = config.learning_rate
        optimiser = torch.optim.Adam(
            [{"params": [shared], "lr": rate}, {"params": [rows], "lr": rate / 3}], betas=(0.8, 0.95)
        )
        for _ in range(config.steps):
            latent = ws + shared + rows
            error = (box_filter(self._preview(latent), side) - goal) / 255
            loss = config.pixel * error.square().mean() + config.spread * row_spread(latent).sum()
            loss = loss + config.start * (latent - start).mean(dim=1).square().sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return (ws + shared + rows).detach()
