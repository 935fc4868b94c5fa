"""HD-VILA-mini: the same architecture at a size that two CPU cores can train, started from small public networks.

512x512 HR frames and 128x128 LR frames give 8x8 grids. Trunks: EfficientNet-lite0. Text half: all six layers of
all-MiniLM-L6-v2. The hybrid Transformer and the multimodal layer start fresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vl_backbone.common.errors import WeightsError
from vl_backbone.hdvila.checkpoint import assign_exactly
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.model import HDVILA, build_hdvila
from vl_backbone.hdvila.trunks import Lite0Trunk
from vl_backbone.networks.efficientnet import without_classifier

HR_SIZE, LR_SIZE = 512, 128
LR_FRAMES = 3
MINI_FIELDS: dict[str, Any] = {
    "trunk": "efficientnet_lite0",
    "hidden_size": 384,
    "num_hidden_layers": 7,
    "num_text_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
    "timesformer_depth": 1,
    "timesformer_heads": 6,
    "timesformer_grid": (8, 8),
    "timesformer_frames": 4,
    "max_grid_row_position_embeddings": 32,
    "max_grid_col_position_embeddings": 32,
}
# MiniLM's sentence embedding is the mean of its states, which its own pooler has no part in.
MINILM_UNUSED = ("embeddings.position_ids", "pooler.dense.weight", "pooler.dense.bias")


def mini_config(**changes: Any) -> HDVILAConfig:
    """The config of HD-VILA-mini; `changes` replace single fields. Raises InputError for a wrong one."""
    return HDVILAConfig.from_dict({**MINI_FIELDS, **changes})


def initialise_mini(
    efficientnet: Mapping[str, Tensor], minilm: Mapping[str, Tensor], stage: int, config: HDVILAConfig | None = None
) -> HDVILA:
    """A model before pre-training: trunks, word pieces and text layers from the two public state dicts.

    efficientnet: EfficientNet-lite0 (its classifier is ignored); minilm: a BertModel's state dict with as many layers
    as the config has text layers. pooler1 and t_proj start as the identity, so that the text embedding starts as
    MiniLM's sentence embedding (behind a tanh). The state dicts are copied, not shared.
    Raises WeightsError naming keys that do not fit.
    """
    model = build_hdvila(config or mini_config(), stage)
    for trunk in (model.cnn, model.cnn_low):
        if not isinstance(trunk, Lite0Trunk):
            raise WeightsError("HD-VILA-mini stands on EfficientNet-lite0; set the config's trunk accordingly.")
        assign_exactly(trunk.network, _blocks_of(trunk, efficientnet), "This is not EfficientNet-lite0")
    bert = model.transformer.bert
    text = {name: tensor.clone() for name, tensor in minilm.items() if name not in MINILM_UNUSED}
    fresh = {f"encoder.layer.{i}." for i in range(bert.text_layers, len(bert.encoder.layer))}
    own = ("pooler1.", "pooler2.", "visual_embeddings.", *fresh)
    kept = {name: tensor for name, tensor in bert.state_dict().items() if name.startswith(own)}
    assign_exactly(bert, {**text, **kept}, "This is not the sentence encoder that the text half starts from")
    with torch.no_grad():
        wake_time(model)
        for layer in (bert.pooler1.dense, model.transformer.t_proj):
            torch.nn.init.eye_(layer.weight)
        if stage == 2:
            model.transformer.cls.predictions.decoder.weight.copy_(bert.embeddings.word_embeddings.weight)
    return model


def wake_time(model: HDVILA) -> None:
    """Lets the fresh hybrid Transformer tell frames apart from the first step on.

    The paper starts its table of times at 0 behind a layer of zeros: there no gradient says that order matters, and
    next to grid features with a spread of about 3 a little noise does not change that soon.
    """
    hybrid = model.timesformer
    torch.nn.init.normal_(hybrid.time_embed, std=1.0)
    for block in hybrid.blocks:
        torch.nn.init.trunc_normal_(block.get_submodule("temporal_fc").get_parameter("weight"), std=0.02)


def still_neighbours(hr: Tensor, frames: int = LR_FRAMES) -> Tensor:
    """Frames hr [C, 3, H, W] in 0..255 as clips in which nothing moves: lr [C, frames, 3, H / 4, W / 4], float."""
    # The mean of sixteen 255s may come out a hair above 255.
    small = F.avg_pool2d(hr.float(), HR_SIZE // LR_SIZE).clamp(0, 255)
    return small[:, None].expand(-1, frames, -1, -1, -1)


def _blocks_of(trunk: Lite0Trunk, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors of the blocks that this trunk runs."""
    dropped = tuple(f"_blocks.{i}." for i in range(len(trunk.network._blocks), 16))
    return {
        name: tensor.clone() for name, tensor in without_classifier(dict(state)).items() if not name.startswith(dropped)
    }
