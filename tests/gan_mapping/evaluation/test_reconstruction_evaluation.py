"""The measurement of reconstructions, and the contact sheet, with a tiny model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gan_mapping.evaluation.faces import FaceChoice, StartedFace, held_out_faces
from gan_mapping.evaluation.methods import with_mappers
from gan_mapping.evaluation.metrics import load_instruments
from gan_mapping.evaluation.reconstruction import (
    INDEPENDENT,
    LINEAR,
    REFINED,
    ReconstructionOptions,
    measure_ways,
    run_reconstruction,
    summarise_ways,
)
from gan_mapping.evaluation.reconstruction_report import reconstruction_json, reconstruction_markdown
from gan_mapping.evaluation.sheet_runs import run_sheet
from gan_mapping.images import to_uint8
from gan_mapping.mappers.files import WEIGHTS_DIR
from tests.gan_mapping.evaluation.measured_model import measured_model
from vl_backbone.common.errors import InputError, UsageError, WeightsError
from vl_backbone.common.strict_json import to_json


def test_a_perfect_answer_measures_as_perfect() -> None:
    model = measured_model()
    ws = model.sample(1600)
    picture = to_uint8(model.generator.render(ws))[0]
    face = StartedFace(held_out_faces(1)[0], picture, ws, picture, ws[0, 0])
    found, strip = measure_ways(face, model, load_instruments(model), [LINEAR], 0)
    assert found[0].identity == 0 and found[0].perceptual == 0 and found[0].psnr == float("inf")
    assert found[0].cosine == pytest.approx(1.0) and strip.shape == (256, 128, 3)


def test_ways_resume_and_refinement_settings_survive(tmp_path: Path) -> None:
    model, chosen = measured_model(), ReconstructionOptions(2, refined_faces=1, refine=2)
    config = model.refiner.config
    runs, instruments = run_reconstruction(model, chosen, tmp_path)
    assert model.refiner.config == config
    assert [m.way for _, _, m in runs[0].measures] == [LINEAR, REFINED, INDEPENDENT, LINEAR]
    rows = summarise_ways(runs[0].measures, real=False)
    assert [(way, faces) for way, faces, _ in rows] == [(LINEAR, 2), (REFINED, 1), (INDEPENDENT, 1)]
    report = json.loads(to_json(reconstruction_json(runs, instruments, chosen)))
    drawn = model.generator.drawn  # type: ignore[attr-defined]
    again = run_reconstruction(model, chosen, tmp_path)
    assert model.generator.drawn == drawn  # type: ignore[attr-defined]
    assert json.loads(to_json(reconstruction_json(*again, chosen))) == report
    assert "2 held-out generated" in reconstruction_markdown(runs, instruments, chosen)
    assert Image.open(tmp_path / "reconstruction" / "mini.jpg").height > 4 * 128
    run_reconstruction(model, replace(chosen, refined_faces=0, refine=5), tmp_path)
    drawn = model.generator.drawn  # type: ignore[attr-defined]
    run_reconstruction(model, replace(chosen, refined_faces=0, refine=6), tmp_path)
    assert model.generator.drawn == drawn  # type: ignore[attr-defined]  # nothing was refined anyway
    for wrong in ({"faces": 0}, {"faces": 1, "refine": -1}, {"refined_faces": -1}):
        with pytest.raises(UsageError):
            ReconstructionOptions(**wrong)


def test_sheets_have_a_row_per_sentence_and_name_photos_without_a_face(tmp_path: Path) -> None:
    Image.new("RGB", (90, 90)).save(tmp_path / "black.png")
    path, failed = run_sheet(measured_model(), FaceChoice(2, (tmp_path / "black.png",)), tmp_path, sentences=["a", "b"])
    assert list(failed) == ["black"] and Image.open(path).height > 4 * 128
    with pytest.raises(InputError, match="black"):
        run_sheet(measured_model(), FaceChoice(0, (tmp_path / "black.png",)), tmp_path)


def test_mappers_of_another_generator_are_refused() -> None:
    with pytest.raises(WeightsError, match="standin"):
        with_mappers(measured_model(), WEIGHTS_DIR / "mini.safetensors")
