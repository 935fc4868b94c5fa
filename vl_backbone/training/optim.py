"""The optimizer of HD-VILA: parameter groups by name, AdamW with the decay after the step, and the schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vl_backbone.common.errors import UsageError

Schedule = Literal["linear", "multi_step", "constant"]
SCHEDULES = ("linear", "multi_step", "constant")
# Names that hold one of these are not decayed. Only the text model's LayerNorms match: batch norms of the ResNets and
# the norms of the hybrid Transformer are decayed, as they were in the released training code.
NO_DECAY = ("bias", "LayerNorm.bias", "LayerNorm.weight", "embed")
COMPONENTS = ("transformer", "cnn", "timesformer")
MINIMUM_LEARNING_RATE = 1e-8


@dataclass(frozen=True)
class OptimizerConfig:
    """Learning rates per part: text and joint Transformer; both ResNets with the grid encoders; hybrid Transformer.

    cnn_learning_rate and timesformer_learning_rate default to learning_rate. grid_encoder_factor multiplies the
    rate of the grid encoders (the released code's lr_mul). clip_norm: largest norm of the whole gradient, 0 for none.
    """

    learning_rate: float = 5e-5
    cnn_learning_rate: float | None = None
    timesformer_learning_rate: float | None = None
    grid_encoder_factor: float = 1.0
    weight_decay: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-6
    clip_norm: float = 5.0

    def __post_init__(self) -> None:
        rates = (self.learning_rate, self.cnn_learning_rate, self.timesformer_learning_rate)
        if any(rate is not None and not 0 < rate < float("inf") for rate in rates):
            raise UsageError(f"Learning rates must be positive numbers, got {rates}.")
        if self.weight_decay < 0 or self.clip_norm < 0 or self.grid_encoder_factor < 0:
            raise UsageError("weight_decay, clip_norm and grid_encoder_factor must not be negative.")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and self.eps > 0):
            raise UsageError("beta1 and beta2 must lie in [0, 1) and eps must be positive.")


@dataclass(frozen=True)
class ScheduleConfig:
    """kind: "linear" to zero at the last step, "multi_step" halvings, or "constant"; all after a linear warm-up.

    warmup: share of all steps. milestones: of "multi_step", epochs before which the next halving has not happened.
    """

    kind: Schedule = "linear"
    warmup: float = 0.1
    milestones: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in SCHEDULES:
            raise UsageError(f"The schedule must be one of {', '.join(SCHEDULES)}, got {self.kind!r}.")
        if not 0 <= self.warmup <= 1:
            raise UsageError(f"warmup is a share of all steps, from 0 to 1, got {self.warmup}.")
        if (self.kind == "multi_step") != bool(self.milestones):
            raise UsageError("The multi_step schedule needs milestones (epochs), and only it takes them.")


def group_of(name: str) -> tuple[str, bool, bool]:
    """An official parameter name -> (component, scaled by grid_encoder_factor, decayed)."""
    scaled = name.startswith("grid_encoder")
    if scaled or name.startswith("cnn"):
        component = "cnn"
    else:
        component = "timesformer" if name.startswith("timesformer") else "transformer"
    return component, scaled, not any(word in name for word in NO_DECAY)


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig) -> list[dict[str, Any]]:
    """Trainable parameters as optimizer groups: three components, each grid encoder or rest, decayed or not.

    Each group carries `name`, `param_names`, `lr`, `base_lr` (what the schedule multiplies) and `weight_decay`.
    """
    rates = {
        "transformer": config.learning_rate,
        "cnn": config.cnn_learning_rate or config.learning_rate,
        "timesformer": config.timesformer_learning_rate or config.learning_rate,
    }
    groups: dict[tuple[str, bool, bool], dict[str, Any]] = {}
    for component in COMPONENTS:
        for scaled in (True, False):
            for decayed in (True, False):
                rate = rates[component] * (config.grid_encoder_factor if scaled else 1.0)
                groups[component, scaled, decayed] = {
                    "name": f"{component}.{'scaled' if scaled else 'rest'}.{'decay' if decayed else 'no_decay'}",
                    "params": [],
                    "param_names": [],
                    "lr": rate,
                    "base_lr": rate,
                    "weight_decay": config.weight_decay if decayed else 0.0,
                }
    for name, parameter in named:
        if parameter.requires_grad:
            group = groups[group_of(name)]
            group["params"].append(parameter)
            group["param_names"].append(name)
    return [group for group in groups.values() if group["params"]]


class AdamWDecayAfter(torch.optim.Optimizer):
    """AdamW as HD-VILA was trained with: bias-corrected step with eps beside the raw second moment, then decay.

    torch's AdamW decays first and adds eps after the correction. A parameter without gradient counts as one with
    a gradient of zero: it is decayed, as in the released code.
    """

    def __init__(self, params: Iterable[Any], betas: tuple[float, float] = (0.9, 0.98), eps: float = 1e-6) -> None:
        super().__init__(params, {"lr": 1e-3, "weight_decay": 0.0, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step over all groups; a closure is not supported."""
        if closure is not None:
            raise UsageError("AdamWDecayAfter takes no closure.")
        for group in self.param_groups:
            params: list[Tensor] = group["params"]
            for parameter in params:
                if not self.state[parameter]:
                    self.state[parameter] = {
                        "step": 0,
                        "exp_avg": torch.zeros_like(parameter),
                        "exp_avg_sq": torch.zeros_like(parameter),
                    }
            states = [self.state[parameter] for parameter in params]
            gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in params]
            first = [state["exp_avg"] for state in states]
            second = [state["exp_avg_sq"] for state in states]
            for state in states:
                state["step"] += 1
            self._update(group, params, gradients, first, second, states[0]["step"])

    @staticmethod
    def _update(
        group: dict[str, Any],
        params: list[Tensor],
        gradients: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        step: int,
    ) -> None:
        beta1, beta2 = group["betas"]
        torch._foreach_mul_(first, beta1)
        torch._foreach_add_(first, gradients, alpha=1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, value=1 - beta2)
        divisor = torch._foreach_sqrt(second)
        torch._foreach_add_(divisor, group["eps"])
        correction = (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        torch._foreach_addcdiv_(params, first, divisor, value=-group["lr"] * correction)
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])


def build_optimizer(named: Iterable[tuple[str, nn.Parameter]], config: OptimizerConfig) -> AdamWDecayAfter:
    """The optimizer over the trainable ones of these named parameters; UsageError when there are none."""
    groups = parameter_groups(named, config)
    if not groups:
        raise UsageError("Nothing is left to train: all parameters are frozen.")
    return AdamWDecayAfter(groups, (config.beta1, config.beta2), config.eps)


def schedule_factor(step: int, total: int, config: ScheduleConfig, epoch: int = 0) -> float:
    """What the base rate is multiplied with at step 1..total (epoch: 0-based, for "multi_step").

    After the last of n milestones the released code jumps to 0.5^(n+1), skipping 0.5^n; so does this.
    """
    warmup = int(config.warmup * total)
    if step < warmup:
        return step / warmup
    if config.kind == "linear":
        return max(0.0, (total - step) / (total - warmup)) if total > warmup else 0.0
    if config.kind == "multi_step":
        return multi_step_factor(epoch, config.milestones)
    return 1.0


def multi_step_factor(epoch: int, milestones: Sequence[int]) -> float:
    """0.5^i before milestone i (0-based, sorted), 0.5^(n+1) after all n of them."""
    passed = sum(epoch >= milestone for milestone in milestones)
    return 0.5 ** (passed + 1) if passed == len(milestones) else 0.5**passed


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group's rate = base rate * factor, never zero: 1e-8 at least."""
    for group in optimizer.param_groups:
        rate = group["base_lr"] * factor
        group["lr"] = rate if rate > 0 else MINIMUM_LEARNING_RATE
