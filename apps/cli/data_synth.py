"""`vilaface data synth`: builds FDVD-synth; the work is in gan_mapping.synth."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from apps.cli.common import (
    DeviceOption,
    OutOption,
    check_device_name,
    exit_codes,
    output_folder,
    quiet_libraries,
    say,
    write_text,
)
from vl_backbone.common.errors import UsageError
from vl_backbone.common.strict_json import to_json


def synth(
    out: OutOption,
    clips: Annotated[int, typer.Option(help="How many clips the whole data set has.")] = 2000,
    shard: Annotated[str, typer.Option(help="I/N: make only every N-th block of clips, from the I-th on.")] = "0/1",
    frames: Annotated[int, typer.Option(help="Low-resolution frames a clip; odd.")] = 3,
    hr_size: Annotated[int, typer.Option(help="Side of the high-resolution middle frame in px.")] = 512,
    lr_size: Annotated[int, typer.Option(help="Side of the low-resolution frames in px.")] = 128,
    block: Annotated[int, typer.Option(help="Clips a file; also what an interrupted build repeats at most.")] = 50,
    device: DeviceOption = "auto",
) -> None:
    """Draw captioned clips with the generator: turning heads, smiles, opening mouths. Interrupt freely: it resumes.

    The shards of one data set may run one after another or side by side, into the same folder; the last one
    writes manifest.jsonl, statistics.json and contact-sheet.jpg.
    """
    with exit_codes():
        quiet_libraries()
        check_device_name(device)
        index, count = _shard(shard)
        from gan_mapping.editing.loading import choose_device
        from gan_mapping.generators.registry import load_generator
        from gan_mapping.hdvila_mini.report import statistics
        from gan_mapping.synth.build import SynthConfig, build, missing_blocks, prepare, probe_summary, write_manifest
        from gan_mapping.synth.probes import fit_fact_probes

        config = SynthConfig(clips, frames, hr_size, lr_size, block)
        folder = output_folder(out)
        generator = load_generator(device=str(choose_device(device)))
        prepare(folder, generator, config, index, count)
        probes = fit_fact_probes(generator)
        say(probe_summary(probes))
        build(folder, generator, probes, config, say, index, count)
        missing = missing_blocks(folder, config)
        if missing:
            say(f"{len(missing)} of {config.blocks} blocks are left to other shards.")
            return
        manifest = write_manifest(folder, config)
        numbers = statistics(folder, probes)
        write_text(folder / "statistics.json", to_json(numbers, indent=2) + "\n")
        write_sheet(folder)
        say(f"Wrote {manifest}: {numbers['clips']} clips, {numbers['bytes'] / 1e6:.0f} MB.")


def _shard(text: str) -> tuple[int, int]:
    """ "2/8" -> (2, 8)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UsageError(f"--shard {text!r}: write I/N, such as 0/4.")
    return int(match[1]), int(match[2])


def write_sheet(folder: Path, clips: int = 12) -> Path:
    """contact-sheet.jpg: the first, middle and last frame of clips of as many kinds as possible, with a caption."""
    from apps.sheets import Tile, contact_sheet
    from fdvd.datasets.sources import PackedClips, read_manifest

    dataset = PackedClips(folder)
    kinds: dict[str, int] = {}
    for index, row in enumerate(read_manifest(folder / "manifest.jsonl")):
        kinds.setdefault(row["motion"], index)
    chosen = [*kinds.values(), *(i for i in range(len(dataset)) if i not in kinds.values())][:clips]
    rows = []
    for index in sorted(chosen):
        sample = dataset[index]
        assert sample.lr is not None
        frames = sample.lr[0].permute(0, 2, 3, 1).numpy()
        words = textwrap.wrap(_telling(sample.captions), 38)[:3]
        texts = [*words, "", ""][:3]
        picked = (frames[0], frames[len(frames) // 2], frames[-1])
        rows.append([Tile(picture, text) for picture, text in zip(picked, texts, strict=True)])
    pairs = [left + right for left, right in zip(rows[::2], rows[1::2], strict=False)] + rows[len(rows) // 2 * 2 :]
    path = folder / "contact-sheet.jpg"
    partial = path.with_name(f".{path.name}")
    contact_sheet(pairs, title="FDVD-synth: first, middle and last frame", side=256).save(partial, "JPEG", quality=90)
    partial.replace(path)
    return path


def _telling(captions: Sequence[str]) -> str:
    """The first caption that names the movement, for a sheet on which pictures and words are compared."""
    from fdvd.language.captions import states
    from fdvd.language.captions.facts import MOTIONS

    return next((caption for caption in captions if states(caption) & set(MOTIONS)), captions[0])
