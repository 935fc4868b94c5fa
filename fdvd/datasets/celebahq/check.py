"""Looks at every picture of a face folder, so that training does not stumble over a bad one hours later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from fdvd.datasets.celebahq.folder import Face, FaceFolder
from fdvd.datasets.problems import Problem, count_kinds
from fdvd.media.photos import load_photo
from vl_backbone.common.errors import InputError

SIDES = (512, 1024)
_AHEAD = 64  # pictures in work at once


@dataclass(frozen=True)
class FolderReport:
    """folder: with the faces whose pictures are sound. sizes: {"1024x1024": number of pictures}."""

    folder: FaceFolder
    sizes: dict[str, int]

    def as_row(self) -> dict[str, Any]:
        """Numbers for people and scripts."""
        faces = self.folder.faces
        return {
            "folder": str(self.folder.root),
            "faces": len(faces),
            "sizes": self.sizes,
            "captions": sum(len(face.captions) for face in faces),
            "with_attributes": sum(bool(face.attributes) for face in faces),
            "splits": dict(sorted(Counter(face.split or "none" for face in faces).items())),
            "problems": count_kinds(self.folder.problems),
        }


def describe_folder(folder: FaceFolder) -> FolderReport:
    """The numbers of a folder whose pictures are not looked at."""
    return FolderReport(folder, {})


def check_folder(folder: FaceFolder, workers: int = 2, on_face: Callable[[Face], object] | None = None) -> FolderReport:
    """Decodes every picture; one that is unreadable or not a square of 512 or 1024 px is reported and left out.

    on_face: called after each picture, for progress.
    """
    problems = list(folder.problems)
    sizes: Counter[str] = Counter()
    good = []
    with ThreadPoolExecutor(workers) as pool:
        for face, answer in zip(folder.faces, _mapped(pool, folder.faces), strict=True):
            name = str(face.image.relative_to(folder.root))
            if isinstance(answer, InputError):
                message = str(answer).removeprefix(f"{face.image}: ")
                problems.append(Problem("unreadable-image", name, message))
            else:
                width, height = answer
                sizes[f"{width}x{height}"] += 1
                if width == height and width in SIDES:
                    good.append(face)
                else:
                    message = f"is {width}x{height} px; aligned faces of 512x512 or 1024x1024 are expected"
                    problems.append(Problem("image-size", name, message))
            if on_face:
                on_face(face)
    checked = replace(folder, faces=tuple(good), problems=tuple(sorted(problems)))
    return FolderReport(checked, dict(sorted(sizes.items())))


def _mapped(pool: ThreadPoolExecutor, faces: Iterable[Face]) -> Iterator[tuple[int, int] | InputError]:
    """Answers in order, with a bounded number of pictures in work."""
    remaining = iter(faces)
    waiting = [pool.submit(_size, face) for face in islice(remaining, _AHEAD)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(_size, face) for face in islice(remaining, 1)]


def _size(face: Face) -> tuple[int, int] | InputError:
    try:
        return load_photo(face.image).size
    except InputError as error:
        return error
