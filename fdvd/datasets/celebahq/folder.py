"""One folder of aligned face pictures with whatever lies beside them: captions, attributes, train and test lists.

Known layouts: CelebA-HQ / CelebAMask-HQ (CelebA-HQ-img/ID.jpg, CelebAMask-HQ-attribute-anno.txt), Multi-Modal
CelebA-HQ (images/ID.jpg, text/ID.txt with ten captions, train/ and test/ with pickled lists), FFHQ
(images1024x1024/00000/00000.png) and a plain folder of pictures.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fdvd.datasets.celebahq.lists import read_list
from fdvd.datasets.celebahq.tables import read_attributes, read_mapping
from fdvd.datasets.problems import Problem
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of

CAPTIONS_PER_FACE = 10
PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp"))
IMAGE_FOLDERS = (
    "CelebA-HQ-img",
    "CelebA-HQ",
    "celeba-hq",
    "images",
    "image",
    "img",
    "faces",
    "data1024x1024",
    "data512x512",
    "images1024x1024",
    "images512x512",
)
TEXT_FOLDERS = ("text", "texts", "captions", "celeba-caption")
ATTRIBUTE_FILES = ("CelebAMask-HQ-attribute-anno.txt", "list_attr_celeba.txt", "list_attr_celeba.csv")
MAPPING_FILE = "CelebA-HQ-to-CelebA-mapping.txt"
SPLITS = ("train", "test", "val")
_LIST_NAMES = ("{s}/filenames_{s}", "{s}/filenames", "filenames_{s}", "{s}", "{s}_list", "{s}/{s}")
_LIST_SUFFIXES = (".pickle", ".pkl", ".txt", ".json")
_MAX_CAPTION_BYTES = 1 << 20


@dataclass(frozen=True)
class Face:
    """One picture. captions: ten sentences, or none; attributes: CelebA's 40, or none; split: "train", ... or None."""

    id: str
    image: Path
    captions: tuple[str, ...] = ()
    attributes: dict[str, bool] = field(default_factory=dict)
    split: str | None = None


@dataclass(frozen=True)
class FaceFolder:
    """The faces that are whole, in the order of their ids, and by name what is missing or wrong."""

    root: Path
    faces: tuple[Face, ...]
    problems: tuple[Problem, ...]

    def split(self, name: str) -> tuple[Face, ...]:
        """The faces of "train", "test" or "val"."""
        return tuple(face for face in self.faces if face.split == name)


def open_folder(root: str | os.PathLike[str]) -> FaceFolder:
    """Finds the pieces of the folder and joins them. Reads the texts, not the pictures (see check_folder).

    A face whose caption file is wrong is left out and reported; a piece that is missing as a whole (no captions, no
    attributes, no lists) is reported once. UsageError for a folder without pictures.
    """
    root = Path(root)
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise UsageError(f"{root}: {what}; name the folder that holds the pictures")
    problems: list[Problem] = []
    images = _find_images(root, problems)
    captions = _find_captions(root, images, problems)
    attributes = _find_attributes(root, images, problems)
    splits = _find_splits(root, images, problems)
    faces = tuple(
        Face(key, image, captions.get(key, ()), attributes.get(key, {}), splits.get(key))
        for key, image in images.items()
        if captions is _NO_CAPTIONS or key in captions
    )
    return FaceFolder(root, faces, tuple(sorted(problems)))


_NO_CAPTIONS: dict[str, tuple[str, ...]] = {}


def _order(key: str) -> tuple[int, int, str]:
    """Numbers by value, then names."""
    return (0, int(key), key) if key.isdecimal() else (1, 0, key)


def _find_images(root: Path, problems: list[Problem]) -> dict[str, Path]:
    """{id: picture}, in order."""
    folder = next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), root)
    found: dict[str, Path] = {}
    # FFHQ keeps its pictures in one more level of folders, a thousand in each.
    paths = sorted(path for pattern in ("*", "*/*") for path in folder.glob(pattern))
    for path in paths:
        if path.suffix.lower() not in PICTURES or path.name.startswith("."):
            continue
        if path.stem in found:
            message = f"the id is taken by {found[path.stem].relative_to(root)}; this picture is left out"
            problems.append(Problem("duplicate-id", str(path.relative_to(root)), message))
            continue
        found[path.stem] = path
    if not found:
        raise UsageError(f"{root}: holds no pictures; name the folder with {', '.join(IMAGE_FOLDERS[:4])}, ... in it")
    return {key: found[key] for key in sorted(found, key=_order)}


def _find_captions(root: Path, images: dict[str, Path], problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    folder = next((root / name for name in TEXT_FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        problems.append(Problem("no-captions", f"{TEXT_FOLDERS[0]}/", "there is no folder of captions"))
        return _NO_CAPTIONS
    captions = {}
    for key in images:
        path = folder / f"{key}.txt"
        try:
            captions[key] = read_captions(path)
        except InputError as error:
            kind = "caption-file" if path.exists() else "missing-captions"
            problems.append(Problem(kind, f"{folder.name}/{path.name}", str(error)))
    for path in sorted(folder.glob("*.txt")):
        if path.stem not in images:
            message = "there is no picture of this id"
            problems.append(Problem("missing-image", f"{folder.name}/{path.name}", message))
    return captions


def read_captions(path: Path) -> tuple[str, ...]:
    """The ten sentences of one caption file; InputError (without the file's name) when they are not ten."""
    try:
        if path.stat().st_size > _MAX_CAPTION_BYTES:
            raise InputError("is far too large for ten captions; the face is left out")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError("there is no such caption file; the face is left out") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = reason_of(error, "not UTF-8 text")
        raise InputError(f"cannot be read ({reason}); the face is left out") from None
    lines = tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())
    if len(lines) != CAPTIONS_PER_FACE:
        lines_word = "line" if len(lines) == 1 else "lines"
        raise InputError(f"has {len(lines)} {lines_word}, {CAPTIONS_PER_FACE} are expected; the face is left out")
    return lines


def _find_attributes(root: Path, images: dict[str, Path], problems: list[Problem]) -> dict[str, dict[str, bool]]:
    path = _first_file(root, ATTRIBUTE_FILES)
    if path is None:
        problems.append(Problem("no-attributes", ATTRIBUTE_FILES[0], "there is no attribute file"))
        return {}
    try:
        rows, wrong = read_attributes(path)
        mapping_path = _first_file(root, (MAPPING_FILE,))
        if mapping_path is not None and path.name != ATTRIBUTE_FILES[0]:
            mapping = read_mapping(mapping_path)
            rows = {key: rows[mapping[key]] for key in images if key in mapping and mapping[key] in rows}
    except InputError as error:
        problems.append(Problem("attribute-file", path.name, str(error)))
        return {}
    problems += wrong
    lacking = [key for key in images if key not in rows]
    if lacking:
        problems.append(Problem("missing-attributes", path.name, f"has no row for {_some(lacking)}"))
    return {key: rows[key] for key in images if key in rows}


def _find_splits(root: Path, images: dict[str, Path], problems: list[Problem]) -> dict[str, str]:
    """{id: split}; numbers in a list match ids whatever their leading zeros."""
    by_number = {int(key): key for key in images if key.isdecimal()}
    splits: dict[str, str] = {}
    missing = []
    for split in SPLITS:
        names = [pattern.format(s=split) + suffix for pattern in _LIST_NAMES for suffix in _LIST_SUFFIXES]
        path = _first_file(root, names)
        if path is None:
            missing += [split] if split != "val" else []
            continue
        label = str(path.relative_to(root))
        try:
            entries = read_list(path)
        except InputError as error:
            problems.append(Problem("list-file", label, str(error)))
            continue
        unknown = []
        for entry in entries:
            stem = Path(entry).stem
            key = stem if stem in images else by_number.get(int(stem), "") if stem.isdecimal() else ""
            if not key:
                unknown.append(entry)
            elif splits.setdefault(key, split) != split:
                message = f"{key} is already in the list of {splits[key]}; it stays there"
                problems.append(Problem("in-two-lists", label, message))
        if unknown:
            problems.append(Problem("missing-image", label, f"lists {_some(unknown)} without a picture"))
    for split in missing:
        problems.append(Problem("no-list", f"{split}/filenames_{split}.pickle", f"there is no {split} list"))
    return splits


def _first_file(root: Path, names: Iterable[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_file()), None)


def _some(names: list[str]) -> str:
    """Up to five names and how many more."""
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown
