"""CLIP (2103.00020) through transformers, for users who bring its files: how well does a picture fit a sentence?

Optional everywhere: nothing of VilaFace's own was trained with it, which makes it a judge from outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from vl_backbone.common.errors import WeightsError
from vl_backbone.hdvila.state_file import read_state
from vl_backbone.weights import WeightStore
from vl_backbone.weights.files import explain_os_errors

CLIP = "clip"
CONFIG_FILE, TOKENIZER_FILE = "config.json", "tokenizer.json"
MAX_TEXT_FILE = 64 << 20
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class ClipSimilarity:
    """Cosine of CLIP's vectors of pictures and of a sentence. weights: sha256 of the file, by name."""

    def __init__(
        self, model: CLIPModel, tokenizer: Tokenizer, device: torch.device, weights: dict[str, str] | None = None
    ) -> None:
        self.model = model.eval().requires_grad_(False).to(device)
        self.tokenizer = tokenizer
        self.device = device
        self.weights = weights or {}
        # transformers declares the parts of a config too loosely to be told apart.
        text_config: Any = model.config.text_config
        vision_config: Any = model.config.vision_config
        self.size: int = vision_config.image_size
        tokenizer.enable_truncation(text_config.max_position_embeddings)
        tokenizer.no_padding()

    def __call__(self, images: Tensor, text: str) -> Tensor:
        """images [B, 3, R, R] RGB in 0..255, a sentence -> [B] in -1..1; differentiable towards the images."""
        images = images.to(self.device)
        small = F.interpolate(images, size=(self.size, self.size), mode="bicubic", antialias=True).clamp(0, 255) / 255
        mean, deviation = (small.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        ids = torch.tensor([self.tokenizer.encode(text).ids], device=self.device)
        out = self.model(input_ids=ids, pixel_values=(small - mean) / deviation)
        return F.cosine_similarity(out.image_embeds, out.text_embeds)


def convert_clip(source: Path, target: Path) -> None:
    """A transformers CLIP (its weights; config.json and tokenizer.json beside them) -> one file that carries all.

    Nothing in the files is executed. Raises WeightsError when one is missing or they do not fit each other.
    """
    texts = {name: _read_text(source.parent / name, source.name) for name in (CONFIG_FILE, TOKENIZER_FILE)}
    # Older files also hold the numbers 0, 1, 2, ... as a tensor.
    state = {key: tensor for key, tensor in read_state(source).items() if not key.endswith("position_ids")}
    _build(state, texts, source.name)
    with explain_os_errors(f"Converting {source.name}"):
        save_file({key: tensor.contiguous() for key, tensor in state.items()}, target, texts)


def load_clip(device: torch.device, store: WeightStore | None = None) -> ClipSimilarity:
    """The CLIP that was imported as `clip`. Raises WeightsError when there is none, saying how to get one."""
    store = store or WeightStore()
    path = store.path(CLIP)
    with safe_open(path, "pt") as handle:
        texts = handle.metadata() or {}
    model, tokenizer = _build(load_file(path), texts, path.name)
    return ClipSimilarity(model, tokenizer, device, {CLIP: store.sha256(CLIP)})


def _build(state: Mapping[str, Tensor], texts: Mapping[str, str], label: str) -> tuple[CLIPModel, Tokenizer]:
    try:
        values: dict[str, Any] = json.loads(texts[CONFIG_FILE])
        if values.get("model_type") != "clip":
            raise WeightsError(f"The {CONFIG_FILE} beside {label} is of a {values.get('model_type')!r}, not of a CLIP.")
        config: Any = CLIPConfig.from_dict(values)
        layers = config.text_config.num_hidden_layers + config.vision_config.num_hidden_layers
        if layers > len(state):
            raise WeightsError(f"The {CONFIG_FILE} beside {label} asks for {layers} layers, which the file has not.")
        # Shapes are compared before memory is asked for.
        with torch.device("meta"):
            CLIPModel(config).load_state_dict(state, assign=True)
        model = CLIPModel(config)
        model.load_state_dict(state)
        return model, Tokenizer.from_str(texts[TOKENIZER_FILE])
    except WeightsError:
        raise
    except Exception as error:  # noqa: BLE001  (transformers and tokenizers meet bad files with any exception type)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise WeightsError(f"{label} and the files beside it are no CLIP of transformers: {reason[:200]}") from None


def _read_text(path: Path, label: str) -> str:
    if not path.is_file():
        raise WeightsError(
            f"{path.name} must lie beside {label}: download the whole folder of a CLIP in transformers' format."
        )
    try:
        if path.stat().st_size > MAX_TEXT_FILE:
            raise ValueError("too large")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise WeightsError(f"The {path.name} beside {label} cannot be read: {error}.") from None
