"""From a picture that someone brings to the low-resolution face in it, and through the resolver to answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.alignment import FaceFrame
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.requests import NO_INTENT_WARNING, check_strength, check_text
from gan_mapping.editing.results import StageTimer
from gan_mapping.images import to_signed, to_uint8
from gan_mapping.superres.pixels import MAX_SIDE, MIN_SIDE, as_pixels
from gan_mapping.superres.resolver import Resolved, ResolverConfig, SuperResolver
from gan_mapping.superres.results import INVENTED_WARNING, ResolvedFace, SuperResolution
from gan_mapping.superres.start import PixelStart, VisionStart
from vl_backbone.common.errors import InputError

# A picture this small is a face: no detector could say more.
ALIGNED_SIDE = 64
MAX_SAMPLES = 64
ROUGH_START = "it starts from the editor's own mapper, on the enlarged pixels, so expect less likeness."


def low_resolution_face(
    model: FaceModel, image: np.ndarray, face: str | int, aligned: bool
) -> tuple[FaceFrame, np.ndarray, list[str]]:
    """The frame of the face in a picture, its own pixels (uint8 [s, s, 3], s in 8..256), and notes for the user.

    Pictures of 64 px or less a side are taken as aligned faces. Raises InputError when there is no usable face.
    """
    height, width = image.shape[:2]
    aligned = aligned or max(height, width) <= ALIGNED_SIDE
    if aligned:
        frame = FaceFrame.from_aligned(image, model.generator.resolution)
    else:
        frames = model.find_faces(image, face)
        if len(frames) != 1:
            raise InputError("Super-resolution does one face at a time: pass largest or a number, not all.")
        frame = frames[0][1]
    own = round(float(np.linalg.norm(frame.quad[3] - frame.quad[0])))
    if own < MIN_SIDE:
        raise InputError(f"The face is {own} px wide; super-resolution needs {MIN_SIDE} px or more.")
    most = min(MAX_SIDE, model.generator.resolution)
    notes = []
    if aligned and width != height:
        notes.append(f"The picture is {width}x{height}; only the square in its middle is used.")
    if own > most:
        notes.append(f"The face is {own} px wide; it is read at {most} px, the most that super-resolution uses.")
    side = min(own, most)
    exact = aligned and width == height == side
    pixels = image if exact else FaceFrame(frame.quad, frame.photo_size, side).crop(image)
    return frame, pixels, notes


def resolver_of(model: FaceModel, config: ResolverConfig | None = None) -> tuple[SuperResolver, list[str]]:
    """The model's resolver, and notes for the user."""
    start: PixelStart | None = model.pixel_mapper
    notes = []
    if start is None:
        start = VisionStart(model.backbone, model.mappers.vision, model.generator)
        notes.append(f"No super-resolution mapper was fitted for {model.generator.name}: {ROUGH_START}")
    observe = (lambda image, ws: model.observe(picture_of(image), ws)) if model.can_observe else None
    return SuperResolver(model.generator, start, model.mappers, config, observe), notes


def wish_of(model: FaceModel, text: str | None) -> tuple[Tensor, list[str]]:
    """Intents [1, A] of a sentence (all zero without one), and notes for the user."""
    if not text:
        return torch.zeros(1, len(model.mappers.attributes), device=model.device), []
    intents = model.read(text)
    return intents, [] if bool(intents.any()) else [NO_INTENT_WARNING]


def super_resolve(
    model: FaceModel,
    image: np.ndarray,
    text: str | None = None,
    *,
    strength: float = 1.0,
    samples: int = 1,
    seed: int = 0,
    face: str | int = "largest",
    aligned: bool = False,
    config: ResolverConfig | None = None,
) -> SuperResolution:
    """See `FaceEditor.super_resolve`."""
    check_strength(strength)
    if text is not None:
        check_text(text)
    if not 1 <= samples <= MAX_SAMPLES:
        raise InputError(f"samples must be between 1 and {MAX_SAMPLES}, got {samples}.")
    timer = StageTimer()
    warnings = [INVENTED_WARNING]
    with timer.stage("detect"):
        frame, picture, notes = low_resolution_face(model, image, face, aligned)
    warnings += notes
    resolver, notes = resolver_of(model, config)
    warnings += notes
    with timer.stage("map_text"):
        intents, notes = wish_of(model, text)
    warnings += notes
    pixels = as_pixels(picture, model.device)
    count = resolver.pixel_mapper.open_directions(pixels.shape[-1]).shape[1]
    answers = []
    with timer.stage("render"):
        for index in range(samples):
            # The first answer is the likeliest; the others take another turn wherever the pixels leave one open.
            source = np.random.default_rng([seed, index])
            noise = torch.from_numpy(source.standard_normal(count).astype(np.float32)).to(model.device)
            answers.append(_answer(resolver.resolve(pixels, intents, strength, noise if index else None)))
    return SuperResolution(frame, picture, answers, model.mappers.named(intents), timer.seconds, warnings)


def picture_of(image: Tensor) -> np.ndarray:
    """[1, 3, R, R] in 0..255 -> uint8 [R, R, 3]."""
    picture: np.ndarray = to_uint8(to_signed(image))[0]
    return picture


def _answer(found: Resolved) -> ResolvedFace:
    return ResolvedFace(picture_of(found.image), found.ws[0], round(found.latent_error, 3), round(found.error, 3))
