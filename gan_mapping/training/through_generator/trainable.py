"""The linear mappers as something to fine-tune: their own weights stay, and small changes on top are learned.

Every change is written in coordinates in which faces vary evenly: a latent moves along the main axes of w, in
standard deviations, and a picture is read in standard deviations of the mapper's own codes. So one learning rate
fits all parts, weight decay pulls towards the mappers that training started from, and a change of 0 is those mappers.
In the end everything folds into plain linear layers again.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any, Generic, Literal, TypeVar, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from gan_mapping.mappers.files import Mappers, without_closing_token
from gan_mapping.mappers.layers import TextMapper, VisionMapper
from gan_mapping.training.closed_form.calibration import layer_groups

Part = Literal["vision", "vision_input", "directions", "text"]
PARTS: tuple[str, ...] = get_args(Part)


def latent_axes(latents: Tensor) -> Tensor:
    """w [N, w_dim] of random faces -> axes [w_dim, w_dim], column i the i-th main axis, one deviation long."""
    x = latents - latents.mean(0)
    values, vectors = torch.linalg.eigh(x.T @ x / len(x))
    axes: Tensor = vectors * values.clamp(min=0).sqrt()
    return axes


M = TypeVar("M", bound=nn.Module)


class Kept(nn.Module, Generic[M]):
    """A frozen copy of a module that moves with its owner but is no part of its saved weights."""

    def __init__(self, module: M) -> None:
        super().__init__()
        self.module = copy.deepcopy(module).eval().requires_grad_(False)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Nothing: whoever resumes starts from the same mapper file."""
        return kwargs.get("destination") or {}


class TrainableVision(nn.Module):
    """VisionMapper with a change of its output half ("vision") and of its input half ("vision_input").

    features [N, F]: pictures' grids, flattened, from which the scales are measured. axes: of `latent_axes`.
    """

    mean: Tensor
    deviation: Tensor
    code_mean: Tensor
    code_deviation: Tensor

    def __init__(self, start: VisionMapper, features: Tensor, axes: Tensor, output: bool, inputs: bool) -> None:
        super().__init__()
        self.start = Kept(start)
        rank, width = start.down.weight.shape
        w_dim = start.up.weight.shape[0]
        with torch.no_grad():
            codes = start.down(features.float())
        self.register_buffer("mean", features.float().mean(0))
        self.register_buffer("deviation", features.float().std(0) + 1e-2)
        self.register_buffer("code_mean", codes.mean(0))
        self.register_buffer("code_deviation", codes.std(0).clamp(min=1e-6))
        self.register_buffer("axes", axes, persistent=False)
        self.output = nn.Parameter(torch.zeros(w_dim, rank), requires_grad=output)
        self.shift = nn.Parameter(torch.zeros(w_dim), requires_grad=output)
        self.inputs = nn.Parameter(torch.zeros(rank, width)) if inputs else None

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """-> down [r, F], up [w_dim, r] and bias [w_dim] of the VisionMapper as changed so far."""
        kept = self.start.module
        down, up, bias = kept.down.weight, kept.up.weight, kept.up.bias
        axes = self.get_buffer("axes")
        # Divided by the root of the number of codes: then a step moves w alike through the matrix and the shift.
        turn = axes @ self.output / (self.code_deviation * len(self.code_mean) ** 0.5)
        up_changed = up + turn
        bias_changed = bias + axes @ self.shift - turn @ self.code_mean
        if self.inputs is not None:
            rank, width = self.inputs.shape
            change = self.code_deviation[:, None] * self.inputs / self.deviation * (rank**0.5 / width)
            down = down + change
            bias_changed = bias_changed - up_changed @ (change @ self.mean)
        return down, up_changed, bias_changed

    def forward(self, features: Tensor) -> Tensor:
        """features [B, F] -> w [B, w_dim]."""
        down, up, bias = self.weights()
        return F.linear(F.linear(features.float(), down), up, bias)


class TrainableDirections(nn.Module):
    """The directions of an OffsetMapper; rows of one layer group (coarse, middle, fine) change together.

    The generator was taught with one shared w: rows that drift apart one by one leave what it knows.
    """

    rows: Tensor

    def __init__(self, start: Tensor, axes: Tensor, trained: bool) -> None:
        super().__init__()
        groups = layer_groups(start.shape[1])
        rows = torch.empty(start.shape[1], dtype=torch.long)
        for g, group in enumerate(groups):
            rows[list(group)] = g
        self.register_buffer("start", start.clone(), persistent=False)
        self.register_buffer("axes", axes, persistent=False)
        self.register_buffer("rows", rows, persistent=False)
        self.change = nn.Parameter(torch.zeros(len(start), len(groups), start.shape[2]), requires_grad=trained)

    def forward(self) -> Tensor:
        """-> directions [A, num_ws, w_dim]."""
        directions: Tensor = self.get_buffer("start") + (self.change @ self.get_buffer("axes").T)[:, self.rows]
        return directions


class TrainableText(nn.Module):
    """TextMapper with a change of every layer, scaled so that a step of 1 moves a vote by about its usual size."""

    def __init__(self, start: TextMapper, trained: bool) -> None:
        super().__init__()
        self.start = Kept(start)
        self.changes = nn.ParameterDict(
            {
                name.replace(".", "_"): nn.Parameter(torch.zeros_like(p), requires_grad=trained)
                for name, p in start.named_parameters()
            }
        )

    def mapper_state(self) -> dict[str, Tensor]:
        """The TextMapper's tensors as changed so far."""
        state = {}
        for name, tensor in self.start.module.named_parameters():
            scale = torch.ones_like(tensor[:1])
            if tensor.ndim == 2:
                size = tensor.square().mean().sqrt()
                # A fresh layer is all zeros: then the usual size of a layer of that width.
                size = torch.where(size > 0, size, torch.full_like(size, tensor.shape[1] ** -0.5))
                # Adam moves all numbers of a row at once: their effects add up, where random ones would not.
                scale = size * tensor.shape[1] ** -0.5
            state[name] = tensor + scale * self.changes[name.replace(".", "_")]
        return state

    def votes(self, tokens: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """As `TextMapper.votes`."""
        state = self.mapper_state()
        logits = F.linear(tokens, state["presence.weight"], state["presence.bias"])
        degrees = F.linear(tokens, state["degree.weight"], state["degree.bias"])[..., 0]
        return logits.masked_fill(attention_mask[..., None] == 0, -1e4), degrees

    def forward(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """-> intents [B, A] as `TextMapper` gives them; gradients flow as if its borders were sigmoids.

        The strongest token and the 0.3 border let no gradient through to the votes; a straight-through estimate does:
        the value is the hard reading, the slope that of (probability of wish - probability of removal) * degree.
        """
        logits, degrees = self.votes(tokens, attention_mask)
        best, where = logits.max(dim=1)
        size = torch.gather(degrees, 1, where).clamp(0.3, 1.7)
        wish, removal = (best.sigmoid() * size).chunk(2, dim=1)
        soft = wish - removal
        with torch.no_grad():
            hard: Tensor = functional_call(self.start.module, self.mapper_state(), (tokens, attention_mask))
        return hard + (soft - soft.detach())


class TrainableMappers(nn.Module):
    """Vision, directions and text of `mappers`, of which `parts` train. Computed in float32 whatever the precision.

    features [N, F]: flattened grids of some training pictures. latents [M, w_dim]: w of random faces.
    """

    def __init__(self, mappers: Mappers, features: Tensor, latents: Tensor, parts: Collection[str]) -> None:
        super().__init__()
        self.attributes = mappers.attributes
        self.num_ws = mappers.offset.directions.shape[1]
        axes = latent_axes(latents)
        self.vision = TrainableVision(mappers.vision, features, axes, "vision" in parts, "vision_input" in parts)
        self.directions = TrainableDirections(mappers.offset.directions, axes, "directions" in parts)
        self.text = TrainableText(mappers.text, "text" in parts)
        self.start = Kept(mappers.offset)

    def invert(self, features: Tensor) -> Tensor:
        """Flattened grids [B, F] -> ws [B, num_ws, w_dim], every row the same."""
        with torch.autocast(features.device.type, enabled=False):
            w: Tensor = self.vision(features)
            return w[:, None].expand(-1, self.num_ws, -1)

    def read(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Token states of sentences -> intents [B, A]; the closing token is left out, as in `Mappers.read`."""
        with torch.autocast(tokens.device.type, enabled=False):
            intents: Tensor = self.text(tokens.float(), without_closing_token(attention_mask))
            return intents

    def offset(self, ws: Tensor, intents: Tensor) -> Tensor:
        """ws [B, num_ws, w_dim], intents [B, A] -> offset at strength 1."""
        with torch.autocast(ws.device.type, enabled=False):
            return torch.einsum("ba,anw->bnw", self.start.module.steps(ws, intents), self.directions())

    @torch.no_grad()
    def folded(self, backbone: str, generator: str, provenance: dict[str, object]) -> Mappers:
        """The plain linear mappers, on the CPU, with all changes folded in."""
        vision, text = copy.deepcopy(self.vision.start.module), copy.deepcopy(self.text.start.module)
        offset = copy.deepcopy(self.start.module)
        down, up, bias = self.vision.weights()
        vision.down.weight.copy_(down)
        vision.up.weight.copy_(up)
        vision.up.bias.copy_(bias)
        text.load_state_dict(self.text.mapper_state())
        offset.directions.copy_(self.directions())
        mappers = Mappers(vision, text, offset, self.attributes, backbone, generator, provenance)
        return mappers.to(torch.device("cpu"))
