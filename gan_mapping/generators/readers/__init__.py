"""Readers of other projects' generator files; none of them executes or imports anything a file names."""

from gan_mapping.generators.readers.formats import NotAGeneratorError, read_generator, sniff
from gan_mapping.generators.readers.generator_file import GeneratorFile

__all__ = ["GeneratorFile", "NotAGeneratorError", "read_generator", "sniff"]
