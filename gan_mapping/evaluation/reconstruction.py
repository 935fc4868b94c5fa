"""How much of a person survives the way through w+, before and after refinement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.evaluation.edits import distance, thumbnail
from gan_mapping.evaluation.faces import FaceChoice, FaceSource, StartedFace, start_face
from gan_mapping.evaluation.measures import mean, perceptual_where, psnr
from gan_mapping.evaluation.methods import Method, load_methods
from gan_mapping.evaluation.metrics import Metrics, load_instruments
from gan_mapping.evaluation.records import FaceRecords, Json, fingerprint, number
from gan_mapping.evaluation.sheet import SHEET_FACES, draw_sheet, save_jpeg, save_strip
from gan_mapping.training.closed_form.vision import offset_cosine
from vl_backbone.common.errors import InputError, UsageError

LINEAR, REFINED, INDEPENDENT = "linear", "refined", "refined, face network not in the loss"
FIGURES = ("identity", "perceptual", "psnr", "cosine")


@dataclass(frozen=True)
class ReconstructionOptions(FaceChoice):
    """What is measured.

    The first refined_faces of the generated faces are refined too, photos always are. independent: refine once more
    without the face network in the loss, so that it can judge. mappers: further mapper files. perceptual: as in
    load_instruments.
    """

    faces: int = 50
    refined_faces: int = 8
    independent: bool = True
    mappers: tuple[Path, ...] = ()
    perceptual: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.refined_faces < 0:
            raise UsageError("--refined-faces must be 0 or more.")


@dataclass(frozen=True)
class ReconstructionMeasure:
    """One face, one way of reading it back.

    identity: distance in dlib's face network; perceptual: LPIPS or its like over the whole crop; psnr: in dB at the
    generator's size; cosine: of the latents' offsets from w_mean, nan for photos.
    """

    way: str
    identity: float
    perceptual: float
    psnr: float
    cosine: float


@dataclass(frozen=True)
class ReconstructionRun:
    """What was measured of one method: (face, is a photo, measure), and faces that failed with the reason."""

    method: Method
    measures: list[tuple[str, bool, ReconstructionMeasure]]
    failed: dict[str, str]


def run_reconstruction(
    model: FaceModel,
    options: ReconstructionOptions,
    out: Path,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[list[ReconstructionRun], Metrics]:
    """Measures what is not in `out` yet; advance(done, total) counts faces.

    Writes out/reconstruction/METHOD/*.json and beside each folder METHOD.jpg, a contact sheet.
    """
    sources = options.sources()
    methods = load_methods(model, options.mappers)
    instruments = load_instruments(model, options.perceptual)
    folder = out / "reconstruction"
    runs = []
    for i, method in enumerate(methods):
        run, records, strips = ReconstructionRun(method, [], {}), FaceRecords(folder / method.name), []
        for number_, source in enumerate(sources):
            advance(i * len(sources) + number_, len(sources) * len(methods))
            ways = _ways(source, number_, options)
            steps = options.refine_steps(method.model)
            key = _key(source, ways, method, instruments, steps)
            record = records.read(source.name, key)
            if record is None:
                try:
                    face = start_face(method.model, source)
                except InputError as error:
                    run.failed[source.name] = str(error)
                    continue
                found, strip = measure_ways(face, method.model, instruments, ways, steps)
                save_strip(records.picture(source.name), strip)
                record = {"face": source.name, "ways": [asdict(m) for m in found]}
                records.write(source.name, key, record)
            run.measures.extend((source.name, source.real, _from_json(row)) for row in record["ways"])
            if len(ways) > 1 or not options.refined_faces:
                strips.append((records.picture(source.name), 1 + len(ways)))
        advance((i + 1) * len(sources), len(sources) * len(methods))
        runs.append(run)
        if strips:
            rows = max(count for _, count in strips)
            headings = ["the picture", LINEAR, REFINED, INDEPENDENT][:rows]
            # Photos come last and are what people look for: they get the sheet's last columns.
            shown = [path for path, count in strips if count == rows][-SHEET_FACES:]
            save_jpeg(draw_sheet(shown, headings), folder / f"{method.name}.jpg")
    return runs, instruments


def measure_ways(
    face: StartedFace, model: FaceModel, instruments: Metrics, ways: Sequence[str], steps: int
) -> tuple[list[ReconstructionMeasure], np.ndarray]:
    """-> a measure per way, and small pictures uint8 [(1 + ways) * SMALL, SMALL, 3], the crop first."""
    before = instruments.look(face.crop)
    small = [thumbnail(face.crop)]
    found = []
    for way in ways:
        ws, picture = face.ws, face.reconstruction
        if way != LINEAR:
            refiner = model.refiner.without_identity() if way == INDEPENDENT else model.refiner
            ws = refiner.refine(face.ws, face.crop, steps)
            picture = model.draw(ws)
        after = instruments.look(picture)
        everywhere = torch.ones(len(picture), len(picture), dtype=torch.bool)
        found.append(
            ReconstructionMeasure(
                way,
                distance(before, after),
                perceptual_where(before.maps, after.maps, everywhere),
                psnr(face.crop, picture),
                math.nan if face.truth is None else _cosine(ws, face.truth, model.generator.w_mean),
            )
        )
        small.append(thumbnail(picture))
    return found, np.concatenate(small)


def summarise_ways(
    measures: Sequence[tuple[str, bool, ReconstructionMeasure]], real: bool
) -> list[tuple[str, int, dict[str, float]]]:
    """Per way: its name, how many faces, and the means of FIGURES, over photos or over generated faces."""
    rows = []
    for way in (LINEAR, REFINED, INDEPENDENT):
        chosen = [m for _, is_real, m in measures if m.way == way and is_real == real]
        if chosen:
            rows.append((way, len(chosen), {name: mean([getattr(m, name) for m in chosen]) for name in FIGURES}))
    return rows


def _cosine(ws: Tensor, truth: Tensor, w_mean: Tensor) -> float:
    """Of the mean row: a refined latent leaves W, the truth lies in it."""
    return offset_cosine(ws.mean(dim=1).cpu(), truth[None].cpu(), w_mean.cpu())


def _ways(source: FaceSource, place: int, options: ReconstructionOptions) -> list[str]:
    refined = source.real or place < options.refined_faces
    return [LINEAR, *[REFINED] * refined, *[INDEPENDENT] * (refined and options.independent)]


def _key(source: FaceSource, ways: list[str], method: Method, instruments: Metrics, steps: int) -> str:
    weights = [method.model.weights, instruments.perceptual_name, method.model.device.type]
    used = 0 if ways == [LINEAR] else steps
    return fingerprint({"source": source.fingerprint(), "ways": ways, "steps": used, "weights": weights})


def _from_json(row: Json) -> ReconstructionMeasure:
    return ReconstructionMeasure(row["way"], **{name: number(row[name]) for name in FIGURES})
