from __future__ import annotations

import pytest

from gan_mapping import FaceEditor, load_generator
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.generators.protocol import Generator


@pytest.fixture(scope="session")
def generator() -> Generator:
    return load_generator()


@pytest.fixture(scope="session")
def editor() -> FaceEditor:
    return FaceEditor.from_preset("mini", device="cpu")


@pytest.fixture(scope="session")
def model(editor: FaceEditor) -> FaceModel:
    return editor.model
