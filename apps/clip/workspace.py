"""What is done of a clip, on disk: a run that was killed or interrupted is taken up where it stood."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from fdvd.faces.detection import DetectedFace
from fdvd.media.video.joining import Piece
from gan_mapping.video.pivots import Pivot
from vl_backbone.common.errors import InputError
from vl_backbone.common.reason import reason_of
from vl_backbone.weights.files import write_atomically

_FACES, _PIECES, _KEY = "faces.jsonl", "pieces.jsonl", "key"


class Workspace:
    """The work folder of one edit, beside its result: faces found, identities, and finished pieces of video.

    key: of the clip, the settings and the weights; what another key left behind is thrown away. suffix: of the
    pieces. Ledgers are lines of JSON; one that a kill cut short is not counted.
    """

    def __init__(self, folder: Path, key: str, suffix: str, resume: bool = True) -> None:
        self.folder = folder
        self._suffix = suffix
        try:
            if resume and self._is_of(key):
                self._mend(_FACES)
                self._mend(_PIECES)
            else:
                self.remove()
                folder.mkdir(parents=True)
                self._write(_KEY, key.encode())
        except OSError as error:
            reason = reason_of(error)
            raise InputError(f"{folder}: cannot be written ({reason}); choose another --out") from None

    @classmethod
    def beside(cls, out: Path, key: str, resume: bool = True) -> Workspace:
        """The work folder of a result: .NAME.work beside it."""
        return cls(out.parent / f".{out.name}.work", key, out.suffix.lower(), resume)

    def remove(self) -> None:
        """Deletes the folder and all in it."""
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def faces(self) -> list[tuple[DetectedFace, ...]]:
        """The faces of the first frames, as far as they were searched."""
        return [
            tuple(
                DetectedFace(np.array(box), float(score), np.array(points).reshape(5, 2)) for box, score, points in row
            )
            for row in self._lines(_FACES)
        ]

    def add_faces(self, frames: Iterable[Sequence[DetectedFace]]) -> None:
        """Notes the faces of the next frames."""
        rows = [
            [[face.box.tolist(), face.score, face.landmarks.ravel().tolist()] for face in frame] for frame in frames
        ]
        self._append(_FACES, rows)

    def anchors(self) -> dict[int, Pivot]:
        """The identities known so far, by number of run."""
        found = {}
        for path in self.folder.glob("anchor-*.safetensors"):
            try:
                tensors = load_file(path)
            except SafetensorError:
                continue
            found[int(path.stem.split("-")[1])] = Pivot(tensors["ws"], tensors["w"])
        return found

    def add_anchor(self, number: int, anchor: Pivot) -> None:
        """Keeps the identity of a run."""
        tensors = {"ws": anchor.ws.cpu().contiguous(), "w": anchor.w.cpu().contiguous()}
        self._write(f"anchor-{number:05d}.safetensors", save(tensors))

    def piece_path(self, start: int) -> Path:
        """Where the piece that begins with frame `start` belongs."""
        return self.folder / f"piece-{start:07d}{self._suffix}"

    def pieces(self) -> list[Piece]:
        """The finished pieces from the clip's start on, in order and without gaps."""
        found: list[Piece] = []
        done = 0
        for row in self._lines(_PIECES):
            path = self.piece_path(done)
            if row["start"] != done or not path.is_file() or path.stat().st_size != row["bytes"]:
                continue
            found.append(Piece(path, row["pts"]))
            done += len(row["pts"])
        return found

    def add_piece(self, start: int, pts: Sequence[int]) -> None:
        """Notes that the piece at `start`, frames at these pts, is complete."""
        size = self.piece_path(start).stat().st_size
        self._append(_PIECES, [{"start": start, "bytes": size, "pts": list(pts)}])

    def _is_of(self, key: str) -> bool:
        path = self.folder / _KEY
        return path.is_file() and path.read_text(encoding="utf-8", errors="replace") == key

    def _lines(self, name: str) -> Iterator[Any]:
        path = self.folder / name
        if path.is_file():
            with path.open(encoding="utf-8") as file:
                yield from map(json.loads, file)

    def _append(self, name: str, rows: Iterable[Any]) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))

    def _mend(self, name: str) -> None:
        """Cuts off what a kill left of the last line."""
        path = self.folder / name
        if path.is_file():
            data = path.read_bytes()
            if not data.endswith(b"\n"):
                path.write_bytes(data[: data.rfind(b"\n") + 1])

    def _write(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, [data])
