"""The JSON object of one result, which all commands print alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from apps.cli import common
from apps.cli.common import Row
from vl_backbone.common.errors import UsageError, VilaFaceError, WeightsError

if TYPE_CHECKING:
    from fdvd.faces.alignment import FaceFrame
    from gan_mapping.editing.results import EditedFace

OUTPUT_KINDS = ("edited", "face", "reconstruction", "latent", "sr")


def empty_row(task: str, source: str | None, text: str, strength: float, seed: int, preset: str) -> Row:
    """The row of an item that has not been done yet: it counts as failed until something fills it in."""
    return {
        "input": source,
        "task": task,
        "text": text,
        "strength": strength,
        "seed": seed,
        "preset": preset,
        "status": "failed",
        "error": None,
        "intents": {},
        "faces": [],
        "outputs": dict.fromkeys(OUTPUT_KINDS),
        "timings_s": common.rounded({}),
        "weights": {},
        "warnings": [],
    }


@contextmanager
def outcome(row: Row, debug: bool = False) -> Iterator[None]:
    """The work on one item, whose failure ends up in its row; missing weights and wrong usage end the command."""
    try:
        yield
        row["status"] = "ok"
    except (WeightsError, UsageError):
        raise
    except VilaFaceError as error:
        row["error"] = str(error)
    except Exception as error:  # noqa: BLE001
        row["error"] = common.internal_error(error, debug)


def describe_frame(frame: FaceFrame) -> dict[str, Any]:
    """Where a face lies in its photo."""
    return {
        "box": None if frame.box is None else [round(float(v), 2) for v in frame.box],
        "quad": [[round(float(v), 3) for v in point] for point in frame.quad],
        "score": None if frame.score is None else round(float(frame.score), 4),
    }


def describe_face(face: EditedFace, network: str) -> dict[str, Any]:
    """Where an edited face lies in its photo and how like itself it stayed; network: what measured that."""
    identity = {"network": network, **face.identity}
    return {"index": face.index, **describe_frame(face.frame), "identity": identity}
