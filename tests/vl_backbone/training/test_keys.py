"""Resume keys: what a run must share, whatever the classes are called that hold it."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass
from enum import Enum
from pathlib import Path

import pytest

from vl_backbone.training.keys import canonical_json, resume_key
from vl_backbone.training.optim import OptimizerConfig


class Kind(Enum):
    FAST = "fast"


@dataclass(frozen=True)
class Loss:
    temperature: float = 0.05
    crop: tuple[int, int] = (4, 2)


def test_a_class_may_be_renamed() -> None:
    renamed = make_dataclass("Objective", [("temperature", float), ("crop", tuple)])(0.05, (4, 2))
    assert resume_key({"loss": Loss()}) == resume_key({"loss": renamed})
    assert "Loss" not in canonical_json({"loss": Loss()})


@pytest.mark.parametrize("other", [Loss(temperature=0.07), Loss(crop=(4, 3)), None, {"temperature": 0.05}])
def test_another_value_or_field_is_another_key(other: object) -> None:
    assert resume_key({"loss": other}) != resume_key({"loss": Loss()})
    assert resume_key({"losses": Loss()}) != resume_key({"loss": Loss()})


def test_equal_values_have_one_form() -> None:
    values = {"b": (1, 2.5, None, True), "a": {"y": Path("x/z"), "x": Kind.FAST}, "s": {"q", "p"}}
    assert canonical_json(values) == ('{"a":{"x":"fast","y":"x/z"},"b":[1,2.5,null,true],"s":["p","q"]}')
    assert canonical_json(dict(reversed(values.items()))) == canonical_json(values)
    assert canonical_json({"optimizer": OptimizerConfig()}).startswith('{"optimizer":{"beta1":0.9,"beta2":0.98,')


@pytest.mark.parametrize("value", [object(), Loss, {1: "a"}, lambda: None, b"bytes", float("nan")])
def test_what_only_prints_is_refused(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        resume_key({"value": value})
