"""Generators, mappers, losses, inversion and editing: from embeddings to faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_mapping.editing.editor import FaceEditor
    from gan_mapping.generators.registry import load_generator

__all__ = ["FaceEditor", "load_generator"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vilaface")
    # Loaded on first use: importing one room of the package must not open all the others.
    if name == "FaceEditor":
        from gan_mapping.editing.editor import FaceEditor

        return FaceEditor
    if name == "load_generator":
        from gan_mapping.generators.registry import load_generator

        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
