"""The attributes table in memory: a row per attribute, and what follows from all rows together."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

Kind = Literal["appearance", "part", "head"]
Bucket = tuple[str, int]
"""An attribute and the sign asked for, +1 or -1."""


@dataclass(frozen=True)
class LabelRule:
    """How a row of the label file tells an attribute.

    Either flag is a word of the flags column, or column is another column and values what its words mean (words
    that are not listed mean 0; None: unknown). missing_unknown: no flag word means unknown, not "no".
    unsure: a flag word that makes it unknown.
    """

    flag: str | None = None
    column: str | None = None
    values: Mapping[str, float | None] | None = None
    missing_unknown: bool = False
    unsure: str | None = None


@dataclass(frozen=True)
class Attribute:
    """One row; `attributes.yaml` says what each column means. Names in tuples are attributes or groups."""

    name: str
    description: str
    kind: Kind
    group: str
    region: str
    label: LabelRule
    paste: str
    whole: bool = False
    relative: bool = False
    held: bool = False
    may_follow: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    conflicts: tuple[tuple[int, Bucket], ...] = ()
    hides: tuple[str, ...] = ()
    celeba: tuple[Bucket, ...] = ()
    fact: bool = True
    common: bool = False
    momentary: bool = False
    motion: tuple[str, ...] = ()
    changes_person: bool = False
    recolors_skin: bool = False
    hair_words: tuple[Bucket, ...] = ()
    kept_with: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Attributes of one topic.

    facts: what captions state besides, each with CelebA's name for it or None. absence: the fact that a face has
    none of the attributes. apart: of these facts only the first holds.
    """

    name: str
    exclusive: bool = False
    facts: tuple[tuple[str, str | None], ...] = ()
    absence: str | None = None
    apart: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class AttributeTable:
    """All rows, in the order of the intent axes. Made by `fdvd.attributes.loading.load_table`, which checks them."""

    path: Path
    attributes: tuple[Attribute, ...]
    groups: tuple[Group, ...]
    keepable: tuple[str, ...]

    def __iter__(self) -> Iterator[Attribute]:
        """The rows."""
        return iter(self.attributes)

    def __len__(self) -> int:
        """How many attributes there are."""
        return len(self.attributes)

    def __contains__(self, name: object) -> bool:
        """Whether there is an attribute of that name."""
        return name in self._rows

    def __getitem__(self, name: str) -> Attribute:
        """The row of an attribute; KeyError where there is none."""
        return self._rows[name]

    def get(self, name: str) -> Attribute | None:
        """The row of an attribute, or None: mappers may know attributes that this table does not."""
        return self._rows.get(name)

    @cached_property
    def _rows(self) -> dict[str, Attribute]:
        return {row.name: row for row in self.attributes}

    @cached_property
    def _groups(self) -> dict[str, Group]:
        return {group.name: group for group in self.groups}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The attributes: canonical order of the intent axes."""
        return tuple(self._rows)

    def in_group(self, group: str) -> tuple[str, ...]:
        """The attributes of a group."""
        return tuple(row.name for row in self if row.group == group)

    def expanded(self, names: Iterable[str]) -> frozenset[str]:
        """Attributes and groups -> attributes."""
        return frozenset(itertools.chain.from_iterable(self.in_group(n) if n in self._groups else (n,) for n in names))

    def may_follow(self, name: str) -> frozenset[str]:
        """Attributes that an edit of this one need not hold still, itself and its exclusive group included."""
        row = self.get(name)
        if row is None:
            return frozenset({name})
        mates = self.in_group(row.group) if self._groups[row.group].exclusive else ()
        return frozenset({name, *mates}) | self.expanded(row.may_follow)

    def excluded_by(self, name: str) -> frozenset[str]:
        """What who speaks of this attribute does not want, and need not say so."""
        row = self.get(name)
        return self.expanded(row.excludes) if row else frozenset()

    def held_from(self, name: str) -> frozenset[str]:
        """Held attributes that an edit of this one is to leave: not its followers, not in conflict with it."""
        tied = {other for sign in (1, -1) for other, _ in self.conflicts.get((name, sign), ())}
        return frozenset(row.name for row in self if row.held) - self.may_follow(name) - tied

    @cached_property
    def conflicts(self) -> Mapping[Bucket, frozenset[Bucket]]:
        """Wishes that no single face can fulfil together, both ways; wishes without any are left out."""
        pairs: list[tuple[Bucket, Bucket]] = []
        for group in self.groups:
            if group.exclusive:
                pairs += itertools.permutations([(name, 1) for name in self.in_group(group.name)], 2)
        for row in self:
            for sign, (other, other_sign) in row.conflicts:
                for name in self.expanded([other]):
                    pairs += itertools.permutations(((row.name, sign), (name, other_sign)), 2)
        return {one: frozenset(b for a, b in pairs if a == one) for one in dict.fromkeys(a for a, _ in pairs)}

    def group_facts(self, group: str) -> tuple[str, ...]:
        """What captions state of this topic, in order: attributes, then the group's own facts."""
        own = dict(self._groups[group].facts)
        return (*(row.name for row in self if row.group == group and row.fact and row.name not in own), *own)

    @cached_property
    def facts(self) -> tuple[str, ...]:
        """What captions state of a face, in the order of the groups."""
        return tuple(itertools.chain.from_iterable(self.group_facts(group.name) for group in self.groups))

    @cached_property
    def apart(self) -> tuple[frozenset[str], ...]:
        """Facts of which only the first, in the order of `facts`, holds."""
        found: list[tuple[str, ...]] = []
        for group in self.groups:
            found += [self.group_facts(group.name)] if group.exclusive else []
            found += [(name, group.absence) for name in self.in_group(group.name) if group.absence]
            found += group.apart
        return tuple(frozenset(facts) for facts in found)

    @cached_property
    def hides(self) -> Mapping[str, frozenset[str]]:
        """Attribute -> facts that are untrue or unseen where it is true."""
        return {
            row.name: frozenset(
                fact for name in row.hides for fact in (self.group_facts(name) if name in self._groups else (name,))
            )
            for row in self
            if row.hides
        }

    @cached_property
    def celeba(self) -> Mapping[str, Bucket]:
        """CelebA's name -> attribute and the sign that CelebA's "yes" has on it."""
        return {name: (row.name, sign) for row in self for name, sign in row.celeba}

    @cached_property
    def celeba_facts(self) -> Mapping[str, str]:
        """CelebA's name -> the fact that its "yes" states, in the order of CelebA's file (by letter)."""
        of_groups = {celeba: fact for group in self.groups for fact, celeba in group.facts if celeba}
        of_rows = {name: row.name for row in self if row.fact for name, sign in row.celeba if sign > 0}
        return dict(sorted({**of_rows, **of_groups}.items()))

    @cached_property
    def kept(self) -> Mapping[str, frozenset[str]]:
        """What an instruction may ask to keep -> the attributes that must not change then."""
        return {thing: frozenset(row.name for row in self if thing in row.kept_with) for thing in self.keepable}

    @cached_property
    def label_columns(self) -> Mapping[str, tuple[str, ...]]:
        """Column of the label file -> the words it may hold; the flags column is not among them."""
        known: dict[str, dict[str, None]] = {}
        unknown: dict[str, dict[str, None]] = {}
        for rule in (row.label for row in self):
            for word, value in (rule.values or {}).items():
                (unknown if value is None else known).setdefault(rule.column or "", {})[word] = None
        return {column: tuple({**words, **unknown.get(column, {})}) for column, words in known.items()}

    @cached_property
    def flags(self) -> Mapping[str, str]:
        """Word of the flags column -> attribute."""
        return {row.label.flag: row.name for row in self if row.label.flag}

    @cached_property
    def unsure_flags(self) -> Mapping[str, str]:
        """Word of the flags column -> the attribute that it makes unknown."""
        return {row.label.unsure: row.name for row in self if row.label.unsure}
