"""One row of a batch, whatever its task: the same three steps for a thread pool, a cluster or a plain loop.

`prepare` reads, hashes, decodes and finds faces; `perform` runs the networks; `store` encodes and writes. Only
`perform` must not run twice at once on one editor. No step raises for what is wrong with a row.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from apps.batch.fields import BatchRow
from apps.batch.ledger import Entry, intact, row_key
from apps.cli import common
from apps.cli.common import Row
from apps.cli.rows import describe_face, describe_frame, empty_row
from fdvd.media.photos import Photo, load_photo, save_png
from gan_mapping.editing.requests import NO_INTENT_WARNING
from gan_mapping.editing.session import EditSession
from vl_backbone.common.errors import InputError, UsageError, VilaFaceError, WeightsError
from vl_backbone.common.reason import reason_of
from vl_backbone.common.strict_json import to_json
from vl_backbone.weights.files import sha256_of

if TYPE_CHECKING:
    from fdvd.faces.alignment import FaceFrame
    from gan_mapping.editing.editor import FaceEditor

_NO_INPUT = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Place:
    """Where rows are written: `folder`; files take shape in `partial`, a folder on the same disk.

    inputs: every photo of the run, none of which may be written over.
    """

    folder: Path
    partial: Path
    inputs: frozenset[Path] = frozenset()


@dataclass
class Job:
    """A row on its way: what the next step needs, and the result as far as it is known.

    report: the JSON object of the row; key: see `row_key`; done: an entry that makes the work needless.
    pictures, latents: what is to be written, by kind; files: what was, as (name, sha256) by kind.
    """

    row: BatchRow
    report: Row
    key: str = ""
    done: Entry | None = None
    photo: Photo | None = None
    frames: list[tuple[int, FaceFrame]] | None = None
    pictures: dict[str, Image.Image] = field(default_factory=dict)
    latents: dict[str, torch.Tensor] = field(default_factory=dict)
    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether a step went wrong; the following steps then do nothing."""
        return self.report["error"] is not None

    def entry(self) -> Entry:
        """The ledger's view of the row, after `store`."""
        report = self.report
        return Entry(self.row.number, self.row.id, report["status"], self.key, report["error"], self.files)


def new_job(row: BatchRow, preset: str) -> Job:
    """A job with nothing done."""
    report = empty_row(row.task, row.source, row.text, row.strength, row.seed, preset)
    return Job(row, {"id": row.id, "row": row.number, **report, "resumed": False})


def settings_of(row: BatchRow, editor: FaceEditor) -> dict[str, Any]:
    """The row's settings with the editor's own defaults filled in."""
    settings = {**row.settings(), "preset": editor.model.preset}
    if row.task == "edit" and row.refine is None:
        settings["refine"] = editor.model.refine_steps
    return settings


def prepare(job: Job, editor: FaceEditor, finished: Callable[[str, str], Entry | None]) -> Job:
    """Hashes the input; when `finished(id, key)` knows no intact result, decodes it and finds the faces."""
    with _Step(job, "read"):
        row = job.row
        job.report["weights"] = dict(editor.model.weights)
        job.key = row_key(_NO_INPUT, settings_of(row, editor), editor.model.weights)
        if row.image is not None:
            job.key = row_key(_input_hash(row.image), settings_of(row, editor), editor.model.weights)
        job.done = finished(row.id, job.key)
        if job.done is None and row.image is not None:
            job.photo = load_photo(row.image)
            job.report["warnings"] += job.photo.warnings
    if job.photo is not None and row.task == "edit" and not job.failed:
        with _Step(job, "detect"):
            job.frames = editor.model.find_faces(job.photo.rgb, row.face, row.aligned)
    return job


def perform(job: Job, editor: FaceEditor, network: str) -> Job:
    """Runs the task; network: the name of the one that measures identity."""
    if job.failed or job.done is not None:
        return job
    with _Step(job, "perform"):
        torch.manual_seed(job.row.seed)
        TASK_FUNCTIONS[job.row.task](job, editor, network)
    job.photo = job.frames = None
    return job


def store(job: Job, place: Place) -> Job:
    """Writes the row's files and its report; they are complete or not there."""
    if job.done is not None:
        job.files = dict(job.done.outputs)
        job.report |= {"status": "ok", "resumed": True}
        _fill_outputs(job, place)
        return job
    if not job.failed:
        with _Step(job, "write"):
            files = {}
            for kind, picture in job.pictures.items():
                files[kind] = _store(f"{job.row.id}.{kind}.png", place, partial(save_png, picture))
            for kind, ws in job.latents.items():
                files[kind] = _store(f"{job.row.id}.{kind}.safetensors", place, partial(_save_latent, ws))
            job.files = files
            job.report["status"] = "ok"
            _fill_outputs(job, place)
        job.report["timings_s"] = common.rounded({**job.timings, "total": sum(job.timings.values())})
    job.pictures, job.latents = {}, {}
    with _Step(job, "report"):
        _store(f"{job.row.id}.json", place, partial(_save_report, job.report))
    return job


def run_row(row: BatchRow, editor: FaceEditor, network: str, place: Place, last: Entry | None = None) -> Job:
    """All three steps, one after the other; last: the row's entry in the ledger, if it was done before."""

    def finished(_: str, key: str) -> Entry | None:
        return last if last is not None and last.key == key and intact(last, place.folder) else None

    job = prepare(new_job(row, editor.model.preset), editor, finished)
    return store(perform(job, editor, network), place)


def _edit(job: Job, editor: FaceEditor, network: str) -> None:
    row, photo = job.row, job.photo
    assert photo is not None
    session = EditSession(editor.model, photo.rgb, row.face, row.refine, aligned=row.aligned, frames=job.frames)
    result = session.apply(row.text, row.strength)
    job.report["refine"] = editor.model.refine_steps if row.refine is None else row.refine
    job.report["intents"] = result.intents
    job.report["warnings"] += result.warnings
    job.report["faces"] = [describe_face(face, network) for face in result.faces]
    job.pictures["edited"] = photo.with_edit(result.rgb)
    for number, face in enumerate(result.faces, start=1):
        suffix = str(number) if len(result.faces) > 1 else ""
        job.pictures[f"face{suffix}"] = Image.fromarray(face.edited)
        job.pictures[f"reconstruction{suffix}"] = Image.fromarray(face.reconstruction)
        job.latents[f"latent{suffix}"] = face.ws
    job.timings |= {name: value for name, value in result.timings_s.items() if name != "detect"}


def _generate(job: Job, editor: FaceEditor, _: str) -> None:
    row = job.row
    started = time.perf_counter()
    job.report["intents"] = editor.model.mappers.named(editor.model.read(row.text))
    if not job.report["intents"]:
        job.report["warnings"].append(NO_INTENT_WARNING)
    for number, face in enumerate(editor.generate(row.text, row.n, row.seed), start=1):
        suffix = str(number) if row.n > 1 else ""
        job.pictures[f"face{suffix}"] = Image.fromarray(face.image)
        job.latents[f"latent{suffix}"] = face.ws
    job.timings["render"] = time.perf_counter() - started


def _superres(job: Job, editor: FaceEditor, _: str) -> None:
    row, photo = job.row, job.photo
    assert photo is not None
    result = editor.super_resolve(
        photo.rgb, row.text or None, strength=row.strength, samples=row.samples, seed=row.seed, aligned=row.aligned
    )
    job.report["intents"] = result.intents
    job.report["warnings"] += result.warnings
    job.report["faces"] = [{"index": 0, **describe_frame(result.frame), "pixels": len(result.pixels)}]
    fits = [{"consistency": sample.error, "latent_consistency": sample.latent_error} for sample in result.samples]
    job.report["samples"] = fits
    for number, sample in enumerate(result.samples, start=1):
        suffix = str(number) if len(result.samples) > 1 else ""
        job.pictures[f"sr{suffix}"] = Image.fromarray(sample.image)
        job.latents[f"latent{suffix}"] = sample.ws
    job.timings |= result.timings_s


TASK_FUNCTIONS = {"edit": _edit, "superres": _superres, "generate": _generate}


class _Step:
    """Times a step and turns what goes wrong in it into the row's error; only missing weights go on upwards."""

    def __init__(self, job: Job, stage: str) -> None:
        self.job = job
        self.stage = stage

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        if self.stage != "perform":
            seconds = time.perf_counter() - self.started
            self.job.timings[self.stage] = self.job.timings.get(self.stage, 0.0) + seconds
        if error is None:
            return False
        if isinstance(error, (WeightsError, UsageError)) or not isinstance(error, Exception):
            return False
        sentence = str(error) if isinstance(error, VilaFaceError) else common.internal_error(error)
        if not self.job.failed:
            self.job.report |= {"error": sentence, "status": "failed"}
            self.job.files = {}
        return True


def _save_latent(ws: torch.Tensor, path: Path) -> None:
    common.write_latent(path, ws)


def _save_report(report: Row, path: Path) -> None:
    shown = {name: value for name, value in report.items() if name != "resumed"}
    # Named relative to the report itself, so that a folder can be moved or merged.
    shown["outputs"] = {kind: name and Path(name).name for kind, name in report["outputs"].items()}
    common.write_text(path, to_json(shown, indent=2) + "\n")


def _input_hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({reason_of(error)})") from None


def _fill_outputs(job: Job, place: Place) -> None:
    """The usual `outputs` of a row; the plain kinds name the first picture where there are several."""
    paths = {kind: str(place.folder / file) for kind, (file, _) in job.files.items()}
    first = {kind.removesuffix("1"): path for kind, path in paths.items() if kind.endswith("1")}
    job.report["outputs"] |= {**first, **paths}


def _store(name: str, place: Place, write: Callable[[Path], None]) -> tuple[str, str]:
    """Writes one file beside its place, then moves it there -> (name, sha256)."""
    target = place.folder / name
    if target in place.inputs:
        raise InputError(f"{target}: is one of the given photos and would be overwritten; choose another --out")
    unfinished = place.partial / name
    try:
        place.partial.mkdir(exist_ok=True)
        write(unfinished)
        digest = sha256_of(unfinished)
        unfinished.replace(target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({reason_of(error)})") from None
    return name, digest
