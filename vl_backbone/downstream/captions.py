"""Annotation layouts of text-to-video retrieval: MSR-VTT, DiDeMo, LSMDC, ActivityNet Captions, plain .jsonl.

Each reader gives one entry per video, with all sentences that belong to it. DiDeMo and ActivityNet are read as
paragraph retrieval, as HD-VILA does: the sentences of a video, in order, make one text.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from vl_backbone.common.errors import UsageError
from vl_backbone.downstream.files import VideoFolder, read_json, read_rows, read_table, text_field
from vl_backbone.pretraining.video_text import VideoEntry, read_jsonl

RetrievalLayout = Literal["jsonl", "msrvtt", "didemo", "lsmdc", "activitynet"]
LSMDC_COLUMNS = ("video_id", "start_aligned", "end_aligned", "start_extracted", "end_extracted", "sentence")


def read_retrieval(layout: RetrievalLayout, path: Path, videos: Path, split: str | None = None) -> list[VideoEntry]:
    """All videos of an annotation file with their sentences, in the file's order.

    split: of MSR-VTT's own JSON ("train", "validate", "test"). Videos need not be there. UsageError names what is
    wrong with the file.
    """
    if split is not None and not (layout == "msrvtt" and path.suffix.lower() == ".json"):
        raise UsageError("A split can only be chosen in MSR-VTT's own .json file.")
    if layout == "jsonl":
        return read_jsonl(path, videos)
    if layout == "msrvtt" and path.suffix.lower() == ".json":
        sentences = _msrvtt_json(path, split)
    else:
        sentences = _READERS[layout](path)
    if not sentences:
        raise UsageError(f"{path}: holds no sentences{f' of the split {split!r}' if split else ''}.")
    folder = VideoFolder(videos)
    return [VideoEntry(folder.find(name), tuple(said), name=name) for name, said in sentences.items()]


def _msrvtt_json(path: Path, split: str | None) -> dict[str, list[str]]:
    """videodatainfo.json: {"videos": [{"video_id", "split"}], "sentences": [{"video_id", "caption"}]}."""
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(n), list) for n in ("videos", "sentences")):
        raise UsageError(f'{path}: must hold "videos" and "sentences".')
    chosen: dict[str, list[str]] = {}
    for number, video in enumerate(content["videos"], 1):
        where = f"{path}, video {number}"
        if split is None or _object(video, where).get("split") == split:
            chosen[text_field(_object(video, where), ("video_id",), where)] = []
    for number, row in enumerate(content["sentences"], 1):
        where = f"{path}, sentence {number}"
        name = text_field(_object(row, where), ("video_id",), where)
        if name in chosen:
            chosen[name].append(text_field(row, ("caption",), where))
    return {name: said for name, said in chosen.items() if said}


def _msrvtt_rows(path: Path) -> dict[str, list[str]]:
    """The 1k-A test .csv (key, vid_key, video_id, sentence), or .jsonl with clip_name and caption."""
    sentences: dict[str, list[str]] = {}
    for where, row in read_table(path, ",") if path.suffix.lower() == ".csv" else read_rows(path):
        name = text_field(row, ("video_id", "clip_name", "video"), where)
        sentences.setdefault(name, []).append(text_field(row, ("sentence", "caption"), where))
    return sentences


def _didemo(path: Path) -> dict[str, list[str]]:
    """train/val/test_data.json: [{"video", "description", ...}], several descriptions a video."""
    parts: dict[str, list[str]] = {}
    for where, row in read_rows(path):
        parts.setdefault(text_field(row, ("video",), where), []).append(text_field(row, ("description",), where))
    return {name: [" ".join(said)] for name, said in parts.items()}


def _lsmdc(path: Path) -> dict[str, list[str]]:
    """Tab-separated without header: clip, four times, sentence."""
    sentences: dict[str, list[str]] = {}
    for where, row in read_table(path, "\t", LSMDC_COLUMNS):
        name = text_field(row, ("video_id",), where)
        sentences.setdefault(name, []).append(text_field(row, ("sentence",), where))
    return sentences


def _activitynet(path: Path) -> dict[str, list[str]]:
    """train.json/val_1.json: {"v_...": {"duration", "timestamps", "sentences": [...]}}."""
    content = _object(read_json(path), str(path))
    paragraphs = {}
    for name, row in content.items():
        sentences = _object(row, f"{path}, {name}").get("sentences")
        if not isinstance(sentences, list) or not sentences or not all(isinstance(s, str) for s in sentences):
            raise UsageError(f'{path}, {name}: must hold "sentences".')
        paragraphs[name] = [" ".join(sentence.strip() for sentence in sentences)]
    return paragraphs


_READERS: dict[str, Callable[[Path], dict[str, list[str]]]] = {
    "msrvtt": _msrvtt_rows,
    "didemo": _didemo,
    "lsmdc": _lsmdc,
    "activitynet": _activitynet,
}


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{where}: must be an object.")
    return value
