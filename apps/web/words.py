"""What the page says: HTML made from answers. Everything that came from outside is escaped."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from apps.web.pictures import data_address

if TYPE_CHECKING:
    from apps.clip.job import ClipResult
    from apps.web.edit_service import Edit, KnownPhoto
    from gan_mapping.superres.results import SuperResolution

SAME_PERSON = 0.6
PICKER_SIDE = 900

HEADER = """
<header class="vf-header">
  <svg viewBox="0 0 40 40" aria-hidden="true"><circle cx="20" cy="20" r="19"/>
  <path d="M12 17v-1.5M28 17v-1.5M12 25c4.5 5 11.5 5 16 0"/></svg>
  <div><h1>VilaFace</h1><p>Edit the face in a photo with words, or make a new face from words.</p></div>
</header>
"""
NOTE = """
<aside class="vf-note"><b>Before you trust a picture from here:</b> the model invents details, can shift features
nobody asked for, and knows some faces better than others. What it shows is a plausible face, not a fact about
anyone. Only edit photos of people who agreed to it, and say that a picture was edited when you show it.</aside>
"""
WELCOME = """
<div class="vf-welcome"><ol>
<li><span><b>Choose a photo</b> with a clearly visible face</span></li>
<li><span><b>Say what should change,</b> in your own words</span></li>
<li><span><b>Compare, fine-tune, download</b></span></li>
</ol></div><p class="vf-title"><b>Or try an example</b> <span>one click, photo and sentence come with it</span></p>
"""


def error(sentence: str) -> str:
    """A sentence that says what went wrong."""
    return f'<p class="vf-error" role="alert">{html.escape(sentence)}</p>'


def title(name: str, hint: str) -> str:
    """A small heading with a word on what to do."""
    return f'<p class="vf-title"><b>{html.escape(name)}</b> <span>{html.escape(hint)}</span></p>'


def hint(sentence: str) -> str:
    """A plain sentence in a low voice."""
    return f'<p class="vf-hint">{html.escape(sentence)}</p>'


def working() -> str:
    """Room for the progress bar, and words for screen readers."""
    return '<p class="vf-working" role="status">Working.</p>'


def chips(intents: dict[str, float]) -> str:
    """What a sentence was taken to mean, strongest first."""
    if not intents:
        return '<span class="vf-chip vf-none">nothing that can be changed on a face</span>'
    strongest = sorted(intents.items(), key=lambda item: -abs(item[1]))
    return "".join(
        f'<span class="vf-chip">{html.escape(name.replace("_", " "))} <b>{value:+.1f}</b></span>'
        for name, value in strongest
    )


def meaning(intents: dict[str, float]) -> str:
    """What a sentence about a new face was taken to mean."""
    return _table([("Understood", chips(intents))])


def picker(known: KnownPhoto, face: str) -> str:
    """The photo with a numbered, clickable frame around every face; `face` is "all" or an index as text."""
    width, height = known.photo.size
    frames = []
    for index, frame in known.frames:
        x0, y0, x1, y1 = (float(v) for v in frame.box) if frame.box is not None else (0.0, 0.0, width, height)
        left, top = max(0.0, x0) / width, max(0.0, y0) / height
        across, down = min(x1, width) / width - left, min(y1, height) / height - top
        chosen = face == "all" or face == str(index)
        frames.append(
            f'<button type="button" class="vf-face{" vf-chosen" if chosen else ""}" data-face="{index}" '
            f'aria-pressed="{str(chosen).lower()}" aria-label="Face {index + 1}" '
            f'style="left:{left:.2%};top:{top:.2%};width:{across:.2%};height:{down:.2%}"><i>{index + 1}</i></button>'
        )
    picture = data_address(known.photo.rgb, PICKER_SIDE)
    return f'<div class="vf-picker"><div><img alt="Your photo" src="{picture}">{"".join(frames)}</div></div>'


def found(count: int) -> str:
    """How many faces a photo has, and what to do with it."""
    if count == 1:
        return hint("One face found.")
    return hint(f"{count} faces found: click the one to edit, or choose all.")


def summary(edit: Edit, seconds: float) -> str:
    """What was understood, what to know about the result, and what it took."""
    request, result = edit.request, edit.result
    rows = []
    if request.text.strip():
        rows.append(("Understood", chips(result.intents)))
    rows += [("Note", html.escape(warning)) for warning in edit.warnings]
    for face in result.faces:
        name = f"Face {face.index + 1}" if len(result.faces) > 1 else "Likeness"
        rows.append((name, _likeness(face.identity)))
    rows.append(("Time", _time(edit, seconds)))
    return _table(rows)


def resolved_summary(result: SuperResolution) -> str:
    """What was read, what the words were understood as, and how well the answers fit."""
    side, answers = result.pixels.shape[0], result.samples
    rows = [("Understood", chips(result.intents))] if result.intents else []
    rows += [("Note", html.escape(warning)) for warning in result.warnings]
    errors = ", ".join(f"{answer.error:.1f}" for answer in answers)
    rows.append(("Fit", f"shrunk to {side}x{side} px again, the answers differ by {errors} of 255 levels on average"))
    rows.append(("Time", f"{sum(result.timings_s.values()):.1f} s"))
    return _table(rows)


def clip_summary(result: ClipResult) -> str:
    """What was understood of a clip's sentence, and what was done."""
    shots, frames, seconds = len(result.plan.shots), result.plan.frames, result.timings_s["total"]
    rows = [("Understood", chips(result.intents))]
    rows += [("Note", html.escape(warning)) for warning in result.warnings]
    rows.append(("Clip", f"{frames} frames in {shots} shot{'s' if shots != 1 else ''}; sound: {result.audio}"))
    rows.append(("Time", f"{seconds:.1f} s"))
    return _table(rows)


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in rows)
    return f'<dl class="vf-summary">{cells}</dl>'


def _likeness(identity: dict[str, float]) -> str:
    drawn, moved = identity["photo_to_reconstruction"], identity["reconstruction_to_edit"]
    verdict = "recognised as the same person" if drawn < SAME_PERSON else "not recognised as the same person"
    return (
        f"the model's drawing of the photo is {verdict} (distance {drawn:.2f}); the edit moved it by {moved:.2f}"
        f'<span class="vf-small">Strangers are about 0.7 apart, two photos of one person about 0.4.</span>'
    )


def _time(edit: Edit, seconds: float) -> str:
    names = {
        "detect": "finding faces",
        "encode": "reading the face",
        "refine": "refining",
        "aim": "trying the edit",
        "render": "drawing",
        "paste": "pasting",
    }
    parts = [
        f"{words} {edit.timings_s[stage]:.1f}" for stage, words in names.items() if edit.timings_s.get(stage, 0) > 0.05
    ]
    known = "" if "encode" in edit.timings_s else "; the face was known already"
    steps = f"; {edit.steps} refinement steps" if edit.steps else "; not refined"
    return f"{seconds:.1f} s ({', '.join(parts)}{known}{steps})" if parts else f"{seconds:.1f} s{known}{steps}"
