"""The measurement of edits, with tiny editors and the networks that really measure."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from blocks_editor import tiny_editor
from PIL import Image

from gan_mapping.evaluation.edit_report import misread, report_json, report_markdown
from gan_mapping.evaluation.edit_runs import EditOptions, run_edits
from gan_mapping.evaluation.edits import EditMeasure
from gan_mapping.evaluation.optimisation import OptimisationConfig
from gan_mapping.evaluation.records import to_json
from gan_mapping.evaluation.sentences import EditSentence, load_sentences
from gan_mapping.evaluation.summary import BOUNDARY, OPTIMISATION, by_sentence, comparisons
from vl_backbone.errors import UsageError

FEW = Path(__file__).parent / "few_sentences.yaml"  # so that the tests stay quick
SENTENCES = load_sentences(FEW)


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
    editor = tiny_editor()
    counted: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        counted.append((done, total))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_edits(editor, options(), tmp_path, stop)
    assert counted[-1] == (4, 6)
    records = sorted(path.name for path in (tmp_path / "mini").glob("*.json"))
    assert len(records) == 1  # the face that was done; nothing of the one that was not
    stamp = (tmp_path / "mini" / records[0]).stat().st_mtime_ns

    runs, sentences, instruments = run_edits(editor, options(), tmp_path)
    assert (tmp_path / "mini" / records[0]).stat().st_mtime_ns == stamp
    report = json.loads(to_json(report_json(runs, sentences, instruments, options())))
    drawn = editor.generator.drawn  # type: ignore[attr-defined]
    again = run_edits(editor, options(), tmp_path)
    assert editor.generator.drawn == drawn  # type: ignore[attr-defined]
    assert json.loads(to_json(report_json(*again, options()))) == report
    assert Image.open(tmp_path / "mini.jpg").width > 200
    text = report_markdown(runs, sentences, instruments, options())
    assert all(s.text in text for s in SENTENCES) and BOUNDARY in text and OPTIMISATION in text

    (tmp_path / "mini" / records[0]).write_text('{"key": "half a rec')
    run_edits(editor, options(), tmp_path)
    assert editor.generator.drawn > drawn  # type: ignore[attr-defined]


def test_photos_are_checked_pixel_by_pixel_and_bad_ones_are_named(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((300, 260)).save(tmp_path / "good.png")
    Image.new("RGB", (200, 200), "gray").save(tmp_path / "empty.png")
    chosen = options(faces=0, photos=(tmp_path,), boundary_faces=0, optimised_faces=0)
    runs, sentences, instruments = run_edits(tiny_editor(), chosen, tmp_path / "out")
    assert list(runs[0].failed) == ["empty"] and "face" in runs[0].failed["empty"]
    measures = [m for _, real, m in runs[0].measures if real]
    assert len(measures) == len(SENTENCES)
    assert all(m.outside_pixels == 0 and m.photo_to_edit > 0 and m.photo_to_paste > 0 for m in measures)
    assert "good" in report_markdown(runs, sentences, instruments, chosen)


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
