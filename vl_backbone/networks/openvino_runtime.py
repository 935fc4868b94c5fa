"""OpenVINO as the CPU's inference engine: imported without its statistics service, one way to compile.

Graphs are built from torch weights in memory (well under a second, nothing cached on disk), so that the two can never
drift apart. Networks stay torch modules; this is for inference only.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from torch import Tensor

# OpenVINO reports its use to a statistics service where it can import this module; without it, it does not.
# It has to happen before OpenVINO's own import.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

import openvino as ov  # noqa: E402
from openvino import opset13 as op  # noqa: E402

Node = Any  # OpenVINO's Python nodes are untyped

__all__ = ["Node", "constant", "has_bf16", "op", "ov", "request_for"]


def constant(values: np.ndarray | Tensor) -> Node:
    """A float32 constant of a graph."""
    array = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return op.constant(np.ascontiguousarray(array, dtype=np.float32))


def has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 by itself; graphs take half the time in it."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def request_for(model: ov.Model, threads: int | None = None, precision: str = "f32") -> ov.InferRequest:
    """The graph, ready to run on the CPU, one call at a time; what goes in and comes out is float32.

    threads: None leaves that to OpenVINO. precision: what it calculates in, "f32" or (see `has_bf16`) "bf16".
    """
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        config["INFERENCE_NUM_THREADS"] = threads
    return ov.Core().compile_model(model, "CPU", config).create_infer_request()
