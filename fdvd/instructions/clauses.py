"""Renders chosen forms as sentences: lists, commands, descriptions, statements and wishes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from fdvd.instructions.english import article, enumerate_words, gerund, third_person
from fdvd.instructions.lexicon import Form


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
    *(
        Person(f"the {noun}", f"the {noun}", "his")
        for noun in ("man", "guy", "boy", "gentleman", "old man", "dude")
    ),
    *(
        Person(f"the {noun}", f"the {noun}", "her")
        for noun in ("woman", "lady", "girl", "old lady", "young woman")
    ),
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

STYLE_KINDS: dict[str, frozenset[str]] = {
    "bare": frozenset({"np", "adj", "nonp", "notadj", "noun", "bare", "vp", "novp"}),
    "command": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "imp", "noun"}),
    "description": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "noun"}),
    "statement": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "noun"}),
    "wish": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "noun"}),
}

_REMOVE = (
    *(
        "remove",
        "remove",
        "remove",
        "take away",
        "get rid of",
        "get rid of",
        "lose",
        "delete",
        "erase",
        "drop",
    ),
    *(
        "eliminate",
        "ditch",
        "cut out",
        "strip away",
        "hide",
        "clear away",
        "make $obj lose",
        "omit",
        "leave out",
    ),
)
_REMOVE_WORN = (
    "take off",
    "take off",
    "take off",
    "remove",
    "remove",
    "ditch",
    "lose",
    "get rid of",
    "pull off",
)


def _noun(form: Form) -> str:
    return article(form.text)


def _with_the(text: str, rng: Random) -> str:
    return text if "$poss" in text else f"{rng.choice(('the', 'the', '$poss', 'that', 'any'))} {text}"


def _without(form: Form, rng: Random) -> str:
    """'without a beard', 'with no beard', 'sans beard'."""
    text = form.text
    options = [
        f"without {text}",
        f"with no {text}",
        f"without {text}",
        f"without any {text}",
        f"minus the {text}",
    ]
    if not text.endswith("s") and "hair" not in text and " " not in text:
        options += [f"without {article(text)}", f"without {article(text)}"]
    return rng.choice((*options, f"lacking {text}", f"free of {text}", f"sans {text}"))


def _is_worn(form: Form) -> bool:
    return form.worn and not form.text.startswith("no ")


def bare(form: Form, rng: Random) -> str:
    """A fragment: 'red hair', 'no beard', 'older', 'smiling'."""
    match form.kind:
        case "nonp":
            return rng.choice(
                (f"no {form.text}", f"no {form.text}", f"no more {form.text}", _without(form, rng))
            )
        case "noun":
            return rng.choice((_noun(form), f"as {_noun(form)}", form.text))
        case "vp":
            return gerund(form.text)
        case "novp":
            return rng.choice((f"not {gerund(form.text)}", f"don't {form.text}", f"do not {form.text}"))
        case "np" if _is_worn(form):
            return rng.choice((form.text, form.text, f"wearing {form.text}", f"with {form.text}"))
        case "np":
            return rng.choice((form.text, form.text, form.text, f"with {form.text}"))
        case _:
            return form.text


def command(form: Form, rng: Random) -> str:
    """An imperative clause."""
    text = form.text
    verbs: tuple[str, ...]
    match form.kind:
        case "np" if text.startswith("no "):
            return f"{rng.choice(('make $obj have', 'let $obj have', 'leave $obj with'))} {text}"
        case "np" if _is_worn(form):
            verbs = (
                "add",
                "add",
                "give $obj",
                "give $obj",
                "make $obj wear",
                "put $obj in",
                "let $obj wear",
                "have $obj wear",
            )
            choice = rng.choice((*verbs, "put|on $obj", "put|on $poss face", "slap|on $obj"))
            verb, _, place = choice.partition("|")
            return f"{verb} {text}" + (f" {place}" if place and "$" not in text else "")
        case "np" if text.startswith("$"):
            return f"{rng.choice(('show $obj with', 'draw $obj with', 'make $obj have'))} {text}"
        case "np":
            verbs = (
                "give $obj",
                "give $obj",
                "give $obj",
                "make $obj have",
                "let $obj have",
                "add",
                "show $obj with",
                "try",
            )
            return f"{rng.choice(verbs)} {text}"
        case "adj" | "notadj":
            verbs = (
                "make $obj",
                "make $obj",
                "make $obj look",
                "have $obj look",
                "let $obj look",
                "get $obj to look",
            )
            return f"{rng.choice((*verbs, 'make $obj appear', 'make the face look', 'let $obj be'))} {text}"
        case "nonp":
            verb = rng.choice(_REMOVE_WORN if form.worn else _REMOVE)
            return f"{verb} {_with_the(text, rng)}"
        case "vp":
            verbs = (
                "make $obj",
                "make $obj",
                "let $obj",
                "have $obj",
                "get $obj to",
                "ask $obj to",
                "tell $obj to",
            )
            return f"{rng.choice(verbs)} {text}"
        case "novp":
            stop = f"make $obj stop {gerund(text)}"
            return rng.choice(
                (stop, stop, f"don't let $obj {text}", f"have $obj not {text}", f"make $obj not {text}")
            )
        case "noun":
            verbs = (
                "turn $obj into",
                "turn $obj into",
                "make $obj",
                "make $obj look like",
                "transform $obj into",
            )
            verbs += ("change $obj into", "show $obj as", "convert $obj into")
            return f"{rng.choice(verbs)} {_noun(form)}"
        case _:
            return text


def finite(form: Form, person: Person, rng: Random) -> str:
    """A predicate after a subject: 'has red hair', "isn't bald", 'smiles'."""
    text, is_ = form.text, person.conjugate("be ")[:-1] if person.verb != "third" else "is"
    match form.kind:
        case "np" if _is_worn(form):
            return rng.choice(
                (person.conjugate(f"wear {text}"), f"{is_} wearing {text}", person.conjugate(f"have {text}"))
            )
        case "np":
            return rng.choice(
                (person.conjugate(f"have {text}"), person.conjugate(f"have {text}"), f"{is_} with {text}")
            )
        case "adj" | "notadj":
            return rng.choice((f"{is_} {text}", f"{is_} {text}", f"{person.conjugate('look')} {text}"))
        case "nonp":
            have = rng.choice(("have", "have", "wear")) if form.worn else "have"
            doing = f"{person.auxiliary('do', rng)} {have} {rng.choice(('', '', 'any '))}{text}"
            other = [
                person.conjugate(f"have no {text}"),
                person.conjugate(f"lack {text}"),
                f"no longer {person.conjugate('have')} {text}",
            ]
            if form.worn:
                other += [f"{person.auxiliary('be', rng)} wearing {text}", f"{is_} not wearing any {text}"]
            return rng.choice((doing, *other))
        case "vp":
            return rng.choice((person.conjugate(text), f"{is_} {gerund(text)}"))
        case "novp":
            doing = f"{person.auxiliary('do', rng)} {text}"
            return rng.choice(
                (
                    doing,
                    f"{person.auxiliary('be', rng)} {gerund(text)}",
                    f"no longer {person.conjugate(text)}",
                )
            )
        case _:
            return f"{is_} {_noun(form)}"


def infinitive(form: Form, rng: Random) -> str:
    """A predicate after 'should': 'have red hair', 'look older', 'not smile'."""
    text = form.text
    match form.kind:
        case "np" if _is_worn(form):
            return f"{rng.choice(('wear', 'wear', 'have'))} {text}"
        case "np":
            return f"have {text}"
        case "adj" | "notadj":
            return f"{rng.choice(('be', 'look', 'look', 'appear'))} {text}"
        case "nonp":
            have = "wear" if form.worn else "have"
            return rng.choice(
                (
                    f"have no {text}",
                    f"not {have} {text}",
                    f"lose the {text}",
                    f"not {have} any {text}",
                    f"be without {text}",
                )
            )
        case "novp":
            return rng.choice((f"not {text}", f"stop {gerund(text)}"))
        case "noun":
            return f"{rng.choice(('be', 'look like', 'become', 'be'))} {_noun(form)}"
        case _:
            return text


def description(head: str, forms: Sequence[Form], rng: Random) -> str:
    """'an old woman with red hair and no glasses, smiling'."""
    before, with_, after = [], [], []
    for form in forms:
        if form.kind == "noun":
            head = form.text
        elif form.kind == "adj" and "$" not in form.text and (" " not in form.text) and rng.random() < 0.7:
            before.append(form.text)
        elif form.kind in ("adj", "notadj"):
            after.append(f"who {rng.choice(('is', 'looks'))} {form.text}")
        elif form.kind == "np":
            with_.append(form.text)
        elif form.kind == "nonp" and with_ and rng.random() < 0.5:
            with_.append(f"no {form.text}")
        elif form.kind == "nonp":
            after.append(_without(form, rng))
        elif form.kind == "vp":
            after.insert(0, gerund(form.text) if rng.random() < 0.7 else f"who {third_person(form.text)}")
        else:
            after.append(rng.choice((f"not {gerund(form.text)}", f"who doesn't {form.text}")))
    text = " ".join([*before, head])
    text = article(text) if rng.random() < 0.93 else text
    if with_:
        worn = all(_is_worn(form) for form in forms if form.kind == "np") and not any(
            w.startswith("no ") for w in with_
        )
        text += f" {'wearing' if worn and rng.random() < 0.6 else 'with'} {enumerate_words(with_)}"
    for index, part in enumerate(after):
        text += (
            " "
            if index == 0 and rng.random() < 0.8
            else rng.choice((", ", " and ", ", ") if index else (", ",))
        ) + part
    return text


def join(parts: Sequence[str], forms: Sequence[Form], rng: Random) -> str:
    """Joins clauses; 'but' between a wish and a removal more often than 'and'."""
    text = parts[0]
    for index in range(1, len(parts)):
        turned = (forms[index].kind in ("nonp", "notadj", "novp")) != (
            forms[index - 1].kind in ("nonp", "notadj", "novp")
        )
        if turned and rng.random() < 0.5:
            link = rng.choice((" but ", ", but ", " and ", " yet "))
        elif index == len(parts) - 1:
            link = rng.choice(
                (" and ", " and ", " and ", ", ", ", and ", " and also ", " plus ", " while also ")
            )
            link = " and " if link == " while also " else link
        else:
            link = rng.choice((", ", ", ", ", ", " and "))
        text += link + parts[index]
    return text
