"""JSON that every reader takes."""

from __future__ import annotations

import json
import math

from vl_backbone.common.strict_json import to_json


def test_numbers_that_json_lacks_become_null_wherever_they_are() -> None:
    text = to_json({"a": math.nan, "b": [1.5, (math.inf, {"c": -math.inf})], "d": "ü", "e": True})
    assert json.loads(text) == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "ü", "e": True}
    assert "NaN" not in text and "Infinity" not in text
