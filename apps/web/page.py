"""The web page: one gradio Blocks, no model code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

from apps.web.handlers import MAX_FACES, Handlers
from vl_backbone.errors import VilaFaceError

EXAMPLE_PHOTO = Path(__file__).parents[2] / "examples" / "astronaut.png"
EXAMPLE_TEXTS = ("blond hair and a big smile", "add glasses", "much older", "no smile")
FACE_CHOICES = [("The largest face", "largest"), ("All faces", "all")]
STYLE = Path(__file__).with_name("style.css")

HEADER = """
<header class="vf-header"><h1>VilaFace</h1>
<p>Edit the face in a photo with words, or make a new face from words.</p></header>
"""
NOTE = """
<aside class="vf-note">The generator invents details: the result is a plausible face, not a fact about anyone,
and it can shift features you did not ask for. Photos stay on the machine that runs this page and are deleted
when it closes. Only edit photos of people who agreed.</aside>
"""


def _photo_input() -> gr.Image:
    """An image upload that hands over the file as it came, so that our own reader judges it."""

    def path_of(payload: ImageData | None) -> str | None:
        return payload.path if payload else None

    image = gr.Image(type="filepath", image_mode=None, sources=["upload", "clipboard"], label="Photo", height=300)
    # On the instance: gradio takes a subclass for a component with a front end of its own.
    image.preprocess = path_of  # type: ignore[method-assign]
    return image


def build_page(handlers: Handlers) -> gr.Blocks:
    """The page for one editor. Every event that uses the editor waits in one queue, one at a time."""
    with gr.Blocks(title="VilaFace", analytics_enabled=False, delete_cache=(600, 3600)) as page:
        gr.HTML(HEADER, padding=False, elem_classes="vf-plain")
        with gr.Tabs():
            with gr.Tab("Edit a photo"):
                _edit_tab(handlers)
            with gr.Tab("Make faces"):
                _generate_tab(handlers)
        gr.HTML(NOTE, padding=False, elem_classes="vf-plain")
    page.queue(default_concurrency_limit=1, max_size=32, api_open=True)
    return page


def launch_options() -> dict[str, Any]:
    """Looks and safety settings, for Blocks.launch."""
    return {
        "theme": _theme(),
        "css": STYLE.read_text(encoding="utf-8"),
        "show_error": True,
        "footer_links": [],
        "max_file_size": "100mb",
        "ssr_mode": False,
        "run_history": False,
    }


def _theme() -> gr.themes.Base:
    theme = gr.themes.Default(
        primary_hue=gr.themes.colors.teal,
        secondary_hue=gr.themes.colors.stone,
        neutral_hue=gr.themes.colors.stone,
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_md,
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )
    return theme.set(
        body_background_fill="*neutral_50",
        body_text_color_subdued="*neutral_600",
        block_background_fill="white",
        block_border_width="1px",
        block_border_color="*neutral_200",
        block_label_text_color="*neutral_700",
        block_title_text_color="*neutral_800",
        block_title_text_weight="600",
        block_info_text_color="*neutral_600",
        input_placeholder_color="*neutral_500",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_text_color="white",
        color_accent="*primary_700",
        slider_color="*primary_700",
    )


def _edit_tab(handlers: Handlers) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            image = _photo_input()
            text = gr.Textbox(
                label="What should change?", placeholder="blond hair and a big smile", lines=1, max_length=500
            )
            strength = gr.Slider(
                -1, 2, value=1, step=0.05, label="Strength", info="0: no change. Below 0: the opposite."
            )
            run = gr.Button("Edit", variant="primary", size="lg")
            with gr.Accordion("More settings", open=False):
                refine = gr.Slider(
                    0,
                    100,
                    value=handlers.editor.refine_steps,
                    step=1,
                    label="Refinement steps",
                    info="More steps, more likeness. One step takes one to two seconds without a graphics card.",
                )
                face = gr.Dropdown(
                    [*FACE_CHOICES, *_numbered(MAX_FACES)],
                    value="largest",
                    label="Which face",
                    info="Face 0 is the largest.",
                )
            if EXAMPLE_PHOTO.is_file():
                gr.Examples(
                    [[str(EXAMPLE_PHOTO), words] for words in EXAMPLE_TEXTS],
                    [image, text],
                    label="Examples with a bundled photo",
                    example_labels=list(EXAMPLE_TEXTS),
                    api_visibility="private",
                    cache_examples=False,
                )
        with gr.Column(scale=6, min_width=320):
            with gr.Tabs():
                with gr.Tab("Whole photo"):
                    slider = _before_after("Before and after")
                with gr.Tab("Close-up"):
                    closeup = _before_after("Before and after, the face")
            file = gr.DownloadButton("Download the full-size PNG", interactive=False, size="md")
            summary = gr.Markdown(elem_classes="vf-summary")

    def edit(
        image: str | None,
        text: str,
        strength: float = 1.0,
        refine: float | None = None,
        face: str = "largest",
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, ...]:
        """Edit the faces in a photo as a sentence says: before and after, the full-size PNG, a summary."""

        def report(step: int, steps: int) -> None:
            progress((step, steps), desc="Refining the likeness", unit="steps")

        try:
            answer = handlers.edit(image, text, strength, refine, face, report)
        except VilaFaceError as error:
            raise gr.Error(str(error), print_exception=False, title="Not done") from None
        return (answer.before, answer.after), str(answer.file), answer.summary, answer.closeup

    def again(image: str | None, text: str, strength: float, refine: float, face: str) -> tuple[Any, ...]:
        if not text.strip() or not handlers.is_quick(image, refine, face):
            return (gr.skip(),) * len(outputs)
        return edit(image, text, strength, refine, face, progress=lambda *a, **k: None)  # type: ignore[arg-type]

    def uploaded(image: str | None) -> Any:
        try:
            count = handlers.count_faces(image)
        except VilaFaceError as error:
            gr.Warning(str(error), title="This photo cannot be used")
            count = 0
        return gr.Dropdown([*FACE_CHOICES, *_numbered(count or MAX_FACES)], value="largest")

    inputs, outputs = [image, text, strength, refine, face], [slider, file, summary, closeup]
    shared: dict[str, Any] = {"concurrency_id": "editor", "concurrency_limit": 1}
    shown: dict[str, Any] = {"show_progress_on": [slider, closeup], **shared}
    clicked = run.click(edit, inputs, outputs, api_name="edit", scroll_to_output=True, **shown)
    entered = text.submit(edit, inputs, outputs, api_visibility="private", **shown)
    for done in (clicked, entered):
        done.success(lambda: gr.DownloadButton(interactive=True), None, file, api_visibility="private", queue=False)
    # While an edit runs, only the slider's last position waits for its turn.
    live: dict[str, Any] = {"trigger_mode": "always_last", "show_progress": "minimal", **shown}
    strength.input(again, inputs, outputs, api_visibility="private", **live)
    image.upload(uploaded, image, face, api_visibility="private", show_progress="hidden", **shared)


def _generate_tab(handlers: Handlers) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=320):
            text = gr.Textbox(label="Who should it be?", placeholder="an old man with glasses", lines=1, max_length=500)
            n = gr.Slider(1, MAX_FACES, value=4, step=1, label="How many")
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, info="The same seed gives the same faces.")
            run = gr.Button("Make faces", variant="primary", size="lg")
            gr.Examples(
                [["an old man with glasses"], ["a young woman with curly red hair"], ["a child who laughs"]],
                [text],
                label="Examples",
                api_visibility="private",
                cache_examples=False,
            )
        with gr.Column(scale=6, min_width=320):
            gallery = gr.Gallery(
                label="Faces", columns=2, object_fit="contain", height="auto", format="png", elem_classes="vf-gallery"
            )

    def generate(
        text: str,
        n: float = 4,
        seed: float = 0,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> list[tuple[str, str]]:
        """Make faces that fit a sentence."""

        def report(step: int, steps: int) -> None:
            progress((step, steps), desc="Drawing", unit="faces")

        try:
            return [(str(path), caption) for path, caption in handlers.generate(text, n, seed, report)]
        except VilaFaceError as error:
            raise gr.Error(str(error), print_exception=False, title="Not done") from None

    shared: dict[str, Any] = {"concurrency_id": "editor", "concurrency_limit": 1}
    run.click(generate, [text, n, seed], gallery, api_name="generate", **shared)
    text.submit(generate, [text, n, seed], gallery, api_visibility="private", **shared)


def _before_after(label: str) -> gr.ImageSlider:
    return gr.ImageSlider(
        label=label,
        format="png",
        max_height=620,
        interactive=False,
        buttons=["fullscreen"],
        elem_classes="vf-before-after",
    )


def _numbered(count: int) -> list[tuple[str, str]]:
    return [(f"Face {i}", str(i)) for i in range(count)]
