"""The Edit tab: photo, face, sentence and sliders on the left; the answer, strengths and history on the right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from apps.web import words
from apps.web.edit_service import STRIP
from apps.web.examples import CHIPS, Example, available
from apps.web.history import History
from apps.web.parts import LIGHT, WORK, Shared, before_after, photo_input, phrases, plain_html, visitor
from apps.web.tabs.edit_actions import EditActions

_PICK = """
element.addEventListener('click', (event) => {
  const face = event.target.closest('.vf-face');
  if (face) trigger('select', {index: Number(face.dataset.face), value: face.dataset.face});
});
"""


class _Form:
    """The left column."""

    def __init__(self, shared: Shared) -> None:
        self.photo = gr.State(None)
        self.history = gr.State(History(), time_to_live=shared.limits.keep_s)
        self.upload = photo_input("Photo", placeholder="Drop a photo here, or click to choose one")
        self.picker = plain_html(visible=False, js_on_load=_PICK)
        self.notice = plain_html(visible=False)
        with gr.Row(visible=False, equal_height=False) as self.chosen:
            self.face = gr.Radio([("Face 1", "0")], value="0", show_label=False, container=False, scale=3)
            self.another = gr.Button("Another photo", size="sm", scale=1, min_width=120)
        self.text = gr.Textbox(
            label="What should change?", placeholder="blond hair and a big smile", lines=1, max_length=500
        )
        self.chips = phrases(CHIPS)
        self.strength = gr.Slider(
            -1, 2, value=1, step=0.05, label="Strength", info="Below 0: the opposite.", buttons=[]
        )
        with gr.Row(equal_height=True):
            self.run = gr.Button("Edit", variant="primary", size="lg")
            self.cancel = gr.Button("Cancel", variant="stop", size="lg", visible=False)
        with gr.Accordion("More settings", open=False):
            self.refine = gr.Slider(
                0,
                shared.limits.refine,
                value=min(shared.studio.editor.model.refine_steps, shared.limits.refine),
                step=1,
                label="Refinement steps",
                info="More steps, more likeness. Only the first edit of a face waits for them: about a sixth "
                "of a second a step without a graphics card.",
                buttons=[],
            )

    def opened(self) -> list[Any]:
        """What the actions call OPENED."""
        return [self.photo, self.upload, self.picker, self.notice, self.chosen, self.face]


class _Answer:
    """The right column."""

    def __init__(self, examples: list[Example]) -> None:
        self.status = plain_html(visible=False)
        with gr.Column(elem_classes="vf-tight") as self.welcome:
            plain_html(words.WELCOME)
            self.examples = gr.Gallery(
                [(str(example.photo), example.text) for example in examples],
                columns=2,
                height="auto",
                show_label=False,
                allow_preview=False,
                buttons=[],
                object_fit="cover",
                elem_classes="vf-examples",
            )
        with gr.Column(visible=False, elem_classes="vf-tight") as self.result:
            with gr.Tabs(elem_classes="vf-views"):
                with gr.Tab("Photo"):
                    self.whole = before_after("Before and after")
                with gr.Tab("Face"):
                    self.closeup = before_after("Before and after, the face")
                with gr.Tab("Model's drawing"):
                    self.drawn = before_after("The model's drawing before and after")
            with gr.Row(elem_classes="vf-sliders"):
                self.pose = _slider("Turn")
                self.age = _slider("Age")
                self.smile = _slider("Smile")
            self.strip_title = plain_html(words.title("Strengths", "click one to use it"), visible=False)
            self.strip = _strip(len(STRIP))
            with gr.Row(elem_classes="vf-buttons"):
                self.download = gr.DownloadButton("Download photo", interactive=False, size="sm", min_width=130)
                self.download_face = gr.DownloadButton("Download face", interactive=False, size="sm", min_width=130)
                self.undo = gr.Button("Undo", interactive=False, size="sm", min_width=60)
                self.redo = gr.Button("Redo", interactive=False, size="sm", min_width=60)
                self.level = gr.Button("Reset sliders", size="sm", min_width=100)
            self.summary = plain_html()
            self.edits_title = plain_html(words.title("Your edits", "click one to go back to it"), visible=False)
            self.edits = _strip(6)

    def sliders(self) -> list[gr.Slider]:
        """The ones below the picture."""
        return [self.pose, self.age, self.smile]

    def shown(self) -> list[Any]:
        """What the actions call SHOWN."""
        return [
            self.status,
            self.welcome,
            self.result,
            self.whole,
            self.closeup,
            self.drawn,
            self.download,
            self.download_face,
            self.undo,
            self.redo,
            self.summary,
            self.strip_title,
            self.strip,
            self.edits_title,
            self.edits,
        ]


@dataclass(frozen=True)
class EditTab:
    """The tab's two columns and what its buttons do."""

    form: _Form
    answer: _Answer
    actions: EditActions

    def inputs(self) -> list[Any]:
        """What an edit is made from."""
        form = self.form
        asked = [form.history, form.photo, form.text, form.strength, form.face, form.refine]
        return [*asked, *self.answer.sliders()]

    def sliders(self) -> list[gr.Slider]:
        """The controls that act at once."""
        return [self.form.strength, *self.answer.sliders()]


def build(shared: Shared) -> EditTab:
    """Lays out the tab and wires its events."""
    examples = available()
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            form = _Form(shared)
        with gr.Column(scale=6, min_width=320):
            answer = _Answer(examples)
    controls = 2 + len(answer.sliders())
    actions = EditActions(shared, examples, len(form.opened()), len(answer.shown()), controls)
    tab = EditTab(form, answer, actions)
    _wire_photo(tab)
    _wire_edits(tab, shared)
    _wire_history(tab)
    return tab


def receive(tab: EditTab, after: Any, path: gr.State) -> None:
    """Opens the picture at `path` when the event `after` has happened: another tab sends it here."""
    after.then(tab.actions.open, path, tab.form.opened(), show_progress="minimal", **WORK)


def _wire_photo(tab: EditTab) -> None:
    form, answer, actions = tab.form, tab.answer, tab.actions
    opened = [*form.opened(), answer.welcome, answer.result]
    form.upload.upload(actions.open, form.upload, form.opened(), show_progress="minimal", **WORK)
    form.another.click(actions.another, None, opened, **LIGHT)
    form.picker.select(_picked, None, form.face, **LIGHT)
    form.face.change(actions.redraw, [form.photo, form.face], form.picker, **LIGHT)


def _wire_edits(tab: EditTab, shared: Shared) -> None:
    form, answer, actions = tab.form, tab.answer, tab.actions
    outputs = [form.history, *answer.shown()]
    example = answer.examples.select(
        actions.open_example, None, [*form.opened(), form.text], show_progress="minimal", **WORK
    )
    phrase = form.chips.click(
        actions.use_phrase, [form.photo, form.chips], [*form.opened(), form.text], show_progress="minimal", **WORK
    )
    buttons = [form.run, form.cancel, answer.status]
    work = []
    for begun in (
        gr.on([form.run.click, form.text.submit], _begin, None, buttons, **LIGHT),
        example.success(_begin, None, buttons, **LIGHT),
        phrase.success(_begin, None, buttons, **LIGHT),
    ):
        waiting: dict[str, Any] = {"show_progress_on": [answer.status], **WORK}
        look = begun.then(actions.look, tab.inputs(), outputs, scroll_to_output=True, **waiting)
        done = look.then(actions.edit, tab.inputs(), outputs, **waiting)
        done.then(_end, None, buttons[:2], **LIGHT)
        done.success(
            actions.strip,
            [form.history],
            [form.history, answer.strip_title, answer.strip],
            show_progress="hidden",
            **WORK,
        )
        work += [look, done]

    def stop(request: gr.Request) -> tuple[Any, ...]:
        shared.jobs.cancel(visitor(request))
        return (*_end(), gr.HTML(visible=False))

    form.cancel.click(stop, None, buttons, cancels=work, **LIGHT)
    # While one picture is drawn, only the sliders' last position waits for its turn.
    live: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "hidden", **WORK}
    gr.on([slider.input for slider in tab.sliders()], actions.tune, tab.inputs(), outputs, **live)
    chosen = answer.strip.select(_strength, None, form.strength, **LIGHT)
    chosen.then(actions.tune, tab.inputs(), outputs, **live)
    answer.level.click(lambda: (1, 0, 0, 0), None, tab.sliders(), **LIGHT).then(
        actions.tune, tab.inputs(), outputs, **live
    )


def _wire_history(tab: EditTab) -> None:
    form, answer, actions = tab.form, tab.answer, tab.actions
    outputs = [form.history, *form.opened(), *answer.shown(), form.text, *tab.sliders()]
    answer.undo.click(actions.undo, form.history, outputs, **LIGHT)
    answer.redo.click(actions.redo, form.history, outputs, **LIGHT)
    answer.edits.select(actions.revisit, form.history, outputs, **LIGHT)


def _slider(label: str) -> gr.Slider:
    return gr.Slider(-1, 1, value=0, step=0.05, label=label, min_width=150, buttons=[])


def _strip(columns: int) -> gr.Gallery:
    return gr.Gallery(
        columns=columns,
        fit_columns=False,
        height="auto",
        show_label=False,
        allow_preview=False,
        buttons=[],
        visible=False,
        elem_classes="vf-strip",
    )


def _begin() -> tuple[Any, ...]:
    return gr.Button(visible=False), gr.Button(visible=True), gr.HTML(words.working(), visible=True)


def _end() -> tuple[gr.Button, gr.Button]:
    return gr.Button(visible=True), gr.Button(visible=False)


def _picked(event: gr.EventData) -> str:
    return str(event.value)


def _strength(event: gr.SelectData) -> float:
    return STRIP[event.index]
