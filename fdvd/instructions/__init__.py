"""Sentences that ask for face edits, with the signed intents they carry."""

from fdvd.instructions.grammar import Instruction, sample
from fdvd.instructions.heldout import HeldOut, load_heldout
from fdvd.instructions.telegrams import telegrams

__all__ = ["HeldOut", "Instruction", "load_heldout", "sample", "telegrams"]
