"""rosinality checkpoints, plain state dicts and safetensors files: one generator in many coats."""

from __future__ import annotations

import json
import random
import resource
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from gan_mapping import load_generator
from gan_mapping.generators.readers import GeneratorFile, NotAGeneratorError, read_generator
from tests.gan_mapping.generators.readers.official_writers import (
    random_generator,
    rosinality_state,
    save_rosinality,
    tiny_arguments,
)
from vl_backbone.common.errors import WeightsError

ARGUMENTS = tiny_arguments(16)


@pytest.fixture
def generator() -> GeneratorFile:
    return random_generator(ARGUMENTS)


def same(a: GeneratorFile, b: GeneratorFile) -> bool:
    return all(torch.equal(a.tensors[key], b.tensors[key]) for key in b.tensors)


@pytest.mark.parametrize("wrapper", ["g_ema", "training", "e4e"])
def test_rosinality_files_hold_the_same_generator(tmp_path: Path, generator: GeneratorFile, wrapper: str) -> None:
    path = tmp_path / "net.pt"
    save_rosinality(generator, path, wrapper)
    read = read_generator(path)
    assert same(read, generator) and not read.notes
    assert (read.config.resolution, read.config.num_ws) == (16, 6)


def test_flat_and_safetensors_rosinality_files(tmp_path: Path, generator: GeneratorFile) -> None:
    state = {**rosinality_state(generator), "latent_avg": generator.tensors["mapping.w_avg"].clone()}
    torch.save(state, tmp_path / "net.pt")
    save_file({key: tensor.contiguous().clone() for key, tensor in state.items()}, tmp_path / "net.safetensors")
    for name in ("net.pt", "net.safetensors"):
        assert same(read_generator(tmp_path / name), generator)


def test_what_a_file_lacks_is_filled_in_and_said(tmp_path: Path, generator: GeneratorFile) -> None:
    path = tmp_path / "net.pt"
    torch.save({"g_ema": rosinality_state(generator, with_noise=False)}, path)
    one, two = read_generator(path), read_generator(path)
    assert same(one, two)
    assert len(one.notes) == 2 and "noise" in one.notes[0] and "mean w" in one.notes[1]
    network = load_generator(path)
    z = torch.randn(4000, 8, generator=torch.Generator().manual_seed(3))
    w = network.mapping(z)[:, 0]
    assert (w.mean(0) - network.w_mean).abs().max() < 0.1 * w.std()


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("nested", [False, True])
def test_official_keys_take_their_configuration_from_beside(tmp_path: Path, suffix: str, nested: bool) -> None:
    arguments = tiny_arguments(16, conv_clamp=3.0)
    generator = random_generator(arguments)
    path = tmp_path / f"net{suffix}"
    save = save_file if suffix == ".safetensors" else torch.save
    save({key: tensor.clone() for key, tensor in generator.tensors.items()}, path)
    bare = read_generator(path)
    assert bare.config.conv_clamp is None and "conv_clamp" in bare.notes[0]
    config: dict[str, Any] = {"what": "a test", "init_kwargs": arguments} if nested else arguments
    (tmp_path / "config.json").write_text(json.dumps(config))
    read = read_generator(path)
    assert same(read, generator) and read.config == generator.config and not read.notes


def test_a_saved_generator_carries_its_configuration(tmp_path: Path) -> None:
    generator = random_generator(tiny_arguments(16, c_dim=3, conv_clamp=256, num_fp16_res=1))
    generator.save(tmp_path / "own.safetensors")
    read = read_generator(tmp_path / "own.safetensors")
    assert same(read, generator) and read.config == generator.config


def test_the_config_of_another_model_is_left_alone_and_a_broken_one_is_named(
    tmp_path: Path, generator: GeneratorFile
) -> None:
    save_file(generator.tensors, tmp_path / "net.safetensors")
    (tmp_path / "config.json").write_text('{"hidden_size": 3}')
    assert read_generator(tmp_path / "net.safetensors").notes
    for broken in ("{", "[1]", '{"img_resolution": 32, "z_dim": 8, "w_dim": 8}', '{"img_resolution": null}'):
        (tmp_path / "config.json").write_text(broken)
        with pytest.raises(WeightsError):
            read_generator(tmp_path / "net.safetensors")


def test_other_files_are_refused_with_a_reason(tmp_path: Path, generator: GeneratorFile) -> None:
    whole = tmp_path / "whole.pt"
    save_rosinality(generator, whole)
    content = whole.read_bytes()
    state = rosinality_state(generator)
    files: dict[str, tuple[Any, str]] = {
        "empty": (b"", "empty"),
        "page": (b"<!DOCTYPE html><html>Not found</html>", "web page"),
        "cut": (content[: len(content) // 2], "damaged"),
        "list": ([torch.zeros(2)], "no named tensors"),
        "discriminator": ({"d": {"convs.0.0.weight": torch.zeros(2)}}, "discriminator"),
        "other": ({"features.0.weight": torch.zeros(2)}, "no StyleGAN2 generator"),
        "third": ({"G_ema": {"synthesis.input.freqs": torch.zeros(2)}}, "StyleGAN3"),
        "lacking": ({"g_ema": {k: t for k, t in state.items() if k != "to_rgbs.1.bias"}}, "lacks"),
        "shape": ({"g_ema": {**state, "to_rgbs.1.bias": torch.zeros(1, 4, 1, 1)}}, "shape"),
        "extra": ({"g_ema": {**state, "convs.0.conv.wait": torch.zeros(1)}}, "convs.0.conv.wait"),
        "number": ({"g_ema": {**state, "size": 3}}, "other than named tensors"),
        "rows": ({"g_ema": state, "latent_avg": torch.arange(16.0).reshape(2, 8)}, "latent_avg"),
        "nan": ({"g_ema": {**state, "input.input": state["input.input"] * float("inf")}}, "finite"),
        "room": ({"g_ema": {**state, "input.input": torch.zeros(1).expand(1, 6000, 4000, 4000)}}, "room"),
        "blur": ({"g_ema": {**state, "convs.0.conv.blur.kernel": torch.zeros(1).expand(10**5, 10**6)}}, "room"),
        "mean": ({"g_ema": state, "latent_avg": torch.zeros(1).expand(10**6, 10**6)}, "latent_avg"),
        "mean of nothing": ({"g_ema": state, "latent_avg": torch.tensor(1.0)}, "latent_avg"),
        "batch": ({"g_ema": {**state, "input.input": torch.zeros(2, 6, 4, 4)}}, "shape"),
        "sparse": ({"g_ema": {**state, "input.input": state["input.input"].to_sparse()}}, "sparse"),
        "meta": ({"g_ema": {**state, "input.input": state["input.input"].to("meta")}}, "without values|damaged|room"),
        "complex": ({"g_ema": {**state, "input.input": state["input.input"] * 1j}}, "input.input"),
    }
    for name, (value, words) in files.items():
        path = tmp_path / f"{name}.pt"
        if isinstance(value, bytes):
            path.write_bytes(value)
        else:
            torch.save(value, path)
        with pytest.raises(WeightsError, match=words):
            read_generator(path)
    with pytest.raises(WeightsError, match="does not exist"):
        read_generator(tmp_path / "nowhere.pkl")
    with pytest.raises(NotAGeneratorError):
        read_generator(tmp_path / "other.pt")


def test_very_many_classes_take_little_memory(tmp_path: Path) -> None:
    """The mean w of a file that lacks it: one label per class and latent would be gigabytes."""
    arguments = tiny_arguments(4, c_dim=100_000)
    arguments["mapping_kwargs"]["embed_features"] = 1
    generator = random_generator(arguments)
    state = {key: tensor.clone() for key, tensor in generator.tensors.items() if key != "mapping.w_avg"}
    save_file(state, tmp_path / "net.safetensors")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    read = read_generator(tmp_path / "net.safetensors")
    assert read.config.c_dim == 100_000 and "mean w" in read.notes[-1]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # in kB


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_a_hostile_checkpoint_does_not_run(tmp_path: Path, generator: GeneratorFile) -> None:
    canary = tmp_path / "canary"
    for legacy in (False, True):
        torch.save(
            {"g_ema": rosinality_state(generator), "opts": Trap(canary)},
            tmp_path / "net.pt",
            _use_new_zipfile_serialization=not legacy,
        )
        with pytest.raises(WeightsError):
            read_generator(tmp_path / "net.pt")
        assert not canary.exists()


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(20_000_000))
    with pytest.raises(WeightsError, match="unpacks"):
        read_generator(path)


def test_fuzzed_checkpoints_load_or_are_refused(tmp_path: Path) -> None:
    small = random_generator(tiny_arguments(4))
    save_rosinality(small, tmp_path / "net.pt")
    small.save(tmp_path / "net.safetensors")
    source = random.Random(0)
    for name in ("net.pt", "net.safetensors"):
        whole = (tmp_path / name).read_bytes()
        for _ in range(150):
            content = bytearray(whole)
            for _ in range(source.choice((1, 3, 20))):
                content[source.randrange(len(content))] = source.randrange(256)
            if source.random() < 0.3:
                del content[source.randrange(len(content)) :]
            path = tmp_path / f"mutated-{name}"
            path.write_bytes(bytes(content))
            try:
                read_generator(path)
            except WeightsError:
                continue
