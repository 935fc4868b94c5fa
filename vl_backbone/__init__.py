"""Frozen video-language backbones; knows nothing of generators."""

from vl_backbone.factory import load_backbone

__all__ = ["load_backbone"]
