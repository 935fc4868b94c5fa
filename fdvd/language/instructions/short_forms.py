"""The shortest wishes people type: a bare noun, or a noun with one word of command. Deterministic, no chance."""

from __future__ import annotations

from fdvd.language.instructions.instruction import Instruction
from fdvd.language.instructions.lexicon import MILD, STRONG_CMP
from fdvd.language.instructions.phrases import load_phrases

WANTED = (
    "{x}",
    "{X}",
    "{x}.",
    "{x}!",
    "{U}",
    "{ax}",
    "with {ax}",
    "add {ax}",
    "add {x}",
    "more {x}",
    "give {ax}",
    "has {ax}",
)
UNWANTED = (
    "no {x}",
    "without {ax}",
    "remove {x}",
    "remove the {x}",
    "take the {x} away",
    "{x} off",
    "delete the {x}",
    "lose the {x}",
)
# One thing comes, another goes; by turns.
EXCHANGES = (
    "add {ax} and remove the {y}",
    "remove the {y} and add {ax}",
    "add {ax}, remove the {y}",
    "give her {ax} and remove the {y}",
    "remove his {y} and give him {ax}",
    "take away the {y} and add {ax}",
    "add {ax} but no {y}",
    "with {ax} and without {y}",
    "with {ax} but without {y}",
    "no {y} but {ax}",
    "put on {ax} and take the {y} away",
    "remove the {y}, then add {ax}",
    "{x}, but no {y}",
)
COMPARISONS = ("{x}", "{X}", "{x}.", "make her {x}", "make him {x}", "make me look {x}", "a face that is {x}")
HAVING = ("{x}", "{X}", "{x}.", "with {x}", "give her {x}", "give him {x}", "I want {x}")


def short_forms() -> list[Instruction]:
    """Every noun in every short form, two nouns joined by "and" ("glasses and gray hair"), exchanges, comparisons."""
    return [*_nouns(), *_exchanges(), *_comparisons()]


def _comparisons() -> list[Instruction]:
    """'older', 'a bit older', 'make her much older' and the like."""
    made = []
    degrees = {"": 1.0} | {f"{word} ": 0.5 for word in MILD} | {f"{word} ": 1.5 for word in STRONG_CMP}
    for word, intents in load_phrases().compared.items():
        forms = HAVING if word.endswith(("hair", "makeup", "skin")) else COMPARISONS
        for degree, factor in degrees.items():
            text = f"{degree}{word}"
            meant = {name: value * factor for name, value in intents.items()}
            made += [Instruction(form.format(x=text, X=text.capitalize()), meant) for form in forms]
    return made


def _nouns() -> list[Instruction]:
    phrases = load_phrases()
    made = []
    for noun, (article, intents) in phrases.nouns.items():
        words = {"x": noun, "X": noun.capitalize(), "U": noun.upper(), "ax": f"{article} {noun}".strip()}
        made += [Instruction(form.format(**words), intents) for form in WANTED]
        if noun not in phrases.never_removed:
            opposite = {name: -min(value, 1.0) for name, value in intents.items()}
            made += [Instruction(form.format(**words), opposite) for form in UNWANTED]
    nouns = list(phrases.nouns)
    for i, one in enumerate(nouns):
        for other in nouns[i + 1 :: 3]:
            first, second = phrases.nouns[one][1], phrases.nouns[other][1]
            if not first.keys() & second.keys():
                made.append(Instruction(f"{one} and {other}", {**first, **second}))
    return made


def _exchanges() -> list[Instruction]:
    """'add a hat and remove the beard' and the like: every noun with every other one, the forms by turns."""
    phrases = load_phrases()
    nouns = phrases.nouns
    pairs = [
        (one, other)
        for one in nouns
        for other in nouns
        if other not in phrases.never_removed and not nouns[one][1].keys() & nouns[other][1].keys()
    ]
    made = []
    for turn, (one, other) in enumerate(pairs):
        article, wanted = nouns[one]
        unwanted = {name: -min(value, 1.0) for name, value in nouns[other][1].items()}
        text = EXCHANGES[turn % len(EXCHANGES)].format(x=one, ax=f"{article} {one}".strip(), y=other)
        made.append(Instruction(text, {**wanted, **unwanted}))
    return made
