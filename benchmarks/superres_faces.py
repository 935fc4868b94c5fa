"""Held-out faces through super-resolution, one JSON file a face: what the other scripts share, so nothing runs twice.

Faces are seeds 1600-1999, on which no part was fitted; they arrive as box-filtered pictures of few pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from apps.cli.common import write_text
from fdvd.attributes.table import DATA_DIR, HELD_OUT_SEEDS, Labels, parse_labels
from gan_mapping.editing.loading import load_face_model
from gan_mapping.evaluation.judge import JUDGE_FILE, load_judge
from gan_mapping.images import to_batch, to_uint8
from gan_mapping.losses.reconstruction import perceptual_distance
from gan_mapping.perception.face_network import FaceNetwork
from gan_mapping.perception.networks import PerceptualNetwork, load_perceptual
from gan_mapping.superres.faces import picture_of, resolver_of
from gan_mapping.superres.pixels import as_pixels, box_filter, consistency
from gan_mapping.superres.resolver import CLOSED_LOOP
from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightStore

PLAIN = ""  # the sentence of an answer without words
PERCEPTUAL_SIDE = 256
Record = dict[str, Any]


def held_out_labels() -> dict[int, Labels]:
    """The hand-made labels of the held-out seeds; faces that came out broken are left out."""
    labels = parse_labels(DATA_DIR / "labels.csv", skip_artifacts=True)
    return {seed: labels[seed] for seed in HELD_OUT_SEEDS if seed in labels}


def parser_for(doc: str | None) -> argparse.ArgumentParser:
    """The options that all these scripts have."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=16, help="pixels a side of the inputs")
    parser.add_argument("--work", type=Path, default=Path("runs/superres"), help="finished faces are kept here")
    parser.add_argument("--out", type=Path, default=Path("docs/figures"), help="folder of the tables")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options given; the folders that they name are there afterwards."""
    options = parser.parse_args()
    for folder in (options.work, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    return options


class Faces:
    """Measures answers; a face that was measured before with the same weights and settings is read from its file."""

    def __init__(self, work: Path, side: int) -> None:
        self.model = load_face_model("mini")
        identity = self.model.identity
        assert isinstance(identity, FaceNetwork) and self.model.pixel_mapper is not None
        self.judge = load_judge(JUDGE_FILE, identity)
        self.side = side
        self.resolver, _ = resolver_of(self.model)
        self.perceptual = {"perceptual": self.model.refiner.perceptual, **_lpips(self.model.device)}
        settings = [asdict(self.resolver.config), asdict(CLOSED_LOOP)]
        parts = [*settings, self.model.weights, hashlib.sha256(JUDGE_FILE.read_bytes()).hexdigest()]
        key = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]
        self.folder = work / f"{side}px-{key}"
        self.folder.mkdir(parents=True, exist_ok=True)

    def truth(self, seed: int) -> np.ndarray:
        """The face itself, uint8 [R, R, 3]."""
        return self.draw(self.model.sample(seed))

    def draw(self, ws: torch.Tensor) -> np.ndarray:
        """ws [1, num_ws or 1, w_dim] -> uint8 [R, R, 3]."""
        generator = self.model.generator
        return to_uint8(generator.render(ws.expand(1, generator.num_ws, -1).contiguous()))[0]

    def pixels(self, truth: np.ndarray) -> torch.Tensor:
        """What super-resolution is given, [1, 3, side, side], whole numbers in 0..255."""
        return box_filter(as_pixels(truth, self.model.device), self.side).round()

    def readings(self, picture: np.ndarray) -> dict[str, float]:
        """The judge's logits by attribute; above 0 is "yes"."""
        logits = self.judge.logits(to_batch([picture], None, self.model.device))[0].tolist()
        return {name: round(value, 3) for name, value in zip(self.judge.attributes, logits, strict=True)}

    def measure(self, picture: np.ndarray, truth: np.ndarray, pixels: torch.Tensor) -> Record:
        """Consistency (mean error of 255), distances from the truth, and what the judge reads."""
        model = self.model
        both = [to_batch([one], PERCEPTUAL_SIDE, model.device) for one in (picture, truth)]
        figures: Record = {"consistency": consistency(as_pixels(picture, model.device), pixels)}
        for name, network in self.perceptual.items():
            with torch.no_grad():
                figures[name] = float(perceptual_distance(*(network.features(one) for one in both))[0])
        mine, true = model.describe_identity([picture, truth])
        figures["identity"] = float((mine - true).norm())
        return {**figures, "reads": self.readings(picture)}

    def record(self, seed: int, sentences: Iterable[str] = ()) -> Record:
        """{"seed", "truth": readings, "answers": {sentence: figures}} with the answer without words ("") and these."""
        path = self.folder / f"{seed}.json"
        record: Record = json.loads(path.read_text()) if path.exists() else {"seed": seed, "answers": {}}
        missing = [text for text in (PLAIN, *sentences) if text not in record["answers"]]
        if not missing:
            return record
        truth = self.truth(seed)
        pixels = self.pixels(truth)
        record.setdefault("truth", self.readings(truth))
        fit, fitting = timed(lambda: self.resolver.fit(pixels))
        for text in missing:
            found, answering = timed(lambda text=text: self.resolver.answer(fit, pixels, self.intents(text)))
            figures = self.measure(picture_of(found.image), truth, pixels)
            seconds = {name: fitting[name] + answering[name] for name in fitting}
            record["answers"][text] = {**figures, **seconds, "latent_consistency": found.latent_error}
        write_text(path, json.dumps(record) + "\n")
        return record

    def intents(self, text: str) -> torch.Tensor:
        """[1, A]; all zero for no words."""
        if text == PLAIN:
            return torch.zeros(1, len(self.model.mappers.attributes), device=self.model.device)
        return self.model.read(text)


def timed(make: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What `make` gives, with seconds by the clock and of all processors (these hardly depend on a busy machine)."""
    clock, busy = time.perf_counter(), time.process_time()
    made = make()
    return made, {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - busy}


def _lpips(device: torch.device) -> dict[str, PerceptualNetwork]:
    """LPIPS itself, where its trunk was imported with `vilaface weights import`."""
    networks = {}
    for name in ("lpips-vgg", "lpips-alex"):
        try:
            networks[name] = load_perceptual(name, device, WeightStore())[0]
        except WeightsError as missing:
            print(f"{name} is left out: {missing}", flush=True)
    return networks
