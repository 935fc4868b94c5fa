"""Where clips come from: packed blocks (FDVD-synth), video clips (FDVD), folders of still faces, captioned or not."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fdvd.datasets.captioned import CaptionedFace, is_captioned, read_captioned
from fdvd.datasets.celebahq.folder import Face, open_folder
from fdvd.datasets.dataset import Clip, ClipDataset
from fdvd.datasets.packed import BLOCK_FOLDER, FORMAT, MANIFEST, SETTINGS
from fdvd.media.photos import load_photo
from fdvd.media.video import read_frames_at
from vl_backbone.common.errors import InputError, UsageError

Frames = tuple[Tensor, Tensor | None, Tensor | None]
_MEGAPIXELS = 64  # of one stored frame


def open_dataset(root: str | os.PathLike[str], size: int = 512, lr_size: int = 128) -> ClipDataset:
    """What a folder holds, as clips: FDVD-synth (dataset.json), FDVD (manifest.jsonl), else a folder of faces.

    Faces: with sentences beside them (see `fdvd.datasets.captioned`), as Multi-Modal CelebA-HQ has them, or plain.

    size, lr_size: sides of the frames that are cut on demand (FDVD) or scaled (stills); packed frames have their own.
    UsageError when the folder holds nothing of the kind.
    """
    folder = Path(root)
    if (folder / SETTINGS).is_file():
        return PackedClips(folder)
    if (folder / MANIFEST).is_file():
        return VideoClips(folder, size, lr_size)
    if is_captioned(folder):
        return StillFaces(read_captioned(folder), size)
    return StillFaces(open_folder(folder).faces, size)


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """The rows of a manifest. InputError, with the line, for one that is no clip."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: the manifest cannot be read ({error}); build the data set to its end first"
        ) from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            if not (isinstance(row["id"], str) and all(isinstance(c, str) for c in row["captions"])):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{path}, line {number}: is not a clip with id and captions; build it again") from None
        rows.append(row)
    return rows


def _clip(row: dict[str, Any]) -> Clip:
    return Clip(row["id"], row.get("split"), tuple(row["captions"]), row.get("attributes") or {})


class PackedClips(ClipDataset):
    """The clips of a packed folder (fdvd.datasets.packed). Archives are opened once a process, when first needed."""

    def __init__(self, root: Path) -> None:
        try:
            found = json.loads((root / SETTINGS).read_text(encoding="utf-8")).get("format")
        except (OSError, ValueError, AttributeError) as error:
            raise InputError(f"{root / SETTINGS}: cannot be read ({error}); build the data set again") from None
        if found != FORMAT:
            raise UsageError(f"{root} holds {found!r}; this version reads {FORMAT!r}.")
        self._rows = read_manifest(root / MANIFEST)
        self.root = root
        self._open: dict[str, zipfile.ZipFile] = {}
        self._process = os.getpid()
        super().__init__([_clip(row) for row in self._rows])

    def pictures(self, index: int) -> Frames:
        row = self._rows[index]
        try:
            hr = torch.stack([self._picture(row, name) for name in row["hr"]])
            lr = torch.stack([torch.stack([self._picture(row, name) for name in names]) for names in row["lr"]])
            latent = np.load(io.BytesIO(self._bytes(row, row["latent"])), allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, Image.DecompressionBombError) as error:
            where = self.root / BLOCK_FOLDER / f"{row.get('block')}.zip"
            raise InputError(
                f"{where}: clip {row['id']} cannot be read ({error}); delete this block and build it again"
            ) from None
        return hr, lr, torch.from_numpy(latent.astype(np.float32))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}}

    def _bytes(self, row: dict[str, Any], member: str) -> bytes:
        if self._process != os.getpid():  # a forked worker must not share its parent's file positions
            self._open, self._process = {}, os.getpid()
        block = str(row["block"])
        if not block.isalnum():
            raise ValueError(f"{block!r} is no block")
        if block not in self._open:
            self._open[block] = zipfile.ZipFile(self.root / BLOCK_FOLDER / f"{block}.zip")
        return self._open[block].read(member)

    def _picture(self, row: dict[str, Any], member: str) -> Tensor:
        with Image.open(io.BytesIO(self._bytes(row, member)), formats=["JPEG"]) as image:
            if image.width * image.height > _MEGAPIXELS * 1_000_000:
                raise ValueError(f"{member} is over {_MEGAPIXELS} megapixels")
            return _tensor(np.asarray(image.convert("RGB")))


class VideoClips(ClipDataset):
    """FDVD's clips: `segments` middle frames, evenly spread, each with `frames` neighbours `stride` frames apart."""

    def __init__(
        self, root: Path, size: int = 512, lr_size: int = 128, segments: int = 1, frames: int = 3, stride: int = 8
    ) -> None:
        self.root, self._rows = root, read_manifest(root / MANIFEST)
        self.size, self.lr_size, self.segments, self.frames, self.stride = size, lr_size, segments, frames, stride
        super().__init__([_clip(row) for row in self._rows])

    def pictures(self, index: int) -> Frames:
        row = self._rows[index]
        path = self.root / str(row["clip"])
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise InputError(f"{self.root / MANIFEST}: clip {row['id']} points out of the folder")
        step = self.stride * row["duration"] / row["frames"]
        reach = self.frames // 2
        centres = [row["duration"] * (i + 0.5) / self.segments for i in range(self.segments)]
        times = [[centre + step * k for k in range(-reach, self.frames - reach)] for centre in centres]
        wanted = sorted({time for group in times for time in group})
        shown = dict(zip(wanted, read_frames_at(path, wanted), strict=True))
        hr = torch.stack([_scaled(shown[group[reach]], self.size) for group in times])
        lr = torch.stack([torch.stack([_scaled(shown[time], self.lr_size) for time in group]) for group in times])
        return hr, lr, None


class StillFaces(ClipDataset):
    """A folder of aligned face pictures: one high-resolution frame each, no neighbours."""

    def __init__(self, faces: Sequence[Face] | Sequence[CaptionedFace], size: int = 512) -> None:
        self.size, self._images = size, [face.image for face in faces]
        super().__init__([Clip(face.id, face.split, face.captions, _attributes(face)) for face in faces])

    def pictures(self, index: int) -> Frames:
        return _scaled(load_photo(self._images[index]).rgb, self.size)[None], None, None


def _attributes(face: Face | CaptionedFace) -> dict[str, float]:
    return {name: float(yes) for name, yes in face.attributes.items()} if isinstance(face, Face) else {}


def _scaled(picture: NDArray[np.uint8], side: int) -> Tensor:
    """uint8 [H, W, 3] -> uint8 [3, side, side]; area averages when shrinking."""
    if picture.shape[:2] == (side, side):
        return _tensor(picture)
    filter_ = Image.Resampling.BOX if min(picture.shape[:2]) >= side else Image.Resampling.BICUBIC
    return _tensor(np.asarray(Image.fromarray(picture).resize((side, side), filter_)))


def _tensor(picture: NDArray[np.uint8]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))
