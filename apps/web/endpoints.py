"""The page's functions for programs: named endpoints that stand alone, without anything of a visit."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gradio as gr

from apps.cli.common import rounded
from apps.cli.rows import empty_row
from apps.web.clips import ClipRequest, edit_clip
from apps.web.edit_service import EditRequest
from apps.web.parts import Shared, photo_input, reporter, sentences, visitor
from apps.web.result_files import clip_row, edit_row, file_stem, write_edit, write_faces
from apps.web.superres import SuperResRequest, describe, super_resolve, write_answers
from apps.web.tabs.video import stage_reporter

_WORK: dict[str, Any] = {"concurrency_id": "editor", "concurrency_limit": 1}


def build(shared: Shared) -> list[str]:
    """Adds the endpoints to the page that is being built; returns their names."""
    with gr.Column(visible=False):
        _edit(shared)
        _superres(shared)
        _generate(shared)
        _video(shared)
    return ["/edit", "/superres", "/generate", "/video"]


def _edit(shared: Shared) -> None:
    def edit(
        image: str | None,
        text: str,
        strength: float = 1.0,
        refine: float | None = None,
        face: str = "largest",
        pose: float = 0.0,
        age: float = 0.0,
        smile: float = 0.0,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, str, dict[str, Any]]:
        """Edit the faces in a photo as a sentence says.

        image: the photo. text: what to change. strength: 0 changes nothing, 1 is the full wish, below 0 the
        opposite. refine: steps that improve the likeness (null: the preset's; 0: quick). face: "largest", "all"
        or a number, 0 is the largest. pose, age, smile: -1 to 1, on top of the sentence.
        Returns the full-size photo as PNG, the edited face as PNG, and what was done as JSON.
        """
        with sentences():
            asked = EditRequest(image, text, strength, str(face), refine, pose, age, smile)
            asked.check()
            start = time.perf_counter()
            answer = shared.studio.edit(asked, report=reporter(progress, "Refining the likeness"))
            files = write_edit(answer, shared.store.folder(visitor(request)))
            row = edit_row(shared.studio, answer, files, time.perf_counter() - start)
        return files["edited"], files["face"], row

    inputs = [
        photo_input("image"),
        gr.Textbox(label="text"),
        gr.Number(1.0, label="strength"),
        gr.Number(None, label="refine"),
        gr.Textbox("largest", label="face"),
        gr.Number(0.0, label="pose"),
        gr.Number(0.0, label="age"),
        gr.Number(0.0, label="smile"),
    ]
    outputs = [gr.File(label="edited"), gr.File(label="face"), gr.JSON(label="details")]
    gr.Button("edit").click(edit, inputs, outputs, api_name="edit", **_WORK)


def _superres(shared: Shared) -> None:
    def superres(
        image: str | None,
        text: str = "",
        samples: float = 1,
        strength: float = 1.0,
        seed: float = 0,
        face: str = "largest",
        aligned: bool = False,
        request: gr.Request | None = None,
    ) -> tuple[list[str], dict[str, Any]]:
        """Make a full-size face of a small one; words may say what the pixels do not show.

        image: a picture of 64 px or less a side is taken as a face, in a larger one a face is looked for unless
        aligned. samples: different answers that fit the same pixels; the first is the likeliest.
        Returns PNG files of 1024x1024, and what was done as JSON.
        """
        asked = SuperResRequest(image, text, samples, strength, seed, str(face), aligned)
        start = time.perf_counter()
        with sentences():
            result = super_resolve(shared.studio, asked)
            files = write_answers(result, image, shared.store.folder(visitor(request)))
        model = shared.studio.editor.model
        row = empty_row("superres", Path(image or "").name, asked.text, strength, int(seed), model.preset)
        timings = rounded(result.timings_s | {"total": time.perf_counter() - start})
        outputs = row["outputs"] | {"sr": Path(files[0]).name}
        row |= {"status": "ok", "outputs": outputs, "timings_s": timings, "weights": dict(model.weights)}
        return files, row | describe(result)

    inputs = [
        photo_input("image"),
        gr.Textbox("", label="text"),
        gr.Number(1, label="samples"),
        gr.Number(1.0, label="strength"),
        gr.Number(0, label="seed"),
        gr.Textbox("largest", label="face"),
        gr.Checkbox(False, label="aligned"),
    ]
    outputs = [gr.File(label="faces", file_count="multiple"), gr.JSON(label="details")]
    gr.Button("superres").click(superres, inputs, outputs, api_name="superres", **_WORK)


def _generate(shared: Shared) -> None:
    def generate(
        text: str,
        n: float = 4,
        seed: float = 0,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[list[str], dict[str, Any]]:
        """Make faces that fit a sentence.

        text: who it should be. n: how many. seed: face i is made from seed + i, always alike.
        Returns PNG files of 1024x1024 and what was understood as JSON.
        """
        with sentences():
            start = time.perf_counter()
            faces = shared.studio.generate(text, n, seed, report=reporter(progress, "Drawing faces"))
            files = [path for path, _ in write_faces(faces, shared.store.folder(visitor(request)))]
            model = shared.studio.editor.model
            details = {
                "task": "generate",
                "status": "ok",
                "text": text,
                "preset": model.preset,
                "seeds": [face.seed for face in faces],
                "intents": shared.studio.understood(text),
                "timings_s": {"total": round(time.perf_counter() - start, 4)},
                "weights": dict(model.weights),
            }
        return files, details

    inputs = [gr.Textbox(label="text"), gr.Number(4, label="n"), gr.Number(0, label="seed")]
    outputs = [gr.File(label="faces", file_count="multiple"), gr.JSON(label="details")]
    gr.Button("generate").click(generate, inputs, outputs, api_name="generate", **_WORK)


def _video(shared: Shared) -> None:
    def video(
        clip: str | None,
        text: str,
        strength: float = 1.0,
        refine: float | None = None,
        face: str = "largest",
        preview: bool = False,
        request: gr.Request | None = None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[str, dict[str, Any]]:
        """Edit the faces in a short clip as a sentence says; sound and timestamps are kept.

        clip: a video file. preview: the first second only. The rest as in /edit.
        Returns the edited clip as MP4, and what was done as JSON.
        """
        asked = ClipRequest(clip, text, strength, str(face), refine, preview)
        out = shared.store.folder(visitor(request)) / f"{file_stem(clip)}.edited.mp4"
        with sentences():
            answer = edit_clip(shared.studio, asked, out, report=stage_reporter(progress))
            row = clip_row(shared.studio, asked, answer, out)
        return str(out), row

    inputs = [
        gr.File(label="clip", type="filepath"),
        gr.Textbox(label="text"),
        gr.Number(1.0, label="strength"),
        gr.Number(None, label="refine"),
        gr.Textbox("largest", label="face"),
        gr.Checkbox(False, label="preview"),
    ]
    outputs = [gr.File(label="edited"), gr.JSON(label="details")]
    gr.Button("video").click(video, inputs, outputs, api_name="video", **_WORK)
