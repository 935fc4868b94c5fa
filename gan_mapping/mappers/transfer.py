"""W is shared: MobileStyleGAN's mapping network is that of StyleGAN2 FFHQ, so mappers of one can drive the other.

Whether a user's generator really is that one is measured, never assumed: the same z go through both networks.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import torch
from safetensors import safe_open
from torch import Tensor

from gan_mapping.generators.mobile_stylegan import NUM_WS, W_DIM, Mapping
from gan_mapping.generators.registry import MOBILE_STYLEGAN
from gan_mapping.generators.stylegan2.network import StyleGAN2
from gan_mapping.mappers.files import Mappers
from gan_mapping.mappers.layers import OffsetMapper
from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightStore

SAMPLES = 64
# The exported network agrees with its source to about 1e-5 of a unit; strangers differ by whole units.
TOLERANCE = 1e-3


@dataclass(frozen=True)
class MappingComparison:
    """difference: largest, over some z, of |w - w'| per value, None where sizes differ; reason: in words."""

    shared: bool
    difference: float | None
    reason: str


def load_mobile_mapping(store: WeightStore | None = None) -> Mapping:
    """MobileStyleGAN's mapping network alone, on the CPU. Raises WeightsError when its file is missing."""
    with torch.device("meta"):
        mapping = Mapping()
    with safe_open((store or WeightStore()).path(MOBILE_STYLEGAN), "pt") as handle:
        names = [key for key in handle.keys() if key.startswith("mapping.")]  # noqa: SIM118
        state = {key.removeprefix("mapping."): handle.get_tensor(key) for key in names}
    mapping.load_state_dict(state, assign=True)
    return mapping.requires_grad_(False)


@torch.no_grad()
def compare_mapping(network: StyleGAN2, mobile: Mapping) -> MappingComparison:
    """Whether z -> w is the same function in both networks."""
    config = network.config
    if config.c_dim or (config.z_dim, config.w_dim) != (W_DIM, W_DIM):
        reason = f"it takes {config.z_dim} numbers and {config.c_dim} classes to {config.w_dim}, not {W_DIM} to {W_DIM}"
        return MappingComparison(False, None, reason)
    z = torch.randn(SAMPLES, W_DIM, generator=torch.Generator().manual_seed(0))
    device = network.mapping.w_avg.device
    difference = float((network.mapping(z.to(device)).cpu() - mobile(z)).abs().max())
    if difference <= TOLERANCE:
        return MappingComparison(True, difference, f"w differs by at most {difference:.1e}")
    return MappingComparison(False, difference, f"w differs by up to {difference:.2g} for the same z")


def corresponding_rows(num_ws: int) -> list[tuple[int, ...]]:
    """For every row of a StyleGAN2 w+: the MobileStyleGAN rows that act at the same resolution (to be averaged).

    conv0 at r answers to the up step and the first convolution of the block at r, conv1 to the second. What lies
    beyond MobileStyleGAN's last row (conv0 and later rows at 1024) follows its to_img.
    """
    rows: list[tuple[int, ...]] = [(0,)]
    for row in range(1, num_ws):
        block = (row - 1) // 2
        if block >= (NUM_WS - 2) // 3:
            rows.append((NUM_WS - 1,))
        elif row % 2:
            rows.append((1 + 3 * block, 2 + 3 * block))
        else:
            rows.append((3 + 3 * block,))
    return rows


def to_stylegan2_rows(latents: Tensor, num_ws: int) -> Tensor:
    """[..., 23, w_dim] of MobileStyleGAN -> [..., num_ws, w_dim] of StyleGAN2, row by row as above."""
    rows = corresponding_rows(num_ws)
    return torch.stack([latents[..., list(sources), :].mean(dim=-2) for sources in rows], dim=-2)


def adapt_mappers(mappers: Mappers, network: StyleGAN2, name: str, mobile: Mapping) -> Mappers:
    """Mappers of MobileStyleGAN -> the same for a StyleGAN2 generator of the same W (new object).

    Raises WeightsError with the reason when W is not shared.
    """
    comparison = compare_mapping(network, mobile)
    if not comparison.shared:
        raise WeightsError(
            f"The mappers of {mappers.generator} cannot drive {name}: its mapping network is another one "
            f"({comparison.reason}). Take StyleGAN2 FFHQ config f (ffhq.pkl), or train mappers for {name}."
        )
    if mappers.generator != MOBILE_STYLEGAN:
        raise WeightsError(
            f"The mappers were trained for {mappers.generator}; only {MOBILE_STYLEGAN}'s can be carried."
        )
    directions = to_stylegan2_rows(mappers.offset.directions, network.config.num_ws)
    offset = OffsetMapper(directions.shape[0], directions.shape[1], directions.shape[2], mappers.offset.limits)
    offset.load_state_dict({**mappers.offset.state_dict(), "directions": directions})
    provenance = {**mappers.provenance, "carried_from": mappers.generator}
    return replace(mappers, vision=copy.deepcopy(mappers.vision), offset=offset, generator=name, provenance=provenance)
