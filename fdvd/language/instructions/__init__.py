"""Sentences that ask for face edits, with the signed intents they carry."""

from fdvd.language.instructions.grammar import sample
from fdvd.language.instructions.heldout import HeldOut, load_heldout
from fdvd.language.instructions.instruction import Instruction
from fdvd.language.instructions.short_forms import short_forms

__all__ = ["HeldOut", "Instruction", "load_heldout", "sample", "short_forms"]
