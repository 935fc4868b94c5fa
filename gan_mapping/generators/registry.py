"""`load_generator`: from a name or a file to a ready Generator; files and devices stop here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from fdvd.attributes.table import DATA_DIR
from gan_mapping.generators.mobile_stylegan import NUM_WS, W_DIM, MobileStyleGAN
from gan_mapping.generators.openvino_engine import OpenVINOSynthesis
from gan_mapping.generators.openvino_preview import OpenVINOPreview
from gan_mapping.generators.preview_heads import PREVIEW_HEADS_FORMAT, PreviewHeads
from gan_mapping.generators.protocol import Generator, check_preview_side
from gan_mapping.generators.readers import read_generator
from gan_mapping.generators.stylegan2.generator import StyleGAN2Generator
from vl_backbone.common.errors import InputError
from vl_backbone.common.registry import Registry
from vl_backbone.networks.openvino_runtime import has_bf16
from vl_backbone.weights import WeightStore
from vl_backbone.weights.files import sha256_of
from vl_backbone.weights.trained_file import read_trained

MOBILE_STYLEGAN = "mobile-stylegan-ffhq"
GENERATOR_SUFFIXES = (".pkl", ".pt", ".pth", ".safetensors")
PREVIEW_HEADS = Path(__file__).parents[1] / "weights" / "preview-heads.safetensors"
W_MEAN_FILE = DATA_DIR / "w_mean.npy"


class MobileStyleGANGenerator:
    """MobileStyleGAN FFHQ-1024 behind the Generator protocol.

    `synthesis` is the differentiable torch network; `render` gives the same pixels without gradients
    through OpenVINO on a CPU (torch itself on a GPU). `draft` is OpenVINO in bfloat16 where the CPU has that, and half
    the side: in less than half the time.
    """

    name = MOBILE_STYLEGAN
    z_dim = W_DIM
    w_dim = W_DIM
    num_ws = NUM_WS
    resolution = 1024

    def __init__(
        self,
        network: MobileStyleGAN,
        w_mean: Tensor,
        weights: dict[str, str],
        device: torch.device,
        heads: PreviewHeads | None = None,
    ) -> None:
        """heads: what draws previews; without them there are none."""
        self.network = network.eval().requires_grad_(False).to(device)
        self.heads = None if heads is None else heads.eval().requires_grad_(False).to(device)
        self.preview_sides = () if heads is None else tuple(heads.SHAPES)
        self._previews: dict[int, OpenVINOPreview] = {}
        self.w_mean = w_mean.to(device)
        self.weights = weights
        self.device = device
        self.exact_drafts = device.type != "cpu" or not has_bf16()
        self._engine: OpenVINOSynthesis | None = None
        self._draft_engine: OpenVINOSynthesis | None = None

    def mapping(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """z: [B, 512] -> ws [B, 23, 512]. The network has no classes: c must be None.

        truncation_psi pulls the first truncation_cutoff rows (all by default) towards w_mean.
        """
        if c is not None:
            raise InputError(f"{self.name} has no class labels; call mapping without c.")
        if z.ndim != 2 or z.shape[1] != self.z_dim:
            raise InputError(f"z must be [B, {self.z_dim}], got {list(z.shape)}.")
        ws: Tensor = self.network.mapping(z.to(self.device))[:, None].repeat(1, self.num_ws, 1)
        rows = slice(None, truncation_cutoff)
        ws[:, rows] = self.w_mean + truncation_psi * (ws[:, rows] - self.w_mean)
        return ws

    def synthesis(self, ws: Tensor, noise_mode: str = "const") -> Tensor:
        """ws: [B, 23, 512] -> [B, 3, 1024, 1024] float32 RGB in about [-1, 1]; differentiable.

        The exported network has fixed noise only, so noise_mode must be "const".
        """
        self._check(ws)
        if noise_mode != "const":
            raise InputError(f'{self.name} carries fixed noise only: noise_mode must be "const".')
        image: Tensor = self.network.synthesis(ws.to(self.device))
        return image

    @torch.no_grad()
    def render(self, ws: Tensor) -> Tensor:
        """Like `synthesis` but without gradients and at the machine's best speed."""
        self._check(ws)
        if self.device.type != "cpu":
            return self.synthesis(ws)
        if self._engine is None:
            self._engine = OpenVINOSynthesis(self.network.synthesis)
        return self._engine(ws)

    @torch.no_grad()
    def draft(self, ws: Tensor) -> Tensor:
        """Like `render`, for looking at only; [B, 3, 512, 512] where drafts are not exact."""
        if self.exact_drafts:
            return self.render(ws)
        self._check(ws)
        if self._draft_engine is None:
            self._draft_engine = OpenVINOSynthesis(self.network.synthesis, draft=True)
        return self._draft_engine(ws)

    def preview(self, ws: Tensor, side: int) -> Tensor:
        """ws: [B, 23, 512] -> [B, 3, side, side] in about [-1, 1]; differentiable, on a CPU through OpenVINO."""
        self._check(ws)
        check_preview_side(self, side)
        assert self.heads is not None
        if self.device.type != "cpu":
            image: Tensor = self.heads(self.network.synthesis, ws.to(self.device), side)
            return image
        if side not in self._previews:
            self._previews[side] = OpenVINOPreview(self.network.synthesis, self.heads.head(side))
        return self._previews[side](ws)

    def _check(self, ws: Tensor) -> None:
        if ws.ndim != 3 or ws.shape[1:] != (self.num_ws, self.w_dim):
            raise InputError(f"w+ must be [B, {self.num_ws}, {self.w_dim}], got {list(ws.shape)}.")


def load_generator(
    name: str | Path = MOBILE_STYLEGAN, device: str = "cpu", store: WeightStore | None = None
) -> Generator:
    """The generator of that name or in that file, on that device ("cpu", "cuda", "cuda:1", ...).

    name: "mobile-stylegan-ffhq", a registered one, what a file was imported as, or the path of a .pkl, .pt or
    .safetensors file.
    Raises WeightsError when the file is missing, corrupt or no generator, or the name is unknown.
    """
    store = store or WeightStore()
    target = torch.device(device)
    if isinstance(name, str) and (loader := GENERATORS.find(name)) is not None:
        return loader(target, store)
    if isinstance(name, Path) or is_path(name):
        path = Path(name).expanduser()
        file, digest = read_generator(path), {path.name: sha256_of(path)}
    else:
        file, digest = read_generator(store.path(name)), {name: store.sha256(name)}
    return StyleGAN2Generator(file.network(), str(name), digest, target, file.notes)


def register_generator(name: str, loader: Callable[[torch.device, WeightStore], Generator]) -> None:
    """Makes a generator known by name to `load_generator` and to presets; InputError when the name is taken."""
    GENERATORS.register(name, loader)


def is_path(name: str) -> bool:
    """Whether a generator is given by its file and not by its name."""
    return Path(name).suffix.lower() in GENERATOR_SUFFIXES or Path(name).name != name


def _load_mobile_stylegan(device: torch.device, store: WeightStore) -> Generator:
    # Built on the meta device: the file's tensors become the parameters, nothing is initialised twice.
    with torch.device("meta"):
        network = MobileStyleGAN()
    network.load_state_dict(load_file(store.path(MOBILE_STYLEGAN)), assign=True)
    w_mean = torch.from_numpy(np.load(W_MEAN_FILE, allow_pickle=False).reshape(W_DIM).astype(np.float32))
    heads, digest = load_preview_heads(PREVIEW_HEADS)
    weights = {MOBILE_STYLEGAN: store.sha256(MOBILE_STYLEGAN), PREVIEW_HEADS.name: digest}
    return MobileStyleGANGenerator(network, w_mean, weights, device, heads)


GENERATORS: Registry[Generator] = Registry("generator", "vilaface.generators", {MOBILE_STYLEGAN: _load_mobile_stylegan})


def load_preview_heads(path: Path) -> tuple[PreviewHeads, str]:
    """The heads in that file and its sha256; WeightsError when it is missing or damaged."""
    file = read_trained(
        path, PREVIEW_HEADS_FORMAT, "reinstall VilaFace, or train it with `vilaface train preview-heads`"
    )
    heads = PreviewHeads()
    heads.load_state_dict(file.tensors)
    return heads, file.sha256
