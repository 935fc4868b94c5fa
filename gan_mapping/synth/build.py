"""Builds FDVD-synth in blocks of clips: each written whole or not at all, so that a build can stop anywhere."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fdvd.attributes.table import Labels, load_labels
from fdvd.datasets.packed import BLOCK_FOLDER, FORMAT, MANIFEST, SETTINGS, block_name, zip_bytes
from fdvd.language.captions import describe, facts_of
from gan_mapping.generators.protocol import Generator
from gan_mapping.images import to_uint8
from gan_mapping.synth.probes import PSI, Probes
from gan_mapping.synth.walks import Walk, latents_along, seed_of, walk_of
from gan_mapping.training.rendered_set import FaceSeed, latents_of
from vl_backbone.common.checks import require_counts
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.common.reason import reason_of
from vl_backbone.weights.files import write_atomically

Report = Callable[[str], None]
GPU_BATCH = 8


@dataclass(frozen=True)
class SynthConfig:
    """clips: how many in all. frames: low-resolution frames a clip (odd; the middle one is also kept in high
    resolution). hr_size, lr_size: sides in px, divisors of the generator's. block: clips a file.
    """

    clips: int
    frames: int = 3
    hr_size: int = 512
    lr_size: int = 128
    block: int = 50
    jpeg_quality: int = 95

    def __post_init__(self) -> None:
        require_counts(self, (field.name for field in fields(self)))
        if self.frames % 2 == 0:
            raise UsageError(f"frames must be odd, so that one is the middle; got {self.frames}.")
        if self.jpeg_quality > 100:
            raise UsageError(f"jpeg_quality goes up to 100, got {self.jpeg_quality}.")

    @property
    def blocks(self) -> int:
        """How many blocks the clips fill."""
        return math.ceil(self.clips / self.block)


@dataclass(frozen=True)
class _Clip:
    """Everything of a clip but its pictures."""

    name: str
    record: dict[str, Any]
    latents: Tensor
    moving: bool


def build(
    out: Path,
    generator: Generator,
    probes: Probes,
    config: SynthConfig,
    say: Report,
    shard: int = 0,
    shards: int = 1,
) -> None:
    """Makes the missing blocks of one shard: blocks b with b % shards == shard.

    The same settings on the same machine give the same bytes, however often a build was stopped. Raises what
    `prepare` raises.
    """
    prepare(out, generator, config, shard, shards)
    labels = load_labels()
    for block in range(shard, config.blocks, shards):
        if _block_done(out, block):
            continue
        numbers = range(block * config.block, min((block + 1) * config.block, config.clips))
        clips = plan_clips(numbers, generator, probes, labels, config)
        _write_block(out, block, clips, generator, config)
        say(f"block {block + 1} of {config.blocks}: {len(clips)} clips")


def prepare(out: Path, generator: Generator, config: SynthConfig, shard: int = 0, shards: int = 1) -> None:
    """Makes the folder a build with these settings, or finds that it is one.

    UsageError for an impossible shard or size, or a folder that holds a build with other settings.
    """
    if not 0 <= shard < shards:
        raise UsageError(f"--shard {shard}/{shards}: I/N needs 0 <= I < N.")
    for size in (config.hr_size, config.lr_size):
        if generator.resolution % size:
            raise UsageError(f"frames of {size} px cannot be cut from {generator.resolution} px; use a divisor.")
    _claim_folder(out, config, generator)


def probe_summary(probes: Probes) -> str:
    """The quality of the probes in one paragraph."""
    known = sorted((auc, fact) for fact, auc in probes.auc.items() if math.isfinite(auc))
    listed = ", ".join(f"{fact} {auc:.2f}" for auc, fact in reversed(known))
    return (
        f"Probes on seeds 1600-1999, fitted on 0-1599: mean AUC {np.mean([auc for auc, _ in known]):.3f} ({listed}). "
        f"Unlabelled faces: {probes.precision:.1%} of what is said is right, {probes.share:.0%} of the truths are said."
    )


def plan_clips(
    numbers: range, generator: Generator, probes: Probes, labels: dict[int, Labels], config: SynthConfig
) -> list[_Clip]:
    """Faces, movements, captions and latents of the clips with these numbers."""
    seeds = [seed_of(number) for number in numbers]
    faces = latents_of([FaceSeed(seed, PSI) for seed, _ in seeds], generator)
    clips = []
    for number, (seed, split), w in zip(numbers, seeds, faces, strict=True):
        walk = walk_of(seed, split)
        facts, attributes = _truth(seed, w, walk, probes, labels)
        rows = latents_along(w, walk, probes.axes, config.frames)
        name = f"synth-{number:06d}"
        record = {
            "id": name,
            "split": split,
            "seed": seed,
            "motion": walk.name,
            "labelled": seed in labels,
            "captions": describe(facts, seed),
            "facts": sorted(facts),
            "attributes": attributes,
            "hr": [f"{name}/hr.jpg"],
            "lr": [[f"{name}/lr-{i}.jpg" for i in range(config.frames)]],
            "latent": f"{name}/latent.npy",
        }
        clips.append(_Clip(name, record, rows, bool(walk.path)))
    return clips


def _truth(
    seed: int, w: Tensor, walk: Walk, probes: Probes, labels: dict[int, Labels]
) -> tuple[frozenset[str], dict[str, float]]:
    """What may be said about the clip, and the known attribute values of the face itself."""
    row = labels.get(seed)
    if row is None:
        facts = probes.certain(w)
        attributes = {fact: 1.0 for fact in sorted(facts)}
    else:
        # The labels tell `tan` from dark skin only by leaving dark skin open.
        facts = facts_of(row, {"tan"} if row["dark_skin"] is None else set())
        attributes = {name: value for name, value in row.items() if value is not None}
    # Slight turns were often not labelled.
    if abs(probes.axes["pose"].read(w)) > 0.4:
        facts -= {"frontal"}
    moving = {name for name in walk.unsettled if name in attributes}
    return (facts - walk.unsettled) | set(walk.facts), {k: v for k, v in attributes.items() if k not in moving}


def _claim_folder(out: Path, config: SynthConfig, generator: Generator) -> None:
    settings = {
        "format": FORMAT,
        "name": "FDVD-synth",
        **asdict(config),
        "generator": generator.name,
        "weights": generator.weights,
        "truncation_psi": PSI,
    }
    text = json.dumps(settings, indent=2) + "\n"
    path = out / SETTINGS
    try:
        (out / BLOCK_FOLDER).mkdir(parents=True, exist_ok=True)
        found = path.read_text(encoding="utf-8") if path.exists() else None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{out}: cannot be used ({error}); name another folder.") from None
    if found is None:
        _write(path, [text.encode()])
    elif found != text:
        raise UsageError(f"{out} holds a build with other settings (see {SETTINGS}); name another folder.")


def _block_done(out: Path, block: int) -> bool:
    return (out / BLOCK_FOLDER / f"{block_name(block)}.jsonl").exists()


def _write_block(out: Path, block: int, clips: list[_Clip], generator: Generator, config: SynthConfig) -> None:
    """The pictures first, the block's part of the manifest last: its presence says that the block is complete."""
    jobs: list[tuple[str, np.ndarray]] = []
    members: dict[str, bytes] = {}
    middle = config.frames // 2
    rows = torch.cat([clip.latents if clip.moving else clip.latents[:1] for clip in clips])
    pictures = iter(_render(rows, generator, config))
    for clip in clips:
        drawn = [next(pictures) for _ in range(config.frames if clip.moving else 1)]
        frames = drawn if clip.moving else drawn * config.frames
        jobs.append((f"{clip.name}/hr.jpg", frames[middle][0]))
        jobs += [(f"{clip.name}/lr-{i}.jpg", frame[1]) for i, frame in enumerate(frames)]
        buffer = io.BytesIO()
        np.save(buffer, clip.latents.numpy())
        members[f"{clip.name}/latent.npy"] = buffer.getvalue()
    with ThreadPoolExecutor() as pool:
        encoded = pool.map(lambda job: _jpeg(job[1], config.jpeg_quality), jobs)
        members |= {name: data for (name, _), data in zip(jobs, encoded, strict=True)}
    data = zip_bytes(members)
    name = block_name(block)
    _write(out / BLOCK_FOLDER / f"{name}.zip", [data])
    lines = [json.dumps(clip.record | {"block": name}, sort_keys=True) for clip in clips]
    _write(out / BLOCK_FOLDER / f"{name}.jsonl", ["\n".join(lines).encode(), b"\n"])


def _render(rows: Tensor, generator: Generator, config: SynthConfig) -> list[tuple[np.ndarray, np.ndarray]]:
    """w [N, w_dim] -> N pictures, each as (hr, lr), uint8 [side, side, 3]."""
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    batch = 1 if generator.w_mean.device.type == "cpu" else GPU_BATCH
    for part in rows.split(batch):
        image = generator.render(part[:, None].expand(-1, generator.num_ws, -1).contiguous()).clamp(-1, 1)
        hr, lr = (
            to_uint8(F.avg_pool2d(image, generator.resolution // size)) for size in (config.hr_size, config.lr_size)
        )
        pairs += list(zip(hr, lr, strict=True))
    return pairs


def _jpeg(picture: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def missing_blocks(out: Path, config: SynthConfig) -> list[int]:
    """The blocks that no shard has finished yet."""
    return [block for block in range(config.blocks) if not _block_done(out, block)]


def write_manifest(out: Path, config: SynthConfig) -> Path:
    """Joins the blocks' parts into one manifest; all blocks must be there."""
    parts = [(out / BLOCK_FOLDER / f"{block_name(block)}.jsonl").read_bytes() for block in range(config.blocks)]
    _write(out / MANIFEST, parts)
    return out / MANIFEST


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    try:
        write_atomically(path, chunks)
    except OSError as error:
        reason = reason_of(error)
        raise InputError(f"{path}: cannot be written ({reason}); make room or name another folder.") from None
