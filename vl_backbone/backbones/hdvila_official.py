"""`hdvila-official`: the user's HD-VILA checkpoint behind the Backbone protocol, its config kept with its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from vl_backbone.backbones.hdvila_backbone import HDVILABackbone
from vl_backbone.common.errors import WeightsError
from vl_backbone.hdvila.checkpoint import load_official_checkpoint, unshared
from vl_backbone.hdvila.model import HDVILA

CONFIG_KEY = "hdvila_config"


class HDVILAOfficial(HDVILABackbone):
    """Frozen; sizes as the checkpoint has them, and no detail: mappers read what the paper's read.

    A face is seen at 1024 px, the resolution the paper edits at.
    """

    name = "hdvila-official"
    image_size = 1024
    hands_out_detail = False


def convert_official(source: Path, config: Mapping[str, Any], target: Path) -> None:
    """An official checkpoint and its JSON's fields -> one .safetensors file that carries both.

    Raises WeightsError when the checkpoint is damaged or does not fit the config, InputError for a wrong config.
    """
    model = load_official_checkpoint(source, config)
    state = {name: tensor.contiguous() for name, tensor in unshared(model.official_state_dict()).items()}
    save_file(state, target, {CONFIG_KEY: json.dumps(asdict(model.config))})


def load_converted(path: Path) -> HDVILA:
    """The model of a file that `convert_official` wrote. Raises WeightsError."""
    try:
        with safe_open(path, "pt") as handle:
            text = (handle.metadata() or {}).get(CONFIG_KEY)
        config = json.loads(text) if text is not None else None
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path.name} is damaged ({error}); import your checkpoint again.") from None
    if not isinstance(config, dict):
        raise WeightsError(
            f"{path.name} carries no HD-VILA config; import your checkpoint again with "
            "`vilaface weights import FILE --as hdvila-official`."
        )
    return load_official_checkpoint(path, config)
