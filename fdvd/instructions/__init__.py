"""Sentences that ask for face edits, with the signed intents they carry."""

from fdvd.instructions.grammar import Instruction, sample

__all__ = ["Instruction", "sample"]
