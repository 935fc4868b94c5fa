"""Frozen video-language backbones; knows nothing of generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vl_backbone.factory import load_backbone

__all__ = ["load_backbone"]


def __getattr__(name: str) -> Any:
    # torch and transformers take seconds to import; `vilaface --help` and the weight store do without them.
    if name == "load_backbone":
        from vl_backbone.factory import load_backbone

        return load_backbone
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
