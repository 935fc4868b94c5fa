"""A writer of the safetensors format whose bytes never change.

The library's own writer may order or pad differently from one release to the next, and then the recorded hash
of a converted file would no longer hold. This one is fixed; what it writes, the library reads.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping

import torch
from torch import Tensor

from vl_backbone.common.errors import WeightsError


def to_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Serializes float32 and int64 tensors; equal tensors give equal bytes on every machine and version.

    Raises WeightsError for another dtype, which no converter of this project makes.
    """
    names = {torch.float32: "F32", torch.int64: "I64"}
    numpy_types = {torch.float32: "<f4", torch.int64: "<i8"}
    header: dict[str, object] = {}
    blocks: list[bytes] = []
    offset = 0
    # Wider types first keeps every tensor aligned to its own size, as the format's readers like it.
    for name in sorted(tensors, key=lambda key: (-tensors[key].element_size(), key)):
        tensor = tensors[name].detach().cpu().contiguous()
        if tensor.dtype not in names:
            raise WeightsError(f"Tensor {name!r} has type {tensor.dtype}, which is not stored.")
        block = tensor.numpy().astype(numpy_types[tensor.dtype], copy=False).tobytes()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(block)],
        }
        offset += len(block)
        blocks.append(block)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text, *blocks])
