"""Photos and sentences to try. The faces are made by the bundled generator: they are nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SHIPPED = Path(__file__).with_name("example_photos")
_PORTRAIT = Path(__file__).parents[2] / "examples" / "astronaut.png"

CHIPS = ("big smile", "blond hair", "add glasses", "much older", "a bit younger", "no smile")
PEOPLE = ("an old man with glasses", "a woman with blond hair who smiles", "a man with a beard", "a laughing child")


@dataclass(frozen=True)
class Example:
    """A photo and a sentence that does something visible to it."""

    photo: Path
    text: str


def available() -> list[Example]:
    """The examples whose photos are here (an installed package has no portrait, only the made faces)."""
    pairs = (
        (_PORTRAIT, "blond hair and a big smile"),
        (_SHIPPED / "man.jpg", "older, with gray hair and glasses"),
        (_SHIPPED / "woman.jpg", "long straight hair and red lipstick"),
        (_SHIPPED / "old-man.jpg", "much younger"),
    )
    return [Example(photo, text) for photo, text in pairs if photo.is_file()]


def tiny_examples() -> list[Example]:
    """Faces of 16x16 pixels, with words or without."""
    pairs = (
        ("man-16px.png", ""),
        ("woman-16px.png", "a smiling woman"),
        ("old-man-16px.png", "an old man with glasses"),
    )
    return [Example(_SHIPPED / name, text) for name, text in pairs if (_SHIPPED / name).is_file()]
