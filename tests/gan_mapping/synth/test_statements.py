"""Statements about labels and their opposites."""

from __future__ import annotations

from fdvd.attributes.table import load_labels
from fdvd.language.captions.checker import states
from gan_mapping.hdvila_mini.recipe import movements
from gan_mapping.synth.statements import statements


def test_the_first_of_a_pair_is_true() -> None:
    pairs = statements({"male": 0.0, "glasses": 1.0, "bangs": 0.0, "age": 1.0, "hat": None})
    assert ("a woman with glasses", "a woman without glasses") in pairs
    assert ("This person does not have bangs.", "This person has bangs.") in pairs
    assert ("a woman", "a man") in pairs and ("an old person", "a young person") in pairs
    assert not any("hat" in text for pair in pairs for text in pair)
    assert statements({}) == []


def test_the_order_is_always_the_same() -> None:
    """A run draws statements by their number, so a resumed one must find them in the same places."""
    pairs = statements({"male": 0.0, "glasses": 1.0, "hat": 1.0, "smile": 0.0, "bangs": 1.0})
    about = [one.split()[1] for one, _ in pairs if one.startswith(("a woman with ", "a person with "))]
    assert list(dict.fromkeys(about)) == ["woman", "person"]
    assert pairs == statements({"male": 0.0, "glasses": 1.0, "hat": 1.0, "smile": 0.0, "bangs": 1.0})


def test_no_face_is_said_to_have_and_to_lack_the_same() -> None:
    for row in load_labels().values():
        pairs = set(statements(row))
        assert not any((untrue, true) in pairs for true, untrue in pairs)


def test_movements_are_told_with_their_opposites() -> None:
    pairs = movements({"male", "turns_left", "starts_smile"}, 3)
    told = {(min(states(there)), min(states(back))) for there, back in pairs}
    assert told == {("turns_left", "turns_right"), ("starts_smile", "stops_smile")}
    assert movements({"keeps_still", "old"}, 3) == []
