"""Captions: true, different, natural, the same for the same seed; proven by a reader that knows no grammar."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fdvd.attributes.table import load_labels
from fdvd.language.captions import (
    FACTS,
    describe,
    describe_with_claims,
    facts_of,
    from_celeba,
    states,
    unread_words,
    untrue,
)
from fdvd.language.captions.facts import CELEBA_ATTRIBUTES, EMOTIONS, MOTIONS, POSE, VOICE, consistent
from fdvd.language.captions.grammar import rules
from vl_backbone.common.errors import InputError

LABELS = load_labels()
SEEDS = random.Random(4).sample(sorted(LABELS), 250)


@pytest.fixture(scope="module")
def captions() -> list[tuple[frozenset[str], str]]:
    """2,500 captions of 250 labelled faces, most of them with a movement as in clips."""
    rng = random.Random(5)
    pairs = []
    for seed in SEEDS:
        motions = {rng.choice(MOTIONS[:-1])} | ({"slight_turn"} if rng.random() < 0.3 else set())
        extra = rng.choice([set(), motions, motions, {rng.choice(EMOTIONS), rng.choice(VOICE)}])
        facts = facts_of(LABELS[seed], extra)
        pairs += [(facts, text) for text in describe(facts, seed)]
    return pairs


def test_every_caption_states_only_true_facts(captions: list[tuple[frozenset[str], str]]) -> None:
    wrong = [(text, untrue(text, facts)) for facts, text in captions if untrue(text, facts)]
    assert not wrong[:5]


def test_every_word_is_understood(captions: list[tuple[frozenset[str], str]]) -> None:
    assert not [text for _, text in captions if unread_words(text)][:5]


def test_the_reader_agrees_with_the_derivation() -> None:
    """What the grammar meant to say and what the words say are the same."""
    for seed in SEEDS[:150]:
        for caption in describe_with_claims(facts_of(LABELS[seed]), seed):
            assert states(caption.text) == caption.claims, caption.text


def test_the_reader_catches_lies() -> None:
    """A caption of another face is found out whenever it states what is not so."""
    caught = total = 0
    for one, other in zip(SEEDS[:100], SEEDS[100:200], strict=True):
        facts, lies = facts_of(LABELS[one]), describe(facts_of(LABELS[other]), other)
        total += len(lies)
        caught += sum(bool(untrue(lie, facts)) for lie in lies)
    assert caught > 0.75 * total


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(FACTS), max_size=25), st.integers(0, 10**6))
def test_any_facts_give_ten_true_captions(chosen: set[str], seed: int) -> None:
    facts = consistent(chosen)
    texts = describe(facts, seed)
    assert len({text.lower() for text in texts}) == 10
    assert texts == describe(facts, seed)
    for text in texts:
        assert not untrue(text, facts), text
        assert re.fullmatch(r"[A-Z][^.]*\.", text) and "  " not in text and not set("<>~^_$[]") & set(text), text


def test_nothing_is_known_of_a_face() -> None:
    texts = describe((), 1)
    assert len(set(texts)) == 10 and not any(states(text) for text in texts)


def test_other_seeds_give_other_captions() -> None:
    facts = facts_of(LABELS[0])
    assert describe(facts, 1) != describe(facts, 2)


def test_articles_and_agreement(captions: list[tuple[frozenset[str], str]]) -> None:
    for _, text in captions:
        lower = text.lower()
        assert not re.search(r"\ba (?:[aei]|old|oval)", lower), text
        assert not re.search(r"\ban (?![aeio])", lower), text
        assert not re.search(r"\bthey (?:has|is|wears|turns|looks|keeps|smiles)\b", lower), text
        assert not re.search(r"\b(?:he|she|man|woman|person) (?:have|are|wear|turn|keep|smile)\b", lower), text
        pronouns = set(re.findall(r"\b(?:he|his|she|her|they|their)\b", lower))
        assert len({{"he": "m", "his": "m", "she": "f", "her": "f"}.get(word, "n") for word in pronouns}) <= 1, text
        if re.search(r"\b(?:man|guy|gentleman|boy)\b", lower):
            assert not pronouns & {"she", "her", "their", "they"}, text


@pytest.mark.parametrize("motion", [name for name in MOTIONS if name != "slight_turn"])
def test_clips_mention_their_movement(motion: str) -> None:
    texts = describe(facts_of(LABELS[3] | dict.fromkeys(("smile", "teeth")), {motion}), 7, 40)
    share = sum(motion in states(text) for text in texts) / len(texts)
    assert 0.3 < share < 0.95


def test_degrees_of_turns() -> None:
    slight = [text for text in describe({"turns_left", "slight_turn"}, 3, 20) if "turns_left" in states(text)]
    assert slight and all(re.search("slightly|a little|a bit", text) for text in slight)
    assert not any(re.search("slightly|a little|a bit", text) for text in describe({"turns_left"}, 3, 20))


def test_every_production_can_be_used() -> None:
    """No rule is dead: each claim of the grammar is a fact that faces can have, and turns up in captions."""
    claimed = {claim for productions in rules().values() for p in productions for claim in p.claims}
    assert claimed == set(FACTS) - {"adult", "minor"}
    for fact in sorted(claimed - {"slight_turn", "strong_emotion", "child", "teen", *POSE}):
        needed = {fact, "smile"} if fact in ("broad_smile", "closed_smile") else {fact, "adult"}
        assert any(fact in states(text) for text in describe(consistent(needed), 1)), fact


class TestFacts:
    def test_a_bald_head_has_no_waves(self) -> None:
        facts = facts_of(
            {"bald": 1.0, "wavy_hair": 1.0, "brown_hair": 1.0, "long_hair": 1.0, "bangs": 1.0, "male": 1.0}
        )
        assert facts == {"bald", "male"}

    @pytest.mark.parametrize(
        ("labels", "there", "missing"),
        [
            ({"age": 0.0, "male": 1.0}, {"child", "minor", "male"}, {"adult", "female"}),
            ({"age": 0.45}, {"young", "adult"}, {"male", "female"}),
            ({"age": 1.0}, {"old", "adult"}, {"middle_aged"}),
            ({"age": None}, set(), {"adult", "young"}),
            ({"smile": 1.0, "teeth": 1.0}, {"smile", "broad_smile"}, {"mouth_open", "closed_smile"}),
            ({"smile": 0.0, "teeth": 1.0}, {"mouth_open", "no_smile"}, {"broad_smile"}),
            ({"smile": 1.0, "teeth": 0.0}, {"closed_smile"}, {"broad_smile"}),
            ({"teeth": 1.0}, set(), {"mouth_open", "broad_smile"}),
            ({"glasses": 0.0, "sunglasses": 0.0}, {"no_glasses"}, {"glasses"}),
            ({"glasses": 0.0}, set(), {"no_glasses"}),
            ({"sunglasses": 1.0, "wide_eyes": 1.0}, {"sunglasses"}, {"wide_eyes"}),
            ({"male": 0.0, "stubble": 1.0}, {"female"}, {"stubble"}),
        ],
    )
    def test_labels_become_facts(self, labels: dict[str, float | None], there: set[str], missing: set[str]) -> None:
        facts = facts_of(labels)
        assert there <= facts and not missing & facts

    def test_unknown_facts_are_named(self) -> None:
        for call in (lambda: facts_of({}, {"three_eyes"}), lambda: describe({"three_eyes"}, 1)):
            with pytest.raises(InputError, match="three_eyes"):
                call()

    def test_all_of_celebas_attributes_are_known(self) -> None:
        assert len(CELEBA_ATTRIBUTES) == 40
        for name in CELEBA_ATTRIBUTES:
            assert from_celeba({name: 1}), name
            assert len(describe(from_celeba({name: 1}), 1)) == 10
        with pytest.raises(InputError, match="Third_Eye"):
            from_celeba({"Third_Eye": 1})

    def test_celebas_absences(self) -> None:
        facts = from_celeba({"Male": -1, "No_Beard": 1, "Smiling": -1, "Eyeglasses": -1, "Wearing_Hat": -1})
        assert facts == {"female", "adult", "no_smile", "no_glasses", "no_hat"}


def test_strange_words_are_not_skipped() -> None:
    assert unread_words("The zebra has wavy hair.") == ["zebra"]
    with pytest.raises(InputError, match="zebra"):
        states("The zebra has wavy hair.")


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("She stops smiling.", {"female", "stops_smile"}),
        ("He starts to smile and turns to the left.", {"male", "starts_smile", "turns_left"}),
        ("The man is not smiling.", {"male", "no_smile"}),
        (
            "A woman with long, wavy red hair wearing no makeup.",
            {"female", "long_hair", "wavy_hair", "red_hair", "no_makeup"},
        ),
        ("They have no beard.", {"clean_shaven"}),
        ("He is not wearing glasses.", {"male", "no_glasses"}),
    ],
)
def test_reading(text: str, claims: set[str]) -> None:
    assert states(text) == claims
