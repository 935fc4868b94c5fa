"""The tables of a reconstruction measurement, as Markdown and as JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict

from gan_mapping.evaluation.metrics import Metrics
from gan_mapping.evaluation.reconstruction import (
    FIGURES,
    LINEAR,
    ReconstructionOptions,
    ReconstructionRun,
    summarise_ways,
)
from gan_mapping.evaluation.records import Json
from gan_mapping.evaluation.tables import left_out, plain, rule

DIGITS = {"identity": 3, "perceptual": 3, "psnr": 1, "cosine": 3}
KINDS = ((False, "held-out generated"), (True, "real photos"))


def reconstruction_json(
    runs: Sequence[ReconstructionRun], instruments: Metrics, options: ReconstructionOptions
) -> Json:
    """Means and single faces, and the settings, JSON-ready."""
    methods = []
    for run in runs:
        means = [
            {"kind": kind, "way": way, "faces": faces, **figures}
            for real, kind in KINDS
            for way, faces, figures in summarise_ways(run.measures, real)
        ]
        faces = [{"face": face, "photo": real, **asdict(m)} for face, real, m in run.measures]
        backbone = run.method.model.mappers.backbone
        row: Json = {"name": run.method.name, "backbone": backbone, "means": means, "faces": faces}
        methods.append({**row, "weights": run.method.model.weights, "failed": run.failed})
    settings = {**asdict(options), "photos": len(options.photos), "mappers": [m.name for m in options.mappers]}
    return {"methods": methods, "perceptual": instruments.perceptual_name, "settings": settings}


def reconstruction_markdown(
    runs: Sequence[ReconstructionRun], instruments: Metrics, options: ReconstructionOptions
) -> str:
    """The report; docs/evaluation.md says what each number means."""
    steps = ", ".join(sorted({str(options.refine_steps(run.method.model)) for run in runs}))
    lines = [
        "# Reconstruction",
        "",
        f"Refinement: {steps} steps. Perceptual distance: {instruments.perceptual_name}. What the columns mean: "
        "docs/evaluation.md.",
        "",
        "| mappers | backbone | faces | way | identity | perceptual | PSNR, dB | w cosine |",
        rule(8),
    ]
    for run in runs:
        for real, kind in KINDS:
            for way, faces, figures in summarise_ways(run.measures, real):
                start = f"| {run.method.name} | {run.method.model.mappers.backbone} | {faces} {kind} | {way} |"
                lines.append(start + "".join(f" {plain(figures[name], DIGITS[name])} |" for name in FIGURES))
    for run in runs:
        photos = [face for face, real, m in run.measures if real and m.way == LINEAR]
        if photos:
            lines += ["", f"## {run.method.name}: identity distance by photo", ""]
            ways = list(dict.fromkeys(m.way for _, real, m in run.measures if real))
            lines += ["| photo |" + "".join(f" {way} |" for way in ways), rule(1 + len(ways))]
            for photo in photos:
                found = {m.way: m.identity for face, _, m in run.measures if face == photo}
                lines.append(f"| {photo} |" + "".join(f" {plain(found.get(way, math.nan), 3)} |" for way in ways))
        if run.failed:
            lines += ["", left_out(run.failed)]
    return "\n".join(lines) + "\n"
