"""FaceEditor.super_resolve with the shipped mapper."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gan_mapping import FaceEditor
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.evaluation.judge import JUDGE_FILE, load_judge
from gan_mapping.images import to_batch, to_uint8
from gan_mapping.superres.pixels import as_pixels, consistency
from gan_mapping.superres.resolver import ResolverConfig, SuperResolver
from gan_mapping.superres.results import INVENTED_WARNING
from vl_backbone.common.errors import InputError

SEED = 1607


@pytest.fixture(scope="module")
def truth(model: FaceModel) -> np.ndarray:
    """A face that nothing was fitted on, uint8 [1024, 1024, 3]."""
    return to_uint8(model.generator.render(model.sample(SEED)))[0]


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX))


@pytest.mark.slow
@pytest.mark.parametrize("side", [8, 16, 100])
def test_the_answer_fits_the_pixels(editor: FaceEditor, model: FaceModel, truth: np.ndarray, side: int) -> None:
    pixels = shrunk(truth, side)
    result = editor.super_resolve(pixels, aligned=True, config=ResolverConfig(rounds=1))
    answer = result.samples[0]
    assert answer.image.shape == (1024, 1024, 3) and np.array_equal(result.pixels, pixels)
    measured = consistency(as_pixels(answer.image, model.device), as_pixels(pixels, model.device))
    assert measured <= 2.0 and answer.error == pytest.approx(measured, abs=0.3)
    assert result.warnings[0] == INVENTED_WARNING


@pytest.mark.slow
def test_fitting_brings_the_latent_itself_closer(model: FaceModel, truth: np.ndarray) -> None:
    pixels = as_pixels(shrunk(truth, 16), model.device)
    assert model.pixel_mapper is not None
    none = torch.zeros(1, len(model.mappers.attributes))
    errors = [
        SuperResolver(
            model.generator,
            model.pixel_mapper,
            model.mappers,
            replace(ResolverConfig(), rounds=rounds),
        )
        .resolve(pixels, none)
        .latent_error
        for rounds in (0, 2)
    ]
    assert errors[1] < 0.8 * errors[0]


@pytest.mark.slow
def test_words_and_samples_change_the_answer_within_the_pixels(
    editor: FaceEditor, model: FaceModel, truth: np.ndarray
) -> None:
    pixels = shrunk(truth, 16)
    config = ResolverConfig(rounds=1)
    plain, other = editor.super_resolve(pixels, samples=2, config=config).samples
    with_words = editor.super_resolve(pixels, "wearing glasses", config=config)
    judge = load_judge(JUDGE_FILE, model.identity)  # type: ignore[arg-type]
    column = judge.attributes.index("glasses")
    before, after = judge.logits(to_batch([plain.image, with_words.samples[0].image], None, model.device))[:, column]
    assert float(after) > float(before) + 1 and with_words.intents["glasses"] > 0
    assert float(np.abs(plain.image.astype(int) - other.image.astype(int)).mean()) > 2
    assert max(plain.error, other.error, with_words.samples[0].error) <= 2.0


def test_bad_requests_are_sentences(editor: FaceEditor) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for picture, options, sentence in (
        (noise[:1, :1], {}, "needs 8 px"),
        (noise[:7, :60], {}, "needs 8 px"),
        (noise, {}, "No face"),
        (noise[:16, :16], {"text": "  "}, "text is empty"),
        (noise[:16, :16], {"samples": 0}, "samples must be"),
        (noise[:16, :16], {"strength": float("nan")}, "Strength"),
    ):
        with pytest.raises(InputError, match=sentence):
            editor.super_resolve(picture, **options)  # type: ignore[arg-type]
