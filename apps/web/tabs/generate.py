"""The Generate tab: a sentence and a seed in, faces out; one of them can go to the Edit tab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from apps.web import words
from apps.web.edit_service import MAX_SEED
from apps.web.examples import PEOPLE
from apps.web.jobs import Cancelled
from apps.web.parts import LIGHT, WORK, Shared, phrases, plain_html, reporter, visitor
from apps.web.result_files import write_faces
from vl_backbone.common.errors import VilaFaceError

_SHOWN = 8


@dataclass(frozen=True)
class GenerateTab:
    """What the page needs: the button that sends a face on, and the state that holds its path."""

    send: gr.Button
    chosen: gr.State


def build(shared: Shared) -> GenerateTab:
    """Lays out the tab and wires its events."""
    limits = shared.limits
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            text = gr.Textbox(label="Who should it be?", placeholder=PEOPLE[0], lines=1, max_length=500)
            chips = phrases(PEOPLE)
            n = gr.Slider(1, limits.faces, value=min(4, limits.faces), step=1, label="How many", buttons=[])
            with gr.Row(equal_height=True):
                seed = gr.Number(
                    0,
                    label="Seed",
                    precision=0,
                    minimum=0,
                    maximum=MAX_SEED,
                    info="The same seed and sentence give the same face.",
                )
            with gr.Row(equal_height=True):
                run = gr.Button("Make faces", variant="primary", size="lg")
                more = gr.Button("Other faces", size="lg", min_width=110)
                cancel = gr.Button("Cancel", variant="stop", size="lg", visible=False)
        with gr.Column(scale=6, min_width=320):
            status = plain_html(visible=False)
            gallery = gr.Gallery(
                label="Faces",
                columns=2,
                object_fit="contain",
                height="auto",
                buttons=["download", "fullscreen"],
                elem_classes="vf-gallery",
            )
            meaning = plain_html()
            with gr.Row():
                download = gr.DownloadButton("Download the chosen face", interactive=False, size="md")
                send = gr.Button("Edit the chosen face", interactive=False, size="md")
    files, chosen = gr.State([]), gr.State(None)

    def begin() -> tuple[Any, ...]:
        return (
            gr.Button(visible=False),
            gr.Button(visible=False),
            gr.Button(visible=True),
            gr.HTML(words.working(), visible=True),
        )

    def end() -> tuple[Any, ...]:
        return gr.Button(visible=True), gr.Button(visible=True), gr.Button(visible=False)

    def make(
        text: str,
        n: float,
        seed: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Faces for a sentence."""
        try:
            with shared.jobs.start(visitor(request)) as job:
                faces = shared.studio.generate(text, n, seed, job, reporter(progress, "Drawing faces"))
        except Cancelled:
            return (gr.skip(),) * _SHOWN
        except VilaFaceError as error:
            return (gr.HTML(words.error(str(error)), visible=True), *(gr.skip(),) * (_SHOWN - 1))
        made = write_faces(faces, shared.store.folder(visitor(request)))
        return (
            gr.HTML("", visible=False),
            gr.Gallery(made, columns=1 if len(made) == 1 else 2, selected_index=None),
            words.meaning(shared.studio.understood(text)),
            [path for path, _ in made],
            *choose([path for path, _ in made], 0),
            seed,
        )

    def choose(paths: list[str], index: int) -> tuple[Any, ...]:
        name = f"face {index + 1}" if len(paths) > 1 else "the face"
        return (
            gr.DownloadButton(f"Download {name}", value=paths[index], interactive=True),
            gr.Button(f"Edit {name}", interactive=True),
            paths[index],
        )

    def selected(paths: list[str], event: gr.SelectData) -> tuple[Any, ...]:
        return choose(paths, event.index) if event.index < len(paths) else (gr.skip(),) * 3

    def others(n: float, seed: float) -> float:
        return (seed or 0) + n if (seed or 0) + n <= MAX_SEED - n else 0

    def stop(request: gr.Request) -> tuple[Any, ...]:
        shared.jobs.cancel(visitor(request))
        return (*end(), gr.HTML(visible=False))

    buttons = [run, more, cancel, status]
    outputs = [status, gallery, meaning, files, download, send, chosen, seed]
    phrase = chips.click(lambda sample: sample[0], chips, text, **LIGHT)
    next_seed = more.click(others, [n, seed], seed, **LIGHT)
    work = []
    for begun in (
        gr.on([run.click, text.submit], begin, None, buttons, **LIGHT),
        phrase.then(begin, None, buttons, **LIGHT),
        next_seed.then(begin, None, buttons, **LIGHT),
    ):
        done = begun.then(make, [text, n, seed], outputs, show_progress_on=[status], scroll_to_output=True, **WORK)
        done.then(end, None, buttons[:3], **LIGHT)
        work.append(done)
    cancel.click(stop, None, buttons, cancels=work, **LIGHT)
    gallery.select(selected, files, [download, send, chosen], **LIGHT)
    return GenerateTab(send, chosen)
