"""The Video tab: a short clip and a sentence in, the edited clip out."""

from __future__ import annotations

from typing import Any

import gradio as gr

from apps.web import words
from apps.web.clips import STAGES, ClipRequest, edit_clip
from apps.web.examples import CHIPS
from apps.web.jobs import Cancelled
from apps.web.parts import LIGHT, WORK, Shared, phrases, plain_html, visitor
from apps.web.result_files import file_stem
from vl_backbone.common.errors import VilaFaceError

_FACES = [("The largest face", "largest"), ("All faces", "all")]


def build(shared: Shared) -> None:
    """Lays out the tab and wires its events."""
    limits = shared.limits
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            clip = gr.Video(label="Clip", sources=["upload"], height=300, buttons=[])
            plain_html(words.hint(f"Up to {limits.clip_s} s and {limits.upload_mb} MB; sound and timing are kept."))
            text = gr.Textbox(label="What should change?", placeholder="add glasses", lines=1, max_length=500)
            chips = phrases(CHIPS)
            strength = gr.Slider(-1, 2, value=1, step=0.05, label="Strength", buttons=[])
            preview = gr.Checkbox(
                True, label="First second only", info="To see whether it works: every frame takes about a second."
            )
            with gr.Row(equal_height=True):
                run = gr.Button("Edit clip", variant="primary", size="lg")
                cancel = gr.Button("Cancel", variant="stop", size="lg", visible=False)
            with gr.Accordion("More settings", open=False):
                face = gr.Radio(_FACES, value="largest", label="Which face")
                refine = gr.Slider(
                    0,
                    limits.refine,
                    value=min(shared.studio.editor.model.refine_steps, limits.refine),
                    step=1,
                    label="Refinement steps",
                    info="For the likeness; once per face and shot.",
                    buttons=[],
                )
        with gr.Column(scale=6, min_width=320):
            status = plain_html(visible=False)
            result = gr.Video(label="Edited clip", interactive=False, height=480, buttons=[])
            download = gr.DownloadButton("Download clip", interactive=False, size="md")
            summary = plain_html()

    def begin() -> tuple[Any, ...]:
        return gr.Button(visible=False), gr.Button(visible=True), gr.HTML(words.working(), visible=True)

    def end() -> tuple[Any, ...]:
        return gr.Button(visible=True), gr.Button(visible=False)

    def edit(
        clip: str | None,
        text: str,
        strength: float,
        face: str,
        refine: float,
        preview: bool,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Edits the clip."""
        asked = ClipRequest(clip, text, strength, face, refine, preview)
        out = shared.store.folder(visitor(request)) / f"{file_stem(clip)}.edited.mp4"
        try:
            with shared.jobs.start(visitor(request)) as job:
                answer = edit_clip(shared.studio, asked, out, job, stage_reporter(progress))
        except Cancelled:
            return (gr.skip(),) * 4
        except VilaFaceError as error:
            return gr.HTML(words.error(str(error)), visible=True), gr.skip(), gr.skip(), gr.skip()
        path = str(out)
        return (
            gr.HTML("", visible=False),
            path,
            gr.DownloadButton(value=path, interactive=True),
            words.clip_summary(answer),
        )

    def stop(request: gr.Request) -> tuple[Any, ...]:
        shared.jobs.cancel(visitor(request))
        return (*end(), gr.HTML(visible=False))

    buttons = [run, cancel, status]
    chips.click(lambda sample: sample[0], chips, text, **LIGHT)
    begun = gr.on([run.click, text.submit], begin, None, buttons, **LIGHT)
    inputs, outputs = [clip, text, strength, face, refine, preview], [status, result, download, summary]
    done = begun.then(edit, inputs, outputs, show_progress_on=[status], scroll_to_output=True, **WORK)
    done.then(end, None, buttons[:2], **LIGHT)
    cancel.click(stop, None, buttons, cancels=[done], **LIGHT)


def stage_reporter(progress: gr.Progress) -> Any:
    """Progress over the stages of a clip on the page's bar."""

    def report(stage: str, done: int, total: int) -> None:
        progress((done, total or None), desc=STAGES.get(stage, stage), unit="steps")

    return report
