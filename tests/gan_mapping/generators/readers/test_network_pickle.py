"""Official network pickles: what the reader takes out of them, and what it refuses to do."""

from __future__ import annotations

import pickle
import random
import resource
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from gan_mapping.generators.readers import read_generator
from gan_mapping.generators.readers.pickle_machine import ByteReader, PickleMachine
from gan_mapping.generators.readers.records import StorageRecord, read_storage, rebuild_tensor
from tests.gan_mapping.generators.readers.official_writers import (
    GeneratorFile,
    equal,
    inner_stream,
    network_pickle,
    random_generator,
    tiny_arguments,
)
from vl_backbone.common.errors import WeightsError


def write(folder: Path, content: bytes, name: str = "net.pkl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "arguments",
    [tiny_arguments(), tiny_arguments(8, c_dim=5), tiny_arguments(32, conv_clamp=256, num_fp16_res=2)],
    ids=["plain", "conditional", "clamped"],
)
def test_g_ema_and_its_configuration_come_out_bit_for_bit(
    tmp_path: Path, protocol: int, arguments: dict[str, Any]
) -> None:
    trained, training = random_generator(arguments, 1), random_generator(arguments, 2)
    path = write(tmp_path, network_pickle(trained, arguments, protocol, other=training))
    read = read_generator(path)
    assert equal(read, trained) and not read.notes
    assert not equal(read, training)


def test_strides_and_offsets_are_honoured(tmp_path: Path) -> None:
    arguments = tiny_arguments()
    generator = random_generator(arguments)
    key = "synthesis.b8.conv0.weight"
    plain = generator.tensors[key]
    generator.tensors[key] = plain.contiguous(memory_format=torch.channels_last)
    generator.tensors["mapping.fc0.bias"] = torch.cat([torch.zeros(3), generator.tensors["mapping.fc0.bias"]])[3:]
    read = read_generator(write(tmp_path, network_pickle(generator, arguments)))
    assert equal(read, generator)
    assert torch.equal(read.tensors[key], plain)


def test_inert_names_stay_inert() -> None:
    machine = PickleMachine({("collections", "OrderedDict"): dict})
    empty = machine.load(ByteReader(memoryview(pickle.dumps(OrderedDict(a=1), 4))))
    assert type(empty) is dict and empty == {"a": 1}
    with pytest.raises(WeightsError, match="os"):
        machine.load(ByteReader(memoryview(b"cos\nsystem\n.")))


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((1000,), (1,), 0),
        ((2,), (1,), 1),
        ((1 << 20, 1 << 20), (0, 0), 0),
        ((2,), (5,), 0),
        ((-1,), (1,), 0),
        ((1,), (1,), -1),
    ],
)
def test_a_tensor_cannot_reach_beyond_its_storage(size: tuple[int, ...], stride: tuple[int, ...], offset: int) -> None:
    storage = StorageRecord(memoryview(bytes(8)), "<f4", 2)
    with pytest.raises(WeightsError):
        rebuild_tensor(storage, offset, size, stride, False, OrderedDict())


def test_storage_streams_are_checked() -> None:
    stream = inner_stream(torch.arange(5.0))
    assert read_storage(memoryview(stream)).numel == 5
    for wrong in (
        stream[:-1],
        stream + b"\0",
        stream[:50],
        b"",
        stream.replace(struct.pack("<q", 5), struct.pack("<q", 4)),
    ):
        with pytest.raises(WeightsError):
            read_storage(memoryview(wrong))


def test_other_networks_are_named(tmp_path: Path) -> None:
    arguments = tiny_arguments(8)
    generator = random_generator(arguments)
    cases = {
        "TensorFlow": b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81.",
        "G_ema.*D|D": network_pickle(generator, arguments, parts=("D",)),
        "G_ema": network_pickle(generator, arguments, parts=("G", "D")),
        "Discriminator": network_pickle(generator, arguments, class_name="Discriminator"),
        "no networks": pickle.dumps([1, 2], 3),
    }
    for words, content in cases.items():
        with pytest.raises(WeightsError, match=words):
            read_generator(write(tmp_path, content))
    third = GeneratorFile(
        generator.config, {"synthesis.input.weight": torch.zeros(2), "mapping.w_avg": torch.zeros(2)}, ""
    )
    with pytest.raises(WeightsError, match="StyleGAN3"):
        read_generator(write(tmp_path, network_pickle(third, arguments)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"img_resolution": 1 << 30}, "resolution"),
        ({"img_resolution": 24}, "resolution"),
        ({"z_dim": 10**9}, "z_dim"),
        ({"z_dim": "8"}, "z_dim"),
        ({"mapping_kwargs": {"num_layers": 10**9}}, "mapping layers"),
        ({"mapping_kwargs": [1]}, "mapping_kwargs"),
        ({"synthesis_kwargs": {"architecture": "resnet"}}, "architecture"),
        ({"synthesis_kwargs": {"channel_base": 10**12, "channel_max": 10**12}}, "channels"),
        ({"img_channels": 1}, "RGB"),
        ({"magnitude_ema_beta": 1}, "unknown"),
    ],
)
def test_unusable_configurations_are_explained(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    arguments = tiny_arguments(8)
    content = network_pickle(random_generator(arguments), {**arguments, **change})
    with pytest.raises(WeightsError, match=words):
        read_generator(write(tmp_path, content))


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    arguments = tiny_arguments(8)
    generator = random_generator(arguments)
    generator.tensors["mapping.w_avg"][0] = float("nan")
    with pytest.raises(WeightsError, match="finite"):
        read_generator(write(tmp_path, network_pickle(generator, arguments)))


def mutations(whole: bytes, source: random.Random, count: int) -> list[bytes]:
    """Flipped, cut, doubled and spliced copies of a file; half of them hit the part that is not raw numbers."""
    out = []
    for _ in range(count):
        content = bytearray(whole)
        for _ in range(source.choice((1, 1, 2, 8))):
            place = source.randrange(len(content))
            match source.randrange(6):
                case 0:
                    content[place] = source.randrange(256)
                case 1:
                    content[place] ^= 1 << source.randrange(8)
                case 2:
                    del content[place : place + source.randrange(1, 64)]
                case 3:
                    content[place:place] = content[place : place + source.randrange(1, 64)]
                case 4:
                    other = source.randrange(len(content))
                    content[place : place + 16] = content[other : other + 16]
                case _:
                    del content[place:]
            content = content or bytearray(b"\x80")
        out.append(bytes(content))
    return out


@pytest.mark.parametrize("protocol", [3, 4])
def test_fuzz_no_crash_no_execution_bounded_memory(
    tmp_path: Path, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands of mutated files: each loads or is a WeightsError; nothing is called, memory stays small."""
    arguments = tiny_arguments(4)
    canary = tmp_path / "canary"
    whole = network_pickle(
        random_generator(arguments), arguments, protocol, source=f"open({str(canary)!r}, 'w')", parts=("G_ema",)
    )

    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("a reader called Python's unpickler")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, forbidden)
    monkeypatch.setattr(torch, "load", forbidden)
    source = random.Random(protocol)
    refused = 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for content in mutations(whole, source, 1500):
        try:
            read_generator(write(tmp_path, b"\x80" + content[1:]))
        except WeightsError as error:
            refused += 1
            assert len(str(error)) < 600
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # in kB; the files have 20 kB
    assert refused > 500 and not canary.exists()
