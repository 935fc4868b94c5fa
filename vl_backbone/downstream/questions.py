"""Annotation layouts of video question answering: MSR-VTT-QA, MSR-VTT-MC, TGIF-QA."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vl_backbone.common.errors import UsageError
from vl_backbone.downstream.files import VideoFolder, read_json, read_rows, read_table, text_field

OpenLayout = Literal["msrvtt-qa", "tgif-frameqa"]
ChoiceLayout = Literal["msrvtt-mc", "tgif-action", "tgif-transition"]
QuestionLayout = Literal["msrvtt-qa", "tgif-frameqa", "msrvtt-mc", "tgif-action", "tgif-transition"]


@dataclass(frozen=True)
class OpenQuestion:
    """A question about a video whose answer is one of a vocabulary of answers."""

    path: Path
    question: str
    answer: str
    name: str


@dataclass(frozen=True)
class Choice:
    """A question (empty for MSR-VTT-MC) about a video with candidates, of which number `answer` (0-based) is right."""

    path: Path
    question: str
    candidates: tuple[str, ...]
    answer: int
    name: str

    @property
    def texts(self) -> tuple[str, ...]:
        """What is read for each candidate: the question, then the candidate."""
        return tuple(f"{self.question} {candidate}".strip() for candidate in self.candidates)


def read_open_questions(layout: OpenLayout, path: Path, videos: Path) -> list[OpenQuestion]:
    """MSR-VTT-QA: a .json list (or .jsonl) of question, answer, video_id (7010 stands for video7010).

    TGIF-QA frame questions: tab-separated gif_name, question, answer. UsageError names what is wrong.
    """
    folder, questions = VideoFolder(videos), []
    for where, row in read_table(path, "\t") if layout == "tgif-frameqa" else read_rows(path):
        name = text_field(row, ("gif_name",) if layout == "tgif-frameqa" else ("video_id", "clip_name"), where)
        name = f"video{name}" if layout == "msrvtt-qa" and name.isdigit() else name
        question, answer = text_field(row, ("question",), where), text_field(row, ("answer",), where)
        questions.append(OpenQuestion(folder.find(name), question, answer.lower(), name))
    return questions


def read_choices(layout: ChoiceLayout, path: Path, videos: Path) -> list[Choice]:
    """MSR-VTT-MC: .jsonl (clip_name, options, answer) or .csv (video_id, a0.., answer); the texts are captions.

    TGIF-QA action and transition: tab-separated gif_name, question, a1..a5, answer (0-based).
    """
    folder, choices = VideoFolder(videos), []
    for where, row in _choice_rows(layout, path):
        name = text_field(row, ("gif_name", "clip_name", "video_id", "video"), where)
        question = "" if layout == "msrvtt-mc" else text_field(row, ("question",), where)
        candidates = _candidates(row, where)
        try:
            answer = int(text_field(row, ("answer",), where))
        except ValueError as error:
            raise error if isinstance(error, UsageError) else _bad_answer(where, candidates) from None
        if not 0 <= answer < len(candidates):
            raise _bad_answer(where, candidates)
        choices.append(Choice(folder.find(name), question, candidates, answer, name))
    counts = {len(choice.candidates) for choice in choices}
    if len(counts) > 1:
        raise UsageError(f"{path}: all questions must have the same number of candidates, not {sorted(counts)}.")
    return choices


def _choice_rows(layout: ChoiceLayout, path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if layout != "msrvtt-mc":
        yield from read_table(path, "\t")
    elif path.suffix.lower() == ".csv":
        yield from read_table(path, ",")
    else:
        yield from read_rows(path)


def _candidates(row: dict[str, Any], where: str) -> tuple[str, ...]:
    options = row.get("options")
    if not isinstance(options, list):
        names = [f"a{i}" for i in range(10) if row.get(f"a{i}")]
        options = [row[name] for name in names]
    if len(options) < 2 or not all(isinstance(option, str) and option.strip() for option in options):
        raise UsageError(f"{where}: needs two or more candidates (options, or a1, a2, ...).")
    return tuple(option.strip() for option in options)


def _bad_answer(where: str, candidates: Sequence[str]) -> UsageError:
    return UsageError(f"{where}: answer must be the number of a candidate, 0 to {len(candidates) - 1}.")


@dataclass(frozen=True)
class AnswerVocabulary:
    """The answers that an open-ended model can give, by their class number."""

    answers: tuple[str, ...]

    @classmethod
    def of(cls, questions: Sequence[OpenQuestion], size: int) -> AnswerVocabulary:
        """The `size` most frequent answers; equally frequent ones in alphabetical order."""
        counts = Counter(question.answer for question in questions)
        return cls(tuple(sorted(counts, key=lambda answer: (-counts[answer], answer))[:size]))

    @classmethod
    def read(cls, path: Path) -> AnswerVocabulary:
        """A JSON list of answers, or an object answer -> number; UsageError for anything else."""
        content = read_json(path)
        if isinstance(content, dict) and sorted(content.values(), key=str) == sorted(range(len(content)), key=str):
            content = sorted(content, key=content.__getitem__)
        if not isinstance(content, list) or not content or not all(isinstance(a, str) for a in content):
            raise UsageError(f"{path}: must be a list of answers, or answers with their numbers from 0.")
        if len(set(content)) < len(content):
            raise UsageError(f"{path}: holds an answer twice.")
        return cls(tuple(content))

    def to_json(self) -> str:
        """What `read` reads back."""
        return json.dumps(list(self.answers), indent=0)

    def lookup(self) -> Callable[[str], int]:
        """Answer -> class number, -1 for one that is not in the vocabulary."""
        numbers = {answer: number for number, answer in enumerate(self.answers)}
        return lambda answer: numbers.get(answer, -1)
