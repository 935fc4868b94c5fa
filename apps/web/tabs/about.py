"""The About tab: what this is, what it gets wrong, what happens to photos, and how programs use it."""

from __future__ import annotations

import gradio as gr

from apps.web.parts import Shared

_TEXT = """
## What it does
VilaFace finds the face in a photo, writes it as a latent of a face generator, moves that latent as the sentence says,
draws the face again at 1024x1024 and pastes back only what changed. The rest of the photo keeps its pixels.
It follows section 5.4 of HD-VILA (CVPR 2022, arXiv 2111.10337): frozen networks for pictures and words, and a few
linear layers in between. This page runs the preset **{preset}** on **{device}**.

## What it gets wrong
- **It invents.** Wrinkles, teeth, the eyes behind sunglasses: all of it is made up to look plausible. No result is
  evidence of how anybody looks, looked or will look.
- **A likeness, not a copy.** Without refinement a photo often becomes a relative of the person. Refinement helps and
  smooths the skin. The likeness line under a result says what a face network thinks.
- **Wishes leak.** Attributes that go together in its training pictures move together: "much older" may add glasses,
  "glasses" may shorten the hair, a beard may turn a woman into a man.
- **It knows some faces better than others.** It learnt from faces of one photo site and draws rare groups, children,
  profiles, hands, hats and jewellery worse. Very dark skin and very curly hair can come out garbled.
- **It reads 48 attributes.** Hair, beard, glasses, hats, smile, age, make-up, skin, face shape, gaze. Other wishes are
  told apart as "nothing that can be changed on a face", idioms are missed.

## Before you use a result
Only edit photos of people who agreed to it. Do not use it to deceive, to shame, to sort people, or to guess anything
about anyone. Say that a picture was edited or made when you show it.

## What happens to your photo
It stays on the machine that runs this page: nothing is sent elsewhere, nothing is counted, no font or script comes
from outside. Files are removed about {linger} minutes after you close the page, at the latest {keep} after they were
made, and when the page's server ends. Addresses of files cannot be guessed, so other visitors cannot see yours.
The server keeps the faces of recent photos in memory, to be quick.

## Limits
Photos up to {upload_mb} MB and {megapixels} megapixels (JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000). One request
is worked on at a time; up to {queue} wait, in order; further ones are turned away with a sentence.
The last {history} edits of a visit can be undone.

## From a program
The same functions are endpoints: {endpoints}.
```python
from gradio_client import Client, handle_file

client = Client("{address}")
photo, face, details = client.predict(handle_file("photo.jpg"), "blond hair", api_name="/edit")
```

## Licences
VilaFace is Apache-2.0. The bundled generator was distilled from a network trained on FFHQ, whose licence is
non-commercial: read NOTICE before any commercial use. The portrait is of Eileen Collins (NASA, public
domain); the other example faces are made by the generator: they are nobody.
"""


def build(shared: Shared, endpoints: list[str], address: str) -> None:
    """Lays out the tab."""
    limits, model = shared.limits, shared.studio.editor.model
    text = _TEXT.format(
        preset=model.preset,
        device=model.device,
        linger=round(limits.linger_s / 60),
        keep=f"{limits.keep_s / 3600:g} hours",
        upload_mb=limits.upload_mb,
        megapixels=limits.megapixels,
        queue=limits.queue,
        history=limits.history,
        endpoints=", ".join(f"`{name}`" for name in endpoints),
        address=address,
    )
    gr.Markdown(text, elem_classes="vf-about")
