"""ClipEditor: passes, streaming, steadiness; with networks of milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from gan_mapping.video.editor import ClipConfig, ClipEditor
from gan_mapping.video.pivots import Pivot
from gan_mapping.video.plan import ClipPlan
from gan_mapping.video.track_pass import FaceEdit
from tests.gan_mapping.video.clip_helpers import HEIGHT, WIDTH, clip, face_at, seen
from tests.standin import NUM_WS, W_DIM, StandinModel, standin_model
from vl_backbone.common.errors import InputError

RATE = 25.0


def planned(frames: int = 40, faces: int = 1) -> tuple[ClipEditor, StandinModel, ClipPlan, dict[int, FaceEdit]]:
    """An editor, and the plan and edits for `clip(frames)`: faces from frame 5 on, a cut in the middle."""
    model = standin_model()
    editor = ClipEditor(model, RATE)
    spots = [face_at(50, 40, 14), face_at(115, 60, 12)][:faces]
    sightings = seen(*[[] if i < 10 else spots for i in range(frames)], cuts=[frames // 2])
    plan = editor.plan(sightings, (WIDTH, HEIGHT), "all")
    anchors = {run.number: anchor for run, anchor in editor.anchors(plan, clip(frames))}
    return editor, model, plan, editor.edits(anchors, model.read("smile"))


@pytest.mark.parametrize("faces", [1, 2])
def test_render_edits_faces_and_nothing_else(faces: int) -> None:
    editor, _, plan, edits = planned(faces=faces)
    frames = clip(40)
    result = list(editor.render(plan, edits, frames))
    assert len(result) == 40
    assert len(plan.runs) == 2 * faces
    for i, (before, after) in enumerate(zip(frames, result, strict=True)):
        inside = np.zeros((HEIGHT, WIDTH), dtype=bool)
        for run in plan.runs:
            if run.start <= i < run.stop:
                x0, y0, x1, y1 = run.frame(i, plan.size).bounds()
                inside[y0:y1, x0:x1] = True
                middle = run.quads[i - run.start].mean(axis=0).astype(int)
                assert (after[middle[1], middle[0]] != before[middle[1], middle[0]]).any()
        assert (after[~inside] == before[~inside]).all()
        assert inside.any() == (i >= 10)


def test_strength_zero_and_no_edit_give_the_frames_back() -> None:
    editor, model, plan, _ = planned()
    anchors = {run.number: anchor for run, anchor in editor.anchors(plan, clip(40))}
    drawn = model.generator.drawn
    for edits in ({}, editor.edits(anchors, model.read("smile"), 0.0), editor.edits(anchors, model.read("weather"))):
        for before, after in zip(clip(40), editor.render(plan, edits, clip(40)), strict=True):
            assert np.array_equal(before, after)
    assert model.generator.drawn == drawn


@pytest.mark.parametrize("start", [0, 1, 17, 20, 33, 39])
@pytest.mark.parametrize("faces", [1, 2])
def test_work_taken_up_in_the_middle_gives_the_same_frames(start: int, faces: int) -> None:
    editor, _, plan, edits = planned(faces=faces)
    whole = list(editor.render(plan, edits, clip(40)))
    rest = list(editor.render(plan, edits, clip(40)[max(0, start - editor.lead_in) :], start))
    assert len(rest) == 40 - start
    assert all(np.array_equal(a, b) for a, b in zip(whole[start:], rest, strict=True))


def test_memory_does_not_grow_with_the_clip() -> None:
    """Frames are taken only a fixed number ahead of those given back."""
    editor, _, plan, edits = planned(200)
    taken = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for frame in clip(200):
            taken += 1
            yield frame

    for given, _ in enumerate(editor.render(plan, edits, frames()), start=1):
        assert taken - given <= editor.lead_in


def test_the_wish_is_one_constant_per_shot() -> None:
    _, _, plan, edits = planned()
    assert set(edits) == {run.number for run in plan.runs} == {0, 1}
    assert all(edit.offset.shape == (1, NUM_WS, W_DIM) for edit in edits.values())


def test_what_the_mapper_wavers_is_filtered() -> None:
    """Noise in the frames moves the latent much less than when every frame is on its own."""
    rng = np.random.default_rng(0)
    frames = [np.full((HEIGHT, WIDTH, 3), 90 + rng.integers(0, 40), np.uint8) for _ in range(60)]
    sightings = seen(*[[face_at(80, 50)]] * 60)
    tremble = {}
    for name, config in (("steady", ClipConfig()), ("each alone", ClipConfig(latent_time=0, blend_time=0))):
        model = standin_model()
        editor = ClipEditor(model, RATE, config)
        plan = editor.plan(sightings, (WIDTH, HEIGHT))
        anchors = {run.number: anchor for run, anchor in editor.anchors(plan, frames)}
        latents: list[float] = []
        edits = editor.edits(anchors, model.read("smile"))
        draw = model.generator.render
        model.generator.render = lambda ws, seen=latents, draw=draw: seen.append(float(ws[0, 0, 0])) or draw(ws)
        list(editor.render(plan, edits, frames))
        tremble[name] = float(np.abs(np.diff(latents, 2)).mean())
    assert tremble["steady"] < 0.3 * tremble["each alone"]


def test_find_keeps_faces_that_are_known_and_lags_little() -> None:
    editor = ClipEditor(standin_model(), RATE)
    known = [[face_at(50, 40)]] * 12
    found = list(editor.find(clip(12), known))
    assert [sighting.starts_shot for sighting in found] == [True] + [False] * 11
    assert all(sighting.faces[0].score == known[0][0].score for sighting in found)


def test_the_sample_nearest_to_the_median_stands_for_the_face() -> None:
    model = standin_model()
    calls: list[tuple[float, int]] = []

    def invert(crop: np.ndarray, steps: int = 0, progress: object = None) -> torch.Tensor:
        calls.append((float(crop.mean()), steps))
        return model.encode([crop]) + 1

    model.invert = invert  # type: ignore[method-assign]
    editor = ClipEditor(model, RATE)
    plan = editor.plan(seen(*[[face_at(80, 50)]] * 41), (WIDTH, HEIGHT))
    anchors = [anchor for _, anchor in editor.anchors(plan, clip(41), refine=7)]
    assert len(calls) == 1 and calls[0][1] == 7
    assert calls[0][0] == pytest.approx(float(clip(41)[20].mean()), abs=3)
    assert isinstance(anchors[0], Pivot) and anchors[0].ws.shape == (1, NUM_WS, W_DIM)


def test_no_face_is_an_error_of_one_sentence() -> None:
    editor = ClipEditor(standin_model(), RATE)
    with pytest.raises(InputError, match="No face was found in the clip"):
        editor.plan(seen(*[[]] * 10), (WIDTH, HEIGHT))
    with pytest.raises(InputError, match="no frames"):
        editor.plan([], (WIDTH, HEIGHT))


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_cannot_be_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        ClipEditor(standin_model(), rate)
