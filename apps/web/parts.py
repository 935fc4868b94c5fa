"""Pieces that several tabs share: gradio components and the settings of their events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from apps.web.edit_service import EditService
from apps.web.jobs import Jobs, Report
from apps.web.limits import Limits
from apps.web.store import ResultStore
from vl_backbone.common.errors import VilaFaceError

# Everything that uses the networks waits in one queue, in the order it came, and runs alone.
WORK: dict[str, Any] = {"concurrency_id": "editor", "concurrency_limit": 1, "api_visibility": "private"}
# What only moves words and files about does not wait.
LIGHT: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


@dataclass(frozen=True)
class Shared:
    """What the tabs work with: the editor, the files, the running work."""

    studio: EditService
    store: ResultStore
    jobs: Jobs

    @property
    def limits(self) -> Limits:
        """The bounds of this page."""
        return self.studio.limits


def visitor(request: gr.Request | None) -> str:
    """The browser tab or client that asks; files and running work belong to it."""
    return (request.session_hash if request else None) or "nobody"


def photo_input(label: str, **options: Any) -> gr.Image:
    """An image upload that hands over the file as it came, so that our own reader judges it."""

    def path_of(payload: ImageData | None) -> str | None:
        return payload.path if payload else None

    settings: dict[str, Any] = {"sources": ["upload", "clipboard"], "height": 300, "buttons": []}
    image = gr.Image(type="filepath", image_mode=None, label=label, **(settings | options))
    # On the instance: gradio takes a subclass for a component with a front end of its own.
    image.preprocess = path_of  # type: ignore[method-assign]
    return image


def plain_html(value: str = "", **options: Any) -> gr.HTML:
    """HTML without a frame or padding of its own."""
    return gr.HTML(value, padding=False, elem_classes="vf-plain", **options)


def phrases(samples: Sequence[str]) -> gr.Dataset:
    """Sentences to click; the event hands over [sentence]."""
    return gr.Dataset(
        components=[gr.Textbox(visible=False)],
        samples=[[sample] for sample in samples],
        type="values",
        show_label=False,
        elem_classes="vf-chips",
    )


def before_after(label: str) -> gr.ImageSlider:
    """A picture with a handle: left of it the photo as it was, right of it as it is now."""
    return gr.ImageSlider(
        label=label,
        show_label=False,
        max_height=640,
        interactive=False,
        buttons=["fullscreen"],
        elem_classes="vf-before-after",
    )


def refusal(error: VilaFaceError) -> gr.Error:
    """A sentence of ours on its way to the page or the client, without a traceback."""
    return gr.Error(str(error), print_exception=False, title="Not done")


@contextmanager
def sentences() -> Iterator[None]:
    """Errors meant for users reach them as their sentence."""
    try:
        yield
    except VilaFaceError as error:
        raise refusal(error) from None


def reporter(progress: gr.Progress, words: str) -> Report:
    """Progress, called as (step, steps), on the page's bar."""

    def report(step: int, steps: int) -> None:
        progress((step, steps or None), desc=words, unit="steps")

    return report
