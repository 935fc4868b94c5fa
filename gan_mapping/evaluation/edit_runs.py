"""The whole measurement of edits: faces x sentences x methods, face by face, resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gan_mapping.editing.face_model import FaceModel
from gan_mapping.evaluation.boundaries import fit_boundaries
from gan_mapping.evaluation.edits import EditMeasure, EditMeasurer, FacePlan
from gan_mapping.evaluation.faces import FaceChoice, FaceSource, start_face
from gan_mapping.evaluation.judge import JUDGE_FILE
from gan_mapping.evaluation.methods import Method, load_methods
from gan_mapping.evaluation.metrics import JUDGE_NETWORK, Metrics, load_instruments
from gan_mapping.evaluation.optimisation import OptimisationConfig, TextOptimiser
from gan_mapping.evaluation.records import FaceRecords, fingerprint
from gan_mapping.evaluation.sentences import SENTENCES_FILE, EditSentence, SentenceFile, load_sentences
from gan_mapping.evaluation.sheet import SHEET_FACES, draw_sheet, save_jpeg, save_strip
from gan_mapping.mappers.layers import OffsetMapper
from vl_backbone.backbones.registry import load_backbone
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.weights.files import sha256_of

OPTIMISER_BACKBONE = "hdvila-mini"
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class EditOptions(FaceChoice):
    """What is measured.

    strength_faces: on how many faces the other `strengths` are drawn too. boundary_faces: on how many the InterFaceGAN
    baseline is run, at `boundary_steps` times its step. optimised_faces, optimised_sentences: pairs of the slow
    baseline. mappers: further mapper files to compare. perceptual: as in load_instruments. sentences: the file of what
    is asked of every face. Raises UsageError, and InputError for the sentences.
    """

    faces: int = 100
    strengths: tuple[float, ...] = (0.25, 0.5, 0.75)
    strength_faces: int = 12
    boundary_faces: int = 100
    boundary_steps: tuple[float, ...] = (0.8, 1.6, 2.6)
    optimised_faces: int = 2
    optimised_sentences: int = 3
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)
    mappers: tuple[Path, ...] = ()
    perceptual: str | None = None
    sentences: Path = SENTENCES_FILE

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.strength_faces, self.boundary_faces, self.optimised_faces, self.optimised_sentences) < 0:
            raise UsageError("The numbers of faces and sentences must be 0 or more.")
        if min(self.strengths + self.boundary_steps, default=1.0) <= 0:
            raise UsageError("Strengths and step sizes must be above 0.")
        load_sentences(self.sentences)


@dataclass(frozen=True)
class MethodRun:
    """What was measured of one method.

    measures: (face, is a photo, measure). failed: faces, with the reason. intents: what is read in every sentence.
    """

    method: Method
    measures: list[tuple[str, bool, EditMeasure]]
    failed: dict[str, str]
    intents: dict[str, dict[str, float]]


def run_edits(
    model: FaceModel, options: EditOptions, out: Path, advance: Advance = lambda done, total: None
) -> tuple[list[MethodRun], SentenceFile, Metrics]:
    """Measures what is not in `out` yet; advance(done, total) counts edits at strength 1.

    Writes out/edits/METHOD/*.json and beside each folder METHOD.jpg, the contact sheet of the first faces. Raises
    UsageError and WeightsError before any work.
    """
    sentences = load_sentences(options.sentences)
    sources = options.sources()
    methods = load_methods(model, options.mappers)
    instruments = load_instruments(model, options.perceptual)
    each = len(sources) * len(sentences.drawn)
    runs = []
    for i, method in enumerate(methods):
        boundary = optimiser = None
        if i == 0 and options.boundary_faces:
            boundary = _boundary(method, sentences.drawn)
        if i == 0 and options.optimised_faces * options.optimised_sentences:
            backbone = load_backbone(OPTIMISER_BACKBONE, str(model.device))
            optimiser = TextOptimiser(model.generator, backbone, instruments.network)
        measurer = EditMeasurer(method.model, instruments, sentences.drawn, boundary, optimiser)
        run = MethodRun(method, [], {}, {text: intents_of(method, text) for text in sentences.texts})
        _run_method(run, measurer, sources, options, out / "edits", advance, i * each, len(methods) * each)
        runs.append(run)
    return runs, sentences, instruments


def _boundary(method: Method, sentences: Sequence[EditSentence]) -> OffsetMapper:
    model = method.model
    wanted = sorted({name for sentence in sentences for name, _ in sentence.targets})
    relative = model.mappers.offset.relative.cpu()
    boundary = fit_boundaries(model.generator, model.mappers.attributes, wanted, relative)
    return boundary.to(model.device).requires_grad_(False)


def _run_method(
    run: MethodRun,
    measurer: EditMeasurer,
    sources: Sequence[FaceSource],
    options: EditOptions,
    out: Path,
    advance: Advance,
    first: int,
    total: int,
) -> None:
    """Fills `run`'s measures and failures."""
    records = FaceRecords(out / run.method.name)
    strips: list[Path] = []
    for number, source in enumerate(sources):
        done = first + number * len(measurer.sentences)
        advance(done, total)
        plan = plan_face(source, number, measurer, options)
        refine = options.steps(measurer.model, source)
        key = record_key(source, plan, measurer, refine)
        record = records.read(source.name, key)
        if record is None:
            counted = iter(range(done + 1, total + 1))
            try:
                face = start_face(measurer.model, source, refine)
            except InputError as error:
                run.failed[source.name] = str(error)
                continue
            measures, strip = measurer.measure(face, plan, lambda c=counted: advance(next(c), total))  # type: ignore[misc]
            save_strip(records.picture(source.name), strip)
            records.write(source.name, key, {"face": source.name, "edits": [m.to_json() for m in measures]})
            record = records.read(source.name, key)
            assert record is not None
        run.measures.extend((source.name, source.real, EditMeasure.from_json(row)) for row in record["edits"])
        if len(strips) < SHEET_FACES:
            strips.append(records.picture(source.name))
    advance(first + len(sources) * len(measurer.sentences), total)
    if strips:
        headings = ["as it is read back", *(s.text for s in measurer.sentences)]
        save_jpeg(draw_sheet(strips, headings), out / f"{run.method.name}.jpg")


def plan_face(source: FaceSource, number: int, measurer: EditMeasurer, options: EditOptions) -> FacePlan:
    """What is done with the face of that number, first to last; baselines only where the measurer has them."""
    slow = number < options.optimised_faces and measurer.optimiser is not None and not source.real
    plain = number < options.boundary_faces and measurer.boundary is not None and not source.real
    # Sentences evenly from all groups, so that the few stand for the thirty.
    texts = [s.text for s in measurer.sentences]
    step = max(1, len(texts) // max(1, options.optimised_sentences))
    return FacePlan(
        options.strengths if number < options.strength_faces else (),
        options.boundary_steps if plain else (),
        tuple(texts[step // 2 :: step][: options.optimised_sentences]) if slow else (),
        options.optimisation if slow else OptimisationConfig(),
    )


def intents_of(method: Method, text: str) -> dict[str, float]:
    """What the method's text mapper reads in a sentence, by attribute."""
    values = method.model.read(text)[0]
    named = zip(method.model.mappers.attributes, values.tolist(), strict=True)
    return {name: round(value, 2) for name, value in named if value}


def record_key(source: FaceSource, plan: FacePlan, measurer: EditMeasurer, refine: int) -> str:
    """Changes with everything that a face's record depends on; refine: the steps that this face is refined over."""
    optimiser = measurer.optimiser if plan.optimised else None
    return fingerprint(
        {
            "source": source.fingerprint(),
            "plan": asdict(plan),
            "refine": refine,
            "aim": asdict(measurer.model.closed_loop),
            "weights": measurer.model.weights,
            "optimiser": optimiser.backbone.weights if optimiser is not None else None,
            "judge": [sha256_of(JUDGE_FILE), JUDGE_NETWORK, measurer.instruments.perceptual_name],
            "sentences": [[s.text, s.targets, sorted(s.may)] for s in measurer.sentences],
            "device": measurer.model.device.type,
        }
    )
