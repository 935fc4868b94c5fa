"""benchmarks/superres.py in a linear world: what is kept, under which name."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from gan_mapping.superres.pixels import as_pixels, box_filter, consistency, render_to_pixels
from tests.gan_mapping.superres.linear_world import W_DIM, linear_generator
from tests.paths import BENCHMARKS
from tests.standin import NUM_WS


@pytest.fixture
def superres(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("superres")


def linear_faces(superres: Any, folder: Path) -> Any:
    """The benchmark's faces with a generator of milliseconds; only the pixels are measured."""

    class LinearFaces(superres.Faces):  # type: ignore[misc]
        def __init__(self) -> None:
            generator = linear_generator()
            self.model = SimpleNamespace(generator=generator, device=torch.device("cpu"), sample=latent_of)
            self.folder, self.side = folder, 16

        def measure(self, picture: np.ndarray, truth: np.ndarray, pixels: torch.Tensor) -> dict[str, float]:
            return {"consistency": consistency(as_pixels(picture, self.model.device), pixels)}

    return LinearFaces()


def latent_of(seed: int) -> torch.Tensor:
    return torch.randn(1, 1, W_DIM, generator=torch.Generator().manual_seed(seed)).expand(-1, NUM_WS, -1)


def test_banks_of_another_size_have_figures_of_their_own(superres: Any, tmp_path: Path) -> None:
    faces = linear_faces(superres, tmp_path)
    built: list[int] = []

    def figures(size: int, steps: int = 0) -> dict[str, Any]:
        def bank() -> tuple[torch.Tensor, torch.Tensor]:
            built.append(size)
            latents = torch.cat([latent_of(seed)[:, 0] for seed in range(size)])
            pictures = render_to_pixels(faces.model.generator.render(latents[:, None].expand(-1, NUM_WS, -1)))
            return box_filter(pictures, 16), latents

        found: dict[str, Any] = superres.baselines(faces, 5, bank, size, steps)
        return found

    few, many = figures(3), figures(8)
    assert list(few) == ["bicubic", "w mean", "nearest of 3"] and list(many) == ["bicubic", "w mean", "nearest of 8"]
    # The face itself is number 5: only the larger bank holds it.
    assert many["nearest of 8"]["consistency"] < 0.5 < few["nearest of 3"]["consistency"]
    assert figures(3) == few and built == [3, 8]
    searched = figures(3, steps=2)
    assert searched == {**few, "search on the sphere, 2 steps": searched["search on the sphere, 2 steps"]}
    assert figures(8) == many and built == [3, 8]
    assert len(json.loads((tmp_path / "baselines-5.json").read_text())) == 5
