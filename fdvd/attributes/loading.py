"""Reads `attributes.yaml` into a checked table. Errors name the file, the row and what is wrong."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml

from fdvd.attributes.rows import Attribute, AttributeTable, Bucket, Group, Kind, LabelRule
from vl_backbone.common.errors import InputError

Row = TypeVar("Row", Attribute, Group)
TABLE_FILE = Path(__file__).with_name("attributes.yaml")
_SIGNS = {"+": 1, "-": -1}
_FLAGS = ("whole", "relative", "held", "fact", "common", "momentary", "changes_person", "recolors_skin")
_NAMES = ("may_follow", "excludes", "hides", "kept_with", "motion")
_TEXTS = ("name", "description", "kind", "group", "region")
_LABEL_KEYS = frozenset(("flag", "missing", "unsure")), frozenset(("column", "values", "value", "unknown"))


@functools.cache
def attribute_table() -> AttributeTable:
    """The table that comes with the program, read once."""
    return load_table(TABLE_FILE)


def load_table(path: Path) -> AttributeTable:
    """A table in a file. InputError, naming file and row, for anything that is not as `attributes.yaml` describes."""
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"The attributes table {path} cannot be read: {error}.") from None
    if not isinstance(loaded, dict) or set(loaded) != {"attributes", "groups", "keepable"}:
        raise InputError(f"{path}: an attributes table holds attributes, groups and keepable, nothing else.")
    table = AttributeTable(
        path,
        tuple(_rows(loaded["attributes"], _attribute, f"{path}, attributes")),
        tuple(_rows(loaded["groups"], _group, f"{path}, groups")),
        _names(loaded["keepable"], f"{path}: keepable"),
    )
    _check(table)
    return table


class _UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping with a key twice, where YAML lets the second win silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        twice = sorted({key for key in keys if isinstance(key, str) and keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(
                None, None, f"{', '.join(twice)} stands twice in one mapping", node.start_mark
            )
        return super().construct_mapping(node, deep)


def _rows(rows: Any, read: Callable[[dict[str, Any], str], Row], where: str) -> list[Row]:
    """A list of mappings with different names -> what `read` makes of each."""
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where}: a list of rows is needed.")
    made: dict[str, Row] = {}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict) or not isinstance(row.get("name"), str):
            raise InputError(f"{where}, row {number}: a mapping with a name is needed, found {row!r}.")
        name = row["name"]
        if name in made:
            raise InputError(f"{where}, row {name!r} stands twice.")
        made[name] = read(row, f"{where}, row {name!r}")
    return list(made.values())


def _attribute(row: dict[str, Any], where: str) -> Attribute:
    known = [field.name for field in fields(Attribute)]
    _only(row, known, where)
    missing = [name for name in (*_TEXTS, "label") if name not in row]
    if missing:
        raise InputError(f"{where}: {', '.join(missing)} must be given.")
    values: dict[str, Any] = {name: _text(row[name], f"{where}: {name}") for name in _TEXTS}
    if values["kind"] not in get_args(Kind):
        raise InputError(f"{where}: kind {values['kind']!r} is not one of {', '.join(get_args(Kind))}.")
    values["paste"] = _text(row.get("paste", row["region"]), f"{where}: paste")
    for name in _FLAGS:
        if name in row:
            values[name] = _truth(row[name], f"{where}: {name}")
    for name in _NAMES:
        if name in row:
            values[name] = _names(row[name], f"{where}: {name}")
    values["label"] = _label(row["label"], f"{where}: label")
    if "celeba" in row:
        values["celeba"] = _signed(row["celeba"], f"{where}: celeba")
    if "conflicts" in row:
        values["conflicts"] = _conflicts(row["conflicts"], f"{where}: conflicts")
    if "hair_words" in row:
        words = _mapping(row["hair_words"], f"{where}: hair_words")
        if not all(value in (1, -1) for value in words.values()):
            raise InputError(f"{where}: hair_words must give every word 1 or -1.")
        values["hair_words"] = tuple(words.items())
    return Attribute(**values)


def _group(row: dict[str, Any], where: str) -> Group:
    _only(row, [field.name for field in fields(Group)], where)
    facts = _mapping(row.get("facts", {}), f"{where}: facts")
    if not all(celeba is None or isinstance(celeba, str) for celeba in facts.values()):
        raise InputError(f"{where}: facts must give every fact a name of CelebA or null.")
    apart = row.get("apart", [])
    if not isinstance(apart, list):
        raise InputError(f"{where}: apart must be a list of lists of facts, found {apart!r}.")
    return Group(
        row["name"],
        _truth(row.get("exclusive", False), f"{where}: exclusive"),
        tuple(facts.items()),
        _text(row["absence"], f"{where}: absence") if "absence" in row else None,
        tuple(_names(together, f"{where}: apart") for together in apart),
    )


def _label(value: Any, where: str) -> LabelRule:
    rule = _mapping(value, where)
    flags, columns = _LABEL_KEYS
    if "flag" in rule and set(rule) <= flags:
        if rule.get("missing", "unknown") != "unknown":
            raise InputError(f"{where}: missing can only be unknown, found {rule['missing']!r}.")
        unsure = _text(rule["unsure"], f"{where}: unsure") if "unsure" in rule else None
        return LabelRule(_text(rule["flag"], f"{where}: flag"), missing_unknown="missing" in rule, unsure=unsure)
    if "column" not in rule or not set(rule) <= columns or ("values" in rule) == ("value" in rule):
        raise InputError(f"{where}: needs flag (missing, unsure), or column with values or value (unknown).")
    values = (
        _mapping(rule["values"], f"{where}: values")
        if "values" in rule
        else {_text(rule["value"], f"{where}: value"): 1.0}
    )
    wrong = [word for word, number in values.items() if number is not None and not _is_number(number)]
    if wrong:
        raise InputError(f"{where}: {', '.join(wrong)} must be a number or null.")
    told: dict[str, float | None] = {word: None if number is None else float(number) for word, number in values.items()}
    unknown = dict.fromkeys(_names(rule.get("unknown", []), f"{where}: unknown"))
    return LabelRule(column=_text(rule["column"], f"{where}: column"), values={**told, **unknown})


def _conflicts(value: Any, where: str) -> tuple[tuple[int, Bucket], ...]:
    by_sign = _mapping(value, where)
    if not set(by_sign) <= set(_SIGNS):
        raise InputError(f'{where}: only the signs "+" and "-" can be keys.')
    return tuple((_SIGNS[sign], other) for sign, names in by_sign.items() for other in _signed(names, where))


def _check(table: AttributeTable) -> None:
    """What rows say of each other."""
    groups, names = {group.name for group in table.groups}, set(table.names)
    path = table.path
    both = sorted(groups & names)
    if both:
        raise InputError(f"{path}: {', '.join(both)} names both an attribute and a group.")
    for row in table:
        where = f"{path}, row {row.name!r}"
        if row.group not in groups:
            raise InputError(f"{where}: there is no group {row.group!r}; there are {', '.join(sorted(groups))}.")
        conflicting = tuple(name for _, (name, _) in row.conflicts)
        _only((*row.may_follow, *row.excludes, *conflicting), names | groups, where)
        _only(row.hides, groups.union(table.facts), where)
        _only(row.kept_with, table.keepable, where)
        if len(row.motion) > 2:
            raise InputError(f"{where}: motion holds a beginning and an end, no more.")
    for group in table.groups:
        absences = [group.absence] if group.absence else []
        _only([*absences, *itertools.chain(*group.apart)], table.facts, f"{path}, group {group.name!r}")
    taken: dict[tuple[str, str], str] = {}
    for row in table:
        flags = [word for word in (row.label.flag, row.label.unsure) if word]
        celeba = [name for name, _ in row.celeba]
        for what in [*(("flag", word) for word in flags), *(("CelebA's", name) for name in celeba)]:
            if what in taken:
                raise InputError(f"{path}, row {row.name!r}: {' '.join(what)} is already taken by {taken[what]!r}.")
            taken[what] = row.name
    if len(set(table.facts)) != len(table.facts):
        twice = sorted({fact for fact in table.facts if table.facts.count(fact) > 1})
        raise InputError(f"{path}, groups: the facts {', '.join(twice)} stand twice.")
    for row in table:
        if row.label.column is not None and row.label.column not in table.label_columns:
            raise InputError(f"{path}, row {row.name!r}: no word of the column {row.label.column} means anything.")


def _only(found: Iterable[str], known: Iterable[str], where: str) -> None:
    known = set(known)
    strange = sorted({str(name) for name in found if name not in known})
    if strange:
        raise InputError(f"{where}: {', '.join(strange)} is not known; there are {', '.join(sorted(known))}.")


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where} must be text, found {value!r}.")
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where} must be true or false, found {value!r}.")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise InputError(f"{where} must be a list of words, found {value!r}.")
    if len(set(value)) != len(value):
        raise InputError(f"{where} holds a word twice: {', '.join(value)}.")
    return tuple(value)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{where} must be a mapping of words, found {value!r}.")
    return value


def _signed(value: Any, where: str) -> tuple[Bucket, ...]:
    names = _names(value, where)
    if not all(len(name) > 1 and name[0] in _SIGNS for name in names):
        raise InputError(f"{where}: every name needs a sign in front, such as +smile, found {', '.join(names)}.")
    return tuple((name[1:], _SIGNS[name[0]]) for name in names)
