"""Frozen video-language backbones; knows nothing of generators."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vl_backbone.backbones.registry import load_backbone
    from vl_backbone.hdvila.checkpoint import load_official_checkpoint, save_official_checkpoint
    from vl_backbone.hdvila.model import build_hdvila

__all__ = ["build_hdvila", "load_backbone", "load_official_checkpoint", "save_official_checkpoint"]

# torch and transformers take seconds to import; `vilaface --help` and the weight store do without them.
_HOMES = {
    "build_hdvila": "vl_backbone.hdvila.model",
    "load_backbone": "vl_backbone.backbones.registry",
    "load_official_checkpoint": "vl_backbone.hdvila.checkpoint",
    "save_official_checkpoint": "vl_backbone.hdvila.checkpoint",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vilaface")
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
