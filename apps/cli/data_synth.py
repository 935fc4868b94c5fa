"""`vilaface data synth`: builds FDVD-synth; the work is in gan_mapping.synth."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from apps.cli.common import DeviceOption, OutOption, check_device_name, exit_codes, output_folder, quiet_libraries, say
from vl_backbone.errors import UsageError


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
        from gan_mapping.generators.factory import load_generator
        from gan_mapping.loading import choose_device
        from gan_mapping.synth.build import SynthConfig, build, missing_blocks, write_manifest

        config = SynthConfig(clips, frames, hr_size, lr_size, block)
        folder = output_folder(out)
        generator = load_generator(device=str(choose_device(device)))
        build(folder, generator, config, say, index, count)
        missing = missing_blocks(folder, config)
        if missing:
            say(f"{len(missing)} of {config.blocks} blocks are left to other shards.")
            return
        say(f"Wrote {write_manifest(folder, config)}.")


def _shard(text: str) -> tuple[int, int]:
    """ "2/8" -> (2, 8)."""
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None:
        raise UsageError(f"--shard {text!r}: write I/N, such as 0/4.")
    return int(match[1]), int(match[2])
