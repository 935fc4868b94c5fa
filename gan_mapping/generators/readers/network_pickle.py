"""NVIDIA's network pickles (StyleGAN2-ADA, PyTorch): the tensors of G_ema and its constructor arguments.

The file carries the source text of its own classes and expects it to be executed. Here that text is dropped
unread; modules are plain records, and of their state only parameters, buffers, children and the constructor's
arguments are looked at.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gan_mapping.generators.readers.pickle_machine import (
    Blob,
    Budget,
    ByteReader,
    ForbiddenNameError,
    NamedDict,
    PickleMachine,
    shown,
)
from gan_mapping.generators.readers.records import TensorRecord, read_storage, rebuild_parameter, rebuild_tensor
from vl_backbone.common.errors import WeightsError

MAX_DEPTH = 8
# Children and tensors that one path may reach: shared ones are reached by many paths.
MAX_MEMBERS = 20_000
# The official constructor's arguments, in its order.
ARGUMENTS = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs")
_KEY = re.compile(r"[A-Za-z0-9_]{1,100}")
_SCALARS = {"f8": "<d", "f4": "<f", "i8": "<q", "i4": "<i", "b1": "<?"}

TENSORFLOW = (
    "This is a TensorFlow StyleGAN pickle (dnnlib.tflib.network.Network). Only PyTorch StyleGAN2-ADA pickles and "
    ".pt/.safetensors generators can be read; convert it first with the official legacy.py."
)
STYLEGAN3 = (
    "This is a StyleGAN3 generator, which is another network; only StyleGAN2 ones can be used. For faces take "
    "ffhq.pkl of NVlabs/stylegan2-ada-pytorch."
)


@dataclass(frozen=True)
class ModuleRecord:
    """A module of the file: the name of its class and the `__dict__` it had. Nothing of it was executed."""

    class_name: str
    state: dict[Any, Any]


@dataclass
class _DType:
    """A numpy dtype that the file names, for single numbers only."""

    code: str


def read_network_pickle(content: bytes) -> tuple[dict[str, TensorRecord], dict[Any, Any]]:
    """-> (tensors of G_ema by official key, its constructor arguments). Raises WeightsError; executes nothing."""
    view = memoryview(content)
    reader = ByteReader(view)
    try:
        budget = Budget()
        top = PickleMachine(_builders(view, budget), build=_build, budget=budget).load(reader)
    except ForbiddenNameError as error:
        if error.module.startswith(("dnnlib.tflib", "tfutil")) or (error.module, error.name) == ("network", "Network"):
            raise WeightsError(TENSORFLOW) from None
        raise
    if reader.tell() != len(content):
        raise WeightsError("The file goes on after its end; it is damaged or not what it seems.")
    if isinstance(top, tuple):
        raise WeightsError(TENSORFLOW)
    if not isinstance(top, dict):
        raise WeightsError("The pickle holds no networks; expected the parts G, D and G_ema.")
    generator = top.get("G_ema")
    if not isinstance(generator, ModuleRecord):
        parts = ", ".join(shown(str(key)) for key in list(top)[:5] if isinstance(top[key], ModuleRecord)) or "none"
        raise WeightsError(f"The pickle holds no trained generator (G_ema); networks in it: {parts}.")
    tensors: dict[str, TensorRecord] = {}
    for count, (key, record) in enumerate(_members(generator, "", 0)):
        if count >= MAX_MEMBERS:
            raise WeightsError("The modules in this pickle have more parts than a generator's; refused.")
        if record is not None:
            tensors[key] = record
    if any(key.startswith("synthesis.input.") for key in tensors):
        raise WeightsError(STYLEGAN3)
    if generator.class_name != "Generator" or "synthesis.b4.const" not in tensors:
        raise WeightsError(f"G_ema in this pickle is a {shown(generator.class_name)}, not a StyleGAN2 generator.")
    named, placed = generator.state.get("_init_kwargs"), generator.state.get("_init_args", ())
    if not isinstance(named, dict) or not isinstance(placed, tuple) or len(placed) > len(ARGUMENTS):
        raise WeightsError("The pickle does not say how its generator was built (_init_kwargs); refused.")
    arguments = {**dict(zip(ARGUMENTS, placed, strict=False)), **named}
    return tensors, _with_clamp(arguments, generator)


def _with_clamp(arguments: dict[Any, Any], generator: ModuleRecord) -> dict[Any, Any]:
    """The arguments with conv_clamp as the layers have it, where they leave it to the constructor's default.

    That default is none in StyleGAN2-ADA's code and 256 in the copy that StyleGAN3's code trains.
    """
    given = arguments.get("synthesis_kwargs", {})
    layer = generator
    for child in ("synthesis", "b4", "conv1"):
        layer = layer.state["_modules"].get(child, layer)
    clamp = layer.state.get("conv_clamp")
    if not isinstance(given, dict) or "conv_clamp" in given or not isinstance(clamp, (int, float)):
        return arguments
    return {**arguments, "synthesis_kwargs": {**given, "conv_clamp": clamp}}


def _members(module: ModuleRecord, prefix: str, depth: int) -> Iterator[tuple[str, TensorRecord | None]]:
    """Every tensor below the module, by its official key, and every child module as None."""
    if depth > MAX_DEPTH:
        raise WeightsError("The modules in this pickle are nested deeper than a generator's; refused.")
    for section in ("_parameters", "_buffers", "_modules"):
        members = module.state.get(section)
        if not isinstance(members, dict):
            raise WeightsError("The pickle holds a module without parameters, buffers and children; refused.")
        for name, value in members.items():
            if not isinstance(name, str) or not _KEY.fullmatch(name):
                raise WeightsError("The pickle holds a tensor of an impossible name; refused.")
            if value is None:
                continue
            wanted = ModuleRecord if section == "_modules" else TensorRecord
            if not isinstance(value, wanted):
                raise WeightsError(f"{shown(prefix + name)} in this pickle is not what its place asks for; refused.")
            if isinstance(value, TensorRecord):
                yield prefix + name, value
            else:
                yield prefix + name, None
                yield from _members(value, f"{prefix}{name}.", depth + 1)


def _builders(content: memoryview, budget: Budget) -> dict[tuple[str, str], Any]:
    """Every name that an official pickle uses, and the inert thing that we put in its place."""

    encoded = 0

    def slice_of(blob: Blob) -> memoryview:
        return content[blob.start : blob.start + blob.size]

    def load_from_bytes(data: object) -> object:
        if isinstance(data, Blob):
            return read_storage(slice_of(data), budget)
        if isinstance(data, bytes):
            return read_storage(memoryview(data), budget)
        raise WeightsError("The file holds a tensor without data; refused.")

    def scalar(dtype: object, data: object) -> object:
        if isinstance(data, Blob):
            data = bytes(slice_of(data))
        if not isinstance(dtype, _DType) or not isinstance(data, bytes):
            raise WeightsError("The file holds a number that is not one; refused.")
        form = _SCALARS[dtype.code]
        if len(data) != struct.calcsize(form):
            raise WeightsError("The file holds a number of the wrong length; it is damaged.")
        return struct.unpack(form, data)[0]

    def encode(text: object, encoding: object = "") -> bytes:
        """Bytes as protocol 2 writes them: text of one character per byte."""
        nonlocal encoded
        if not isinstance(text, str) or encoding != "latin1":
            raise WeightsError("The file holds bytes in an unknown form; refused.")
        encoded += len(text)
        if encoded > len(content):  # the same text again and again
            raise WeightsError("The file claims more data than it has room for; refused.")
        return text.encode("latin-1")

    builders: dict[tuple[str, str], Any] = {
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): _module,
        ("dnnlib.util", "EasyDict"): _no_arguments(NamedDict),
        ("collections", "OrderedDict"): _no_arguments(dict),
        ("torch._utils", "_rebuild_tensor_v2"): rebuild_tensor,
        ("torch._utils", "_rebuild_parameter"): rebuild_parameter,
        ("torch.storage", "_load_from_bytes"): load_from_bytes,
        ("numpy", "dtype"): _dtype,
        ("_codecs", "encode"): encode,
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        builders[module, "scalar"] = scalar
    for module in ("builtins", "__builtin__"):
        builders[module, "set"] = _set
    return builders


def _module(meta: object) -> ModuleRecord:
    keys = {"type", "version", "module_src", "class_name", "state"}
    if not isinstance(meta, dict) or set(meta) != keys:
        raise WeightsError("The file holds a module that is not described as the official ones are; refused.")
    if meta["type"] != "class" or meta["version"] != 6:
        raise WeightsError(f"The file's modules have version {shown(str(meta['version'])[:20])}; only 6 is known.")
    if not isinstance(meta["class_name"], str) or not isinstance(meta["state"], dict):
        raise WeightsError("The file holds a module without name or state; refused.")
    return ModuleRecord(meta["class_name"], meta["state"])


def _no_arguments(kind: type) -> Any:
    def build(*arguments: object) -> object:
        if arguments:
            raise WeightsError("The file fills a table in a way that weight files do not; refused.")
        return kind()

    return build


def _set(values: object = ()) -> set[object]:
    if not isinstance(values, (list, tuple)) or not all(isinstance(value, (str, int)) for value in values):
        raise WeightsError("The file holds a set of something other than names; refused.")
    return set(values)


def _dtype(code: object, align: object = False, copy: object = False) -> _DType:
    if not isinstance(code, str) or code not in _SCALARS:
        raise WeightsError("The file holds numbers of a type that generators do not have; refused.")
    return _DType(code)


def _build(target: object, state: object) -> None:
    """numpy writes its dtypes' byte order this way; nothing else has a state."""
    if isinstance(target, _DType) and isinstance(state, tuple) and len(state) > 1 and state[1] in ("<", "|", "="):
        return
    raise WeightsError("The file sets attributes where a weight file has none; refused.")
