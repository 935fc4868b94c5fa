"""Mapper training through the generator: faces are drawn from the mappers' latents, and pictures are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_levels
from gan_mapping.losses.attributes import attribute_keeping, attribute_reaching
from gan_mapping.losses.language_image import directional_distance, matching_loss
from gan_mapping.losses.latent import latent_distance, offset_norm
from gan_mapping.losses.reconstruction import identity_distance, perceptual_distance, pixel_distance, row_spread
from gan_mapping.mappers.files import without_closing_token
from gan_mapping.mappers.layers import OffsetMapper, VisionMapper
from gan_mapping.perception.networks import IdentityNetwork, PerceptualNetwork
from gan_mapping.training.closed_form.attributes import may_follow
from gan_mapping.training.through_generator.drawing import draw, scaled
from gan_mapping.training.through_generator.image_config import EditLosses, ImageTrainingConfig, ReconstructionLosses
from gan_mapping.training.through_generator.image_faces import seen
from gan_mapping.training.through_generator.trainable import TrainableMappers
from vl_backbone.backbones.protocol import Backbone
from vl_backbone.training.data import Batch

# Faces are handed to the networks at this side at most; none of them looks at more.
LARGEST = 512
# How much more a missed wish costs than a false one (few axes are named in any sentence), as in `fit_text`.
FOUND_WEIGHT = 3.0


@dataclass(frozen=True)
class Frozen:
    """Everything that is asked and never trained. variance: mean |w - w_mean|^2 of random faces.

    backbone: what the mappers read. language: what the language-image losses compare with. vision, offset: the
    mappers that training started from: they read the attributes of a picture (`PictureScores`).
    """

    generator: Generator
    backbone: Backbone
    language: Backbone
    identity: IdentityNetwork
    perceptual: PerceptualNetwork
    vision: VisionMapper
    offset: OffsetMapper
    variance: Tensor
    neutral: Tensor

    def scores(self, pictures: Tensor) -> Tensor:
        """pictures [B, 3, R, R] -> readings [B, A], 0 "no" and 1 "yes": the starting mapper's w, then its probes."""
        w = self.vision.up(self.vision.down(seen(pictures, self.backbone).float()))
        return self.offset.scores(w[:, None])

    @torch.no_grad()
    def sentence(self, ids: Tensor, mask: Tensor) -> Tensor:
        """-> sentence embeddings [B, E] of the language backbone."""
        return self.language.encode_text(ids, mask).embedding.float()

    def watched(self, pictures: Tensor) -> Tensor:
        """pictures [B, 3, R, R] -> picture embeddings [B, E] of the language backbone; differentiable."""
        frames = scaled(pictures, self.language.image_size).clamp(0, 255)
        return self.language.encode_video(frames[:, None]).embedding.float()


class MapperObjective(nn.Module):
    """One training step: a batch of faces -> {"loss": scalar, and every term before weighting}.

    The frozen parts are no submodules: they are neither saved, nor switched to training, nor wrapped.
    """

    def __init__(self, model: TrainableMappers, frozen: Frozen, config: ImageTrainingConfig) -> None:
        super().__init__()
        self.model = model
        self.frozen = frozen
        self.config = config
        names = model.attributes
        follows = torch.tensor([[b in may_follow(a) for b in names] for a in names], dtype=torch.float32)
        self.register_buffer("follows", follows)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """batch: of `FaceCollator`, on this module's device."""
        ws = self.model.invert(self.features(batch))
        terms: dict[str, Tensor] = {}
        loss = ws.new_zeros(())
        if _weighted(self.config.reconstruction):
            for name, value in self.reconstruction(batch, ws).items():
                terms[name] = value
                loss = loss + getattr(self.config.reconstruction, name) * value
        if _weighted(self.config.edit):
            for name, value in self.edit(batch, ws.detach()).items():
                terms[f"edit_{name}"] = value
                loss = loss + getattr(self.config.edit, name) * value
        return {"loss": loss, **terms}

    def features(self, batch: Batch) -> Tensor:
        """What the vision mapper reads: kept features, or those of the damaged views."""
        if "grid" in batch:
            return batch["grid"].float()
        with torch.no_grad():
            return seen(batch["view"].float(), self.frozen.backbone)

    @torch.no_grad()
    def states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Token states [B, L, D] and mask [B, L] of the edit sentences, as the text mapper reads them."""
        features = self.frozen.backbone.encode_text(batch["sentence_ids"], batch["sentence_mask"])
        return features.states().float(), features.attention_mask

    def reconstruction(self, batch: Batch, ws: Tensor) -> dict[str, Tensor]:
        """Terms of `ReconstructionLosses` that have a weight."""
        weights, frozen = self.config.reconstruction, self.frozen
        terms: dict[str, Tensor] = {}
        if weights.latent:
            far = latent_distance(ws, batch["latent"], frozen.variance)
            terms["latent"] = _mean(far, batch["known"])
        if weights.mean:
            terms["mean"] = latent_distance(ws, frozen.generator.w_mean, frozen.variance).mean()
        if not weights.drawn:
            return terms
        photo = batch["picture"].float()
        face = self._drawn(ws)
        near, small = scaled(face, self.config.size), scaled(photo, self.config.size)
        if weights.pixel:
            terms["pixel"] = pixel_distance(near, small).mean()
        if weights.perceptual:
            with torch.no_grad():
                wanted = frozen.perceptual.features(small)
            terms["perceptual"] = perceptual_distance(frozen.perceptual.features(near), wanted).mean()
        if weights.identity:
            with torch.no_grad():
                who = frozen.identity.describe(photo)
            terms["identity"] = identity_distance(frozen.identity.describe(face), who).mean()
        if weights.caption:
            said = frozen.sentence(batch["caption_ids"], batch["caption_mask"])
            terms["caption"] = matching_loss(frozen.watched(face), said, joined=self.training)
        return terms

    def edit(self, batch: Batch, ws: Tensor) -> dict[str, Tensor]:
        """Terms of `EditLosses` that have a weight; the unedited face is the true latent's, where it is known.

        While the text mapper does not train, the grammar's own intents move the face: directions learn from the truth.
        """
        weights, frozen, model = self.config.edit, self.frozen, self.model
        known = batch["known"][:, None, None]
        ws = known * batch["latent"][:, None] + (1 - known) * ws
        intents = batch["intents"]
        terms: dict[str, Tensor] = {}
        if "text" in self.config.parts:
            tokens, mask = self.states(batch)
            intents = model.read(tokens, mask)
            if weights.intents:
                terms["intents"] = self._misread(tokens, mask, batch["intents"])
        offset = model.offset(ws, intents) * batch["strength"][:, None, None]
        if weights.offset:
            terms["offset"] = offset_norm(offset, frozen.variance).mean()
        if weights.spread:
            terms["spread"] = (row_spread(ws + offset) / frozen.variance).mean()
        if not weights.drawn:
            return terms
        with torch.no_grad():
            before = self._drawn(ws)
        after = self._drawn(ws + offset)
        asked = (batch["intents"] != 0).any(1).float()
        if weights.directional or weights.contrast:
            target = frozen.sentence(batch["language_ids"], batch["language_mask"])
            with torch.no_grad():
                source = frozen.watched(before)
            edited = frozen.watched(after)
            if weights.directional:
                terms["directional"] = _mean(directional_distance(edited, source, target, frozen.neutral), asked)
            if weights.contrast:
                terms["contrast"] = matching_loss(edited - source, target - frozen.neutral, joined=self.training)
        if weights.reach or weights.keep:
            with torch.no_grad():
                stood = frozen.scores(before)
                wanted = frozen.offset.steps(ws, batch["intents"]) * batch["strength"][:, None]
                named = (batch["intents"] != 0).float()
                held = ((named @ self.get_buffer("follows")) == 0).float()
            stands = frozen.scores(after)
            if weights.reach:
                terms["reach"] = _mean(attribute_reaching(stood, stands, wanted), asked)
            if weights.keep:
                terms["keep"] = attribute_keeping(stood, stands, held).mean()
        if weights.identity:
            with torch.no_grad():
                who = frozen.identity.describe(before)
            terms["identity"] = identity_distance(frozen.identity.describe(after), who).mean()
        return terms

    @torch.no_grad()
    def look(self, batch: Batch) -> list[Tensor]:
        """-> pictures [B, 3, size, size] in 0..255: the faces, their reconstructions, their edits (if these train)."""
        frozen, side = self.frozen, self.config.size
        ws = self.model.invert(self.features(batch))
        shown = [scaled(batch["picture"].float(), side), scaled(_rendered(frozen.generator, ws), side)]
        if _weighted(self.config.edit):
            offset = self.model.offset(ws, self.model.read(*self.states(batch)))
            shown.append(scaled(_rendered(frozen.generator, ws + offset), side))
        return shown

    def _drawn(self, ws: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            face = draw(self.frozen.generator, ws, self.config.checkpoint)
        else:
            face = to_levels(self.frozen.generator.render(ws))
        return scaled(face, LARGEST) if face.shape[-1] > LARGEST else face

    def _misread(self, tokens: Tensor, mask: Tensor, intents: Tensor) -> Tensor:
        """Cross entropy of wishes and removals (over softened tokens), squared error of degrees, as in `fit_text`."""
        logits, degrees = self.model.text.votes(tokens, without_closing_token(mask))
        wishes = torch.cat((intents.clamp(min=0), (-intents).clamp(min=0)), dim=1)
        found = (wishes > 0).float()
        weight = torch.tensor(FOUND_WEIGHT, device=logits.device)
        missed = F.binary_cross_entropy_with_logits(logits.logsumexp(dim=1), found, reduction="none", pos_weight=weight)
        speaking = torch.gather(degrees, 1, logits.argmax(dim=1))
        return (missed + 0.5 * (speaking - wishes).square() * found).sum(1).mean()


def picture_sheet(columns: Sequence[Sequence[Tensor]]) -> Tensor:
    """Columns of pictures [3, s, s] in 0..255 -> one uint8 picture [3, H, W]."""
    sheet = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
    return sheet.clamp(0, 255).round().byte()


def _rendered(generator: Generator, ws: Tensor) -> Tensor:
    pictures = [generator.render(row) for row in ws.split(1)]
    return to_levels(torch.cat(pictures).clamp(-1, 1))


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    """Mean of values [B] over the rows that count [B] in 0/1; 0 without any."""
    return (values * rows).sum() / rows.sum().clamp(min=1)


def _weighted(losses: ReconstructionLosses | EditLosses) -> bool:
    return any(getattr(losses, item.name) for item in fields(losses))
