"""The trained linear layers as one object, and their file: one safetensors with what it was made from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from fdvd.attributes.table import attribute_table
from gan_mapping.mappers.layers import AttributeReader, CorrectionMapper, OffsetMapper, TextMapper, VisionMapper
from vl_backbone.weights.trained_file import read_trained, write_trained

WEIGHTS_DIR = Path(__file__).parents[1] / "weights"
FORMAT = "vilaface-mappers-4"
# Wide layers: most of a file.
READ_PICTURES = ("vision.down.weight", "reader.weight")


@dataclass
class Mappers:
    """VisionMapper, TextMapper, OffsetMapper and AttributeReader that were trained together.

    attributes: names of the A attribute axes. backbone, generator: what they were trained for.
    provenance: data, seeds and figures of the training run, as JSON-ready values.
    reader: looks whether an edit arrived; without one (mappers trained without labels) steps go unchecked.
    correction: mends a latent by its own drawing; identity: the face network whose vectors it reads, "" without one.
    vision_error: how far the vision mapper's w is from the true one, on average over faces it was not fitted on; 0
    where that is not known.
    """

    vision: VisionMapper
    text: TextMapper
    offset: OffsetMapper
    attributes: tuple[str, ...]
    backbone: str
    generator: str
    provenance: dict[str, object]
    reader: AttributeReader | None = None
    correction: CorrectionMapper | None = None
    identity: str = ""
    vision_error: float = 0.0

    def layers(self) -> dict[str, nn.Module]:
        """What is trained, by its name in the file."""
        layers: dict[str, nn.Module | None] = {
            "vision": self.vision,
            "text": self.text,
            "offset": self.offset,
            "reader": self.reader,
            "correction": self.correction,
        }
        return {name: layer for name, layer in layers.items() if layer is not None}

    def read(self, tokens: Tensor, attention_mask: Tensor) -> Tensor:
        """Token states of sentences -> intents [B, A], exactly 0 for what a sentence does not speak of."""
        # The closing token frames the sentence; the mapper was trained without it.
        intents: Tensor = self.text(tokens, without_closing_token(attention_mask))
        return intents

    def named(self, intents: Tensor) -> dict[str, float]:
        """The attributes that one sentence's intents [1, A] name, for people and reports: three decimals."""
        values = zip(self.attributes, intents[0].tolist(), strict=True)
        return {name: round(value, 3) for name, value in values if value}

    @property
    def excludes(self) -> Tensor:
        """bool [A, A], on the CPU: who speaks of the row does not want the column."""
        names, table = self.attributes, attribute_table()
        return torch.tensor([[other in table.excluded_by(name) for other in names] for name in names])

    @property
    def held(self) -> Tensor:
        """bool [A, A], on the CPU: an edit of the row is to leave the column as it is."""
        names, table = self.attributes, attribute_table()
        return torch.tensor([[other in table.held_from(name) for other in names] for name in names])

    def to(self, device: torch.device) -> Mappers:
        """Moves all layers (in place) to that device."""
        for module in self.layers().values():
            module.to(device).eval().requires_grad_(False)
        return self


def without_closing_token(attention_mask: Tensor) -> Tensor:
    """[B, L] mask of padded sentences -> the same with each one's last token hidden."""
    words = attention_mask.clone()
    words[torch.arange(len(words), device=words.device), attention_mask.sum(1) - 1] = 0
    return words


def save_mappers(mappers: Mappers, path: Path) -> None:
    """Writes the layers as safetensors (atomically); names, sizes and provenance go into its metadata.

    All as fp16, but the two that read pictures as int8: on the shipped layers that moves w by half a percent.
    """
    tensors = {
        f"{part}.{key}": value
        for part, module in mappers.layers().items()
        for key, value in module.state_dict().items()
    }
    metadata = {
        "attributes": json.dumps(mappers.attributes),
        "backbone": mappers.backbone,
        "generator": mappers.generator,
        "identity": mappers.identity,
        "vision_error": json.dumps(mappers.vision_error),
        "provenance": json.dumps(mappers.provenance, sort_keys=True),
    }
    write_trained(path, FORMAT, tensors, metadata, int8=READ_PICTURES)


def load_mappers(path: Path) -> tuple[Mappers, str]:
    """The layers of that file, sizes inferred from shapes, with the file's sha256.

    Raises WeightsError when the file is missing, damaged, or of another format.
    """
    file = read_trained(path, FORMAT, "reinstall VilaFace, or train it with `vilaface train mapper`")
    tensors, metadata = file.tensors, file.metadata
    parts = {
        part: {k.removeprefix(f"{part}."): v for k, v in tensors.items() if k.startswith(f"{part}.")}
        for part in ("vision", "text", "offset", "reader", "correction")
    }
    rank, features = parts["vision"]["down.weight"].shape
    count, num_ws, w_dim = parts["offset"]["directions"].shape
    vision = VisionMapper(features, rank, w_dim)
    text = TextMapper(parts["text"]["presence.weight"].shape[1], count)
    offset = OffsetMapper(count, num_ws, w_dim)
    reader = AttributeReader(features, count) if parts["reader"] else None
    mending = parts["correction"]
    correction = CorrectionMapper(rank, mending["person.weight"].shape[1], w_dim) if mending else None
    mappers = Mappers(
        vision,
        text,
        offset,
        tuple(json.loads(metadata["attributes"])),
        metadata["backbone"],
        metadata["generator"],
        json.loads(metadata["provenance"]),
        reader,
        correction,
        metadata["identity"],
        json.loads(metadata["vision_error"]),
    )
    for part, module in mappers.layers().items():
        module.load_state_dict(parts[part])
    return mappers, file.sha256
