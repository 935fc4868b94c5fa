"""`vilaface train mapper` as a user gets it wrong: a sentence and exit code 2, before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_mapping.mappers.files import WEIGHTS_DIR
from tests.apps.app_helpers import Launch


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--config", "mimi"), "shipped are mini, mini-imagenet, smoke"),
        (("--config", "none.yaml"), "none.yaml"),
        (("--only", "mouth"), "vision, directions, text"),
        (("--from", "mine.safetensors"), "give --only too"),
        (("--config", "mini-imagenet", "--only", "text", "--from", "SHIPPED"), "trained for hdvila-mini"),
    ],
)
def test_bad_options_are_bad_usage(launch: Launch, tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    given = [str(WEIGHTS_DIR / "mini.safetensors") if word == "SHIPPED" else word for word in options]
    result = launch("train", "mapper", *given, cwd=tmp_path)
    told = " ".join(result.stderr.split())
    assert result.returncode == 2 and reason in told and "Traceback" not in told
    assert result.stdout == "" and not list(tmp_path.iterdir())
