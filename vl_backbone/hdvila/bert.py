"""A post-norm BERT (Devlin et al. 2019) whose lower layers read text and whose upper layers read text and video."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vl_backbone.hdvila.config import HDVILAConfig

# What a padded position's attention score is lowered by; a finite number, as in the original.
PADDING_SCORE = -10000.0


def attention_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """[B, L] of 1 (real) and 0 (padding) -> [B, 1, 1, L] to be added to attention scores."""
    return ((1.0 - mask.float()) * PADDING_SCORE).to(dtype)[:, None, None, :]


class SelfAttention(nn.Module):
    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.dropout = config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype), dropout_p=dropout)
        return y.transpose(1, 2).flatten(2)


class ResidualOutput(nn.Module):
    """Projection, dropout, residual, LayerNorm."""

    def __init__(self, config: HDVILAConfig, c_in: int) -> None:
        super().__init__()
        self.dense = nn.Linear(c_in, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, y: Tensor, residual: Tensor) -> Tensor:
        normed: Tensor = self.LayerNorm(self.dropout(self.dense(y)) + residual)
        return normed


class AttentionBlock(nn.Module):
    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        self.self = SelfAttention(config)
        self.output = ResidualOutput(config, config.hidden_size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        y: Tensor = self.output(self.self(x, bias), x)
        return y


class Dense(nn.Module):
    """One linear layer under the name that BERT's checkpoints give it."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.dense = nn.Linear(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.dense(x)
        return y


class Layer(nn.Module):
    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        self.attention = AttentionBlock(config)
        self.intermediate = Dense(config.hidden_size, config.intermediate_size)
        self.output = ResidualOutput(config, config.intermediate_size)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """x: [B, M, D], bias: [B, 1, 1, M] of `attention_bias`."""
        x = self.attention(x, bias)
        y: Tensor = self.output(F.gelu(self.intermediate(x)), x)
        return y


class Encoder(nn.Module):
    """The layers, by their official name; `Bert` decides which of them run."""

    def __init__(self, config: HDVILAConfig, count: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList([Layer(config) for _ in range(count)])

    def forward(self, x: Tensor, bias: Tensor, layers: slice) -> Tensor:
        for layer in self.layer[layers]:
            x = layer(x, bias)
        return x


class TextEmbeddings(nn.Module):
    """Word piece + position + token type (always 0)."""

    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        dim = config.hidden_size
        self.word_embeddings = nn.Embedding(config.vocab_size, dim, padding_idx=config.pad_token_id)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, dim)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, dim)
        self.LayerNorm = nn.LayerNorm(dim, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Tensor) -> Tensor:
        x = self.word_embeddings(input_ids) + self.position_embeddings.weight[: input_ids.shape[1]]
        y: Tensor = self.dropout(self.LayerNorm(x + self.token_type_embeddings.weight[0]))
        return y


class VisualEmbeddings(nn.Module):
    """Grid cell + its row + its column + token type. `position_embeddings` is in the checkpoints but unused."""

    def __init__(self, config: HDVILAConfig) -> None:
        super().__init__()
        dim = config.hidden_size
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, dim)
        self.row_position_embeddings = nn.Embedding(config.max_grid_row_position_embeddings, dim)
        self.col_position_embeddings = nn.Embedding(config.max_grid_col_position_embeddings, dim)
        self.token_type_embeddings = nn.Embedding(1, dim)
        self.LayerNorm = nn.LayerNorm(dim, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.training_cells = config.pixel_random_sampling_size

    def forward(self, grid: Tensor) -> Tensor:
        """[B, h, w, D] -> [B, h * w, D], row by row; in training a random, ordered choice of the cells if too many."""
        rows, columns = grid.shape[1:3]
        position = self.row_position_embeddings.weight[:rows, None] + self.col_position_embeddings.weight[:columns]
        x = (grid + position).flatten(1, 2)
        if self.training and 0 < self.training_cells < x.shape[1]:
            chosen = torch.randperm(x.shape[1], device=x.device)[: self.training_cells]
            x = x[:, chosen.sort().values]
        y: Tensor = self.dropout(self.LayerNorm(x + self.token_type_embeddings.weight[0]))
        return y


class Pooler(Dense):
    """tanh of one linear layer."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.dense(x))


class Bert(nn.Module):
    """Stage 1 has the text layers only; stage 2 adds the multimodal ones (paper 4.2)."""

    def __init__(self, config: HDVILAConfig, stage: int) -> None:
        super().__init__()
        dim = config.hidden_size
        self.text_layers = config.text_layers
        self.mean_pooling = bool(config.bert_mean)
        self.embeddings = TextEmbeddings(config)
        self.encoder = Encoder(config, config.num_hidden_layers if stage == 2 else self.text_layers)
        self.pooler1 = Pooler(dim, dim)
        if stage == 2:
            self.visual_embeddings = VisualEmbeddings(config)
            self.pooler2 = Pooler(dim, dim)

    def text_states(self, input_ids: Tensor, mask: Tensor) -> list[Tensor]:
        """[B, L] ids and mask -> [B, L, D] states of the word pieces and after each of the text layers."""
        states = [self.embeddings(input_ids)]
        bias = attention_bias(mask, states[0].dtype)
        for index in range(self.text_layers):
            states.append(self.encoder(states[-1], bias, slice(index, index + 1)))
        return states

    def pool_text(self, states: Tensor, mask: Tensor) -> Tensor:
        """[B, L, D] -> [B, D]: the mean of the real tokens' states, or the first one's, through `pooler1`."""
        if not self.mean_pooling:
            first: Tensor = self.pooler1(states[:, 0])
            return first
        weights = mask[..., None].to(states.dtype)
        y: Tensor = self.pooler1((states * weights).sum(1) / weights.sum(1))
        return y

    def fuse(self, states: Tensor, mask: Tensor, grid: Tensor) -> Tensor:
        """[B, L, D] text states, [B, L] mask, [B, h, w, D] grid -> [B, L + cells, D] joint states, text first."""
        visual = self.visual_embeddings(grid)
        mask = torch.cat((mask, mask.new_ones(visual.shape[:2])), dim=1)
        x = torch.cat((states, visual), dim=1)
        y: Tensor = self.encoder(x, attention_bias(mask, x.dtype), slice(self.text_layers, None))
        return y
