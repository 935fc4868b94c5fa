"""Edits of real photos, measured: is it still the person, what changed unasked, how much of the picture, how fast.

A picture is compared as a user gets it: pasted back into the photo and cut out again. Where the face network that
measures is also in the loss of the refinement, that is said beside its figures.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fdvd.attributes.table import attribute_table
from fdvd.media.photos import load_photo
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.results import EditResult
from gan_mapping.editing.session import EditSession
from gan_mapping.evaluation.judge import Judge
from gan_mapping.evaluation.metrics import JUDGED_AUC, load_instruments
from gan_mapping.evaluation.sheet import GAP, HEADING, INK, PAPER
from gan_mapping.evaluation.tables import plain, rule, share
from gan_mapping.images import to_batch
from gan_mapping.mappers.presets import load_preset
from gan_mapping.perception.networks import IdentityNetwork, load_identity
from vl_backbone.common.errors import InputError
from vl_backbone.common.yaml_config import read_yaml
from vl_backbone.weights import WeightState, WeightStore

WISHES_FILE = Path(__file__).with_name("photo_wishes.yaml")
NETWORKS = ("dlib-face-resnet", "inception-resnet-vggface2")
# A reading nearer to the judge's border than this may cross it by noise alone; its units are the judge's logits.
SURE = 0.3
# Levels of 255 by which a pixel must differ to count as changed.
CHANGED = 8
TILE = 160


@dataclass(frozen=True)
class Witness:
    """A face network that measures likeness. in_loss: whether refinement and inversion steered by it."""

    name: str
    network: IdentityNetwork
    in_loss: bool


@dataclass(frozen=True)
class PhotoEdit:
    """One wish on one photo.

    likeness: face network -> distance of the pasted face from the photo's own. reached: None where the judge reads
    none of what was asked. flips: held attributes that came or went unasked ("+glasses", "-beard"). changed: share of
    the photo's pixels that differ. seconds: of the edit alone, the face being known.
    """

    wish: str
    likeness: dict[str, float]
    reached: bool | None
    flips: tuple[str, ...]
    changed: float
    seconds: float


@dataclass(frozen=True)
class PhotoRecord:
    """One photo. reconstruction: face network -> distance of the unedited render. seconds: to find and invert it."""

    name: str
    reconstruction: dict[str, float]
    seconds: float
    edits: tuple[PhotoEdit, ...]


def load_wishes(path: Path) -> list[str]:
    """The sentences of a YAML list; InputError for anything else."""
    rows = read_yaml(path)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, str) and row.strip() for row in rows):
        raise InputError(f"{path}: a list of sentences is needed, one a line, each after a dash.")
    return rows


def load_witnesses(model: FaceModel) -> list[Witness]:
    """Every face network whose file is there: the embedded one, and FaceNet where the user brought it."""
    store = WeightStore()
    used = load_preset(model.preset).identity
    found = []
    for name in NETWORKS:
        if name == NETWORKS[0] or store.verify([name])[0].state is WeightState.READY:
            found.append(Witness(name, load_identity(name, model.device, store)[0], name == used))
    return found


@torch.inference_mode()
def measure_photo(
    model: FaceModel,
    path: Path,
    wishes: Sequence[str],
    refine: int | None,
    witnesses: Sequence[Witness],
    judge: Judge,
) -> tuple[PhotoRecord, list[np.ndarray]]:
    """-> figures, and pictures uint8 [TILE, TILE, 3]: the crop, the reconstruction, a pasted edit for each wish.

    Of the largest face. Raises InputError for a photo that cannot be read or shows no face.
    """
    photo = load_photo(path)
    start = time.perf_counter()
    with torch.inference_mode(False), torch.enable_grad():
        session = EditSession(model, photo.rgb, "largest", refine)
    seconds = time.perf_counter() - start
    face = session.faces[0]
    before = {w.name: _describe(w, face.crop, model) for w in witnesses}
    unedited = judge.logits(to_batch([face.crop], None, model.device))[0].cpu()
    tiles = [_tile(face.crop), _tile(face.reconstruction)]
    edits = []
    for wish in wishes:
        start = time.perf_counter()
        result = session.apply(wish)
        taken = time.perf_counter() - start
        pasted = face.frame.crop(result.rgb)
        tiles.append(_tile(pasted))
        readings = judge.logits(to_batch([pasted], None, model.device))[0].cpu()
        edits.append(
            PhotoEdit(
                wish,
                {w.name: _distance(before[w.name], _describe(w, pasted, model)) for w in witnesses},
                _reached(result, readings, judge),
                _flips(result, unedited, readings, judge),
                float((np.abs(result.rgb.astype(np.int16) - photo.rgb).max(axis=2) > CHANGED).mean()),
                taken,
            )
        )
    reconstruction = {w.name: _distance(before[w.name], _describe(w, face.reconstruction, model)) for w in witnesses}
    return PhotoRecord(path.name, reconstruction, seconds, tuple(edits)), tiles


def measure_photos(
    model: FaceModel,
    paths: Sequence[Path],
    wishes: Sequence[str],
    refine: int | None,
    advance: Callable[[int, int], None],
) -> tuple[list[PhotoRecord], list[Witness], Image.Image | None, list[str]]:
    """-> records, the networks, the contact sheet (None without any record), and a sentence for each photo left out."""
    witnesses, judge = load_witnesses(model), load_instruments(model).judge
    records, columns, failed = [], [], []
    for done, path in enumerate(paths):
        try:
            record, tiles = measure_photo(model, path, wishes, refine, witnesses, judge)
        except InputError as error:
            failed.append(str(error) if path.name in str(error) else f"{path}: {error}")
        else:
            records.append(record)
            columns.append(tiles)
        advance(done + 1, len(paths))
    sheet = _sheet(columns, ["photo", "reconstruction", *wishes]) if columns else None
    return records, witnesses, sheet, failed


def report(records: Sequence[PhotoRecord], witnesses: Sequence[Witness]) -> str:
    """The table of a run, Markdown: a row for the reconstruction, one for each wish, and what flipped for which."""
    names = [w.name for w in witnesses]
    heads = [f"{w.name}{' (in the loss)' if w.in_loss else ''}" for w in witnesses]
    lines = [
        "| what | " + " | ".join(heads) + " | reached | flipped | changed pixels | seconds |",
        rule(5 + len(names)),
    ]
    mean = [plain(_mean([r.reconstruction[n] for r in records]), 3) for n in names]
    seconds = plain(_mean([r.seconds for r in records]), 2)
    lines.append(f"| reconstruction | {' | '.join(mean)} | | | | {seconds} |")
    for index, wish in enumerate([e.wish for e in records[0].edits]):
        edits = [record.edits[index] for record in records]
        mean = [plain(_mean([e.likeness[n] for e in edits]), 3) for n in names]
        reached = [float(e.reached) for e in edits if e.reached is not None]
        flips = sum(len(e.flips) for e in edits) / len(edits)
        cells = [*mean, share(_mean(reached)), plain(flips), share(_mean([e.changed for e in edits]))]
        lines.append(f"| {wish} | {' | '.join(cells)} | {plain(_mean([e.seconds for e in edits]), 2)} |")
    lines += ["", f"{len(records)} photos. Distances: two photos of one person lie about .41 apart by dlib's network,"]
    lines += ["strangers about .73. Flipped: visible attributes that came (+) or went (-) unasked, for each edit:", ""]
    for index, wish in enumerate([e.wish for e in records[0].edits]):
        counts: dict[str, int] = {}
        for record in records:
            for flip in record.edits[index].flips:
                counts[flip] = counts.get(flip, 0) + 1
        if counts:
            told = ", ".join(f"{flip} {n}" for flip, n in sorted(counts.items(), key=lambda item: -item[1]))
            lines.append(f"- {wish}: {told}")
    return "\n".join(lines) + "\n"


def _describe(witness: Witness, picture: np.ndarray, model: FaceModel) -> Tensor:
    return witness.network.describe(to_batch([picture], None, model.device))[0].cpu()


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm())


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan


def _reached(result: EditResult, readings: Tensor, judge: Judge) -> bool | None:
    """Whether all that was asked for and can be judged reads so now; changes without a place to reach are left out."""
    table = attribute_table()
    judged = [
        (float(readings[judge.attributes.index(name)]) > 0) == (intent > 0)
        for name, intent in result.intents.items()
        if name in judge.attributes and judge.auc[name] >= JUDGED_AUC and not table[name].relative
    ]
    return all(judged) if judged else None


def _flips(result: EditResult, before: Tensor, after: Tensor, judge: Judge) -> tuple[str, ...]:
    table = attribute_table()
    held = frozenset(row.name for row in table if row.held)
    for name in result.intents:
        held &= table.held_from(name)
    flips = []
    for place, name in enumerate(judge.attributes):
        was, now = float(before[place]), float(after[place])
        if name in held and judge.auc[name] >= JUDGED_AUC and was * now < 0 and min(abs(was), abs(now)) > SURE:
            flips.append(("+" if now > 0 else "-") + name)
    return tuple(flips)


def _tile(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize((TILE, TILE), Image.Resampling.LANCZOS))


def _sheet(columns: Sequence[Sequence[np.ndarray]], headings: Sequence[str]) -> Image.Image:
    """A column for each photo, a row for each heading."""
    font = ImageFont.load_default(size=14)
    size = (len(columns) * (TILE + GAP) + GAP, len(headings) * (TILE + HEADING) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, heading in enumerate(headings):
        top = row * (TILE + HEADING)
        draw.text((GAP, top + 3), heading, INK, font)
        for column, tiles in enumerate(columns):
            sheet.paste(Image.fromarray(tiles[row]), (GAP + column * (TILE + GAP), top + HEADING))
    return sheet
