"""Generators, mappers, losses, inversion and editing: from embeddings to faces."""

from gan_mapping.editing import FaceEditor
from gan_mapping.generators.factory import load_generator

__all__ = ["FaceEditor", "load_generator"]
