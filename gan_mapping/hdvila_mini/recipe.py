"""Pre-training HD-VILA-mini on generated faces: stills, clips, opposites, then masked words. Resumable at every step.

Stage 1 (contrastive, equation 4) first on redrawn still faces, then on FDVD-synth clips, played forwards and
backwards, and as many stills, then with statements and their opposites; stage 2 (masked words, equation 5) with
everything of stage 1 frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, Subset

from fdvd.attributes.table import HELD_OUT_SEEDS, load_labels
from fdvd.datasets.dataset import ClipDataset
from fdvd.datasets.packed import MANIFEST
from fdvd.datasets.sources import open_dataset, read_manifest
from fdvd.language.captions import describe, facts_of
from fdvd.language.captions.checker import states
from fdvd.language.captions.facts import MOTIONS
from gan_mapping.generators.protocol import Generator
from gan_mapping.hdvila_mini.maps import Frames, StoredMaps, Wording, map_shards
from gan_mapping.synth.probes import fit_fact_probes
from gan_mapping.synth.statements import Statement, statements
from gan_mapping.synth.walks import backwards
from gan_mapping.training.augment import augment_face
from gan_mapping.training.rendered_set import SHARD, FaceSeed, latents_of, plan_faces, render_shards
from vl_backbone.common.checks import require_counts
from vl_backbone.common.errors import UsageError
from vl_backbone.hdvila.mini import HR_SIZE, initialise_mini, still_neighbours
from vl_backbone.hdvila.model import HDVILA
from vl_backbone.pretraining.maps import MapCollator, MapContrastive, MapMaskedWords, MapSample
from vl_backbone.pretraining.masking import MaskingConfig
from vl_backbone.training.data import SampleSource, Tokenizer
from vl_backbone.training.loop import FitConfig, RunConfig, fit
from vl_backbone.training.optim import OptimizerConfig

Say = Callable[[str], None]
MAX_TOKENS = 64  # of a training text; a paragraph of five captions fits
State = dict[str, Tensor]
# Fields of the recipe that only runs after this one read.
_WORDS = ("word_steps", "word_batch", "words_rate")
_OPPOSITES = ("opposite_steps", "opposite_batch", *_WORDS)
_LATER = {"stills": ("clip_steps", "clip_batch", *_OPPOSITES), "clips": _OPPOSITES, "opposites": _WORDS, "words": ()}


@dataclass(frozen=True)
class MiniRecipe:
    """still_faces: redrawn faces, the labelled ones first (seeds 1600-1999 are never trained on). clean_faces: so many
    of them are seen as they were drawn, the others as cameras, messengers and detectors would hand them over.

    *_steps, *_batch: length of the four runs. learning_rate: of text layers and projections; grid_rate: of the
    grid encoders; hybrid_rate: of the hybrid Transformer; words_rate: of stage 2. frozen_text_layers: of MiniLM's
    six. precision: "bf16" is faster on processors and GPUs that have it. The defaults are the shipped weights', as far
    as one command can give them (docs/reproduce.md).
    """

    still_faces: int = 7000
    clean_faces: int = 4000
    still_steps: int = 300
    still_batch: int = 128
    clip_steps: int = 240
    clip_batch: int = 48
    opposite_steps: int = 240
    opposite_batch: int = 64
    word_steps: int = 1600
    word_batch: int = 64
    learning_rate: float = 3e-4
    grid_rate: float = 1e-3
    hybrid_rate: float = 5e-4
    words_rate: float = 1e-3
    frozen_text_layers: int = 5
    save_every: int = 50
    seed: int = 0
    precision: Literal["no", "bf16"] = "bf16"

    def __post_init__(self) -> None:
        whole = [field.name for field in fields(self) if field.type == "int"]
        from_zero = ("clean_faces", "frozen_text_layers", "seed")
        require_counts(self, (name for name in whole if name not in from_zero))
        require_counts(self, from_zero, least=0)
        for name in ("learning_rate", "grid_rate", "hybrid_rate", "words_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise UsageError(f"{name} must be a number above 0, got {getattr(self, name)!r}.")


def pretrain_mini(
    recipe: MiniRecipe,
    bases: tuple[State, State],
    tokenizer: Tokenizer,
    generator: Generator,
    clips_folder: Path,
    work: Path,
    say: Say,
) -> tuple[HDVILA, dict[str, Any]]:
    """bases: state dicts of EfficientNet-lite0 and MiniLM -> the stage-2 model and the figures of the runs."""
    clips = open_dataset(clips_folder)
    model = initialise_mini(*bases, stage=1)
    stills = still_maps(recipe, generator, model, work, say)
    _standardise_channels(model, stills)
    figures: dict[str, Any] = {"still_faces": len(stills)}

    run = MapContrastive(model, ("both", "hr"), recipe.frozen_text_layers)
    plain = MapCollator(tokenizer)
    seen = stills.made_from
    _fit(recipe, "stills", run, stills, plain, recipe.still_steps, recipe.still_batch, seen, work, say, figures)
    moving = clip_maps(clips, read_manifest(clips_folder / MANIFEST), model, work, say)
    figures["clips"] = len(moving)
    seen = [*seen, *moving.made_from]
    # The stills among the clips keep what was learned of faces from being learned away.
    mixed: ConcatDataset[MapSample] = ConcatDataset([moving, Subset(stills, range(min(len(stills), len(moving))))])
    run = MapContrastive(model, ("both", "hr", "lr"), recipe.frozen_text_layers)
    both_ways = MapCollator(tokenizer, backwards=True)
    _fit(recipe, "clips", run, mixed, both_ways, recipe.clip_steps, recipe.clip_batch, seen, work, say, figures)
    run = MapContrastive(model, ("both", "hr", "lr"), recipe.frozen_text_layers)
    negating = MapCollator(tokenizer, backwards=True, opposites=True)
    size = recipe.opposite_batch
    _fit(recipe, "opposites", run, mixed, negating, recipe.opposite_steps, size, seen, work, say, figures)

    joint = initialise_mini(*bases, stage=2)
    joint.load_state_dict({**joint.state_dict(), **model.state_dict()})
    words = MapMaskedWords(joint, "both")
    masked = MapCollator(tokenizer, MaskingConfig())
    _fit(recipe, "words", words, mixed, masked, recipe.word_steps, recipe.word_batch, seen, work, say, figures)
    return joint.eval(), figures


def _fit(
    recipe: MiniRecipe,
    name: str,
    objective: MapContrastive | MapMaskedWords,
    source: SampleSource,
    collate: MapCollator,
    steps: int,
    batch: int,
    seen: Sequence[str],
    work: Path,
    say: Say,
    figures: dict[str, Any],
) -> None:
    rate = recipe.words_rate if name == "words" else recipe.learning_rate
    optimizer = OptimizerConfig(
        learning_rate=rate, cnn_learning_rate=recipe.grid_rate, timesformer_learning_rate=recipe.hybrid_rate
    )
    run = RunConfig(
        steps=steps, batch_size=batch, seed=recipe.seed, save_every=recipe.save_every, precision=recipe.precision
    )
    last: dict[str, float] = {}

    def report(progress: Any) -> None:
        last.update(progress.figures)
        if progress.step % run.log_every == 0 or progress.step == progress.total:
            shown = ", ".join(f"{key} {value:.3g}" for key, value in progress.figures.items())
            say(f"{name}: step {progress.step} of {progress.total}: {shown}")

    # A run goes on from its state unless something changed that it, or one before it, depends on.
    read = {key: value for key, value in asdict(recipe).items() if key not in _LATER[name]}
    settings = {"recipe": read, "made_from": seen}
    fit(objective, source, collate, FitConfig(run, optimizer), work / name, settings=settings, report=report)
    figures[name] = {key: round(value, 4) for key, value in last.items()}


def still_maps(recipe: MiniRecipe, generator: Generator, model: HDVILA, work: Path, say: Say) -> StoredMaps:
    """Redraws the faces, captions them and stores their maps; seeds 1600-1999 are drawn but not in the result."""
    labels = load_labels()
    faces = still_faces(recipe.still_faces)
    latents = latents_of(faces, generator)
    drawn = []
    for path in render_shards(latents, generator, work / "stills"):
        drawn.append(path)
        say(f"drawn: {path.name}")
    pictures = [np.load(path, mmap_mode="r") for path in drawn]

    def read(first: int, last: int) -> tuple[Tensor, Tensor]:
        rows = [pictures[i // SHARD][i % SHARD] for i in range(first, last)]
        for i in range(max(first, recipe.clean_faces), last):
            rows[i - first] = augment_face(rows[i - first], HR_SIZE, np.random.default_rng([recipe.seed, i]))
        hr = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)
        return hr, still_neighbours(hr, frames=1)

    def made_from(first: int, last: int) -> object:
        clean = min(max(recipe.clean_faces, first), last)
        return [[path.name for path in drawn[first // SHARD : -(-last // SHARD)]], clean, recipe.seed]

    for shard in map_shards(Frames(len(faces), read, made_from), model, work / "stills"):
        say(f"seen: stills {shard:03d}")
    probes = fit_fact_probes(generator)
    words = []
    for face, w in zip(faces, latents, strict=True):
        row = labels.get(face.seed)
        captions = describe(probes.certain(w) if row is None else facts_of(row), face.seed)
        words.append(Wording(captions, opposites=statements(row or {})))
    rows = [i for i, face in enumerate(faces) if face.seed not in HELD_OUT_SEEDS and words[i].captions]
    return StoredMaps(work / "stills", rows, [words[i] for i in rows])


def still_faces(count: int) -> list[FaceSeed]:
    """The first `count` faces of the recipe: those with labels (the held-out ones too), then others."""
    labelled = sorted(load_labels())[:count]
    return plan_faces(labelled, count - len(labelled))


def clip_maps(
    clips: ClipDataset, records: Sequence[Mapping[str, Any]], model: HDVILA, work: Path, say: Say
) -> StoredMaps:
    """Stores the maps of all clips of FDVD-synth; the result holds those of its training split."""

    def read(first: int, last: int) -> tuple[Tensor, Tensor]:
        samples = [clips[i] for i in range(first, last)]
        neighbours = [sample.lr[0] for sample in samples if sample.lr is not None]
        return torch.stack([sample.hr[0] for sample in samples]), torch.stack(neighbours)

    # A built data set's pictures follow from its manifest.
    frames = Frames(len(clips), read, lambda first, last: list(records[first:last]))
    for shard in map_shards(frames, model, work / "clips"):
        say(f"seen: clips {shard:03d}")
    rows = [i for i in range(len(clips)) if clips.clips[i].split == "train"]
    return StoredMaps(work / "clips", rows, [wording_of(records[i]) for i in rows])


def wording_of(record: Mapping[str, Any]) -> Wording:
    """What may be said of a clip of the manifest, and of the same clip played backwards."""
    captions, opposites = record["captions"], statements(record["attributes"] if record["labelled"] else {})
    reverse = describe(backwards(record["facts"]), record["seed"])
    told = frozenset(text for text in (*captions, *reverse) if _tells_movement(text))
    if not told & set(captions) or not told & set(reverse):
        return Wording(captions, opposites=opposites)
    moves = movements(record["facts"], record["seed"])
    # As often about the movement as about all the rest.
    return Wording(captions, reverse, told, [*opposites, *moves * max(1, len(opposites) // len(moves))])


def movements(facts: Collection[str], seed: int) -> list[Statement]:
    """Sentences about each movement among the facts, with those about the opposite movement."""
    pairs: list[Statement] = []
    for move in sorted(set(facts) & set(MOTIONS)):
        there, back = (describe(one, seed) for one in ({move}, backwards({move})))
        pairs += [pair for pair in zip(there, back, strict=False) if all(map(_tells_movement, pair))]
    return pairs


def _tells_movement(text: str) -> bool:
    return bool(states(text) & set(MOTIONS))


@torch.no_grad()
def _standardise_channels(model: HDVILA, stills: StoredMaps) -> None:
    """Divides the fresh grid encoder's columns by their channel's spread: fine maps are louder than coarse ones."""
    sample = np.stack([stills[i].high for i in range(0, len(stills), max(1, len(stills) // 64))])
    spread = torch.from_numpy(sample.astype(np.float32)).std(dim=(0, 2, 3))
    first = model.grid_encoder[0]
    assert isinstance(first, nn.Conv2d)
    first.weight.div_(spread[None, :, None, None].clamp(min=1e-2))
