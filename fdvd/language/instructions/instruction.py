"""A sentence that asks for an edit, or for none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instruction:
    """A sentence and what it asks for; no intents means that the face must stay as it is."""

    text: str
    intents: dict[str, float]
