"""The measurement of edits, with a stand-in and the networks that really measure."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_mapping.editing.closed_loop import ClosedLoopConfig
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.evaluation.edit_report import misread, report_json, report_markdown
from gan_mapping.evaluation.edit_runs import EditOptions, plan_face, record_key, run_edits
from gan_mapping.evaluation.edits import EditMeasure, EditMeasurer
from gan_mapping.evaluation.faces import held_out_faces
from gan_mapping.evaluation.metrics import load_instruments
from gan_mapping.evaluation.optimisation import OptimisationConfig, TextOptimiser
from gan_mapping.evaluation.reconstruction import ReconstructionOptions, run_reconstruction
from gan_mapping.evaluation.sentences import EditSentence, load_sentences
from gan_mapping.evaluation.summary import BOUNDARY, OPTIMISATION, by_sentence, comparisons
from tests.gan_mapping.evaluation.measured_model import measured_model
from tests.standin import StandinBackbone, StandinModel
from vl_backbone.common.errors import UsageError
from vl_backbone.common.strict_json import to_json

FEW = Path(__file__).parent / "few_sentences.yaml"  # so that the tests stay quick
SENTENCES = load_sentences(FEW).drawn


def options(**changes: object) -> EditOptions:
    values: dict[str, object] = {
        "faces": 2,
        "strength_faces": 1,
        "boundary_faces": 1,
        "optimised_faces": 1,
        "optimised_sentences": 1,
        "optimisation": OptimisationConfig(2, 1),
        "sentences": FEW,
    }
    return EditOptions(**{**values, **changes})  # type: ignore[arg-type]


def test_interrupted_runs_go_on_and_give_the_same_report(tmp_path: Path) -> None:
    model = measured_model()
    counted: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        counted.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_edits(model, options(), tmp_path, stop)
    assert counted[-1] == (4, 6)
    records = sorted(path.name for path in (tmp_path / "edits" / "mini").glob("*.json"))
    assert len(records) == 1  # the face that was done; nothing of the one that was not
    stamp = (tmp_path / "edits" / "mini" / records[0]).stat().st_mtime_ns

    runs, sentences, instruments = run_edits(model, options(), tmp_path)
    assert (tmp_path / "edits" / "mini" / records[0]).stat().st_mtime_ns == stamp
    report = json.loads(to_json(report_json(runs, sentences, instruments, options())))
    drawn = model.generator.drawn  # type: ignore[attr-defined]
    again = run_edits(model, options(), tmp_path)
    assert model.generator.drawn == drawn  # type: ignore[attr-defined]
    assert json.loads(to_json(report_json(*again, options()))) == report
    assert Image.open(tmp_path / "edits" / "mini.jpg").width > 200
    text = report_markdown(runs, sentences, instruments, options())
    assert all(s.text in text for s in SENTENCES) and BOUNDARY in text and OPTIMISATION in text

    (tmp_path / "edits" / "mini" / records[0]).write_text('{"key": "half a rec')
    run_edits(model, options(), tmp_path)
    assert model.generator.drawn > drawn  # type: ignore[attr-defined]


def test_photos_are_checked_pixel_by_pixel_and_bad_ones_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((300, 260)).save(tmp_path / "good.png")
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "empty.png")
    chosen = options(faces=0, photos=(tmp_path,), boundary_faces=0, optimised_faces=0)
    runs, sentences, instruments = run_edits(measured_model(), chosen, tmp_path / "out")
    assert list(runs[0].failed) == ["empty"] and "face" in runs[0].failed["empty"]
    measures = [m for _, real, m in runs[0].measures if real]
    assert len(measures) == len(SENTENCES)
    assert all(m.outside_pixels == 0 and m.photo_to_edit > 0 and m.photo_to_paste > 0 for m in measures)
    assert "good" in report_markdown(runs, sentences, instruments, chosen)


QUICK: dict[str, object] = {"faces": 1, "strength_faces": 0, "boundary_faces": 0, "optimised_faces": 0}


def test_a_face_is_redone_only_when_its_own_steps_change(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((300, 260)).save(tmp_path / "photo.png")

    def redone(refine: int | None, model: StandinModel) -> list[str]:
        folder = tmp_path / "out" / "edits" / "mini"
        before = {path: path.stat().st_mtime_ns for path in folder.glob("*.json")}
        run_edits(model, options(**QUICK, photos=(tmp_path / "photo.png",), refine=refine), tmp_path / "out")
        return [
            path.stem.split("-")[0]
            for path in sorted(folder.glob("*.json"))
            if path.stat().st_mtime_ns != before.get(path)
        ]

    model = measured_model()
    assert redone(None, model) == ["photo", "seed"]
    assert redone(model.refine_steps, model) == []  # what the preset has, said aloud
    assert redone(1, model) == ["photo"]  # generated faces are not refined
    assert redone(None, measured_model(refine_steps=1)) == []
    assert redone(None, measured_model(refine_steps=3)) == ["photo"]


def test_a_face_is_redone_when_edits_are_tried_out_another_way() -> None:
    model, instruments, source = measured_model(), load_instruments(measured_model()), held_out_faces(1)[0]

    def key(config: ClosedLoopConfig) -> str:
        other = FaceModel(model.parts, replace(model.settings, closed_loop=config))
        measurer = EditMeasurer(other, instruments, SENTENCES)
        return record_key(source, plan_face(source, 0, measurer, options()), measurer, 0)

    assert key(ClosedLoopConfig()) == key(model.closed_loop) != key(ClosedLoopConfig(looks=1))


def test_the_slow_baseline_is_redone_with_another_backbone() -> None:
    model, instruments, source = measured_model(), load_instruments(measured_model()), held_out_faces(1)[0]

    def key(digest: str, number: int) -> str:
        backbone = StandinBackbone()
        backbone.weights = {"standin-backbone": digest}
        optimiser = TextOptimiser(model.generator, backbone, instruments.network)
        measurer = EditMeasurer(model, instruments, SENTENCES, None, optimiser)
        return record_key(source, plan_face(source, number, measurer, options()), measurer, 0)

    assert key("1" * 64, 0) != key("2" * 64, 0)
    assert key("1" * 64, 1) == key("2" * 64, 1)  # the second face has no such baseline


def test_edits_and_reconstruction_share_a_folder(tmp_path: Path) -> None:
    model, edits, back = measured_model(), options(**QUICK), ReconstructionOptions(1, refined_faces=0)
    run_edits(model, edits, tmp_path)
    run_reconstruction(model, back, tmp_path)
    drawn = model.generator.drawn  # type: ignore[attr-defined]
    run_edits(model, edits, tmp_path)
    run_reconstruction(model, back, tmp_path)
    assert model.generator.drawn == drawn  # type: ignore[attr-defined]


def test_sentences_of_another_file_are_read_but_not_drawn(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    groups = "figurative: [{text: A queue at the barber, want: +smile, may: ''}]\nnothing: [{text: %s}, {text: %s}]\n"
    path.write_text(FEW.read_text() + groups % ("The train leaves at nine", "A street full of glasses"))
    model = measured_model()
    chosen = options(**QUICK, sentences=path)
    runs, sentences, instruments = run_edits(model, chosen, tmp_path / "out")
    report = report_json(runs, sentences, instruments, chosen)["methods"][0]
    assert [row["text"] for row in report["figurative"]] == ["A queue at the barber"]
    assert report["nothing"]["sentences"] == 2 and report["nothing"]["left_alone"] == 1
    assert {row["text"]: bool(row["intents"]) for row in report["nothing"]["read"]} == {
        "The train leaves at nine": False,
        "A street full of glasses": True,
    }
    assert [m.text for _, _, m in runs[0].measures] == [s.text for s in SENTENCES]
    text = report_markdown(runs, sentences, instruments, chosen)
    assert "nothing: 1 of 2 sentences" in text and "figurative: 0 of 1 sentences" in text

    few = options(**QUICK)
    plain = report_markdown(*run_edits(model, few, tmp_path / "few"), few)
    assert "benchmark: 2 of 3" in plain and "figurative:" not in plain and "nothing:" not in plain


def test_options_are_checked() -> None:
    for wrong in ({"faces": 0}, {"faces": -1}, {"strengths": (0.0,)}, {"refine": -1}):
        with pytest.raises(UsageError):
            options(**wrong)
    with pytest.raises(UsageError):
        OptimisationConfig(0)


def measure(text: str, held: bool, reached: bool, identity: float = 0.2, **more: object) -> EditMeasure:
    return EditMeasure(text, [held], [reached], 0.1, [], identity, 0.01, 0.5, **more)  # type: ignore[arg-type]


def test_summary_counts_pairs() -> None:
    one, other = SENTENCES[0], EditSentence("older", "single", (("age", 1),), frozenset())
    measures = [
        measure(one.text, True, True),
        measure(one.text, False, False),
        measure(other.text, False, True, identity=0.6),
    ]
    rows = {row.name: row for row in by_sentence(measures, [one, other])}
    assert rows[one.text].reached == 0.5 and rows[one.text].reached_new == 0.0 and rows[one.text].lacking == 1
    assert rows["all"].pairs == 3 and rows["all"].reached == pytest.approx(2 / 3)
    assert rows["all"].identity_kept == pytest.approx(0.2)  # "older" may change the person
    assert math.isnan(rows["all: removal"].reached)


def test_baselines_are_read_off_at_equal_identity() -> None:
    attempts = [
        {"size": 0.5, "reached": False, "identity": 0.1, "flipped": 0.0},
        {"size": 1.0, "reached": True, "identity": 0.3, "flipped": 0.2},
    ]
    row = measure("x", False, True).to_json() | {"boundary": attempts}
    found = comparisons([("a", EditMeasure.from_json(json.loads(to_json(row))))])
    assert [c.name for c in found] == [BOUNDARY]
    assert found[0].equal_success == pytest.approx(0.5) and found[0].equal_flipped == pytest.approx(0.1)
    far = EditMeasure.from_json(row | {"identity": 0.9})
    assert math.isnan(comparisons([("a", far)])[0].equal_success)  # the baseline never went that far
    assert comparisons([("a", measure("x", False, True))]) == []


def test_misreadings_are_named() -> None:
    sentence = EditSentence("no glasses, older", "removal", (("glasses", -1), ("age", 1)), frozenset({"wrinkles"}))
    assert misread({"glasses": -1.0, "age": 0.5, "wrinkles": 1.0}, sentence) == ([], [])
    assert misread({"glasses": 1.0, "hat": 1.0}, sentence) == (["glasses", "age"], ["hat"])
