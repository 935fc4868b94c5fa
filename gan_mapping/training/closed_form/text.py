"""Training the TextMapper on sentences from the instruction grammar: a multi-instance logistic regression."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fdvd.language.instructions import Instruction
from gan_mapping.mappers.layers import TextMapper
from vl_backbone.backbones.protocol import Backbone


@dataclass(frozen=True)
class TextTrainingConfig:
    """epochs over the sentences, batch size, AdamW's learning rate (falls linearly to 0) and weight decay.

    found_weight: how much more a missed wish costs than a false one (few axes are named in any sentence). dropout:
    share of a token's state that is hidden from the votes while learning, so that none hangs on a few numbers.
    """

    epochs: int = 20
    batch_size: int = 128
    learning_rate: float = 0.01
    weight_decay: float = 0.01
    found_weight: float = 3.0
    dropout: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class TokenBank:
    """Token states of many sentences end to end: states fp16 [T, D], lengths [N]."""

    states: Tensor
    lengths: Tensor

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """-> padded states float [B, L, D] and mask [B, L] of those sentences."""
        ends = self.lengths.cumsum(0)
        longest = int(self.lengths[index].max())
        states = torch.zeros(len(index), longest, self.states.shape[1])
        mask = torch.zeros(len(index), longest, dtype=torch.long)
        for row, i in enumerate(index.tolist()):
            length, end = int(self.lengths[i]), int(ends[i])
            states[row, :length] = self.states[end - length : end].float()
            mask[row, :length] = 1
        return states, mask


def encode_sentences(texts: Sequence[str], backbone: Backbone, batch_size: int = 64) -> TokenBank:
    """Frozen token states of all sentences (the closing token left out, as in `Mappers.read`)."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    states: list[Tensor] = [torch.empty(0)] * len(texts)
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        batch = backbone.tokenize([texts[i] for i in index])
        features = backbone.encode_text(batch.input_ids, batch.attention_mask)
        token_states = features.states()
        for row, i in enumerate(index):
            states[i] = token_states[row, : int(batch.attention_mask[row].sum()) - 1].half().cpu()
    return TokenBank(torch.cat(states), torch.tensor([len(s) for s in states]))


def intent_table(instructions: Sequence[Instruction], attributes: Sequence[str]) -> Tensor:
    """-> intents [N, A]."""
    table = torch.zeros(len(instructions), len(attributes))
    for row, instruction in enumerate(instructions):
        for name, value in instruction.intents.items():
            table[row, attributes.index(name)] = value
    return table


def fit_text(
    bank: TokenBank,
    intents: Tensor,
    config: TextTrainingConfig,
    report: Callable[[int, float], None] | None = None,
) -> TextMapper:
    """Token states and intents [N, A] -> TextMapper; report(epoch, loss) after each epoch.

    While training, the strongest token is softened to log-sum-exp, so that every token hears of its errors.
    States are standardised for the optimiser; the scaling is folded into the layer afterwards.
    """
    torch.manual_seed(config.seed)
    mean, std = bank.states[::50].float().mean(0), bank.states[::50].float().std(0) + 1e-4
    mapper = TextMapper(bank.states.shape[1], intents.shape[1])
    with torch.no_grad():
        mapper.presence.weight.zero_()
        mapper.presence.bias.fill_(-3.0)
        mapper.degree.weight.zero_()
        mapper.degree.bias.fill_(1.0)
    optimiser = torch.optim.AdamW(mapper.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    total = config.epochs * -(-len(intents) // config.batch_size)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, total)
    found_weight = torch.tensor(config.found_weight)
    for epoch in range(config.epochs):
        # Neighbours in length share a batch (little padding); the small shuffle keeps batches different.
        order = torch.argsort(bank.lengths + torch.rand(len(intents)))
        batches = order.split(config.batch_size)
        losses = 0.0
        for b in torch.randperm(len(batches)).tolist():
            index = batches[b]
            states, mask = bank.batch(index)
            states = (states - mean) / std
            logits, _ = mapper.votes(F.dropout(states, config.dropout), mask)
            degrees = mapper.degree(states)[..., 0]
            wishes = torch.cat((intents[index].clamp(min=0), (-intents[index]).clamp(min=0)), dim=1)
            named = (wishes > 0).float()
            loss = F.binary_cross_entropy_with_logits(
                logits.logsumexp(dim=1), named, reduction="none", pos_weight=found_weight
            )
            speaking = torch.gather(degrees, 1, logits.argmax(dim=1))
            batch_loss = (loss + (speaking - wishes).square() * named).sum(1).mean()
            optimiser.zero_grad()
            batch_loss.backward()
            optimiser.step()
            schedule.step()
            losses += batch_loss.item()
        if report is not None:
            report(epoch, losses / len(batches))
    with torch.no_grad():
        for layer in (mapper.presence, mapper.degree):
            layer.weight.div_(std)
            layer.bias.sub_(layer.weight @ mean)
    return mapper
