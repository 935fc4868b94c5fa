"""What is wrong with a data folder, by name, without stopping the work on the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """kind: a short name that tests and scripts can match. item: the file or id. message: one sentence."""

    kind: str
    item: str
    message: str

    def __str__(self) -> str:
        return f"{self.item}: {self.message}"


def count_kinds(problems: Iterable[Problem]) -> dict[str, int]:
    """Number of problems by kind, the most frequent first."""
    return dict(Counter(problem.kind for problem in problems).most_common())
