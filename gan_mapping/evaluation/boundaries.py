"""The fast baseline: one boundary in W per attribute, its normal as the edit (InterFaceGAN, Shen 2020, section 3)."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from fdvd.attributes.table import HELD_OUT_SEEDS, load_labels
from gan_mapping.generators.protocol import Generator
from gan_mapping.mappers.layers import OffsetMapper
from gan_mapping.training.closed_form.attributes import fit_logistic, label_table
from gan_mapping.training.rendered_set import FaceSeed, latents_of
from vl_backbone.common.errors import InputError

# How far beyond the boundary an edit aims, in no-to-yes distances: a little further than our own, which look.
MARGIN = 0.55


def fit_boundaries(
    generator: Generator, attributes: tuple[str, ...], wanted: Iterable[str], relative: torch.Tensor
) -> OffsetMapper:
    """An OffsetMapper whose directions are the plain normals of logistic boundaries, the same for all layers.

    wanted: the attributes that are fitted (others do nothing). relative [A]: as in OffsetMapper. Fitted on w and the
    hand-made labels of seeds 0-1599. The step rule is that of our own mappers without a look: from where the face is
    to as far beyond the boundary. Raises InputError when an attribute has too few examples.
    """
    labels = load_labels(rare=False)
    seeds = [seed for seed in sorted(labels) if seed not in HELD_OUT_SEEDS]
    latents = latents_of([FaceSeed(seed, 0.75) for seed in seeds], generator)
    values, known = label_table(seeds, labels, attributes)
    mean, scale = latents.mean(0), latents.std(0)
    weight, bias = fit_logistic((latents - mean) / scale, (values > 0.5).float(), known)
    weight = weight / scale[:, None]
    bias = bias - mean @ weight
    mapper = OffsetMapper(len(attributes), generator.num_ws, generator.w_dim)
    mapper.relative.copy_(relative)
    for name in wanted:
        a = attributes.index(name)
        normal = weight[:, a] / weight[:, a].norm()
        along = latents @ normal
        yes, no = (known[:, a] > 0) & (values[:, a] > 0.5), (known[:, a] > 0) & (values[:, a] <= 0.5)
        if min(int(yes.sum()), int(no.sum())) < 5:
            raise InputError(f"Too few labelled faces to fit a boundary for {name!r}.")
        low, gap = along[no].mean(), along[yes].mean() - along[no].mean()
        mapper.probe_weight[a] = normal / gap
        mapper.probe_bias[a] = -low / gap
        mapper.directions[a] = (normal * gap).expand(generator.num_ws, -1)
        mapper.high[a] = (-bias[a] / weight[:, a].norm() - low) / gap + MARGIN
    return mapper
