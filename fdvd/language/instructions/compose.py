"""Puts several forms into one sentence: descriptions, questions and joined clauses."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fdvd.language.instructions.clauses import is_worn, noun_phrase, without
from fdvd.language.instructions.english import article, enumerate_words, gerund, indefinite, third_person
from fdvd.language.instructions.lexicon import Form
from fdvd.language.instructions.persons import Person


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
            after.append(without(form, rng))
        elif form.kind == "vp":
            after.insert(0, gerund(form.text) if rng.random() < 0.7 else f"who {third_person(form.text)}")
        else:
            after.append(rng.choice((f"not {gerund(form.text)}", f"who doesn't {form.text}")))
    if head.startswith(("face", "portrait")):
        after = [part.replace("who ", "that ", 1) for part in after]
    text = " ".join([*before, head])
    text = article(text) if rng.random() < 0.93 else text
    if with_:
        worn = all(is_worn(form) for form in forms if form.kind == "np") and not any(w.startswith("no ") for w in with_)
        text += f" {'wearing' if worn and rng.random() < 0.6 else 'with'} {enumerate_words(with_)}"
    for index, part in enumerate(after):
        text += (
            " " if index == 0 and rng.random() < 0.8 else rng.choice((", ", " and ", ", ") if index else (", ",))
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
            link = rng.choice((" and ", " and ", " and ", ", ", ", and ", " and also ", " plus ", " while also "))
            link = " and " if link == " while also " else link
        else:
            link = rng.choice((", ", ", ", ", ", " and "))
        text += link + parts[index]
    return text


def question(forms: Sequence[Form], person: Person, rng: Random) -> str:
    """'what would she look like with red hair and without glasses?'."""
    parts = []
    for form in forms:
        match form.kind:
            case "np":
                parts.append(f"with {form.text}")
            case "nonp":
                parts.append(f"without {indefinite(form.text)}")
            case "vp":
                parts.append(gerund(form.text))
            case "noun":
                parts.append(f"as {noun_phrase(form)}")
            case _:
                parts.append(f"if {person.pronoun} looked {form.text}")
    do = "do" if person.verb != "third" else "does"
    start = rng.choice((
        f"what would {person.subj} look like", f"how would {person.subj} look", "how would it look",
        f"how {do} {person.subj} look", "show me how it looks", f"I wonder how {person.subj} would look",
        f"what if we see {person.obj}", f"can I see {person.obj}", f"imagine {person.obj}",
    ))  # fmt: skip
    text = f"{start} {join(parts, forms, rng)}"
    return text + "?" if rng.random() < 0.6 else text
