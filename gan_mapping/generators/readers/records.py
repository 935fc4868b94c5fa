"""Tensors of a pickle as inert records: bounds are proved before a single value is read."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_mapping.generators.readers.pickle_machine import Budget, ByteReader, Name, PickleMachine
from vl_backbone.common.errors import WeightsError

TORCH_MAGIC = 0x1950A86A20F9469CFC6C
TORCH_PROTOCOL = 1001
MAX_DIMENSIONS = 8
DTYPES = {
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "DoubleStorage": "<f8",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "BoolStorage": "?",
}


@dataclass(frozen=True)
class StorageRecord:
    """numel values of a dtype that lie in `content`."""

    content: memoryview
    dtype: str
    numel: int


@dataclass(frozen=True)
class TensorRecord:
    """A view of a storage, as torch describes it, in elements; bounds already checked."""

    storage: StorageRecord
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def tensor(self) -> Tensor:
        """A contiguous float32 copy. Raises WeightsError for values that are not finite."""
        storage = self.storage
        flat = np.frombuffer(storage.content, dtype=storage.dtype, count=storage.numel)
        strides = [step * flat.itemsize for step in self.stride]
        view = np.lib.stride_tricks.as_strided(flat[self.offset :], self.size, strides, writeable=False)
        with np.errstate(over="ignore"):
            values = np.array(view, dtype=np.float32, order="C")
        if not np.isfinite(values).all():
            raise WeightsError("The file holds weights that are not finite numbers; it is damaged.")
        return torch.from_numpy(values)


def rebuild_tensor(
    storage: object, offset: object, size: object, stride: object, requires_grad: object, hooks: object
) -> TensorRecord:
    """torch._utils._rebuild_tensor_v2 as a record."""
    if not isinstance(storage, StorageRecord) or hooks:
        raise WeightsError("The file holds a tensor without plain storage; refused.")
    sizes, steps = _whole_numbers(size), _whole_numbers(stride)
    (start,) = _whole_numbers((offset,))
    count = 1
    last = start
    for length, step in zip(sizes, steps, strict=True):
        count *= length
        last += (length - 1) * step
    # The second bound stops steps of 0, by which a small storage would fill any memory when copied.
    if count > storage.numel or (count and last >= storage.numel) or len(sizes) > MAX_DIMENSIONS:
        raise WeightsError("The file holds a tensor that reaches beyond its own data; refused.")
    return TensorRecord(storage, start if count else 0, sizes, steps)


def rebuild_parameter(data: object, requires_grad: object, hooks: object) -> TensorRecord:
    """torch._utils._rebuild_parameter as a record."""
    if not isinstance(data, TensorRecord) or hooks:
        raise WeightsError("The file holds a parameter that is no tensor; refused.")
    return data


def read_storage(content: memoryview, budget: Budget | None = None) -> StorageRecord:
    """A whole legacy torch.save stream that holds one storage and nothing else; budget: of the file it lies in.

    Raises WeightsError.
    """

    def persistent(value: object) -> StorageRecord:
        match value:
            case ("storage", Name("torch", kind), str() as key, str(), int() as numel, None) if numel >= 0:
                keys.append(key)
                return StorageRecord(content, DTYPES[kind], numel)
        raise WeightsError("The file holds a tensor whose data is not stored as torch stores it; refused.")

    def refuse(*_: object) -> object:
        raise WeightsError("The file calls a storage type where it only names one; refused.")

    keys: list[str] = []
    machine = PickleMachine({("torch", kind): refuse for kind in DTYPES}, persistent, budget=budget)
    reader = ByteReader(content)
    if machine.load(reader) != TORCH_MAGIC or machine.load(reader) != TORCH_PROTOCOL:
        raise WeightsError("The file holds tensor data that torch did not write; refused.")
    system = machine.load(reader)
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise WeightsError("The file was written on a machine of another byte order; it cannot be read.")
    record = machine.load(reader)
    if not isinstance(record, StorageRecord) or machine.load(reader) != keys or len(keys) != 1:
        raise WeightsError("The file holds tensor data that torch did not write; refused.")
    start = reader.tell() + 8
    length = record.numel * np.dtype(record.dtype).itemsize
    if len(content) != start + length or struct.unpack("<q", content[start - 8 : start])[0] != record.numel:
        raise WeightsError("The file holds a tensor whose data is cut short or too long; it is damaged.")
    return StorageRecord(content[start:], record.dtype, record.numel)


def _whole_numbers(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or not all(type(v) is int and 0 <= v < 2**40 for v in values):
        raise WeightsError("The file holds a tensor of impossible size; refused.")
    return values
