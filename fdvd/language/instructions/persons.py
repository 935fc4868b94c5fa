"""The people that sentences refer to: pronouns and verb agreement."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from fdvd.language.instructions.english import third_person


@dataclass(frozen=True, slots=True)
class Person:
    """How a sentence refers to the person; a bare reference carries no intent."""

    subj: str
    obj: str
    poss: str
    verb: str = "third"  # third | plural | first

    def fill(self, text: str) -> str:
        """Put the pronouns in the ``$`` holes."""
        if "$" not in text:
            return text
        return text.replace("$poss", self.poss).replace("$obj", self.obj).replace("$subj", self.pronoun)

    @property
    def pronoun(self) -> str:
        """A pronoun that can be repeated inside the sentence."""
        return self.subj if " " not in self.subj else {"his": "he", "her": "she"}.get(self.poss, "they")

    def conjugate(self, verb_phrase: str) -> str:
        """'be bald' -> 'is bald'."""
        if self.verb == "third":
            return third_person(verb_phrase)
        if verb_phrase.startswith("be "):
            return ("am" if self.verb == "first" else "are") + verb_phrase[2:]
        return verb_phrase

    def auxiliary(self, verb: str, rng: Random) -> str:
        """A negated auxiliary: "doesn't", 'is not' ..."""
        if verb == "do":
            base = "does" if self.verb == "third" else "do"
            return rng.choice((f"{base}n't", f"{base} not"))
        if self.verb == "first":
            return "am not"
        base = "is" if self.verb == "third" else "are"
        return rng.choice((f"{base}n't", f"{base} not"))


HE = Person("he", "him", "his")
SHE = Person("she", "her", "her")
THEY = Person("they", "them", "their", "plural")
PERSONS: tuple[Person, ...] = (
    *([HE] * 9),
    *([SHE] * 9),
    *([THEY] * 4),
    *([Person("I", "me", "my", "first")] * 3),
    *(Person(f"the {noun}", f"the {noun}", "his") for noun in ("man", "guy", "boy", "gentleman", "old man", "dude")),
    *(Person(f"the {noun}", f"the {noun}", "her") for noun in ("woman", "lady", "girl", "old lady", "young woman")),
    *(Person(f"{the} person", f"{the} person", "their") for the in ("this", "the", "that", "this")),
    *(Person(f"this {noun}", f"this {noun}", "his") for noun in ("man", "guy")),
    *(Person(f"this {noun}", f"this {noun}", "her") for noun in ("woman", "lady", "girl")),
    Person("my friend", "my friend", "their"),
    Person("my dad", "my dad", "his"),
    Person("my mom", "my mom", "her"),
    Person("the person in the photo", "the person in the photo", "their"),
    Person("the subject", "the subject", "their"),
    Person("someone", "someone", "their"),
    Person("the face", "the face", "the"),
)
