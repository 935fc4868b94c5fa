"""InceptionResnetV1 (Szegedy et al. 2016, arXiv 1602.07261; trained on VGGFace2 by facenet-pytorch): face to vector.

Own code under facenet-pytorch's key names. Vectors have unit length: one person's pictures lie about 0.6 apart or
nearer (Euclidean), strangers 1.1 and more.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.common.errors import WeightsError

FACE_SIZE = 160
EMBEDDING = 512
# The face inside an FFHQ-aligned picture (left, top, right, bottom): the mean box that MTCNN, whose boxes the network
# was trained on, finds on aligned faces.
FACE_BOX = (0.223, 0.171, 0.786, 0.920)


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Residual(nn.Module):
    """Branches side by side, a 1x1 convolution back to the input's width, scaled and added."""

    def __init__(self, branches: list[nn.Module], width: int, channels: int, scale: float, relu: bool = True) -> None:
        super().__init__()
        self.count = len(branches)
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)
        self.conv2d = nn.Conv2d(width, channels, 1)
        self.scale = scale
        self.relu = relu

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.get_submodule(f"branch{i}")(x) for i in range(self.count)]
        x = x + self.scale * self.conv2d(torch.cat(parts, dim=1))
        return F.relu(x) if self.relu else x


class Reduction(nn.Module):
    """Branches that halve the resolution, and a max pooling beside them."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.count = len(branches)
        for i, branch in enumerate(branches):
            self.add_module(f"branch{i}", branch)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.get_submodule(f"branch{i}")(x) for i in range(self.count)]
        return torch.cat([*parts, F.max_pool2d(x, 3, 2)], dim=1)


def _block35() -> nn.Module:
    one = ConvNorm(256, 32, 1)
    two = nn.Sequential(ConvNorm(256, 32, 1), ConvNorm(32, 32, 3, padding=(1, 1)))
    three = nn.Sequential(
        ConvNorm(256, 32, 1), ConvNorm(32, 32, 3, padding=(1, 1)), ConvNorm(32, 32, 3, padding=(1, 1))
    )
    return Residual([one, two, three], 96, 256, 0.17)


def _block17() -> nn.Module:
    long = nn.Sequential(
        ConvNorm(896, 128, 1),
        ConvNorm(128, 128, (1, 7), padding=(0, 3)),
        ConvNorm(128, 128, (7, 1), padding=(3, 0)),
    )
    return Residual([ConvNorm(896, 128, 1), long], 256, 896, 0.10)


def _block8(scale: float = 0.20, relu: bool = True) -> nn.Module:
    long = nn.Sequential(
        ConvNorm(1792, 192, 1),
        ConvNorm(192, 192, (1, 3), padding=(0, 1)),
        ConvNorm(192, 192, (3, 1), padding=(1, 0)),
    )
    return Residual([ConvNorm(1792, 192, 1), long], 384, 1792, scale, relu)


class InceptionResnetV1(nn.Module):
    """Faces [B, 3, 160, 160] RGB in 0..255 -> unit vectors [B, 512]; inference only."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = ConvNorm(3, 32, 3, stride=2)
        self.conv2d_2a = ConvNorm(32, 32, 3)
        self.conv2d_2b = ConvNorm(32, 64, 3, padding=(1, 1))
        self.conv2d_3b = ConvNorm(64, 80, 1)
        self.conv2d_4a = ConvNorm(80, 192, 3)
        self.conv2d_4b = ConvNorm(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = Reduction(
            [
                ConvNorm(256, 384, 3, stride=2),
                nn.Sequential(
                    ConvNorm(256, 192, 1), ConvNorm(192, 192, 3, padding=(1, 1)), ConvNorm(192, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = Reduction(
            [
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 384, 3, stride=2)),
                nn.Sequential(ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, stride=2)),
                nn.Sequential(
                    ConvNorm(896, 256, 1), ConvNorm(256, 256, 3, padding=(1, 1)), ConvNorm(256, 256, 3, stride=2)
                ),
            ]
        )
        self.repeat_3 = nn.Sequential(*(_block8() for _ in range(5)))
        self.block8 = _block8(scale=1.0, relu=False)
        self.last_linear = nn.Linear(1792, EMBEDDING, bias=False)
        self.last_bn = nn.BatchNorm1d(EMBEDDING, eps=0.001)

    def forward(self, faces: Tensor) -> Tensor:
        x = (faces - 127.5) / 128.0
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(F.max_pool2d(x, 3, 2))))
        x = self.mixed_7a(self.repeat_2(self.mixed_6a(self.repeat_1(x))))
        x = self.block8(self.repeat_3(x)).mean(dim=(2, 3))
        return F.normalize(self.last_bn(self.last_linear(x)), dim=1)

    def describe(self, images: Tensor) -> Tensor:
        """images: [B, 3, R, R] FFHQ-aligned RGB in 0..255 -> [B, 512]; differentiable."""
        r = images.shape[-1]
        left, top, right, bottom = (round(v * r) for v in FACE_BOX)
        faces = F.interpolate(
            images[:, :, top:bottom, left:right], size=FACE_SIZE, mode="bilinear", antialias=True, align_corners=False
        )
        vectors: Tensor = self(faces)
        return vectors


def without_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """facenet-pytorch's file -> the tensors of InceptionResnetV1, its classifier over people left out.

    Raises WeightsError when they are not exactly that network's.
    """
    kept = {key: tensor for key, tensor in state.items() if not key.startswith("logits.")}
    with torch.device("meta"):
        wanted = {key: tensor.shape for key, tensor in InceptionResnetV1().state_dict().items()}
    wrong = [key for key in {**wanted, **kept} if key not in kept or wanted.get(key) != kept[key].shape]
    if wrong:
        raise WeightsError(
            f"The file is not facenet-pytorch's InceptionResnetV1: {sorted(wrong)[0][:80]} and {len(wrong) - 1} more "
            "tensors are missing, superfluous or of another shape."
        )
    return kept
