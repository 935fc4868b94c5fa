"""The instruction grammar: sentences, their intents, and the held-out set."""

import re
from collections import Counter
from random import Random

import numpy as np
import pytest

from fdvd.attributes.table import ATTRIBUTES, attribute_table
from fdvd.language.instructions import Instruction, load_heldout, sample
from fdvd.language.instructions.changes import about_something_else, load_changes, tell
from fdvd.language.instructions.english import article, enumerate_words, gerund, indefinite, third_person
from fdvd.language.instructions.lexicon import compatible, load, signs
from fdvd.language.instructions.no_edit import data


@pytest.fixture(scope="module")
def drawn() -> list[Instruction]:
    return sample(11, 20000)


def lexicon_intents(text: str, kind: str) -> dict[str, float]:
    """The intents of a phrase of the lexicon."""
    found = [form.intents for forms in load().values() for form in forms if (form.text, form.kind) == (text, kind)]
    assert found, f"{kind} {text!r} is not in the lexicon"
    return found[0]


def test_same_seed_same_sentences() -> None:
    assert sample(5, 300) == sample(5, 300) == sample(Random(5), 300)
    assert sample(5, 300) != sample(6, 300)
    assert sample(np.random.default_rng(1), 50) == sample(np.random.default_rng(1), 50)
    assert sample(0, 0) == []


def test_sentences_are_whole(drawn: list[Instruction]) -> None:
    for item in drawn:
        assert item.text and item.text == item.text.strip()
        assert "$" not in item.text and "  " not in item.text and "{a" not in item.text, item.text
        assert not re.search(r" [,.?]|,,|\bNone\b|\|", item.text.replace("...", "")), item.text
        if item.intents:
            assert not re.search(r"[{}\[\]]", item.text), item.text


def test_articles(drawn: list[Instruction]) -> None:
    for item in drawn:
        bad = re.search(r"\b(?:a [aei]\w|an [bcdfgjklmnpqrstvwxz]\w|an? an? )", item.text)
        assert bad is None or "european" in item.text.lower() or "a one" in item.text or "a eu" in item.text, item.text


def test_intents_are_legal(drawn: list[Instruction]) -> None:
    for item in drawn:
        assert item.intents.keys() <= set(ATTRIBUTES)
        assert all(0 < abs(value) <= 1.5 for value in item.intents.values()), item
        wanted = signs(item.intents)
        for bucket in wanted:
            clash = attribute_table().conflicts.get(bucket, frozenset()) & wanted
            assert not clash, (item, bucket, clash)


def test_distribution(drawn: list[Instruction]) -> None:
    neutral = sum(not item.intents for item in drawn) / len(drawn)
    assert 0.25 <= neutral <= 0.35
    assert len({item.text for item in drawn}) > 0.75 * len(drawn)
    counts = Counter(bucket for item in drawn for bucket in signs(item.intents))
    for name in ATTRIBUTES:
        for sign in (1, -1):
            assert counts[name, sign] >= 40, (name, sign, counts[name, sign])
    several = sum(len(item.intents) > 1 for item in drawn) / len(drawn)
    assert 0.25 < several < 0.6
    assert sum(item.text.isupper() for item in drawn) > 20


def test_neutral_topics_are_varied() -> None:
    lists = data()
    assert sum(len(lists[name]) for name in ("topics", "traps", "photo", "person", "talk")) >= 1000
    for trap in (
        "a glass of water",
        "the hat shop is closed",
        "curly fries",
        "bald eagle",
        "a mustache-shaped cake",
    ):
        assert trap in lists["traps"]


def test_traps_and_kept_things_never_carry_intents(drawn: list[Instruction]) -> None:
    lists = data()
    fixed = {text.lower() for name in ("traps", "photo", "person", "talk") for text in lists[name]}
    for item in drawn:
        if item.intents:
            assert item.text.lower().rstrip(".!") not in fixed, item
            assert not re.match(r"(?:keep|leave) (?:the|her|his|their) \w+( as it is| alone)?[.!]?$", item.text.lower())


@pytest.mark.parametrize(
    ("text", "kind", "intents"),
    [
        ("a bit younger", "adj", {"age": -0.5}),
        ("much older", "adj", {"age": 1.5}),
        ("old man", "noun", {"age": 1.5, "male": 1}),
        ("child", "noun", {"child": 1, "age": -1.5}),
        ("woman", "noun", {"male": -1}),
        ("clean-shaven", "adj", {"beard": -1, "mustache": -1, "stubble": -1, "goatee": -1}),
        ("makeup", "nonp", {"makeup": -1, "lipstick": -1}),
        ("stop smiling", "vp", {"smile": -1, "teeth": -1}),
        ("serious", "adj", {"smile": -1, "teeth": -0.5}),
        ("a toothy smile", "np", {"smile": 1, "teeth": 1}),
        ("smile with $poss mouth closed", "vp", {"smile": 1, "teeth": -1}),
        ("dye $poss hair red", "imp", {"red_hair": 1}),
        ("look to the left", "vp", {"look_left": 1}),
        ("glasses", "nonp", {"glasses": -1}),
        ("not bald", "notadj", {"bald": -1}),
        ("short hair", "np", {"long_hair": -1}),
        ("lighter hair", "np", {"blond_hair": 0.7}),
        ("a slightly bigger nose", "np", {"big_nose": 0.5}),
        ("make $obj 50 years older", "imp", {"age": 1.5}),
    ],
)
def test_sign_rules(text: str, kind: str, intents: dict[str, float]) -> None:
    assert lexicon_intents(text, kind) == intents


def test_bare_references_carry_no_gender(drawn: list[Instruction]) -> None:
    for item in drawn:
        if re.match(r"(?:Make|make|Give|give) (?:her|him|the man|the woman) \w+ hair[.!]?$", item.text):
            assert "male" not in item.intents, item
        if re.match(r"a woman with (?!.*\b(?:man|male|manly|masculine)\b)", item.text):
            assert item.intents.get("male", -0.5) < 0, item


def test_contradictions_are_found() -> None:
    assert not compatible({"red_hair": 1}, {"blond_hair": 1})
    assert not compatible({"smile": 1}, {"smile": -1})
    assert not compatible({"bald": 1}, {"bangs": 1})
    assert compatible({"red_hair": 1}, {"blond_hair": -1})
    assert compatible({"glasses": 1}, {"beard": -1})


def test_morphology() -> None:
    assert article("old man") == "an old man" and article("unicorn") == "a unicorn"
    assert article("80-year-old") == "an 80-year-old" and article("unhappy face") == "an unhappy face"
    assert article("European") == "a European" and article("Asian person") == "an Asian person"
    assert indefinite("hat") == "a hat" and indefinite("glasses") == "glasses" and indefinite("red hair") == "red hair"
    assert indefinite("receding hairline") == "a receding hairline"
    assert third_person("have red hair") == "has red hair" and third_person("blush") == "blushes"
    assert gerund("put on a hat") == "putting on a hat" and gerund("smile") == "smiling"
    assert enumerate_words(["a"]) == "a" and enumerate_words(["a", "b", "c"]) == "a, b and c"


def test_held_out_set() -> None:
    held = load_heldout()
    groups = Counter(item.group for item in held)
    assert len(held) >= 250 and len({item.text for item in held}) == len(held)
    assert groups["neg"] >= 50 and groups["multi"] >= 50 and groups["degree"] >= 40 and groups["neutral"] >= 50
    for item in held:
        assert bool(item.want) == (item.group != "neutral"), item
        for bucket in signs({name: float(sign) for name, sign in item.want.items()}):
            wanted = signs({name: float(sign) for name, sign in item.want.items()})
            assert attribute_table().conflicts.get(bucket, frozenset()).isdisjoint(wanted)
    positive = {name for item in held for name, sign in item.want.items() if sign > 0}
    assert positive == set(ATTRIBUTES)


def test_held_out_sentences_are_not_training_sentences(drawn: list[Instruction]) -> None:
    seen = {item.text.lower().rstrip(".!?") for item in drawn}
    fixed = {text.lower() for name in ("traps", "photo", "person", "talk") for text in data()[name]}
    repeated = [item.text for item in load_heldout() if item.text.lower().rstrip(".!?") in seen | fixed]
    assert not repeated


def test_every_attribute_can_be_told_as_a_change() -> None:
    told = load_changes().clauses
    common = (
        "glasses",
        "hat",
        "beard",
        "smile",
        "makeup",
        "bangs",
        "curly_hair",
        "long_hair",
        "gray_hair",
        "age",
        "male",
    )
    assert all((name, sign) in told for name in common for sign in (1, -1))
    for clauses in told.values():
        assert all(set(intents) <= set(ATTRIBUTES) and text for text, intents in clauses)


def test_changes_that_contradict_each_other_are_not_told_together() -> None:
    buckets: dict[tuple[str, int], float] = {("glasses", 1): 1.0, ("sunglasses", 1): 1.0, ("smile", 1): 1.0}
    for seed in range(200):
        text, intents = tell(Random(seed), buckets, 3)
        assert text and not {"glasses", "sunglasses"} <= set(intents)
        assert "[" not in text and "$" not in text


def test_the_same_words_about_other_things_mean_nothing(drawn: list[Instruction]) -> None:
    others = {about_something_else(Random(seed)) for seed in range(300)}
    assert len(others) > 150
    meant = {item.text.lower().rstrip(".!") for item in drawn if item.intents}
    assert not meant & {text.lower() for text in others}


def test_no_two_words_of_a_told_change_run_into_each_other() -> None:
    """ "[shade][black]" needs shades that end in a space: YAML drops it where the quotes are forgotten."""
    changes = load_changes()
    texts = [text for clauses in changes.clauses.values() for text, _ in clauses] + changes.nothing
    pairs = {pair for text in texts for pair in re.findall(r"\[(\w+)\](?=\[(\w+)\])", text)}
    pairs |= {(slot, "") for text in texts for slot in re.findall(r"\[(\w+)\](?=\w)", text)}
    glued = [
        (word, after)
        for first, second in pairs
        for word in changes.words[first]
        for after in (changes.words[second] if second else ["x"])
        if word and after and not word.endswith(" ") and not after.startswith(" ")
    ]
    assert not glued
