"""What the Edit tab does on a click; every function returns values for gradio components."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import gradio as gr

from apps.web import words
from apps.web.edit_service import EditRequest
from apps.web.examples import Example
from apps.web.history import Entry, History
from apps.web.jobs import Cancelled, Job, Report
from apps.web.parts import Shared, reporter, visitor
from apps.web.pictures import THUMBNAIL_SIDE, preview, save_jpeg
from apps.web.result_files import make_entry
from vl_backbone.common.errors import VilaFaceError

Values = tuple[Any, ...]


class EditActions:
    """The tab's functions. They answer for groups of components, which the tab lists in this order:

    OPENED: photo, upload, picker, notice, chosen row, face. SHOWN: status, welcome, result, whole, closeup,
    drawn, photo file, face file, undo, redo, summary, strip's title, strip, edits' title, edits.
    CONTROLS: text, strength, pose, age, smile.
    """

    def __init__(self, shared: Shared, examples: list[Example], opened: int, shown: int, controls: int) -> None:
        """opened, shown, controls: how many components the groups have."""
        self.shared = shared
        self.examples = examples
        self._opened_count = opened
        self._shown_count = shown
        self._controls_count = controls

    # The photo

    def open(self, image: str | None) -> Values:
        """Looks for faces in a new photo -> OPENED."""
        if image is None:
            return self.closed()
        try:
            known = self.shared.studio.photo(image)
        except VilaFaceError as error:
            return (None, gr.Image(value=None, visible=True), *self._no_faces(words.error(str(error))))
        return self._opened(image, "0" if known.frames else "all")

    def closed(self) -> Values:
        """Back to an empty form -> OPENED."""
        return (None, gr.Image(value=None, visible=True), *self._no_faces(""))

    def another(self) -> Values:
        """Room for another photo, with the examples -> OPENED, welcome, result."""
        return (*self.closed(), gr.Column(visible=True), gr.Column(visible=False))

    def redraw(self, image: str | None, face: str) -> str | Any:
        """The picker with another face chosen."""
        if image is None:
            return gr.skip()
        try:
            return words.picker(self.shared.studio.photo(image), face)
        except VilaFaceError:
            return gr.skip()

    def open_example(self, event: gr.SelectData) -> Values:
        """An example photo with its sentence -> OPENED, text."""
        example = self.examples[event.index]
        return (*self.open(str(example.photo)), example.text)

    def use_phrase(self, image: str | None, sample: list[str]) -> Values:
        """A sentence that was clicked, on the photo in hand or else on an example -> OPENED, text."""
        if image is None and self.examples:
            return (*self.open(str(self.examples[0].photo)), sample[0])
        return (*_nothing(self._opened_count), sample[0])

    def _opened(self, image: str, face: str) -> Values:
        known = self.shared.studio.photo(image)
        count = len(known.frames)
        choices = [(f"Face {i + 1}", str(i)) for i in range(count)] + ([("All", "all")] if count > 1 else [])
        return (
            image,
            gr.Image(value=None, visible=False),
            gr.HTML(words.picker(known, face), visible=True),
            gr.HTML(words.found(count), visible=True),
            gr.Row(visible=True),
            gr.Radio(choices, value=face, visible=count > 1),
        )

    def _no_faces(self, notice: str) -> Values:
        return (
            gr.HTML("", visible=False),
            gr.HTML(notice, visible=bool(notice)),
            gr.Row(visible=False),
            gr.Radio([("Face 1", "0")], value="0"),
        )

    # Edits

    def look(
        self,
        history: History,
        image: str | None,
        text: str,
        strength: float,
        face: str,
        refine: float,
        pose: float,
        age: float,
        smile: float,
        request: gr.Request,
    ) -> Values:
        """A first look, not refined, at a face that would have to be refined -> history, SHOWN."""
        asked = EditRequest(image, text, strength, face, refine, pose, age, smile)
        studio = self.shared.studio
        try:
            asked.check()
            wanted = studio.steps(asked.refine)
            if not wanted or studio.is_known(asked, wanted):
                return (history, *_nothing(self._shown_count))
            with self.shared.jobs.start(visitor(request)) as job:
                return self._answer(history, asked, 0, request, job, more_to_come=True)
        except (Cancelled, VilaFaceError):
            return (history, *_nothing(self._shown_count))  # `edit`, which follows, says what is wrong

    def edit(
        self,
        history: History,
        image: str | None,
        text: str,
        strength: float,
        face: str,
        refine: float,
        pose: float,
        age: float,
        smile: float,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> Values:
        """An edit by a click -> history, SHOWN."""
        asked = EditRequest(image, text, strength, face, refine, pose, age, smile)
        report = reporter(progress, "Refining the likeness; Cancel keeps what you see")
        try:
            asked.check()
            wanted = self.shared.studio.steps(asked.refine)
            report(0, wanted)
            with self.shared.jobs.start(visitor(request)) as job:
                return self._answer(history, asked, wanted, request, job, report)
        except Cancelled:
            return (history, *_nothing(self._shown_count))
        except VilaFaceError as error:
            return (history, _error(error), *_nothing(self._shown_count - 1))

    def tune(
        self,
        history: History,
        image: str | None,
        text: str,
        strength: float,
        face: str,
        refine: float,
        pose: float,
        age: float,
        smile: float,
        request: gr.Request,
    ) -> Values:
        """A slider moved -> history, SHOWN: drawn at once from the latent in hand, refined or not."""
        if image is None:
            return (history, *_nothing(self._shown_count))
        asked = EditRequest(image, text, strength, face, refine, pose, age, smile)
        try:
            return self._answer(history, asked, self.shared.studio.best_steps(asked), request, tuned=True)
        except VilaFaceError as error:
            return (history, _error(error), *_nothing(self._shown_count - 1))

    def _answer(
        self,
        history: History,
        asked: EditRequest,
        steps: int,
        request: gr.Request,
        job: Job | None = None,
        report: Report | None = None,
        tuned: bool = False,
        more_to_come: bool = False,
    ) -> Values:
        start = time.perf_counter()
        edit = self.shared.studio.edit(asked, job, report, steps)
        entry = make_entry(self.shared.store, visitor(request), edit, time.perf_counter() - start, tuned)
        last = history.current
        if last is not None and _same_strip(last.request, asked) and (tuned or last.steps == steps):
            entry = replace(entry, strip=last.strip)
        for gone in history.add(entry, self.shared.limits.history):
            self.shared.store.drop(gone.folder)
        return (history, *self._shown(history, more_to_come))

    def strip(self, history: History, request: gr.Request) -> Values:
        """The current sentence at several strengths -> history, strip."""
        entry = history.current
        if entry is None or entry.strip or not entry.request.text.strip():
            return history, gr.skip(), gr.skip()
        folder = self.shared.store.folder(visitor(request))
        try:
            pictures = self.shared.studio.strip(entry.request, entry.steps)
        except VilaFaceError:
            return history, gr.skip(), gr.skip()
        files = tuple(
            (save_jpeg(preview(picture, THUMBNAIL_SIDE), folder / f"strength{i}.jpg"), f"{strength:g}")
            for i, (strength, picture) in enumerate(pictures)
        )
        # Meanwhile the visitor may have gone back to another edit.
        shown = history.exchange(entry, replace(entry, strip=files))
        return (history, *(_gallery(files) if shown else _nothing(2)))

    # The history

    def undo(self, history: History) -> Values:
        """One edit back -> history, photo of the entry, SHOWN, CONTROLS."""
        return self._restored(history, history.move(-1))

    def redo(self, history: History) -> Values:
        """One edit forth -> as `undo`."""
        return self._restored(history, history.move(1))

    def revisit(self, history: History, event: gr.SelectData) -> Values:
        """A click on an edit of before -> as `undo`."""
        return self._restored(history, history.show(event.index))

    def _restored(self, history: History, entry: Entry | None) -> Values:
        if entry is None:
            return (history, *_nothing(self._opened_count + self._shown_count + self._controls_count))
        asked = entry.request
        assert asked.image is not None
        try:
            opened = self._opened(asked.image, asked.face)
        except VilaFaceError:
            opened = _nothing(self._opened_count)  # the upload is gone by now, its answers are not
        controls = (asked.text, asked.strength, asked.pose, asked.age, asked.smile)
        return (history, *opened, *self._shown(history), *controls)

    def _shown(self, history: History, more_to_come: bool = False) -> Values:
        entry = history.current
        assert entry is not None
        whole, closeup, drawn = entry.views
        return (
            gr.skip() if more_to_come else gr.HTML("", visible=False),
            gr.Column(visible=False),
            gr.Column(visible=True),
            whole,
            closeup,
            drawn,
            gr.DownloadButton(value=entry.photo, interactive=True),
            gr.DownloadButton(value=entry.face, interactive=True),
            gr.Button(interactive=history.position > 0),
            gr.Button(interactive=history.position < len(history.entries) - 1),
            entry.summary,
            *_gallery(entry.strip),
            gr.HTML(visible=len(history.entries) > 1),
            gr.Gallery(
                [(e.thumbnail, e.caption) for e in history.entries],
                selected_index=history.position,
                visible=len(history.entries) > 1,
            ),
        )


def _gallery(files: tuple[tuple[str, str], ...]) -> Values:
    """Title and gallery of the strengths, hidden where there are none."""
    return gr.HTML(visible=bool(files)), gr.Gallery([*files], visible=bool(files))


def _error(error: VilaFaceError) -> gr.HTML:
    return gr.HTML(words.error(str(error)), visible=True)


def _same_strip(one: EditRequest, other: EditRequest) -> bool:
    return (one.image, one.text, one.face) == (other.image, other.text, other.face)


def _nothing(count: int) -> Values:
    """ "Leave these components as they are"."""
    return (gr.skip(),) * count
