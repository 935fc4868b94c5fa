"""The shortest wishes people type: a bare noun, or a noun with one word of command. Deterministic, no chance."""

from __future__ import annotations

from fdvd.language.instructions.grammar import Instruction
from fdvd.language.instructions.lexicon import MILD, STRONG_CMP

# noun -> (article, attributes it names)
NOUNS: dict[str, tuple[str, dict[str, float]]] = {
    "beard": ("a", {"beard": 1.0}),
    "full beard": ("a", {"beard": 1.0}),
    "mustache": ("a", {"mustache": 1.0}),
    "moustache": ("a", {"mustache": 1.0}),
    "goatee": ("a", {"goatee": 1.0}),
    "stubble": ("", {"stubble": 1.0}),
    "hat": ("a", {"hat": 1.0}),
    "cap": ("a", {"hat": 1.0}),
    "beanie": ("a", {"hat": 1.0}),
    "glasses": ("", {"glasses": 1.0}),
    "eyeglasses": ("", {"glasses": 1.0}),
    "spectacles": ("", {"glasses": 1.0}),
    "sunglasses": ("", {"sunglasses": 1.0}),
    "shades": ("", {"sunglasses": 1.0}),
    "smile": ("a", {"smile": 1.0}),
    "grin": ("a", {"smile": 1.0, "teeth": 1.0}),
    "frown": ("a", {"frown": 1.0}),
    "bangs": ("", {"bangs": 1.0}),
    "fringe": ("a", {"bangs": 1.0}),
    "lipstick": ("", {"lipstick": 1.0}),
    "makeup": ("", {"makeup": 1.0}),
    "make-up": ("", {"makeup": 1.0}),
    "earrings": ("", {"earrings": 1.0}),
    "necklace": ("a", {"necklace": 1.0}),
    "wrinkles": ("", {"wrinkles": 1.0}),
    "double chin": ("a", {"doublechin": 1.0}),
    "rosy cheeks": ("", {"rosy": 1.0}),
    "blond hair": ("", {"blond_hair": 1.0}),
    "blonde hair": ("", {"blond_hair": 1.0}),
    "black hair": ("", {"black_hair": 1.0}),
    "brown hair": ("", {"brown_hair": 1.0}),
    "red hair": ("", {"red_hair": 1.0}),
    "gray hair": ("", {"gray_hair": 1.0}),
    "grey hair": ("", {"gray_hair": 1.0}),
    "white hair": ("", {"gray_hair": 1.5}),
    "curly hair": ("", {"curly_hair": 1.0}),
    "wavy hair": ("", {"wavy_hair": 1.0}),
    "straight hair": ("", {"straight_hair": 1.0}),
    "long hair": ("", {"long_hair": 1.0}),
    "short hair": ("", {"long_hair": -1.0}),
    "big lips": ("", {"big_lips": 1.0}),
    "big nose": ("a", {"big_nose": 1.0}),
    "bushy eyebrows": ("", {"bushy_brows": 1.0}),
}
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
# Where taking it away is not what people say ("remove the short hair").
KEPT = frozenset({"short hair", "big nose", "big lips", "straight hair", "frown"})
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
# What people want a little more of, or much less.
COMPARED: dict[str, dict[str, float]] = {
    "older": {"age": 1.0},
    "younger": {"age": -1.0},
    "happier": {"smile": 1.0},
    "sadder": {"frown": 1.0, "smile": -1.0},
    "thinner": {"thin": 1.0},
    "chubbier": {"chubby": 1.0},
    "paler": {"pale": 1.0},
    "more feminine": {"male": -1.0},
    "more masculine": {"male": 1.0},
    "longer hair": {"long_hair": 1.0},
    "shorter hair": {"long_hair": -1.0},
    "curlier hair": {"curly_hair": 1.0},
    "more makeup": {"makeup": 1.0},
    "less makeup": {"makeup": -1.0, "lipstick": -1.0},
    "darker skin": {"dark_skin": 1.0, "pale": -1.0},
}
COMPARISONS = ("{x}", "{X}", "{x}.", "make her {x}", "make him {x}", "make me look {x}", "a face that is {x}")
HAVING = ("{x}", "{X}", "{x}.", "with {x}", "give her {x}", "give him {x}", "I want {x}")


def short_forms() -> list[Instruction]:
    """Every noun in every short form, two nouns joined by "and" ("glasses and gray hair"), exchanges, comparisons."""
    return [*_nouns(), *_exchanges(), *_comparisons()]


def _comparisons() -> list[Instruction]:
    """'older', 'a bit older', 'make her much older' and the like."""
    made = []
    degrees = {"": 1.0} | {f"{word} ": 0.5 for word in MILD} | {f"{word} ": 1.5 for word in STRONG_CMP}
    for word, intents in COMPARED.items():
        forms = HAVING if word.endswith(("hair", "makeup", "skin")) else COMPARISONS
        for degree, factor in degrees.items():
            text = f"{degree}{word}"
            meant = {name: value * factor for name, value in intents.items()}
            made += [Instruction(form.format(x=text, X=text.capitalize()), meant) for form in forms]
    return made


def _nouns() -> list[Instruction]:
    made = []
    for noun, (article, intents) in NOUNS.items():
        words = {"x": noun, "X": noun.capitalize(), "U": noun.upper(), "ax": f"{article} {noun}".strip()}
        made += [Instruction(form.format(**words), intents) for form in WANTED]
        if noun not in KEPT:
            opposite = {name: -min(value, 1.0) for name, value in intents.items()}
            made += [Instruction(form.format(**words), opposite) for form in UNWANTED]
    nouns = list(NOUNS)
    for i, one in enumerate(nouns):
        for other in nouns[i + 1 :: 3]:
            first, second = NOUNS[one][1], NOUNS[other][1]
            if not first.keys() & second.keys():
                made.append(Instruction(f"{one} and {other}", {**first, **second}))
    return made


def _exchanges() -> list[Instruction]:
    """'add a hat and remove the beard' and the like: every noun with every other one, the forms by turns."""
    pairs = [
        (one, other)
        for one in NOUNS
        for other in NOUNS
        if other not in KEPT and not NOUNS[one][1].keys() & NOUNS[other][1].keys()
    ]
    made = []
    for turn, (one, other) in enumerate(pairs):
        article, wanted = NOUNS[one]
        unwanted = {name: -min(value, 1.0) for name, value in NOUNS[other][1].items()}
        text = EXCHANGES[turn % len(EXCHANGES)].format(x=one, ax=f"{article} {one}".strip(), y=other)
        made.append(Instruction(text, {**wanted, **unwanted}))
    return made
