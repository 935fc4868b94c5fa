"""The attributes table: what its file may hold, and that one row more is known everywhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fdvd.attributes.loading import TABLE_FILE, load_table
from fdvd.attributes.table import ATTRIBUTES, AttributeTable, attribute_table, parse_labels
from fdvd.language.captions.facts import consistent, facts_of, from_celeba, vocabulary
from fdvd.language.instructions.lexicon import compatible, hair_combinations
from fdvd.language.instructions.preserve import keep_clause
from tests.fdvd.attributes.tables import GREEN, changed_table, with_green_hair
from vl_backbone.common.errors import InputError

HEADER = "seed,gender,age,hair_color,hair_texture,hair_length,flags\n"
Change = Callable[[dict[str, Any]], object]


def row(data: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in data["attributes"] if row["name"] == name)


@pytest.fixture
def green(tmp_path: Path) -> AttributeTable:
    return with_green_hair(tmp_path)


def test_the_table_is_read_once_and_cannot_be_changed() -> None:
    table = attribute_table()
    assert table is attribute_table() and table.names == ATTRIBUTES and len(table) == 48
    with pytest.raises(FrozenInstanceError):
        table["smile"].whole = True  # type: ignore[misc]


def test_every_row_is_of_a_kind() -> None:
    kinds = {
        kind: {row.name for row in attribute_table() if row.kind == kind} for kind in ("appearance", "part", "head")
    }
    assert {"black_hair", "lipstick", "rosy", "dark_skin"} <= kinds["appearance"]
    assert {"glasses", "beard", "smile", "hat", "big_nose", "wrinkles"} <= kinds["part"]
    assert {"age", "male", "long_hair", "curly_hair", "bald", "look_left", "asian"} <= kinds["head"]
    assert set.union(*kinds.values()) == set(ATTRIBUTES)


def test_conflicts_hold_both_ways() -> None:
    conflicts = attribute_table().conflicts
    assert all(one in conflicts[other] for one, others in conflicts.items() for other in others)
    assert ("gray_hair", 1) in conflicts["red_hair", 1] and ("age", -1) in conflicts["gray_hair", 1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data["attributes"].append(dict(GREEN, name="smile")), "row 'smile' stands twice"),
        (lambda data: row(data, "smile").update(regoin="face"), "row 'smile': regoin is not known"),
        (lambda data: row(data, "smile").pop("region"), "row 'smile': region must be given"),
        (lambda data: row(data, "smile").update(kind="thing"), "row 'smile': kind 'thing' is not one of"),
        (lambda data: row(data, "smile").update(group="mouths"), "row 'smile': there is no group 'mouths'"),
        (lambda data: row(data, "smile").update(may_follow=["teef"]), "row 'smile': teef is not known"),
        (lambda data: row(data, "smile").update(excludes=["teef"]), "row 'smile': teef is not known"),
        (lambda data: row(data, "smile").update(may_follow=["teeth", "teeth"]), "may_follow holds a word twice"),
        (lambda data: row(data, "smile").update(conflicts={"+": ["+teef"]}), "row 'smile': teef is not known"),
        (lambda data: row(data, "smile").update(conflicts={"+": ["frown"]}), "every name needs a sign"),
        (lambda data: row(data, "smile").update(conflicts={"0": ["+frown"]}), "only the signs"),
        (lambda data: row(data, "smile").update(hides=["teef"]), "row 'smile': teef is not known"),
        (lambda data: row(data, "smile").update(kept_with=["teef"]), "row 'smile': teef is not known"),
        (lambda data: row(data, "smile").update(whole="yes"), "row 'smile': whole must be true or false"),
        (lambda data: row(data, "smile").update(label={"word": "smile"}), "row 'smile': label: needs flag"),
        (
            lambda data: row(data, "smile").update(label={"flag": "hat"}),
            "row 'hat': flag hat is already taken",
        ),
        (
            lambda data: row(data, "smile").update(celeba=["+Bald"]),
            "row 'smile': CelebA's Bald is already taken",
        ),
        (lambda data: row(data, "smile").update(hair_words={"toothy": 2}), "must give every word 1 or -1"),
        (lambda data: row(data, "smile").update(name="pose"), "pose names both an attribute and a group"),
        (lambda data: data["groups"][-1].update(absence="no_pose"), "group 'pose': no_pose is not known"),
        (lambda data: data.update(colors=[]), "holds attributes, groups and keepable, nothing else"),
        (lambda data: data.update(attributes={}), "a list of rows is needed"),
    ],
)
def test_a_wrong_table_is_refused_by_file_and_row(tmp_path: Path, change: Change, message: str) -> None:
    with pytest.raises(InputError, match=rf"attributes\.yaml.*{message}"):
        changed_table(tmp_path, change)


def test_a_key_given_twice_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    text = TABLE_FILE.read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("    region: neck\n", "    region: neck\n    region: ears\n"), encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml cannot be read.*region stands twice"):
        load_table(path)
    with pytest.raises(InputError, match=r"nothing\.yaml cannot be read"):
        load_table(tmp_path / "nothing.yaml")


def test_a_new_row_is_an_axis_and_a_label(green: AttributeTable, tmp_path: Path) -> None:
    assert green.names == (*ATTRIBUTES, "green_hair")
    path = tmp_path / "labels.csv"
    path.write_text(HEADER + "1,M,old,green,wavy,short,\n2,M,old,hidden,wavy,short,hat\n3,M,old,red,wavy,short,\n")
    labels = parse_labels(path, table=green)
    assert [labels[seed]["green_hair"] for seed in (1, 2, 3)] == [1, None, 0] and labels[1]["red_hair"] == 0
    with pytest.raises(InputError, match="hair_color 'green'"):
        parse_labels(path)


def test_a_new_row_is_known_to_the_instructions(green: AttributeTable) -> None:
    assert not compatible({"green_hair": 1}, {"red_hair": 1}, green)  # of one exclusive group
    assert not compatible({"green_hair": 1}, {"bald": 1}, green) and compatible({"green_hair": 1}, {"bald": -1}, green)
    assert not compatible({"green_hair": 1}, {"dark_skin": -1}, green)
    texts = {form.text: form.intents for form in hair_combinations(green)}
    assert texts["long, wavy, emerald hair"] == {"long_hair": 1, "wavy_hair": 1, "green_hair": 1}
    assert {"green_hair"} <= green.kept["hair"] & green.kept["hair color"] and "green_hair" not in green.kept[
        "hairstyle"
    ]
    said = [keep_clause({"green_hair"}, Random(seed), green) for seed in range(300)]
    assert not any("hair" in text and "hairstyle" not in text for text in said)


def test_a_new_row_is_known_to_the_captions(green: AttributeTable) -> None:
    facts = vocabulary(green).facts
    assert facts.index("green_hair") == facts.index("gray_hair") + 1
    assert "green_hair" in facts_of({"green_hair": 1.0}, table=green)
    assert consistent({"green_hair", "gray_hair"}, green) == {"gray_hair"}
    assert consistent({"green_hair", "receding"}, green) == {"green_hair"}
    assert consistent({"green_hair", "bald"}, green) == {"bald"}  # bald hides all of the group
    assert "green_hair" in from_celeba({"Green_Hair": 1}, table=green)
    assert green.celeba["Green_Hair"] == ("green_hair", 1) and green.celeba["Young"] == ("age", -1)


def test_a_new_thing_is_missing_when_all_of_its_group_are(tmp_path: Path) -> None:
    monocle = dict(GREEN, name="monocle", group="eyewear", region="eyes", label={"flag": "monocle"}, celeba=[])
    table = changed_table(tmp_path, lambda data: data["attributes"].append(monocle))
    without = {"glasses": 0.0, "sunglasses": 0.0}
    assert "no_glasses" in facts_of(without) and "no_glasses" not in facts_of(without, table=table)
    assert "no_glasses" in facts_of({**without, "monocle": 0.0}, table=table)
    assert "no_glasses" not in consistent({"monocle", "no_glasses"}, table)
