"""How much of a person survives the way through w+: distances in the face network, cosine of latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan_mapping.editing import FaceEditor
from gan_mapping.images import to_uint8
from gan_mapping.training.vision import offset_cosine


@dataclass(frozen=True)
class ReconstructionScore:
    """identity: face-network distance picture -> reconstruction per face; cosine: of latent offsets (nan: unknown)."""

    identity: list[float]
    cosine: float

    @property
    def mean_identity(self) -> float:
        """Mean distance over the faces."""
        return float(np.mean(self.identity))


def evaluate_crops(editor: FaceEditor, crops: Sequence[np.ndarray], steps: int = 0) -> ReconstructionScore:
    """Aligned crops uint8 [R, R, 3] -> distances of crop and reconstruction, refined over `steps` steps."""
    distances = []
    for crop in crops:
        ws = editor.invert(crop, steps)
        picture = to_uint8(editor.generator.render(ws))[0]
        a, b = editor.describe_identity([crop]), editor.describe_identity([picture])
        distances.append(float((a - b).norm()))
    return ReconstructionScore(distances, float("nan"))


def evaluate_generated(editor: FaceEditor, latents: Tensor, steps: int = 0) -> ReconstructionScore:
    """latents w [N, w_dim] of held-out faces: drawn, seen as pictures, read back."""
    pictures = [to_uint8(editor.generator.render(w.expand(1, editor.generator.num_ws, -1)))[0] for w in latents]
    score = evaluate_crops(editor, pictures, steps)
    found = torch.cat([editor.encode([picture]) for picture in pictures])[:, 0]
    return ReconstructionScore(score.identity, offset_cosine(found, latents, editor.generator.w_mean))
