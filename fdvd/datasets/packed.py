"""Packed clips on disk: blocks of clips in stored zip files, described by one JSON line a clip.

OUT/dataset.json holds the settings, OUT/manifest.jsonl one clip a line (``id, split, captions, attributes, block``
and the names of its members: ``hr [S]``, ``lr [S][N]``, ``latent``), OUT/blocks/NAME.zip the JPEG frames and .npy
latents of many clips. Zip files are read at random places without unpacking, by any tool.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

FORMAT = "packed-clips-1"
SETTINGS = "dataset.json"
MANIFEST = "manifest.jsonl"
BLOCK_FOLDER = "blocks"


def block_name(block: int) -> str:
    """The file stem of a block."""
    return f"{block:05d}"


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """A zip file of these members, uncompressed and without times: equal members give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            archive.writestr(zipfile.ZipInfo(name), members[name])
    return buffer.getvalue()
