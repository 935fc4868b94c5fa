"""Super-resolution of a clip whose frames are a small face: frame by frame, from one shared latent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import Progress

from apps.cli.superres_settings import SuperresSettings
from vl_backbone.common.errors import InputError

if TYPE_CHECKING:
    from fdvd.media.video import VideoInfo
    from gan_mapping.editing.face_model import FaceModel


def is_clip(path: Path) -> bool:
    """Whether the name is that of a video; an animated GIF counts as a picture."""
    from fdvd.media.video.writer import CONTAINERS

    return path.suffix.lower() in (*CONTAINERS, ".avi")


def check_clip(source: Path, settings: SuperresSettings) -> VideoInfo:
    """What the file says about itself. Raises InputError when it cannot be resolved, before anything is loaded."""
    from fdvd.media.video import probe
    from gan_mapping.superres.faces import ALIGNED_SIDE
    from gan_mapping.superres.pixels import MIN_SIDE

    info = probe(source)
    if settings.samples > 1:
        raise InputError(f"{source}: --samples is for pictures; a clip gets one answer.")
    if max(info.width, info.height) > ALIGNED_SIDE and not settings.aligned:
        raise InputError(
            f"{source}: the clip is {info.width}x{info.height}; in a clip no face is looked for. Cut it to the face "
            "and pass --aligned, or use `vilaface video` for a face that is large enough to edit."
        )
    if min(info.width, info.height) < MIN_SIDE:
        raise InputError(f"{source}: the clip is {info.width}x{info.height}; super-resolution needs {MIN_SIDE} px.")
    return info


def resolve_clip(
    model: FaceModel, source: Path, info: VideoInfo, out: Path, settings: SuperresSettings, bar: Progress
) -> dict[str, Any]:
    """Writes the clip with the generator's size, its times and its sound; returns what a row says about it."""
    from apps.cli.rows import describe_frame
    from fdvd.media.video import VideoWriter, read_frames
    from gan_mapping.images import to_signed, to_uint8
    from gan_mapping.superres.clips import ClipResolver
    from gan_mapping.superres.faces import low_resolution_face, resolver_of, wish_of
    from gan_mapping.superres.pixels import as_pixels
    from gan_mapping.superres.results import INVENTED_WARNING

    resolver, notes = resolver_of(model)
    intents, unread = wish_of(model, settings.text)
    warnings = [INVENTED_WARNING, *info.warnings, *notes, *unread]
    clip = ClipResolver(resolver, intents, settings.strength)
    errors: list[float] = []
    side = model.generator.resolution
    task = bar.add_task(source.name, total=info.frames or None)
    with VideoWriter(out, info, size=(side, side)) as writer:
        for frame in read_frames(source):
            where, picture, notes = low_resolution_face(model, frame.rgb, "largest", True)
            answer = clip.resolve(as_pixels(picture, model.device))
            writer.write(to_uint8(to_signed(answer.image))[0], frame.pts)
            errors.append(answer.error)
            bar.update(task, advance=1)
    mean = sum(errors) / len(errors)
    return {
        "intents": model.mappers.named(intents),
        "faces": [{"index": 0, **describe_frame(where), "pixels": len(picture)}],
        "frames": len(errors),
        "shots": clip.shots,
        "audio": writer.audio,
        "samples": [{"consistency": round(mean, 3), "worst_consistency": round(max(errors), 3)}],
        "warnings": warnings + notes,
    }
