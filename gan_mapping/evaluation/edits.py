"""Do edits do what the sentence says, and nothing else? One face, all sentences, judged from pictures alone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor

from fdvd.faces.pasting import paste, paste_mask
from gan_mapping.editing.face_model import FaceModel
from gan_mapping.editing.regions import edited_region, paste_region
from gan_mapping.evaluation.faces import StartedFace
from gan_mapping.evaluation.measures import mean, outside_pixels_changed, perceptual_where, spearman
from gan_mapping.evaluation.metrics import Look, Metrics
from gan_mapping.evaluation.optimisation import OptimisationConfig, TextOptimiser
from gan_mapping.evaluation.records import Json, number
from gan_mapping.evaluation.sentences import EditSentence
from gan_mapping.mappers.layers import OffsetMapper

SMALL = 128  # side of the contact sheet's pictures


@dataclass(frozen=True)
class Attempt:
    """An edit of a certain size: a strength, a multiple of the step, or a number of optimisation steps."""

    size: float
    reached: bool
    identity: float
    flipped: float


@dataclass(frozen=True)
class EditMeasure:
    """One sentence on one face, at strength 1 unless said otherwise.

    held, reached: per target, before and after. flipped: share of unmentioned, well-judged attributes whose reading
    changed; leaks: their names. identity: face-network distance from the strength-0 render to the edit. outside:
    perceptual distance of the two outside the edited region. monotone: mean rank correlation of strength and
    reading over targets that did not hold (nan: not measured). seconds: sentence to uint8 picture.
    strengths, boundary, optimised: other sizes of our edit, and of the baselines'. photo_to_edit,
    photo_to_paste: face-network distance from the photo's crop to the edit and to the crop of the pasted photo;
    outside_pixels: pixels changed outside the paste mask (-1: no photo).
    """

    text: str
    held: list[bool]
    reached: list[bool]
    flipped: float
    leaks: list[str]
    identity: float
    outside: float
    seconds: float
    monotone: float = math.nan
    strengths: tuple[Attempt, ...] = ()
    boundary: tuple[Attempt, ...] = ()
    optimised: tuple[Attempt, ...] = ()
    optimised_seconds: float = math.nan
    photo_to_edit: float = math.nan
    photo_to_paste: float = math.nan
    outside_pixels: int = -1

    @property
    def lacked(self) -> bool:
        """Whether there was something to do."""
        return not all(self.held)

    def to_json(self) -> Json:
        """A JSON-ready dict (nan is left to the writer)."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: Json) -> EditMeasure:
        """What `to_json` gave, after a way through a file."""
        numbers = ["flipped", "identity", "outside", "seconds", "monotone", "optimised_seconds"]
        numbers += ["photo_to_edit", "photo_to_paste"]
        attempts = {name: tuple(_attempt(a) for a in row[name]) for name in ("strengths", "boundary", "optimised")}
        return cls(**{**row, **{name: number(row[name]) for name in numbers}, **attempts})


def _attempt(row: Json) -> Attempt:
    return Attempt(float(row["size"]), bool(row["reached"]), number(row["identity"]), number(row["flipped"]))


@dataclass(frozen=True)
class FacePlan:
    """What is done with a face beyond the edits at strength 1.

    strengths: other strengths, tried where a target does not hold yet. boundary: multiples of the baseline's step.
    optimised: the sentences of the slow baseline, each over `optimisation.steps` steps.
    """

    strengths: tuple[float, ...] = ()
    boundary: tuple[float, ...] = ()
    optimised: tuple[str, ...] = ()
    optimisation: OptimisationConfig = field(default_factory=OptimisationConfig)


@dataclass(frozen=True)
class Reading:
    """How a sentence's edit is judged: which readings, with which signs, and what counts as leakage."""

    sentence: EditSentence
    targets: list[int]
    signs: Tensor
    unmentioned: Tensor

    @classmethod
    def of(cls, sentence: EditSentence, instruments: Metrics) -> Reading:
        """Raises ValueError when the judge does not know a target."""
        names = list(instruments.judge.attributes)
        targets = [names.index(name) for name, _ in sentence.targets]
        mentioned = torch.tensor([name in sentence.mentioned for name in names])
        signs = torch.tensor([float(sign) for _, sign in sentence.targets])
        return cls(sentence, targets, signs, instruments.well_judged() & ~mentioned)

    def margins(self, look: Look) -> Tensor:
        """Signed readings of the targets: above 0 where they hold."""
        return look.readings[self.targets] * self.signs

    def leaks(self, before: Look, after: Look) -> Tensor:
        """bool [A]: unmentioned attributes whose reading changed sides."""
        return ((before.readings > 0) != (after.readings > 0)) & self.unmentioned

    def flipped(self, before: Look, after: Look) -> float:
        """Their share."""
        return float(self.leaks(before, after).sum() / self.unmentioned.sum())

    def attempt(self, size: float, before: Look, after: Look) -> Attempt:
        """An edit of that size, judged."""
        reached = bool((self.margins(after) > 0).all())
        return Attempt(size, reached, distance(before, after), self.flipped(before, after))


@dataclass(frozen=True)
class EditMeasurer:
    """Measures faces one at a time; `boundary` and `optimiser` are the baselines, where they are wanted."""

    model: FaceModel
    instruments: Metrics
    sentences: Sequence[EditSentence]
    boundary: OffsetMapper | None = None
    optimiser: TextOptimiser | None = None

    def measure(
        self, face: StartedFace, plan: FacePlan, report: Callable[[], None] = lambda: None
    ) -> tuple[list[EditMeasure], np.ndarray]:
        """-> a measure per sentence, and small pictures uint8 [(1 + sentences) * SMALL, SMALL, 3], first unedited."""
        before = self.instruments.look(face.reconstruction)
        small = [thumbnail(face.reconstruction)]
        measures = []
        photo = None if face.photo is None else self.instruments.who(face.crop)
        for sentence in self.sentences:
            measure, picture = self._edit(face, photo, before, sentence, plan)
            measures.append(measure)
            small.append(picture)
            report()
        return measures, np.concatenate(small)

    def _edit(
        self, face: StartedFace, photo: Tensor | None, before: Look, sentence: EditSentence, plan: FacePlan
    ) -> tuple[EditMeasure, np.ndarray]:
        """photo: identity vector of the photo's crop, None for a face without a photo."""
        reading = Reading.of(sentence, self.instruments)
        start = time.perf_counter()
        intents = self.model.read(sentence.text)
        edit, picture = self.model.edit_offset(face.ws, intents, face.observation)
        if picture is None:
            picture = self.model.draw(face.ws + edit.offset)
        seconds = time.perf_counter() - start
        after = self.instruments.look(picture)
        held = reading.margins(before) > 0
        strengths, monotone = self._slider(face, before, after, edit.offset, reading, plan.strengths)
        optimised, optimised_seconds = self._optimised(face, before, reading, plan)
        names = self.instruments.judge.attributes
        region = edited_region((name for name, _ in sentence.targets), len(picture))
        photo_to_edit, photo_to_paste, outside_pixels = self._on_photo(face, photo, picture, after, intents)
        measure = EditMeasure(
            sentence.text,
            held.tolist(),
            (reading.margins(after) > 0).tolist(),
            reading.flipped(before, after),
            [names[i] for i in torch.nonzero(reading.leaks(before, after))[:, 0].tolist()],
            distance(before, after),
            perceptual_where(before.maps, after.maps, ~region),
            seconds,
            monotone,
            strengths,
            self._along_boundary(face, before, reading, plan.boundary),
            optimised,
            optimised_seconds,
            photo_to_edit,
            photo_to_paste,
            outside_pixels,
        )
        return measure, thumbnail(picture)

    def _slider(
        self,
        face: StartedFace,
        before: Look,
        after: Look,
        offset: Tensor,
        reading: Reading,
        strengths: Sequence[float],
    ) -> tuple[tuple[Attempt, ...], float]:
        """A face that already is what the sentence asks for has nowhere to go: only the others show the slider."""
        missing = reading.margins(before) <= 0
        if not strengths or not bool(missing.any()):
            return (), math.nan
        between = [self.instruments.look(self.model.draw(face.ws + k * offset)) for k in strengths]
        line = torch.stack([reading.margins(look)[missing] for look in (before, *between, after)])
        attempts = [reading.attempt(k, before, look) for k, look in zip(strengths, between, strict=True)]
        return tuple(attempts), mean([spearman(line[:, t]) for t in range(line.shape[1])])

    def _along_boundary(
        self, face: StartedFace, before: Look, reading: Reading, steps: Sequence[float]
    ) -> tuple[Attempt, ...]:
        """The baseline is told the targets: it has no text to misread."""
        if self.boundary is None or not steps:
            return ()
        intents = torch.zeros(1, len(self.model.mappers.attributes), device=face.ws.device)
        for name, sign in reading.sentence.targets:
            intents[0, self.model.mappers.attributes.index(name)] = float(sign)
        offset = self.boundary(face.ws, intents)
        looks = [self.instruments.look(self.model.draw(face.ws + k * offset)) for k in steps]
        return tuple(reading.attempt(k, before, look) for k, look in zip(steps, looks, strict=True))

    def _optimised(
        self, face: StartedFace, before: Look, reading: Reading, plan: FacePlan
    ) -> tuple[tuple[Attempt, ...], float]:
        if self.optimiser is None or reading.sentence.text not in plan.optimised:
            return (), math.nan
        attempts, seconds = [], 0.0
        start = time.perf_counter()
        for step, ws in self.optimiser.run(face.ws, reading.sentence.text, plan.optimisation):
            seconds += time.perf_counter() - start
            attempts.append(reading.attempt(step, before, self.instruments.look(self.model.draw(ws))))
            start = time.perf_counter()
        return tuple(attempts), seconds

    def _on_photo(
        self, face: StartedFace, who: Tensor | None, picture: np.ndarray, after: Look, intents: Tensor
    ) -> tuple[float, float, int]:
        """Distances from the photo, and what was changed where nothing may change."""
        if face.photo is None or face.frame is None or who is None:
            return math.nan, math.nan, -1
        region = paste_region(self.model.mappers.named(intents), face.frame.size)
        pasted = paste(face.photo, face.frame, face.reconstruction, picture, region=region, crop=face.crop)
        # Any pixel the mask can reach: warped with the same kernel, so even a trace counts as inside.
        mask = paste_mask(face.frame.size)[0, 0, :, :, None].numpy()
        patch = face.frame.warp_back(np.ascontiguousarray(mask, dtype=np.float32))
        inside = np.zeros(face.photo.shape[:2], dtype=bool)
        height, width = patch.values.shape[:2]
        inside[patch.y0 : patch.y0 + height, patch.x0 : patch.x0 + width] = patch.values[..., 0] != 0
        pasted_who = self.instruments.who(face.frame.crop(pasted))
        changed = outside_pixels_changed(face.photo, pasted, inside)
        return float((who - after.who).norm()), float((who - pasted_who).norm()), changed


def distance(a: Look, b: Look) -> float:
    """Euclidean distance in dlib's face network."""
    return float((a.who - b.who).norm())


def thumbnail(picture: np.ndarray) -> np.ndarray:
    """uint8 [R, R, 3] -> uint8 [SMALL, SMALL, 3], averaged over cells."""
    cell = max(1, len(picture) // SMALL)
    side = min(SMALL, len(picture))
    cut = picture[: side * cell, : side * cell].reshape(side, cell, side, cell, 3)
    return np.asarray(cut.mean((1, 3)).round(), dtype=np.uint8)
