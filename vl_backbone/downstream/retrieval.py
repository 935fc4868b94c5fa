"""Text-to-video retrieval and caption choice (MSR-VTT-MC) by the similarity of embeddings; zero-shot or fine-tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from vl_backbone.common.errors import InputError
from vl_backbone.downstream.metrics import Ranking, ranking, top_choice_accuracy
from vl_backbone.downstream.questions import Choice
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.contrastive import similarity
from vl_backbone.pretraining.video_text import VideoEntry
from vl_backbone.training.data import Tokenizer
from vl_backbone.video.clips import ClipConfig, load_clips

T = TypeVar("T")
# done, total
Advance = Callable[[int, int], None]


@dataclass(frozen=True)
class RetrievalResult:
    """text_to_video: each sentence looks for its video. video_to_text: each video for any of its sentences.

    failed: videos that could not be read, with the reason; they and their sentences are left out.
    """

    text_to_video: Ranking
    video_to_text: Ranking
    videos: int
    failed: tuple[str, ...]


def evaluate_retrieval(
    model: HDVILA,
    tokenizer: Tokenizer,
    entries: Sequence[VideoEntry],
    clips: ClipConfig,
    batch_size: int = 8,
    advance: Advance | None = None,
) -> RetrievalResult:
    """Ranks all videos for all sentences with the model as it is. InputError when no video can be read."""
    videos, read, failed = embed_videos(model, [entry.path for entry in entries], clips, batch_size, advance, entries)
    captions = [(row, caption) for row, number in enumerate(read) for caption in entries[number].captions]
    texts = embed_texts(model, tokenizer, [caption for _, caption in captions], batch_size)
    owner = torch.tensor([row for row, _ in captions])
    truth = owner[:, None] == torch.arange(len(read))[None]
    scores = similarity(videos, texts)
    return RetrievalResult(ranking(scores, truth), ranking(scores.T, truth.T), len(read), tuple(failed))


@dataclass(frozen=True)
class ChoiceResult:
    """accuracy: percent of questions answered rightly; failed: videos that could not be read, with the reason."""

    accuracy: float
    questions: int
    failed: tuple[str, ...]


def evaluate_caption_choice(
    model: HDVILA,
    tokenizer: Tokenizer,
    choices: Sequence[Choice],
    clips: ClipConfig,
    batch_size: int = 8,
    advance: Advance | None = None,
) -> ChoiceResult:
    """Picks the candidate whose embedding is closest to the video's, which is how HD-VILA answers MSR-VTT-MC."""
    paths = list(dict.fromkeys(choice.path for choice in choices))
    videos, read, failed = embed_videos(model, paths, clips, batch_size, advance)
    row_of = {paths[number]: row for row, number in enumerate(read)}
    asked = [choice for choice in choices if choice.path in row_of]
    texts = embed_texts(model, tokenizer, [text for choice in asked for text in choice.texts], batch_size)
    candidates = texts.unflatten(0, (len(asked), -1))
    scores = torch.einsum("qe,qne->qn", videos[[row_of[choice.path] for choice in asked]], candidates)
    answers = torch.tensor([choice.answer for choice in asked])
    return ChoiceResult(top_choice_accuracy(scores, answers), len(asked), tuple(failed))


@torch.inference_mode()
def embed_videos(
    model: HDVILA,
    paths: Sequence[Path],
    clips: ClipConfig,
    batch_size: int,
    advance: Advance | None = None,
    parts: Sequence[VideoEntry] | None = None,
) -> tuple[Tensor, list[int], list[str]]:
    """-> embeddings [V, E] on the CPU, which of the paths they belong to, and why the others are missing."""
    read: list[int] = []
    failed: list[str] = []

    def clips_of() -> Iterator[tuple[Tensor, Tensor | None]]:
        for number, path in enumerate(paths):
            if advance:
                advance(number, len(paths))
            start, end = (parts[number].start, parts[number].end) if parts else (0.0, None)
            try:
                sample = load_clips(path, clips, None, start, end)
            except InputError as error:
                failed.append(str(error))
                continue
            read.append(number)
            yield sample.hr, sample.lr if sample.lr.shape[1] else None

    device = next(model.parameters()).device
    embeddings = []
    for batch in _batches(clips_of(), batch_size):
        hr = torch.stack([hr for hr, _ in batch]).to(device)
        around = [lr for _, lr in batch if lr is not None]
        lr = torch.stack(around).to(device) if around else None
        embeddings.append(model.encode_video(hr, lr).embedding.float().cpu())
    if not embeddings:
        raise InputError(f"None of the {len(paths)} videos can be read. The first: {failed[0] if failed else 'none'}")
    if advance:
        advance(len(paths), len(paths))
    return torch.cat(embeddings), read, failed


@torch.inference_mode()
def embed_texts(model: HDVILA, tokenizer: Tokenizer, texts: Sequence[str], batch_size: int) -> Tensor:
    """-> embeddings [T, E] on the CPU."""
    device = next(model.parameters()).device
    embeddings = []
    for batch in _batches(iter(texts), batch_size):
        ids, mask = tokenizer(batch)
        embeddings.append(model.encode_text(ids.to(device), mask.to(device)).embedding.float().cpu())
    return torch.cat(embeddings)


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
