"""Writers of the official formats, for tests: files as NVIDIA's, rosinality's and e4e's tools write them.

The network pickles are made by Python's own pickle from stand-ins of the official classes, under the official
module names; nothing of the official code is in here.
"""

from __future__ import annotations

import argparse
import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_mapping.generators.readers.generator_file import GeneratorFile, expected_shapes
from gan_mapping.generators.stylegan2.config import config_from_official

SOURCE = "# Stand-in for the source text that official files carry.\nclass Generator:\n    pass\n"


def tiny_arguments(resolution: int = 16, c_dim: int = 0, **synthesis: Any) -> dict[str, Any]:
    """Constructor arguments of a generator of a few thousand weights."""
    return {
        "z_dim": 8,
        "c_dim": c_dim,
        "w_dim": 8,
        "img_resolution": resolution,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 2},
        "synthesis_kwargs": {"channel_base": 64, "channel_max": 6, **synthesis},
    }


def config_f_arguments(channel_base: int = 32768, channel_max: int = 512) -> dict[str, Any]:
    """Constructor arguments of FFHQ's config f (18 rows of 512 numbers, 1024 px), thinner where asked."""
    return {
        "z_dim": 512,
        "c_dim": 0,
        "w_dim": 512,
        "img_resolution": 1024,
        "img_channels": 3,
        "mapping_kwargs": {"num_layers": 8},
        "synthesis_kwargs": {
            "channel_base": channel_base,
            "channel_max": channel_max,
            "num_fp16_res": 4,
            "conv_clamp": 256,
        },
    }


def random_generator(arguments: dict[str, Any], seed: int = 0) -> GeneratorFile:
    """A generator with random weights, every one of them different."""
    config = config_from_official(arguments)
    source = torch.Generator().manual_seed(seed)
    tensors = {key: torch.randn(shape, generator=source) for key, shape in expected_shapes(config).items()}
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    for key in tensors:
        if key.endswith("resample_filter"):
            tensors[key] = torch.outer(taps, taps)
        elif key.startswith("mapping.fc"):
            tensors[key] *= 100 if key.endswith("weight") else 10
    return GeneratorFile(config, tensors, "test")


def equal(a: GeneratorFile, b: GeneratorFile) -> bool:
    """Whether two generators have the same configuration and the same tensors, bit for bit."""
    return a.config == b.config and all(torch.equal(a.tensors[key], b.tensors[key]) for key in b.tensors)


@contextmanager
def official_names() -> Iterator[tuple[Any, Any]]:
    """Modules of the official names with the two things that pickles refer to: (reconstruct, EasyDict)."""

    def _reconstruct_persistent_obj(meta: Any) -> Any:
        raise AssertionError("a test tried to load a pickle the official way")

    persistence, util = types.ModuleType("torch_utils.persistence"), types.ModuleType("dnnlib.util")
    _reconstruct_persistent_obj.__module__ = "torch_utils.persistence"
    _reconstruct_persistent_obj.__qualname__ = "_reconstruct_persistent_obj"
    easy_dict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    persistence._reconstruct_persistent_obj = _reconstruct_persistent_obj  # type: ignore[attr-defined]
    util.EasyDict = easy_dict  # type: ignore[attr-defined]
    added = {
        "torch_utils": types.ModuleType("torch_utils"),
        "torch_utils.persistence": persistence,
        "dnnlib": types.ModuleType("dnnlib"),
        "dnnlib.util": util,
    }
    before = {name: sys.modules.get(name) for name in added}
    sys.modules.update(added)
    try:
        yield _reconstruct_persistent_obj, easy_dict
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class Persistent:
    """Pickles as an official module object does."""

    def __init__(self, class_name: str, state: dict[str, Any], reconstruct: Any, source: str = SOURCE) -> None:
        self.meta = {"type": "class", "version": 6, "module_src": source, "class_name": class_name, "state": state}
        self.reconstruct = reconstruct

    def __reduce__(self) -> tuple[Any, ...]:
        return self.reconstruct, (self.meta,), None


_CLASSES = {"mapping": "MappingNetwork", "synthesis": "SynthesisNetwork", "torgb": "ToRGBLayer"}
_BUFFERS = ("w_avg", "resample_filter", "noise_const")


def persistent_module(
    tensors: dict[str, Tensor], class_name: str, reconstruct: Any, extra: dict[str, Any], source: str = SOURCE
) -> Persistent:
    """A tree of persistent modules from tensors by dotted name, with the attributes torch's modules have."""
    own = {key: tensor for key, tensor in tensors.items() if "." not in key}
    children: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        child, _, rest = key.partition(".")
        if rest:
            children.setdefault(child, {})[rest] = tensor
    hooks = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks")
    state: dict[str, Any] = {
        "training": False,
        "_parameters": OrderedDict((k, torch.nn.Parameter(t)) for k, t in own.items() if k not in _BUFFERS),
        "_buffers": OrderedDict((k, t) for k, t in own.items() if k in _BUFFERS),
        "_non_persistent_buffers_set": set(),
        **{hook: OrderedDict() for hook in hooks},
        "_modules": OrderedDict(
            (name, persistent_module(part, _class_of(name), reconstruct, {}, source)) for name, part in children.items()
        ),
        "weight_gain": np.float64(0.25),
        "use_noise": True,
        "_init_args": (),
        "_init_kwargs": {},
        **extra,
    }
    return Persistent(class_name, state, reconstruct, source)


def _class_of(name: str) -> str:
    if name.startswith("conv"):
        return "SynthesisLayer"
    if name.startswith("b"):
        return "SynthesisBlock"
    return _CLASSES.get(name, "FullyConnectedLayer")


def network_pickle(
    generator: GeneratorFile,
    arguments: dict[str, Any],
    protocol: int = 3,
    other: GeneratorFile | None = None,
    source: str = SOURCE,
    parts: tuple[str, ...] = ("G", "D", "G_ema"),
    class_name: str = "Generator",
) -> bytes:
    """An official network pickle. other: the tensors of `G`, so that a reader that takes G is found out."""
    with official_names() as (reconstruct, easy_dict):
        kwargs = {**arguments, "synthesis_kwargs": easy_dict(arguments["synthesis_kwargs"])}

        def network(tensors: dict[str, Tensor]) -> Persistent:
            extra = {"_init_kwargs": kwargs, "z_dim": arguments["z_dim"], "num_ws": 0}
            return persistent_module(tensors, class_name, reconstruct, extra, source)

        discriminator = {"b4.mbstd.weight": torch.zeros(2), "b4.fc.weight": torch.zeros(2, 2)}
        everything = {
            "training_set_kwargs": {
                "class_name": "training.dataset.ImageFolderDataset",
                "max_size": 70000,
                "xflip": True,
            },
            "G": network((other or generator).tensors),
            "D": persistent_module(discriminator, "Discriminator", reconstruct, {}, source),
            "G_ema": network(generator.tensors),
            "augment_pipe": None,
        }
        left_out = {"G", "D", "G_ema"} - set(parts)
        content = {key: value for key, value in everything.items() if key not in left_out}
        return pickle.dumps(content, protocol=protocol)


def rosinality_state(generator: GeneratorFile, with_noise: bool = True) -> dict[str, Tensor]:
    """Official tensors -> rosinality's key names and shapes."""
    state: dict[str, Tensor] = {}
    octaves = {4 << i: i for i in range(len(generator.config.channels))}
    for key, tensor in generator.tensors.items():
        parts = key.split(".")
        if parts[0] == "mapping":
            if parts[1] != "w_avg":
                state[f"style.{int(parts[1][2:]) + 1}.{parts[2]}"] = tensor
            continue
        i = octaves[int(parts[1][1:])]
        if parts[2] == "const":
            state["input.input"] = tensor[None]
            continue
        if parts[2] == "resample_filter":
            if i:
                state[f"to_rgbs.{i - 1}.upsample.kernel"] = tensor * 4
            continue
        leaf = ".".join(parts[3:])
        rgb = parts[2] == "torgb"
        if rgb:
            layer = "to_rgb1" if i == 0 else f"to_rgbs.{i - 1}"
        else:
            n = 0 if i == 0 else 2 * i - 2 + int(parts[2][-1])
            layer = "conv1" if i == 0 else f"convs.{n}"
        if leaf == "noise_const":
            number = 0 if i == 0 else 2 * i - 1 + int(parts[2][-1])
            if with_noise:
                state[f"noises.noise_{number}"] = tensor[None, None]
        elif leaf == "resample_filter":
            if parts[2] == "conv0":
                state[f"{layer}.conv.blur.kernel"] = tensor * 4
        elif leaf == "weight":
            state[f"{layer}.conv.weight"] = tensor[None]
        elif leaf == "noise_strength":
            state[f"{layer}.noise.weight"] = tensor[None]
        elif leaf == "bias":
            state[f"{layer}.bias" if rgb else f"{layer}.activate.bias"] = tensor[None, :, None, None] if rgb else tensor
        else:
            state[f"{layer}.conv.modulation.{leaf.split('.')[1]}"] = tensor
    return state


def save_rosinality(generator: GeneratorFile, path: Path, wrapper: str = "g_ema", with_noise: bool = True) -> None:
    """wrapper: "g_ema" (converted), "training" (with the command line), "e4e" (decoder inside an encoder's file)."""
    state = rosinality_state(generator, with_noise)
    mean = generator.tensors["mapping.w_avg"]
    content: dict[str, Any] = {"g_ema": state, "latent_avg": mean}
    if wrapper == "training":
        content |= {"g": state, "d": {}, "args": argparse.Namespace(size=16, lr=0.002), "g_optim": {"state": {}}}
    elif wrapper == "e4e":
        decoder = {f"decoder.{key}": tensor for key, tensor in state.items()}
        encoder = {"encoder.input_layer.0.weight": torch.zeros(2)}
        rows = mean.repeat(generator.config.num_ws, 1)
        content = {"state_dict": {**encoder, **decoder}, "latent_avg": rows, "opts": {"output_size": 16}}
    torch.save(content, path)


def inner_stream(tensor: Tensor) -> bytes:
    """One storage as torch.save's legacy format has it."""
    buffer = io.BytesIO()
    torch.save(tensor.storage(), buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()
