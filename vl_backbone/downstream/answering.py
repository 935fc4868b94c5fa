"""Video question answering with HD-VILA's answer heads: what is trained, and how answers are counted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.downstream.metrics import top_choice_accuracy
from vl_backbone.downstream.questions import AnswerVocabulary, Choice, OpenQuestion
from vl_backbone.downstream.retrieval import Advance, ChoiceResult
from vl_backbone.hdvila.heads import pool_clips
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.training.data import Batch, Drawn, Tokenizer, stack_clips
from vl_backbone.video.clips import ClipConfig, load_clips


@dataclass(frozen=True)
class QuestionSample:
    """A video with what is asked about it: one text, or one for each candidate. answer: class or candidate number."""

    hr: Tensor
    lr: Tensor | None
    texts: tuple[str, ...]
    answer: int


class QuestionDataset:
    """Questions with their clips, read from the files as they are asked for.

    Open questions need a vocabulary; those whose answer is not in it are left out of training, and kept (and always
    wrong) otherwise. training: random clips, crop and flip, from Python's global generator.
    """

    def __init__(
        self,
        questions: Sequence[OpenQuestion] | Sequence[Choice],
        clips: ClipConfig,
        training: bool,
        vocabulary: AnswerVocabulary | None = None,
    ) -> None:
        number_of = vocabulary.lookup() if vocabulary else (lambda _: -1)
        rows = [(q, q.answer if isinstance(q, Choice) else number_of(q.answer)) for q in questions]
        self.rows = [row for row in rows if row[1] >= 0 or not training]
        if not self.rows:
            raise InputError("No question has an answer in the vocabulary.")
        self.clips, self.training = clips, training

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> QuestionSample:
        question, answer = self.rows[index]
        rng = random.Random(random.getrandbits(64)) if self.training else None
        clips = load_clips(question.path, self.clips, rng)
        texts = question.texts if isinstance(question, Choice) else (question.question,)
        return QuestionSample(clips.hr, clips.lr if clips.lr.shape[1] else None, texts, answer)


@dataclass(frozen=True)
class QuestionCollator:
    """Drawn questions -> hr, lr, input_ids and attention_mask [B, L] (or [B, n, L] with n candidates), answers [B]."""

    tokenizer: Tokenizer

    def __call__(self, drawn: Sequence[Drawn]) -> Batch:
        return self.batch([d.sample for d in drawn])

    def batch(self, samples: Sequence[QuestionSample]) -> Batch:
        """The same for samples that were not drawn for training."""
        ids, mask = self.tokenizer([text for sample in samples for text in sample.texts])
        count = len(samples[0].texts)
        if count > 1:
            ids, mask = ids.unflatten(0, (-1, count)), mask.unflatten(0, (-1, count))
        answers = torch.tensor([sample.answer for sample in samples])
        return {**stack_clips(samples), "input_ids": ids, "attention_mask": mask, "answers": answers}


class AnswerObjective(nn.Module):
    """Cross entropy of the right answer; with the "lse" pooling, clips are joined inside it.

    forward: a batch of QuestionCollator -> loss and accuracy.
    """

    def __init__(self, model: HDVILA) -> None:
        super().__init__()
        if not model.answers:
            raise UsageError("Question answering needs a model with an answer head.")
        self.model = model

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        logits = answer_logits(self.model, batch)
        how = self.model.config.score_agg_func
        correct = pool_clips(logits, how).argmax(dim=1) == batch["answers"]
        return {"loss": answer_loss(logits, batch["answers"], how), "accuracy": correct.float().mean()}


def answer_logits(model: HDVILA, batch: Batch) -> Tensor:
    """[S, B, answers] per clip: classes for [B, L] questions, candidates for [B, n, L]."""
    ask = model.choose if batch["input_ids"].dim() == 3 else model.answer
    return ask(batch["hr"], batch.get("lr"), batch["input_ids"], batch["attention_mask"])


def answer_loss(logits: Tensor, answers: Tensor, how: str = "lse") -> Tensor:
    """logits [S, B, n] per clip, answers [B] -> mean loss.

    "lse": log-sum-exp over clips and answers less that over the clips of the right answer, so that one clip that
    shows it is enough; "mean" and "max" pool the logits first. With one clip all are the cross entropy.
    """
    logits = logits.float()
    if how != "lse":
        return F.cross_entropy(pool_clips(logits, how), answers)
    right = logits.gather(2, answers[None, :, None].expand(len(logits), -1, 1)).squeeze(2)
    return (torch.logsumexp(logits.transpose(0, 1).flatten(1), dim=1) - torch.logsumexp(right, dim=0)).mean()


@torch.inference_mode()
def evaluate_answers(
    model: HDVILA,
    tokenizer: Tokenizer,
    questions: QuestionDataset,
    batch_size: int = 8,
    advance: Advance | None = None,
) -> ChoiceResult:
    """Percent of questions answered rightly. InputError when no video can be read."""
    collate, device = QuestionCollator(tokenizer), next(model.parameters()).device
    rights: list[float] = []
    failed: dict[Path, str] = {}
    asked = 0
    for start in range(0, len(questions), batch_size):
        if advance:
            advance(start, len(questions))
        samples = []
        for index in range(start, min(start + batch_size, len(questions))):
            try:
                samples.append(questions[index])
            except InputError as error:
                failed[questions.rows[index][0].path] = str(error)
        if not samples:
            continue
        batch = {name: tensor.to(device) for name, tensor in collate.batch(samples).items()}
        scores = pool_clips(answer_logits(model, batch).float(), model.config.score_agg_func).cpu()
        answers = batch["answers"].cpu()
        known = answers >= 0
        if known.any():
            rights.append(top_choice_accuracy(scores[known], answers[known]) * int(known.sum()))
        asked += len(samples)
    if not asked:
        raise InputError(f"None of the videos can be read. The first: {next(iter(failed.values()))}")
    if advance:
        advance(len(questions), len(questions))
    return ChoiceResult(sum(rights) / asked, asked, tuple(failed.values()))
