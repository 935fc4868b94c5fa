"""Hostile network pickles: none runs, none asks for much memory or time, each is refused with a sentence."""

from __future__ import annotations

import pickle
import struct
import tracemalloc
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_mapping.generators.readers import read_generator
from tests.gan_mapping.generators.readers.official_writers import (
    equal,
    inner_stream,
    network_pickle,
    official_names,
    persistent_module,
    random_generator,
    tiny_arguments,
)
from vl_backbone.common.errors import WeightsError


def write(folder: Path, content: bytes) -> Path:
    path = folder / "net.pkl"
    path.write_bytes(content)
    return path


class Call:
    """Pickles as a call: the classic attack."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def test_no_attack_runs(tmp_path: Path) -> None:
    """Each of these files makes the canary when it is executed; loading must leave it unmade."""
    canary = tmp_path / "canary"
    arguments = tiny_arguments(8)
    generator = random_generator(arguments)

    # 1. The source text of the classes, which official tools execute: it is ignored and the file loads.
    source = f"open({str(canary)!r}, 'w').close()\nclass Generator: pass\n"
    assert equal(read_generator(write(tmp_path, network_pickle(generator, arguments, source=source))), generator)
    assert not canary.exists()

    # 2. Callables in the stream, by every way of naming them, in every part.
    make = Call(open, str(canary), "w")
    attacks: dict[str, bytes] = {}
    for protocol in range(2, 6):
        attacks[f"top {protocol}"] = pickle.dumps(make, protocol)
        attacks[f"beside {protocol}"] = pickle.dumps({"G": make, "G_ema": None}, protocol)
    attacks["eval"] = pickle.dumps(Call(eval, f"open({str(canary)!r}, 'w')"))
    attacks["text opcodes"] = f"cbuiltins\nopen\n(V{canary}\nVw\ntR.".encode()
    attacks["inst"] = f"(V{canary}\nVw\nibuiltins\nopen\n.".encode()
    attacks["obj"] = f"(cbuiltins\nopen\nV{canary}\nVw\no.".encode()
    attacks["extension"] = b"\x80\x02\x82\x01."
    words = (b"torch_utils.persistence", b"_reconstruct_persistent_obj.__globals__")
    attacks["dotted name"] = b"\x80\x04" + b"".join(b"\x8c" + bytes([len(word)]) + word for word in words) + b"\x93."
    attacks["attributes of a class"] = b"\x80\x02cdnnlib.util\nEasyDict\n}(X\x01\x00\x00\x00aK\x01ub."

    # 3. A hostile pickle inside the bytes of a tensor's storage.
    hostile = pickle.dumps(Call(open, str(canary), "w"), 2)
    stream = inner_stream(torch.zeros(2))
    for name, inner in {
        "inner": hostile,
        "inner after magic": stream[:13] + hostile,
        "inner after all": stream + hostile,
    }.items():
        blob = pickle.dumps(inner, 3)[2:-1]
        attacks[name] = b"\x80\x03ctorch.storage\n_load_from_bytes\n" + blob + b"\x85R."

    for name, content in attacks.items():
        path = write(tmp_path, content if content.startswith(b"\x80") else b"\x80\x02" + content)
        with pytest.raises(WeightsError):
            read_generator(path)
        assert not canary.exists(), name
    # The canary works: Python's own reader walks into the trap.
    pickle.loads(attacks["beside 3"])["G"].close()
    assert canary.exists()


def test_bombs_are_refused_in_little_memory(tmp_path: Path) -> None:
    """Small files that make Python's own unpickler ask for gigabytes, or think for ever."""
    nested = b"\x80\x04)" + b"".join(b"\x94h" + bytes([i]) + b"\x86" for i in range(100))
    stream = inner_stream(torch.zeros(2))
    again = b"ctorch.storage\n_load_from_bytes\nq\x00B" + struct.pack("<I", len(stream)) + stream + b"q\x01"
    text = b"c_codecs\nencode\nq\x00X" + struct.pack("<I", 100_000) + b"a" * 100_000 + b"q\x01X\x06\0\0\0latin1q\x02"
    bombs = {
        "huge memo index": b"\x80\x02}r\xff\xff\xff\x7f.",
        "huge byte array": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
        "huge bytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
        "huge text": b"\x80\x02X\xff\xff\xff\xff" + b"a",
        "huge number": b"\x80\x02\x8b\xff\xff\xff\x7f" + b"a" * 100,
        "long decimal": b"\x80\x02I" + b"9" * 100_000 + b"\n.",
        "hash of nested tuples": nested + b"}" + b"h\x63" + b"K\x01s.",
        "marks": b"\x80\x02" + b"(" * 100_000,
        "deep": b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
        "endless": b"\x80\x02" + b"N0" * 300_000 + b".",
        "zeros": b"\x80" + bytes(10_000),
        "one storage again and again": b"\x80\x03" + again + b"h\x00h\x01\x85R0" * 100_000 + b".",
        "one text encoded again and again": b"\x80\x02" + text + b"h\x00h\x01h\x02\x86R0" * 40_000 + b".",
    }
    tracemalloc.start()
    try:
        for content in bombs.values():
            with pytest.raises(WeightsError):
                read_generator(write(tmp_path, content))
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_cycles_and_repeats_end(tmp_path: Path) -> None:
    arguments = tiny_arguments(8)
    with official_names() as (reconstruct, _):
        loop = persistent_module({"a": torch.zeros(1)}, "Generator", reconstruct, {})
        loop.meta["state"]["_modules"]["self"] = loop.meta["state"]["_modules"]
        with pytest.raises(WeightsError):
            read_generator(write(tmp_path, pickle.dumps({"G_ema": loop})))
        # Thirty levels of two references each to the same child: a billion paths.
        child = persistent_module({"a": torch.zeros(1)}, "X", reconstruct, {})
        for _ in range(30):
            parent = persistent_module({}, "Generator", reconstruct, {"_init_kwargs": arguments})
            parent.meta["state"]["_modules"] = OrderedDict(a=child, b=child)
            child = parent
        with pytest.raises(WeightsError):
            read_generator(write(tmp_path, pickle.dumps({"G_ema": child})))
        # Seven levels of twenty references: a billion paths again, none of them deep.
        child = persistent_module({"a": torch.zeros(1)}, "X", reconstruct, {})
        for _ in range(7):
            parent = persistent_module({}, "Generator", reconstruct, {"_init_kwargs": arguments})
            parent.meta["state"]["_modules"] = OrderedDict((f"m{i}", child) for i in range(20))
            child = parent
        with pytest.raises(WeightsError, match="more parts"):
            read_generator(write(tmp_path, pickle.dumps({"G_ema": child})))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 7}, "version 7"),
        ({"version": [6] * 1000}, "version"),
        ({"type": "function"}, "version"),
        ({"class_name": 3}, "name or state"),
        ({"state": [1]}, "name or state"),
        ({"more": 1}, "not described"),
    ],
)
def test_modules_described_otherwise_are_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    with official_names() as (reconstruct, _):
        module = persistent_module({"a": torch.zeros(1)}, "Generator", reconstruct, {})
        module.meta |= change
        with pytest.raises(WeightsError, match=words):
            read_generator(write(tmp_path, pickle.dumps({"G_ema": module}, 3)))


def test_state_and_foreign_data_are_refused_in_every_place(tmp_path: Path) -> None:
    """Attributes set on what stands for modules and tensors, objects inside numbers, data from elsewhere."""
    arguments = tiny_arguments(4)
    whole = network_pickle(random_generator(arguments), arguments, 2, parts=("G_ema",))
    assert b"multiarray\nscalar\n" in whole and read_generator(write(tmp_path, whole))
    stream = inner_stream(torch.zeros(2))
    load = b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(stream)) + stream + b"\x85R"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + load + b"K\x00K\x02\x85K\x01\x85\x89}tR"
    assert b"torch\nFloatStorage" in stream
    cases = {
        "state of a storage": load + b"}b",
        "state of a tensor": tensor + b"}X\x04\x00\x00\x00sizeK\x01sb",
        "state of a name": b"cbuiltins\nset\n}b",
        "an instance of a function": b"ctorch._utils\n_rebuild_tensor_v2\n)\x81",
        "objects in numbers": b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8\x89\x88tR",
        "dates in numbers": b"cnumpy\ndtype\n(X\x02\x00\x00\x00M8\x89\x88tR",
        "big-endian numbers": b"cnumpy\ndtype\n(X\x02\x00\x00\x00f8\x89\x88tR(K\x03X\x01\x00\x00\x00>tb",
        "data by reference": b"X\x01\x00\x00\x00aQ",
        "data by a line": b"Pa\n",
        "hooks": tensor.replace(b"\x89}tR", b"\x89}K\x01K\x01stR"),
        "another storage": load.replace(b"FloatStorage", b"ShortStorage"),
        "a callable for a storage": load.replace(b"torch\nFloatStorage", b"builtins\nexecfiles"),
        "the encoder for other text": b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf-8\x86R",
    }
    for name, content in cases.items():
        assert content not in (load, tensor), name
        with pytest.raises(WeightsError):
            read_generator(write(tmp_path, b"\x80\x02}X\x05\x00\x00\x00G_ema" + content + b"s."))
