"""The state of a run in one file that is complete or not there: weights, optimizer, and how far the run is.

No generator states are kept, because none are carried over: every sample and every step seeds its own randomness
(`seeds.py`). The file is safetensors, so reading one executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vl_backbone.common.errors import UsageError
from vl_backbone.training.optim import AdamWDecayAfter
from vl_backbone.weights.files import explain_os_errors, partial_file

FORMAT = "vilaface-training-state-2"
# Their fingerprints were of printed classes, which no longer print the same: nothing tells whether the settings agree.
OLD_FORMATS = ("vilaface-training-state-1",)
MOMENTS = ("exp_avg", "exp_avg_sq")


def save_state(
    path: Path,
    model: nn.Module,
    optimizer: AdamWDecayAfter,
    step: int,
    fingerprint: str,
    average: Mapping[str, Tensor] | None = None,
) -> None:
    """Writes everything that `load_state` needs; fingerprint: of the settings that a resumed run must share.

    average: averaged weights by name, where a run keeps some.
    """
    tensors = {f"model/{name}": tensor for name, tensor in _named_tensors(model).items()}
    tensors |= {f"average/{name}": tensor for name, tensor in (average or {}).items()}
    for name, state in _named_states(optimizer).items():
        tensors |= {f"{moment}/{name}": state[moment] for moment in MOMENTS if moment in state}
    metadata = {"format": FORMAT, "step": str(step), "fingerprint": fingerprint}
    with explain_os_errors(f"Writing {path}"), partial_file(path) as partial:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, partial, metadata)


def load_state(
    path: Path,
    model: nn.Module,
    optimizer: AdamWDecayAfter,
    fingerprint: str,
    average: Mapping[str, Tensor] | None = None,
) -> int:
    """Puts a saved state back, in place, and returns how many steps were done; average as in `save_state`.

    Raises UsageError when the file is damaged, or belongs to a run with other settings or another model.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") in OLD_FORMATS:
                raise UsageError(
                    f"{path} was saved by an older version of VilaFace, whose runs this one cannot go on with: finish "
                    "the run with that version, or move the file away to start anew."
                )
            if metadata.get("format") != FORMAT:
                raise UsageError(f"{path} is no training state of this version; move it away to start anew.")
            if metadata.get("fingerprint") != fingerprint:
                raise UsageError(
                    f"{path} belongs to a run with other settings or data; continue it with those, "
                    "or choose another output folder."
                )
            step = int(metadata["step"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{path} is damaged ({error}); move it away to start anew.") from None
    _restore(path, model, optimizer, tensors, step)
    for name, tensor in (average or {}).items():
        tensor.copy_(tensors[f"average/{name}"])
    return step


def save_weights(path: Path, model: nn.Module) -> None:
    """The model's weights alone."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in _named_tensors(model).items()}
    with explain_os_errors(f"Writing {path}"), partial_file(path) as partial:
        save_file(tensors, partial)


def load_weights(path: Path, model: nn.Module) -> None:
    """Puts back what `save_weights` wrote; UsageError when it is damaged or of another model."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} is damaged ({error}); start the run anew.") from None
    weights = _named_tensors(model)
    if {name: t.shape for name, t in tensors.items()} != {name: t.shape for name, t in weights.items()}:
        raise UsageError(f"{path} belongs to another model.")
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(tensors[name])


def _restore(path: Path, model: nn.Module, optimizer: AdamWDecayAfter, tensors: dict[str, Tensor], step: int) -> None:
    weights = _named_tensors(model)
    saved = {name.removeprefix("model/") for name in tensors if name.startswith("model/")}
    if saved != set(weights):
        odd = sorted(saved ^ set(weights))[0]
        raise UsageError(f"{path} belongs to another model: {odd} is in only one of the two.")
    with torch.no_grad():
        for name, tensor in weights.items():
            tensor.copy_(tensors[f"model/{name}"])
    for name, (parameter, state) in _parameters(optimizer).items():
        if step == 0:
            continue
        state["step"] = step
        for moment in MOMENTS:
            state[moment] = tensors[f"{moment}/{name}"].to(parameter.device, parameter.dtype)


def _named_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, shared ones once."""
    kept = model.state_dict().keys()
    everything = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in everything.items() if name in kept}


def _parameters(optimizer: AdamWDecayAfter) -> dict[str, tuple[nn.Parameter, dict[str, Any]]]:
    return {
        name: (parameter, optimizer.state[parameter])
        for group in optimizer.param_groups
        for name, parameter in zip(group["param_names"], group["params"], strict=True)
    }


def _named_states(optimizer: AdamWDecayAfter) -> dict[str, dict[str, Any]]:
    return {name: state for name, (_, state) in _parameters(optimizer).items()}


def append_line(path: Path, row: dict[str, Any]) -> None:
    """One JSON object more at the end of a log."""
    with path.open("a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")


def cut_log(path: Path, step: int) -> None:
    """Drops the lines of steps after `step` (and a torn last one), which a resumed run writes again."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            break
    with partial_file(path) as partial:
        partial.write_text("".join(kept), encoding="utf-8")
