"""The stand-in as it is measured: its own parts are small, the networks that compare pictures are the real ones."""

from __future__ import annotations

from gan_mapping.perception.networks import load_identity, load_perceptual
from tests.standin import CPU, StandinModel, standin_model
from vl_backbone.weights import WeightStore

MEASURED_SIDE = 128  # contact sheets show faces at this side


def measured_model(refine_steps: int = 2) -> StandinModel:
    """The same model every time; a picture of one value has no face."""
    store = WeightStore()
    return standin_model(
        side=MEASURED_SIDE,
        plain_faces=False,
        refine_steps=refine_steps,
        identity=load_identity("dlib-face-resnet", CPU, store)[0],
        perceptual=load_perceptual("efficientnet-lite0", CPU, store)[0],
    )
