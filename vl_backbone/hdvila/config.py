"""The model's sizes and switches: the fields of the official JSON that the network reads, and our own extensions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from vl_backbone.common.errors import InputError

TRUNKS = ("resnet50", "efficientnet_lite0")
CLIP_POOLINGS = ("lse", "mean", "max")
POSITIVE = (
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "vocab_size",
    "type_vocab_size",
    "max_position_embeddings",
    "max_grid_row_position_embeddings",
    "max_grid_col_position_embeddings",
    "timesformer_depth",
    "timesformer_heads",
    "timesformer_frames",
    "resnet_base_channels",
)


@dataclass(frozen=True)
class HDVILAConfig:
    """Defaults are the published model. The last block of fields is ours and unknown to the official code.

    score_agg_func: how the clips of a sample are joined after the multimodal half ("lse", "mean", "max").
    bert_mean: 1 pools the text by the mean over its real tokens, 0 takes the [CLS] state.
    pixel_random_sampling_size: in training, at most so many visual tokens meet the text (0: all).
    num_text_layers: the first so many layers read text only, the others text and video; None: half of them.
    timesformer_grid, timesformer_frames: shape of the learned position tables (other sizes are interpolated).
    """

    hidden_size: int = 1024
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    intermediate_size: int = 4096
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02
    vocab_size: int = 30522
    type_vocab_size: int = 2
    pad_token_id: int = 0
    max_position_embeddings: int = 512
    max_grid_row_position_embeddings: int = 100
    max_grid_col_position_embeddings: int = 100
    pixel_random_sampling_size: int = 160
    score_agg_func: str = "lse"
    bert_mean: int = 1
    resnet_depth: int = 50
    timesformer_depth: int = 4
    timesformer_heads: int = 16

    resnet_base_channels: int = 64
    trunk: str = "resnet50"
    num_text_layers: int | None = None
    timesformer_grid: tuple[int, int] = (10, 16)
    timesformer_frames: int = 7

    def __post_init__(self) -> None:
        for name in POSITIVE:
            _check_count(name, getattr(self, name), 1)
        for name in ("pad_token_id", "pixel_random_sampling_size"):
            _check_count(name, getattr(self, name), 0)
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            _check_real(name, getattr(self, name), 0.0, 1.0)
        for name in ("layer_norm_eps", "initializer_range"):
            _check_real(name, getattr(self, name), 0.0, math.inf)
        _check_choice("hidden_act", self.hidden_act, ("gelu",))
        _check_choice("score_agg_func", self.score_agg_func, CLIP_POOLINGS)
        _check_choice("bert_mean", self.bert_mean, (0, 1))
        _check_choice("trunk", self.trunk, TRUNKS)
        _check_choice("resnet_depth", self.resnet_depth, (50,))
        grid = self.timesformer_grid
        if not (isinstance(grid, tuple) and len(grid) == 2):
            raise InputError(f"HD-VILA config: timesformer_grid is {grid!r}, but it must be (rows, columns).")
        for side in grid:
            _check_count("timesformer_grid", side, 1)
        for name in ("num_attention_heads", "timesformer_heads"):
            heads = getattr(self, name)
            if self.hidden_size % heads:
                raise InputError(f"HD-VILA config: hidden_size {self.hidden_size} is not a multiple of {name} {heads}.")
        if self.pad_token_id >= self.vocab_size:
            raise InputError(
                f"HD-VILA config: pad_token_id {self.pad_token_id} is outside vocab_size {self.vocab_size}."
            )
        self._check_split()

    def _check_split(self) -> None:
        if self.num_text_layers is None:
            if self.num_hidden_layers % 2:
                raise InputError(
                    f"HD-VILA config: num_hidden_layers {self.num_hidden_layers} is odd, so it has no text half and "
                    "multimodal half; make it even or set num_text_layers."
                )
            return
        _check_count("num_text_layers", self.num_text_layers, 1)
        if self.num_text_layers >= self.num_hidden_layers:
            raise InputError(
                f"HD-VILA config: num_text_layers {self.num_text_layers} leaves no multimodal layer of the "
                f"{self.num_hidden_layers} in num_hidden_layers."
            )

    @property
    def text_layers(self) -> int:
        """How many of the layers read text only."""
        return self.num_hidden_layers // 2 if self.num_text_layers is None else self.num_text_layers

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> HDVILAConfig:
        """Reads the official JSON's fields (those that the network does not use are ignored) and our own.

        Raises InputError naming the field that is wrong.
        """
        if not isinstance(values, Mapping):
            raise InputError(f"An HD-VILA config must be a mapping of field names to values, not {values!r}.")
        known = {field.name for field in fields(cls)}
        chosen = {name: value for name, value in values.items() if name in known}
        if isinstance(chosen.get("timesformer_grid"), list):
            chosen["timesformer_grid"] = tuple(chosen["timesformer_grid"])
        if isinstance(chosen.get("bert_mean"), bool):
            chosen["bert_mean"] = int(chosen["bert_mean"])
        config = cls(**chosen)
        if config.trunk == "resnet50":
            config._check_backbone_channels(values)
        return config

    def _check_backbone_channels(self, values: Mapping[str, Any]) -> None:
        """The official JSON repeats the trunk's widths; they must not contradict `resnet_base_channels`."""
        widths = [self.resnet_base_channels * factor for factor in (4, 8, 16, 32)]
        for name, expected in (("backbone_channels", widths), ("backbone_channel_in_size", widths[-1])):
            given = values.get(name, expected)
            if (list(given) if isinstance(given, tuple) else given) != expected:
                raise InputError(
                    f"HD-VILA config: {name} is {given!r}, but resnet_base_channels {self.resnet_base_channels} "
                    f"means {expected!r}; make the two agree."
                )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `from_dict` reads them back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}


def _check_count(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"HD-VILA config: {name} is {value!r}, but it must be a whole number of at least {least}.")


def _check_real(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value < high:
        raise InputError(f"HD-VILA config: {name} is {value!r}, but it must be a number in [{low:g}, {high:g}).")


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise InputError(f"HD-VILA config: {name} is {value!r}; this model knows {', '.join(map(repr, choices))}.")
