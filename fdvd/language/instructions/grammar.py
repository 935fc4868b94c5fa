"""A probabilistic grammar of edit sentences: ``sample`` makes (sentence, signed intents) pairs.

Conventions:

* A bare reference to the person ("make the woman smile", "he is bald") carries no gender intent.
* A target described by a noun phrase ("a woman with curly hair") carries a weak one: ``male`` -0.5 or +0.5.
* A wish for a gender ("turn him into a woman", "as a man") carries a full one.
* Clauses that keep something ("but keep the hair") carry no intent.
* Intents share no axis inside one sentence and never contradict each other (``conflicts`` of the attributes table).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from random import Random

import numpy as np

import fdvd.language.instructions.changes as changes
import fdvd.language.instructions.clauses as clauses
import fdvd.language.instructions.compose as compose
import fdvd.language.instructions.no_edit as no_edit
from fdvd.attributes.table import Bucket, attribute_table
from fdvd.language.instructions.clauses import STYLE_KINDS
from fdvd.language.instructions.english import enumerate_words
from fdvd.language.instructions.instruction import Instruction
from fdvd.language.instructions.lexicon import Form, Intents, compatible, hair_combinations, load
from fdvd.language.instructions.persons import PERSONS, Person
from fdvd.language.instructions.phrases import load_phrases
from fdvd.language.instructions.preserve import keep_clause

NEUTRAL_SHARE = 0.28
"""Share of sentences without any intent."""

CHANGE_SHARE = 0.25
"""Share of the sentences with intents that tell a change ("the beard was shaved off") or a pair of things."""

_STYLES = ("bare", "command", "description", "statement", "wish", "question")
_STYLE_CUM = tuple(itertools.accumulate((0.2, 0.34, 0.14, 0.15, 0.11, 0.06)))
_COUNT_CUM = tuple(itertools.accumulate((0.52, 0.27, 0.14, 0.07)))
_COMBO: Bucket = ("hair_combination", 1)
_HEADS = (
    "person",
    "face",
    "person",
    "human",
    "somebody",
    "someone",
    "woman",
    "woman",
    "man",
    "man",
    "portrait of a person",
)
_PAIRS = (
    "{} together with {}",
    "{} goes well with {}",
    "{} as well as {}",
    "both {} and {}",
    "{} along with {}",
    "{} combined with {}",
    "not only {} but also {}",
    "both {} and {} have been added",
    "with {} and with {}",
    "{}, and {} too",
    "there is {} and {}",
    "somebody with {} and {}",
    "{} above all, and {}",
    "$subj now has {} and {}",
)
_PREFIXES = (
    "please ",
    "can you ",
    "could you ",
    "can you please ",
    "I'd like you to ",
    "I want you to ",
    "would you ",
)
_WISHES = (
    "$subj should ",
    "I want $obj to ",
    "I would like $obj to ",
    "can we see $obj ",
    "could $subj ",
    "imagine $subj would ",
    "watch $obj ",
    "$subj ought to ",
    "I need $obj to ",
    "would $subj ",
    "$subj needs to ",
    "I wish $subj would ",
    "let's see $obj ",
    "what if $subj would ",
    "I'd love to see $obj ",
    "$subj must ",
    "it would be nice if $subj could ",
)


@functools.cache
def _weights() -> dict[Bucket, float]:
    """How often each attribute and sign is asked for."""
    rows = attribute_table()
    return {bucket: 2.0 if rows[bucket[0]].common else 1.0 for bucket in load()}


@functools.cache
def _table() -> tuple[tuple[Bucket, ...], tuple[float, ...], dict[tuple[Bucket, str], tuple[list[Form], list[float]]]]:
    """Buckets with cumulative weights, and per bucket and style the forms with cumulative weights."""
    lexicon = {**load(), _COMBO: hair_combinations()}
    weights = [*_weights().values(), 2.0]
    choices = {}
    for bucket, forms in lexicon.items():
        for style, kinds in STYLE_KINDS.items():
            usable = [form for form in forms if form.kind in kinds]
            if usable:
                choices[bucket, style] = (usable, list(itertools.accumulate(form.weight for form in usable)))
    return tuple(lexicon), tuple(itertools.accumulate(weights)), choices


def _pick(rng: Random, style: str, count: int) -> list[Form]:
    """Up to ``count`` compatible forms that the style can render, nouns at most once and last."""
    buckets, cumulative, choices = _table()
    forms: list[Form] = []
    for _ in range(count * 3):
        bucket = rng.choices(buckets, cum_weights=cumulative)[0]
        found = choices.get((bucket, style))
        if found is None:
            continue
        form = rng.choices(found[0], cum_weights=found[1])[0]
        if form.kind == "noun" and any(other.kind == "noun" for other in forms):
            continue
        if all(compatible(form.intents, other.intents) for other in forms):
            forms.append(form)
            if len(forms) == count:
                break
    return forms or _pick(rng, style, count)


def _merge(forms: Sequence[Form]) -> Intents:
    merged: Intents = {}
    for form in forms:
        merged |= form.intents
    return merged


def _bare(forms: Sequence[Form], rng: Random) -> str:
    text = compose.join([clauses.bare(form, rng) for form in forms], forms, rng)
    if rng.random() < 0.15 and forms[0].kind in ("np", "noun") and not text.startswith(("with", "as ", "wearing")):
        return (
            rng.choice(("I want ", "how about ", "what about ", "the same person with ", "same face but ", "try "))
            + text
        )
    return text


def _command(forms: Sequence[Form], person: Person, rng: Random) -> str:
    groups = [list(group) for _, group in itertools.groupby(forms, key=lambda form: (form.kind, form.worn))]
    parts, heads = [], []
    for group in groups:
        kind, merged = group[0].kind, len(group) > 1 and rng.random() < 0.7
        plain = all(not form.text.startswith(("no ", "$")) for form in group)
        if merged and plain and kind in ("np", "nonp", "adj"):
            texts = [form.text if kind != "nonp" else f"the {form.text}" for form in group]
            verb = {
                "np": "give $obj",
                "nonp": rng.choice(("remove", "get rid of", "lose")),
                "adj": "make $obj",
            }[kind]
            parts.append(f"{verb} {enumerate_words(texts)}")
            heads.append(group[0])
        else:
            parts += [clauses.command(form, rng) for form in group]
            heads += group
    text = compose.join(parts, heads, rng)
    if rng.random() < 0.18:
        text = rng.choice(_PREFIXES) + text
    if rng.random() < 0.12:
        text += keep_clause(_merge(forms), rng)
    return text


def _instead(rng: Random) -> tuple[str, Intents] | None:
    """'red hair instead of blond hair', 'swap the glasses for sunglasses'."""
    one, other = rng.choice(load_phrases().instead)
    lexicon = load()
    new = [f for f in lexicon[one, 1] if f.kind == "np" and "$" not in f.text and set(f.intents) == {one}]
    old = [f for f in lexicon[other, -1] if f.kind == "nonp" and "$" not in f.text and set(f.intents) == {other}]
    if not new or not old:
        return None
    first, second = rng.choice(new), rng.choice(old)
    text = rng.choice(
        (
            f"{first.text} instead of {second.text}",
            f"give $obj {first.text} instead of {second.text}",
            f"replace the {second.text} with {first.text}",
            f"swap the {second.text} for {first.text}",
            f"{first.text} rather than {second.text}",
            f"change $poss {second.text} to {first.text}",
            f"not {second.text}, {first.text}",
            f"turn the {second.text} into {first.text}",
        )
    )
    return text, first.intents | second.intents


def _wish(forms: Sequence[Form], person: Person, rng: Random) -> str:
    text = compose.join([clauses.infinitive(form, rng) for form in forms], forms, rng)
    wish = rng.choice(_WISHES)
    if person.verb != "third":
        wish = wish.replace("needs", "need")
    if rng.random() < 0.08:
        text += keep_clause(_merge(forms), rng)
    return wish.replace("$subj", person.subj) + text


def _describe(forms: Sequence[Form], rng: Random) -> tuple[str, Intents]:
    intents = _merge(forms)
    has_noun = any(form.kind == "noun" for form in forms)
    head = rng.choice(_HEADS)
    gender = {"woman": -0.5, "man": 0.5}.get(head)
    if gender is not None and not has_noun:
        if compatible({"male": gender}, intents) and "child" not in intents:
            intents = {**intents, "male": gender}
        else:
            head = "person"
    text = compose.description(head, forms, rng)
    if rng.random() < 0.15:
        text = rng.choice(("a photo of ", "a picture of ", "a portrait of ", "show me ", "I want to see ")) + text
    elif rng.random() < 0.1 and not has_noun:
        text = rng.choice(("turn $obj into ", "make $obj look like ", "draw $obj as ")) + text
    return text, intents


def _change(rng: Random, person: Person) -> tuple[str, Intents]:
    """A change told as such; sometimes two things side by side, or one more thing that is wanted."""
    roll = rng.random()
    if roll < 0.12:
        forms = [form for form in _pick(rng, "wish", 2) if form.kind == "np"]
        if len(forms) == 2:
            return rng.choice(_PAIRS).format(*(form.text for form in forms)), _merge(forms)
    text, intents = changes.tell(rng, _weights(), rng.choices((1, 2, 3), cum_weights=(0.6, 0.92, 1.0))[0])
    if roll > 0.88:
        form = _pick(rng, "bare", 1)[0]
        if compatible(form.intents, intents):
            return f"{text}{rng.choice((' and ', ', with ', ', and ', '; also '))}{clauses.bare(form, rng)}", (
                intents | form.intents
            )
    return text, intents


def _edit(rng: Random) -> Instruction:
    """One sentence with intents."""
    person = rng.choice(PERSONS)
    if rng.random() < CHANGE_SHARE:
        if rng.random() < 0.12:
            return Instruction(no_edit.finish(changes.about_something_else(rng), rng), {})
        told, meant = _change(rng, person)
        return Instruction(no_edit.finish(person.fill(told), rng), meant)
    if rng.random() < 0.03 and (pair := _instead(rng)):
        return Instruction(no_edit.finish(person.fill(pair[0]), rng), pair[1])
    style = rng.choices(_STYLES, cum_weights=_STYLE_CUM)[0]
    forms = _pick(rng, style, rng.choices((1, 2, 3, 4), cum_weights=_COUNT_CUM)[0])
    intents = _merge(forms)
    match style:
        case "bare":
            text = _bare(forms, rng)
        case "command":
            text = _command(forms, person, rng)
        case "description":
            text, intents = _describe(forms, rng)
        case "statement":
            predicates = [clauses.finite(form, person, rng) for form in forms]
            text = f"{person.subj} {compose.join(predicates, forms, rng)}"
        case "question":
            text = compose.question(forms, person, rng)
        case _:
            text = _wish(forms, person, rng)
    if style == "command" and rng.random() < 0.06:
        text += rng.choice((" please", ", please", ", thanks", " in this photo", " in the picture"))
    return Instruction(no_edit.finish(person.fill(text), rng), dict(intents))


def sample(rng: Random | np.random.Generator | int, n: int) -> list[Instruction]:
    """``n`` sentences with their intents; the same seed gives the same sentences."""
    if isinstance(rng, np.random.Generator):
        rng = Random(int(rng.integers(2**63)))
    elif not isinstance(rng, Random):
        rng = Random(rng)
    return [Instruction(no_edit.sentence(rng), {}) if rng.random() < NEUTRAL_SHARE else _edit(rng) for _ in range(n)]


__all__ = ["NEUTRAL_SHARE", "Instruction", "sample"]
