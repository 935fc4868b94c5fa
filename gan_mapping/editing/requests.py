"""What a request may ask: checks of text, strength and face choice, with sentences for the user."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vl_backbone.common.errors import InputError

MAX_STRENGTH = 5.0
NO_INTENT_WARNING = (
    "The text names nothing this editor can change on a face; the face stays as it is. "
    'Try for instance "blond hair", "smile" or "without glasses".'
)


def check_text(text: str) -> None:
    """InputError unless the text has something in it."""
    if not text.strip():
        raise InputError('The text is empty: say what to change, for instance --text "blond hair".')


def check_strength(strength: float) -> None:
    """InputError unless the strength is a finite number in the useful range."""
    if not math.isfinite(strength) or abs(strength) > MAX_STRENGTH:
        raise InputError(f"Strength must be a number between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}, got {strength}.")


def choose_faces(face: str | int, count: int) -> Sequence[int]:
    """ "largest", "all" or an index -> indices among `count` faces sorted largest first."""
    if face == "all":
        return range(count)
    if face == "largest":
        return [0]
    try:
        index = int(face)
    except ValueError:
        raise InputError(f'face must be "largest", "all" or a number, got {face!r}.') from None
    if not 0 <= index < count:
        raise InputError(f"There is no face {index}: {count} found, numbered from 0 (the largest).")
    return [index]
