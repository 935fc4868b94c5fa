"""Renders one chosen form as a clause: fragment, command, predicate or infinitive."""

from __future__ import annotations

from random import Random

from fdvd.language.instructions.english import article, gerund, indefinite
from fdvd.language.instructions.lexicon import Form
from fdvd.language.instructions.persons import Person

STYLE_KINDS: dict[str, frozenset[str]] = {
    "bare": frozenset({"np", "adj", "nonp", "notadj", "noun", "bare", "vp", "novp"}),
    "command": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "imp", "noun"}),
    "description": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "noun"}),
    "statement": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "noun"}),
    "question": frozenset({"np", "adj", "nonp", "notadj", "vp", "noun"}),
    "wish": frozenset({"np", "adj", "nonp", "notadj", "vp", "novp", "noun"}),
}

_REMOVE = (
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
    "eliminate",
    "ditch",
    "cut out",
    "strip away",
    "hide",
    "clear away",
    "make $obj lose",
    "omit",
    "leave out",
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

_ASK = ("{} please", "I'd like {}", "needs {}", "could do with {}", "ideally {}", "having {}", "could use {}")
_GONE = (
    "{} off",
    "{} gone",
    "{} removed",
    "the {} must go",
    "the {} has to go",
    "don't want {}",
    "never any {}",
    "not a trace of {}",
    "zero {}",
    "not with {}",
    "{} no more",
    "less {}",
    "down with the {}",
    "goodbye {}",
)
_REJECT = (
    "I don't want the {}",
    "I don't like the {}",
    "I hate the {}, take it away",
    "the {} must go",
    "forget the {}",
    "there should be no {}",
    "I don't want to see {}",
    "make the {} disappear",
    "enough with the {}",
    "make the {} vanish",
    "we don't need the {}",
    "see $obj without {}",
    "undo the {}",
)


def noun_phrase(form: Form) -> str:
    """The target noun with its article."""
    return article(form.text)


def _with_the(text: str, rng: Random) -> str:
    return text if "$poss" in text else f"{rng.choice(('the', 'the', '$poss', 'that', 'any'))} {text}"


def without(form: Form, rng: Random) -> str:
    """'without a beard', 'with no beard', 'sans beard'."""
    text = form.text
    some = indefinite(text)
    options = (
        f"without {some}",
        f"without {some}",
        f"with no {text}",
        f"without {text}",
        f"without any {text}",
    )
    return rng.choice((*options, f"minus the {text}", f"lacking {some}", f"free of {text}", f"sans {text}"))


def is_worn(form: Form) -> bool:
    """Whether the noun phrase names a thing that one puts on."""
    return form.worn and not form.text.startswith("no ")


def bare(form: Form, rng: Random) -> str:
    """A fragment: 'red hair', 'no beard', 'older', 'smiling'."""
    match form.kind:
        case "nonp":
            return rng.choice((f"no {form.text}", f"no {form.text}", f"no more {form.text}", without(form, rng)))
        case "noun":
            return rng.choice((noun_phrase(form), f"as {noun_phrase(form)}", form.text))
        case "vp":
            return gerund(form.text)
        case "novp":
            return rng.choice((f"not {gerund(form.text)}", f"don't {form.text}", f"do not {form.text}"))
        case "np" if rng.random() < 0.1 and not form.text.startswith("$"):
            return rng.choice(_ASK).format(form.text)
        case "np" if is_worn(form):
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
        case "np" if is_worn(form):
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
            if rng.random() < 0.12:
                return rng.choice(_REJECT).format(text)
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
            return rng.choice((stop, stop, f"don't let $obj {text}", f"have $obj not {text}", f"make $obj not {text}"))
        case "noun":
            verbs = (
                "turn $obj into",
                "turn $obj into",
                "make $obj",
                "make $obj look like",
                "transform $obj into",
            )
            verbs += ("change $obj into", "show $obj as", "convert $obj into")
            return f"{rng.choice(verbs)} {noun_phrase(form)}"
        case _:
            return text


def finite(form: Form, person: Person, rng: Random) -> str:
    """A predicate after a subject: 'has red hair', "isn't bald", 'smiles'."""
    text, is_ = form.text, person.conjugate("be ")[:-1] if person.verb != "third" else "is"
    match form.kind:
        case "np" if is_worn(form):
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
            some, have = indefinite(text), rng.choice(("have", "have", "wear")) if form.worn else "have"
            doing = f"{person.auxiliary('do', rng)} {have} {rng.choice((some, some, f'any {text}'))}"
            other = [
                person.conjugate(f"have no {text}"),
                person.conjugate(f"lack {some}"),
                f"no longer {person.conjugate('have')} {some}",
            ]
            if form.worn:
                other += [f"{person.auxiliary('be', rng)} wearing {some}", f"{is_} not wearing any {text}"]
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
            return f"{is_} {noun_phrase(form)}"


def infinitive(form: Form, rng: Random) -> str:
    """A predicate after 'should': 'have red hair', 'look older', 'not smile'."""
    text = form.text
    match form.kind:
        case "np" if is_worn(form):
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
                    f"not {have} {indefinite(text)}",
                    f"lose the {text}",
                    f"not {have} any {text}",
                    f"be without {indefinite(text)}",
                )
            )
        case "novp":
            return rng.choice((f"not {text}", f"stop {gerund(text)}"))
        case "noun":
            return f"{rng.choice(('be', 'look like', 'become', 'be'))} {noun_phrase(form)}"
        case _:
            return text
