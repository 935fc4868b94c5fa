"""Frames of one face, one after the other: a shared latent keeps them the same person, the pixels move it."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from gan_mapping.superres.pixels import consistency
from gan_mapping.superres.resolver import Fit, Resolved, SuperResolver

# A frame that the last one's picture misses by this much more than it missed its own frame (of 255) is another shot.
CUT = 12.0


class ClipResolver:
    """Resolves the frames of a clip in their order.

    The first frame of a shot is fitted as a picture is; the next ones start from the frame before and are held near
    that first latent. The words' offset is taken once a shot. rounds: of fitting for each later frame.
    """

    def __init__(self, resolver: SuperResolver, intents: Tensor, strength: float = 1.0, rounds: int = 1) -> None:
        self.resolver = resolver
        self.intents = intents
        self.strength = strength
        self.rounds = rounds
        self.shots = 0
        self._first: Fit | None = None
        self._last: Fit | None = None
        self._offset: Tensor | None = None

    def resolve(self, pixels: Tensor) -> Resolved:
        """pixels [1, 3, s, s] in 0..255, the next frame -> its answer."""
        first, carried = self._first, self._carried(pixels)
        if first is None or carried is None:
            fit = self._first = self.resolver.fit(pixels)
            self._offset = self.resolver.offset(fit, pixels, self.intents, self.strength)
            self.shots += 1
        else:
            fit = self.resolver.refit(carried, pixels, self.rounds, first.ws)
        self._last = fit
        return self.resolver.moved(fit, pixels, self._offset)

    def _carried(self, pixels: Tensor) -> Fit | None:
        """The last frame's latent, held against this frame; None after a cut."""
        if self._last is None:
            return None
        error = consistency(self._last.image, pixels)
        return None if error > self._last.error + CUT else replace(self._last, error=error)
