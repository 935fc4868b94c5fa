"""What a StyleGAN2 generator is built from: the constructor arguments of the official files, checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from vl_backbone.common.errors import WeightsError

MAX_RESOLUTION = 4096
MAX_WIDTH = 8192
MAX_CLASSES = 100_000
MAX_LAYERS = 64


@dataclass(frozen=True)
class StyleGAN2Config:
    """Sizes and switches of one generator.

    z_dim, c_dim, w_dim: latent, label (0: unconditional) and style widths. resolution: side of the picture.
    channels: feature maps at 4, 8, ..., resolution. mapping_layers, embed_features, layer_features,
    mapping_lr: the mapping network. conv_clamp: bound of activations, None for none. fp16_resolutions: how many
    of the last blocks may run in half precision on a GPU. use_noise: whether layers add noise.
    """

    z_dim: int
    c_dim: int
    w_dim: int
    resolution: int
    channels: tuple[int, ...]
    mapping_layers: int = 8
    embed_features: int = 0
    layer_features: int = 0
    mapping_lr: float = 0.01
    conv_clamp: float | None = None
    fp16_resolutions: int = 0
    use_noise: bool = True

    def __post_init__(self) -> None:
        octaves = self.resolution.bit_length() - 3
        _require(self.resolution in _RESOLUTIONS, f"the resolution {self.resolution}")
        _require(len(self.channels) == octaves + 1, f"{len(self.channels)} blocks at {self.resolution} px")
        for name in ("z_dim", "w_dim", "layer_features", "embed_features"):
            smallest = 0 if name == "embed_features" else 1
            _require(smallest <= getattr(self, name) <= MAX_WIDTH, f"{name} {getattr(self, name)}")
        for width in self.channels:
            _require(1 <= width <= MAX_WIDTH, f"a layer of {width} channels")
        _require(0 <= self.c_dim <= MAX_CLASSES, f"c_dim {self.c_dim}")
        _require(1 <= self.mapping_layers <= MAX_LAYERS, f"{self.mapping_layers} mapping layers")
        _require(0 < self.mapping_lr < math.inf, f"lr_multiplier {self.mapping_lr}")
        _require(self.conv_clamp is None or 0 < self.conv_clamp < math.inf, f"conv_clamp {self.conv_clamp}")
        _require(0 <= self.fp16_resolutions <= MAX_LAYERS, f"num_fp16_res {self.fp16_resolutions}")

    @property
    def block_resolutions(self) -> tuple[int, ...]:
        """4, 8, ..., resolution."""
        return tuple(4 << i for i in range(len(self.channels)))

    @property
    def num_ws(self) -> int:
        """Rows of w+: one for 4x4, two for every further block, one for the last toRGB."""
        return 2 * len(self.channels)

    def as_metadata(self) -> dict[str, Any]:
        """JSON-ready values that `from_metadata` takes back."""
        return asdict(self) | {"channels": list(self.channels)}

    @classmethod
    def from_metadata(cls, values: Mapping[str, Any]) -> StyleGAN2Config:
        """What `as_metadata` gave; WeightsError when a field is missing or of the wrong type."""
        types: dict[str, tuple[type, ...]] = dict.fromkeys(cls.__dataclass_fields__, (int,))
        types |= {"channels": (list,), "mapping_lr": (int, float), "conv_clamp": (int, float, type(None))}
        types["use_noise"] = (bool,)
        _require(set(values) == set(types), "its own description")
        for name, kinds in types.items():
            flag = isinstance(values[name], bool)
            _require(isinstance(values[name], kinds) and flag == (kinds == (bool,)), name)
        _require(all(type(width) is int for width in values["channels"]), "channels")
        return cls(**{**values, "channels": tuple(values["channels"])})


_RESOLUTIONS = tuple(4 << i for i in range(11) if 4 << i <= MAX_RESOLUTION)

_TOP = {"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs", "synthesis_kwargs"}
_MAPPING = {"num_layers", "embed_features", "layer_features", "activation", "lr_multiplier", "w_avg_beta"}
_SYNTHESIS = {
    "channel_base",
    "channel_max",
    "num_fp16_res",
    "conv_clamp",
    "architecture",
    "resample_filter",
    "use_noise",
    "activation",
    "kernel_size",
    "fp16_channels_last",
    "fused_modconv_default",
}


def config_from_official(kwargs: Mapping[str, Any]) -> StyleGAN2Config:
    """The official constructor's arguments (z_dim, ..., mapping_kwargs, synthesis_kwargs) -> StyleGAN2Config.

    Raises WeightsError for an argument that is missing, of a wrong type, or asks for another network.
    """
    _check_names(kwargs, _TOP, "constructor")
    mapping = _section(kwargs, "mapping_kwargs", _MAPPING)
    synthesis = _section(kwargs, "synthesis_kwargs", _SYNTHESIS)
    if kwargs.get("img_channels", 3) != 3:
        raise WeightsError(f"The generator draws {kwargs['img_channels']} channels; only RGB ones can be used.")
    architecture = synthesis.get("architecture", "skip")
    if architecture != "skip":
        raise WeightsError(f"The generator's architecture is {architecture!r}; only 'skip' (the usual one) is known.")
    for section in (mapping, synthesis):
        if section.get("activation", "lrelu") != "lrelu":
            raise WeightsError(f"The generator's activation is {section['activation']!r}; only 'lrelu' is known.")
    if synthesis.get("kernel_size", 3) != 3:
        raise WeightsError(f"The generator's kernel size is {synthesis['kernel_size']!r}; only 3 is known.")
    resolution = _whole(kwargs, "img_resolution")
    _require(resolution in _RESOLUTIONS, f"img_resolution {resolution}")
    base, top = _whole(synthesis, "channel_base", 32768), _whole(synthesis, "channel_max", 512)
    w_dim = _whole(kwargs, "w_dim")
    c_dim = _whole(kwargs, "c_dim", 0)
    return StyleGAN2Config(
        z_dim=_whole(kwargs, "z_dim"),
        c_dim=c_dim,
        w_dim=w_dim,
        resolution=resolution,
        channels=tuple(min(base // r, top) for r in _RESOLUTIONS if r <= resolution),
        mapping_layers=_whole(mapping, "num_layers", 8),
        embed_features=_whole(mapping, "embed_features", w_dim) if c_dim else 0,
        layer_features=_whole(mapping, "layer_features", w_dim),
        mapping_lr=_number(mapping, "lr_multiplier", 0.01),
        conv_clamp=None if synthesis.get("conv_clamp") is None else _number(synthesis, "conv_clamp", 0.0),
        fp16_resolutions=_whole(synthesis, "num_fp16_res", 0),
        use_noise=bool(synthesis.get("use_noise", True)),
    )


def config_from_shapes(shapes: Mapping[str, tuple[int, ...]]) -> StyleGAN2Config:
    """What shapes under the official key names can tell: everything but conv_clamp and half precision (none)."""
    try:
        channels = [shapes["synthesis.b4.const"][0]]
        while (key := f"synthesis.b{4 << len(channels)}.conv1.weight") in shapes:
            channels.append(shapes[key][0])
        layers = 0
        while f"mapping.fc{layers}.weight" in shapes:
            layers += 1
        embedded = shapes.get("mapping.embed.weight")
        embed_features, c_dim = embedded if embedded is not None else (0, 0)
        return StyleGAN2Config(
            z_dim=shapes["mapping.fc0.weight"][1] - embed_features,
            c_dim=c_dim,
            w_dim=shapes["synthesis.b4.conv1.affine.weight"][1],
            resolution=2 << len(channels),
            channels=tuple(channels),
            mapping_layers=layers,
            embed_features=embed_features,
            layer_features=shapes["mapping.fc0.weight"][0],
            use_noise="synthesis.b4.conv1.noise_strength" in shapes,
        )
    except (KeyError, IndexError, ValueError):
        raise WeightsError(
            "The file lacks parts of a StyleGAN2 generator; it may be cut short or another net."
        ) from None


def _section(kwargs: Mapping[str, Any], name: str, known: set[str]) -> Mapping[str, Any]:
    section = kwargs.get(name, {})
    if not isinstance(section, Mapping):
        raise WeightsError(f"The generator's {name} is {type(section).__name__}, not a set of named values.")
    _check_names(section, known, name)
    return section


def _check_names(section: Mapping[str, Any], known: set[str], what: str) -> None:
    unknown = sorted(str(name) for name in section if name not in known)
    if unknown:
        raise WeightsError(f"The generator's {what} has unknown arguments: {', '.join(unknown[:5])[:200]}.")


def _whole(section: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = section.get(name)
    value = default if value is None else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**60:
        raise WeightsError(f"The generator's {name} must be a whole number, got {str(value)[:50]!r}.")
    return value


def _number(section: Mapping[str, Any], name: str, default: float) -> float:
    value = section.get(name)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WeightsError(f"The generator's {name} must be a number, got {str(value)[:50]!r}.")
    return float(value)


def _require(condition: object, what: str) -> None:
    if not condition:
        raise WeightsError(f"This is no StyleGAN2 generator that can be used: {what} is out of range.")
