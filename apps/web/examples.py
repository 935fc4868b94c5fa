"""Photos and sentences to try. But for the portrait the faces are made by the bundled generator: they are nobody."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SHIPPED = Path(__file__).with_name("example_photos")
# A real photo: in a checkout among the examples, in a wheel (pyproject.toml copies it) beside the made faces.
_PORTRAITS = (Path(__file__).parents[2] / "examples" / "astronaut.png", _SHIPPED / "astronaut.png")
PORTRAIT = next((path for path in _PORTRAITS if path.is_file()), _PORTRAITS[-1])

CHIPS = ("big smile", "blond hair", "add glasses", "much older", "a bit younger", "no smile")
PEOPLE = ("an old man with glasses", "a woman with blond hair who smiles", "a man with a beard", "a laughing child")


@dataclass(frozen=True)
class Example:
    """A photo and a sentence that does something visible to it."""

    photo: Path
    text: str


def available() -> list[Example]:
    """The examples whose photos are here."""
    pairs = (
        (PORTRAIT, "blond hair and a big smile"),
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
