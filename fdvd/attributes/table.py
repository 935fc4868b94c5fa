"""The attributes of a face and the hand-made labels of them: the door to `fdvd.attributes`.

An *intent* is a signed number per attribute: ``+1`` asks for the attribute (or more of it), ``-1`` asks for
its removal or its opposite, and the size follows the degree (slightly 0.5, normal 1, very 1.5). What is known of an
attribute is a row of ``attributes.yaml``; whoever needs a list of attributes asks `attribute_table` for it.
"""

from __future__ import annotations

from fdvd.attributes.labels import DATA_DIR, HELD_OUT_SEEDS, Labels, load_labels, parse_labels
from fdvd.attributes.loading import attribute_table, load_table
from fdvd.attributes.rows import Attribute, AttributeTable, Bucket, Group

ATTRIBUTES: tuple[str, ...] = attribute_table().names
"""Canonical order of the intent axes, in the table that comes with the program."""

__all__ = [
    "ATTRIBUTES",
    "DATA_DIR",
    "HELD_OUT_SEEDS",
    "Attribute",
    "AttributeTable",
    "Bucket",
    "Group",
    "Labels",
    "attribute_table",
    "load_labels",
    "load_table",
    "parse_labels",
]
