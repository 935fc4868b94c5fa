"""Which parts of the mappers are fitted, and where the others come from."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_mapping.mappers.files import WEIGHTS_DIR
from gan_mapping.training.closed_form.refit import PARTS, chosen_parts, load_kept
from vl_backbone.common.errors import UsageError, WeightsError

GENERATOR = "mobile-stylegan-ffhq"


def test_parts_are_chosen_by_name() -> None:
    assert chosen_parts([]) == PARTS and chosen_parts(["text", "vision", "text"]) == ("vision", "text")
    with pytest.raises(UsageError, match=r"'mouth'.*vision, directions, text"):
        chosen_parts(["text", "mouth"])


@pytest.mark.parametrize("backbone", ["hdvila-mini", "imagenet-minilm"])
def test_the_shipped_file_is_the_presets(backbone: str) -> None:
    kept = load_kept(None, backbone, GENERATOR)
    assert kept.mappers.backbone == backbone and len(kept.source) == 64


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mini\.safetensors was trained for hdvila-mini"):
        load_kept(WEIGHTS_DIR / "mini.safetensors", "imagenet-minilm", GENERATOR)
    with pytest.raises(UsageError, match=r"No mappers are shipped for hdvila-official.*--from"):
        load_kept(None, "hdvila-official", "stylegan2-ffhq")
    with pytest.raises(WeightsError):
        load_kept(tmp_path / "none.safetensors", "hdvila-mini", GENERATOR)
