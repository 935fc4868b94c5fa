"""Which kind of generator file is this? Told by its content, never by its name."""

from __future__ import annotations

import argparse
import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from gan_mapping.generators.readers import rosinality
from gan_mapping.generators.readers.generator_file import METADATA_FORMAT, GeneratorFile, assemble
from gan_mapping.generators.readers.network_pickle import STYLEGAN3, read_network_pickle
from gan_mapping.generators.readers.records import TORCH_MAGIC
from gan_mapping.generators.stylegan2.config import StyleGAN2Config, config_from_official, config_from_shapes
from vl_backbone.common.errors import WeightsError
from vl_backbone.common.reason import reason_of

MAX_BYTES = 4 << 30
MAX_HEADER = 100 << 20
ZIP, PICKLE, LEGACY = b"PK\x03\x04", b"\x80", b"\x80\x02\x8a\x0a" + TORCH_MAGIC.to_bytes(10, "little") + b"."
CONFIG_FILE = "config.json"
NO_CONFIG = (
    f"No {CONFIG_FILE} lies beside the file, so activations are not clamped (conv_clamp none), as in networks "
    "that were not trained in half precision."
)


class NotAGeneratorError(WeightsError):
    """A sound weight file of something else."""


def read_generator(path: Path) -> GeneratorFile:
    """A StyleGAN2 generator from an official .pkl, a rosinality or official-key .pt, or a .safetensors file.

    Nothing in the file is executed. Raises WeightsError that says what the file is when it is none of these.
    """
    readers = {"pickle": _from_pickle, "torch": _from_torch, "safetensors": _from_safetensors}
    read = readers[sniff(path)]
    try:
        return read(path)
    except NotAGeneratorError as error:
        raise NotAGeneratorError(f"{path.name}: {error}") from None
    except WeightsError as error:
        raise WeightsError(f"{path.name}: {error}") from None
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({reason_of(error)}).") from None


def sniff(path: Path) -> str:
    """ "pickle", "torch" or "safetensors". Raises WeightsError when the file is missing or nothing of that kind."""
    if not path.is_file():
        raise WeightsError(f"{path} does not exist or is no file.")
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(len(LEGACY))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({reason_of(error)}).") from None
    if size > MAX_BYTES:
        raise WeightsError(f"{path.name} is larger than any generator ({size / 1e9:.0f} GB); refused.")
    # First, since the length of a header may begin with the byte of a pickle.
    if len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= min(size, MAX_HEADER):
        return "safetensors"
    if start.startswith(ZIP) or start == LEGACY:
        return "torch"
    if start.startswith(PICKLE):
        return "pickle"
    raise WeightsError(
        f"{path.name} is neither a network pickle nor a PyTorch or safetensors file"
        + (", it is empty." if not size else "; it may be damaged, or a web page saved in its place.")
    )


def _from_pickle(path: Path) -> GeneratorFile:
    content = path.read_bytes()
    records, arguments = read_network_pickle(content)
    config = config_from_official(arguments)
    shapes = {key: record.size for key, record in records.items()}
    origin = "official pickle (StyleGAN2-ADA, PyTorch)"
    return assemble(config, shapes, lambda key: records[key].tensor(), origin, len(content))


def _from_torch(path: Path) -> GeneratorFile:
    content = load_torch(path)
    state, latent_avg = _find_state(content)
    if rosinality.is_rosinality(state):
        state = rosinality.to_official(state, latent_avg)
        config = config_from_shapes({key: tuple(t.shape) for key, t in state.items()})
        return _assemble(config, state, path, "rosinality checkpoint")
    return _from_official_keys(state, path, "PyTorch checkpoint with official keys")


def load_torch(path: Path) -> Any:
    """What torch.save wrote, tensors and plain values only. Raises WeightsError."""
    try:
        content = path.read_bytes()
        if content.startswith(ZIP):
            with ZipFile(io.BytesIO(content)) as archive:
                # torch never compresses, so a member larger than the file is a bomb.
                if sum(member.file_size for member in archive.infolist()) > len(content):
                    raise WeightsError("it unpacks to more than it holds.")
        # Training checkpoints keep their command line as a Namespace, a bag of plain values.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  (torch's reader meets damage with almost any exception type)
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsError(f"not a plain PyTorch weight file, or damaged: {reason[:200]}") from None


def _find_state(content: Any) -> tuple[dict[str, Tensor], Tensor | None]:
    """The generator's tensors inside a checkpoint, and the mean w that lies beside them."""
    if not isinstance(content, dict):
        raise NotAGeneratorError("holds no named tensors.")
    latent_avg = content.get("latent_avg")
    state: Any = content
    for name in ("g_ema", "G_ema", "state_dict"):
        if isinstance(content.get(name), Mapping):
            state = content[name]
            break
    if any(isinstance(key, str) and key.startswith("decoder.") for key in state):
        state = {key.removeprefix("decoder."): t for key, t in state.items() if str(key).startswith("decoder.")}
    state = {key: tensor for key, tensor in state.items() if key != "latent_avg"}
    tensors = {key: tensor for key, tensor in state.items() if isinstance(key, str) and isinstance(tensor, Tensor)}
    if not (rosinality.is_rosinality(tensors) or "synthesis.b4.const" in tensors):
        _explain(tensors, content)
    odd = next((key for key, tensor in tensors.items() if not _is_plain(tensor)), None)
    if odd is not None:
        raise WeightsError(
            f"holds the tensor {odd[:80]!a}, which is sparse, quantized or claims more values than it has room for."
        )
    if len(tensors) != len(state):
        raise WeightsError("holds something other than named tensors among its generator's weights.")
    if latent_avg is not None and not (isinstance(latent_avg, Tensor) and _is_plain(latent_avg)):
        raise WeightsError("holds a latent_avg that is no plain tensor.")
    return tensors, latent_avg


def _is_plain(tensor: Tensor) -> bool:
    """Real numbers that the file really holds: by a stride of 0 a few bytes can claim any shape."""
    return (
        tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and not (tensor.is_quantized or tensor.is_complex() or tensor.is_nested)
        and tensor.nbytes <= tensor.untyped_storage().nbytes()
    )


def _explain(tensors: Mapping[str, object], content: Mapping[Any, object]) -> None:
    """Raises the error for a sound file without a StyleGAN2 generator."""
    if any(key.startswith("synthesis.input.") for key in tensors):
        raise WeightsError(STYLEGAN3)
    if "d" in content or any(key.startswith(("b4.mbstd", "b4.fc", "final_conv.", "b4.out")) for key in tensors):
        raise NotAGeneratorError("holds a discriminator but no generator (g_ema).")
    raise NotAGeneratorError("holds no StyleGAN2 generator: neither official nor rosinality key names are in it.")


def _from_safetensors(path: Path) -> GeneratorFile:
    try:
        with safe_open(path, "pt") as handle:
            metadata = handle.metadata() or {}
            tensors = {key: handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"not a whole safetensors file (cut short or damaged): {error}") from None
    if metadata.get("format") == METADATA_FORMAT:
        try:
            config = StyleGAN2Config.from_metadata(json.loads(metadata["config"]))
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError):
            raise WeightsError("carries no readable description of its generator; import the original again.") from None
        return _assemble(config, tensors, path, metadata.get("origin", "safetensors"))
    state, latent_avg = _find_state(tensors)
    if rosinality.is_rosinality(state):
        state = rosinality.to_official(state, latent_avg)
        return _assemble(config_from_shapes({k: tuple(t.shape) for k, t in state.items()}), state, path, "rosinality")
    return _from_official_keys(state, path, "safetensors")


def _from_official_keys(state: dict[str, Tensor], path: Path, origin: str) -> GeneratorFile:
    """Official keys: what shapes cannot tell comes from the config.json beside the file, if there is one."""
    arguments = _config_beside(path)
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    if arguments is not None:
        return _assemble(config_from_official(arguments), state, path, origin)
    return _assemble(config_from_shapes(shapes), state, path, origin, (NO_CONFIG,))


def _config_beside(path: Path) -> dict[str, Any] | None:
    """The constructor's arguments from config.json, at its top or under init_kwargs; None without such a file."""
    file = path.parent / CONFIG_FILE
    if not file.is_file():
        return None
    try:
        if file.stat().st_size > 1 << 20:
            raise ValueError("too large")
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"the {CONFIG_FILE} beside it cannot be read: {error}") from None
    if isinstance(values, dict) and isinstance(values.get("init_kwargs"), dict):
        values = values["init_kwargs"]
    if not isinstance(values, dict):
        raise WeightsError(f"the {CONFIG_FILE} beside it is not a set of named values.")
    # A folder of weights may hold the config.json of another model (a transformer, say).
    return values if "img_resolution" in values else None


def _assemble(
    config: StyleGAN2Config, state: Mapping[str, Tensor], path: Path, origin: str, notes: tuple[str, ...] = ()
) -> GeneratorFile:
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    return assemble(config, shapes, lambda key: state[key], origin, path.stat().st_size, notes)
