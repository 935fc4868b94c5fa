"""The Super-resolve tab: a tiny face and, if need be, words in; full-size faces that fit it out."""

from __future__ import annotations

import shutil
from typing import Any

import gradio as gr

from apps.web import words
from apps.web.edit_service import MAX_SEED
from apps.web.examples import tiny_examples
from apps.web.jobs import Cancelled
from apps.web.parts import LIGHT, WORK, Shared, before_after, photo_input, plain_html, visitor
from apps.web.superres import SuperResRequest, super_resolve, write_answers, write_pair
from vl_backbone.common.errors import VilaFaceError

_SHOWN = 5


def build(shared: Shared) -> None:
    """Lays out the tab and wires its events."""
    examples = tiny_examples()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            image = photo_input("Small face", placeholder="Drop a small or blurry face here", elem_classes="vf-pixels")
            plain_html(
                words.hint(
                    "A picture of 64 px or less a side is taken as a face; in a larger one a face is looked for."
                )
            )
            text = gr.Textbox(
                label="What the pixels do not show (may stay empty)",
                placeholder="a smiling woman with glasses",
                lines=1,
                max_length=500,
            )
            samples = gr.Slider(1, 4, value=2, step=1, label="Answers", buttons=[])
            with gr.Accordion("More settings", open=False):
                strength = gr.Slider(0, 2, value=1, step=0.05, label="Strength of the words", buttons=[])
                seed = gr.Number(0, label="Seed", precision=0, minimum=0, maximum=MAX_SEED)
                aligned = gr.Checkbox(False, label="The picture is a face already; look for none")
            with gr.Row(equal_height=True):
                run = gr.Button("Super-resolve", variant="primary", size="lg")
                cancel = gr.Button("Cancel", variant="stop", size="lg", visible=False)
            plain_html(words.title("Or try an example", "16x16 pixels"))
            gallery = gr.Gallery(
                [(str(example.photo), example.text or "no words") for example in examples],
                columns=3,
                height="auto",
                show_label=False,
                allow_preview=False,
                buttons=[],
                object_fit="cover",
                elem_classes=["vf-examples", "vf-pixels"],
            )
        with gr.Column(scale=6, min_width=320):
            status = plain_html(visible=False)
            pair = before_after("The pixels that were read, and the likeliest face")
            answers = gr.Gallery(
                columns=4,
                fit_columns=False,
                height="auto",
                show_label=False,
                visible=False,
                buttons=["download", "fullscreen"],
                elem_classes="vf-strip",
            )
            download = gr.DownloadButton("Download the likeliest face", interactive=False, size="md")
            summary = plain_html(words.hint("What the pixels leave open is invented. No answer shows who it was."))

    def begin() -> tuple[Any, ...]:
        return gr.Button(visible=False), gr.Button(visible=True), gr.HTML(words.working(), visible=True)

    def end() -> tuple[Any, ...]:
        return gr.Button(visible=True), gr.Button(visible=False)

    def resolve(
        path: str | None,
        text: str,
        samples: float,
        strength: float,
        seed: float,
        aligned: bool,
        request: gr.Request,
    ) -> tuple[Any, ...]:
        """Full-size answers for a small face."""
        asked = SuperResRequest(path, text, samples, strength, seed, "largest", aligned)
        try:
            with shared.jobs.start(visitor(request)) as job:
                result = super_resolve(shared.studio, asked, job)
        except Cancelled:
            return (gr.skip(),) * _SHOWN
        except VilaFaceError as error:
            return (gr.HTML(words.error(str(error)), visible=True), *(gr.skip(),) * (_SHOWN - 1))
        folder = shared.store.folder(visitor(request))
        files = write_answers(result, path, folder)
        captions = ["likeliest", *(f"another {i}" for i in range(1, len(files)))]
        return (
            gr.HTML("", visible=False),
            write_pair(result, folder),
            gr.Gallery(list(zip(files, captions, strict=True)), visible=len(files) > 1),
            gr.DownloadButton(value=files[0], interactive=True),
            words.resolved_summary(result),
        )

    def example(event: gr.SelectData, request: gr.Request) -> tuple[str, str]:
        chosen = examples[event.index]
        # Only files below the server's own folders may go out, and the package may lie elsewhere.
        copy = shutil.copy(chosen.photo, shared.store.folder(visitor(request)) / chosen.photo.name)
        return str(copy), chosen.text

    def stop(request: gr.Request) -> tuple[Any, ...]:
        shared.jobs.cancel(visitor(request))
        return (*end(), gr.HTML(visible=False))

    buttons = [run, cancel, status]
    picked = gallery.select(example, None, [image, text], **LIGHT)
    inputs, outputs = [image, text, samples, strength, seed, aligned], [status, pair, answers, download, summary]
    work = []
    for begun in (
        gr.on([run.click, text.submit], begin, None, buttons, **LIGHT),
        picked.then(begin, None, buttons, **LIGHT),
    ):
        done = begun.then(resolve, inputs, outputs, show_progress_on=[status], scroll_to_output=True, **WORK)
        done.then(end, None, buttons[:2], **LIGHT)
        work.append(done)
    cancel.click(stop, None, buttons, cancels=work, **LIGHT)
