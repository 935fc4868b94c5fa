"""Checks that config dataclasses share."""

from __future__ import annotations

from collections.abc import Iterable

from vl_backbone.common.errors import UsageError


def require_counts(config: object, names: Iterable[str], least: int = 1) -> None:
    """UsageError naming the first of these fields of `config` that is no whole number of `least` or more."""
    for name in names:
        value = getattr(config, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} must be a whole number of {least} or more, got {value!r}.")
