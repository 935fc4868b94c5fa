"""The tables of an edit measurement, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from gan_mapping.evaluation.edit_runs import EditOptions, MethodRun
from gan_mapping.evaluation.edits import EditMeasure
from gan_mapping.evaluation.measures import mean
from gan_mapping.evaluation.metrics import Metrics
from gan_mapping.evaluation.records import Json
from gan_mapping.evaluation.sentences import EditSentence, SentenceFile
from gan_mapping.evaluation.summary import Comparison, EditSummary, by_sentence, comparisons
from gan_mapping.evaluation.tables import left_out, plain, rule, share

COLUMNS = (
    "lacking",
    "reached",
    "of lacking",
    "flipped",
    "identity",
    "outside",
    "monotone",
    "s/edit",
)


def report_json(runs: Sequence[MethodRun], sentences: SentenceFile, instruments: Metrics, options: EditOptions) -> Json:
    """Everything the tables hold, and the settings, JSON-ready."""
    methods, drawn = [], sentences.drawn
    for run in runs:
        generated, photos = _split(run)
        methods.append(
            {
                "name": run.method.name,
                "backbone": run.method.model.mappers.backbone,
                "weights": run.method.model.weights,
                "faces": {"generated": _faces(run, False), "photos": _faces(run, True)},
                "generated": [asdict(row) for row in by_sentence(generated, drawn)] if generated else [],
                "photos": [asdict(row) for row in by_sentence(photos, drawn)] if photos else [],
                "baselines": [asdict(c) for c in _baselines(run)],
                "understood": [_understanding(run, s) for s in drawn],
                "figurative": [_understanding(run, s) for s in sentences.figurative],
                "nothing": {
                    "sentences": len(sentences.nothing),
                    "left_alone": _left_alone(run, sentences),
                    "read": [{"text": text, "intents": run.intents[text]} for text in sentences.nothing],
                },
                "failed": run.failed,
            }
        )
    return {
        "methods": methods,
        "perceptual": instruments.perceptual_name,
        "judge_auc": instruments.judge.auc,
        "settings": {
            **asdict(options),
            "photos": len(options.photos),
            "mappers": [m.name for m in options.mappers],
            "sentences": options.sentences.name,
        },
    }


def report_markdown(
    runs: Sequence[MethodRun], sentences: SentenceFile, instruments: Metrics, options: EditOptions
) -> str:
    """The report; docs/evaluation.md says what each number means."""
    used = [a for a, well in zip(instruments.judge.attributes, instruments.well_judged().tolist(), strict=True) if well]
    auc = mean([instruments.judge.auc[name] for name in used])
    parts = [
        "# Edits",
        f"Perceptual distance: {instruments.perceptual_name}. The judge's AUC on seeds 1600-1999: {auc:.3f} over the "
        f"{len(used)} attributes that count for leakage. What the columns mean: docs/evaluation.md.",
        "## Backbones and baselines",
        _methods_table(runs, sentences.drawn),
    ]
    if compared := _baselines(runs[0]):
        parts += ["", _baseline_table(compared, options)]
    for run in runs:
        generated, photos = _split(run)
        name, drawn = run.method.name, sentences.drawn
        if generated:
            parts += [f"## {name}: {len(_faces(run, False))} held-out generated faces", _table(generated, drawn)]
        if photos:
            faces = ", ".join(_faces(run, True))
            parts += [f"## {name}: real photos ({faces})", _table(photos, drawn), _photo_line(photos, drawn)]
        parts += [f"## {name}: what the text mapper reads", _understood(run, sentences)]
        if run.failed:
            parts += [left_out(run.failed)]
    return "\n\n".join(parts) + "\n"


def misread(intents: dict[str, float], sentence: EditSentence) -> tuple[list[str], list[str]]:
    """(targets that were missed or read with the wrong sign, attributes read that nobody meant)."""
    wrong = [name for name, sign in sentence.targets if intents.get(name, 0.0) * sign <= 0]
    extra = [name for name in intents if name not in sentence.mentioned]
    return wrong, extra


def _split(run: MethodRun) -> tuple[list[EditMeasure], list[EditMeasure]]:
    generated = [m for _, real, m in run.measures if not real]
    return generated, [m for _, real, m in run.measures if real]


def _faces(run: MethodRun, real: bool) -> list[str]:
    return list(dict.fromkeys(face for face, is_real, _ in run.measures if is_real == real))


def _baselines(run: MethodRun) -> list[Comparison]:
    return comparisons([(face, m) for face, real, m in run.measures if not real])


def _understanding(run: MethodRun, sentence: EditSentence) -> Json:
    intents = run.intents[sentence.text]
    wrong, extra = misread(intents, sentence)
    return {"text": sentence.text, "intents": intents, "wrong": wrong, "extra": extra}


def _left_alone(run: MethodRun, sentences: SentenceFile) -> int:
    return sum(not run.intents[text] for text in sentences.nothing)


def _methods_table(runs: Sequence[MethodRun], sentences: Sequence[EditSentence]) -> str:
    lines = ["| mappers | backbone | faces |" + "".join(f" {c} |" for c in ("pairs", *COLUMNS)), rule(12)]
    for run in runs:
        generated, _ = _split(run)
        if generated:
            row = by_sentence(generated, sentences)[-1]
            lines.append(
                f"| {run.method.name} | {run.method.model.mappers.backbone} | {len(_faces(run, False))} "
                f"| {row.pairs} |{_cells(row)}"
            )
    return "\n".join(lines)


def _baseline_table(compared: Sequence[Comparison], options: EditOptions) -> str:
    lines = [
        "Baselines, on pairs that lacked a target (told the targets, not the sentence, where they cannot read):",
        "",
        "| baseline | pairs (faces) | ours: reached / identity / flipped | baseline at equal identity: reached / "
        "flipped | baseline at its largest size: reached / identity / flipped | s/edit | ours is faster by |",
        rule(7),
    ]
    for c in compared:
        lines.append(
            f"| {c.name} | {c.pairs} ({c.faces}) | {share(c.ours[0])} / {plain(c.ours[1])} / {share(c.ours[2], 1)} "
            f"| {share(c.equal_success)} / {share(c.equal_flipped, 1)} "
            f"| {share(c.theirs[0])} / {plain(c.theirs[1])} / {share(c.theirs[2], 1)} "
            f"| {plain(c.seconds, 1)} | {plain(c.speed_ratio, 0)} |"
        )
        sizes = "; ".join(f"{s:g}: {share(r)} at {plain(i)}" for s, r, i, _ in c.curve)
        lines.append(f"| | | | by size: {sizes} | | | |")
    lines += ["", f"Optimisation: {options.optimisation.steps} Adam steps towards hdvila-mini's similarity."]
    return "\n".join(lines)


def _table(measures: list[EditMeasure], sentences: Sequence[EditSentence]) -> str:
    lines = ["| sentence |" + "".join(f" {c} |" for c in COLUMNS), rule(9)]
    for row in by_sentence(measures, sentences):
        name = f"**{row.name}**" if row.name.startswith("all") else row.name
        lines.append(f"| {name} |{_cells(row)}")
    row = by_sentence(measures, sentences)[-1]
    lines.append(f"\nIdentity over edits that leave age, gender and skin alone: **{plain(row.identity_kept)}**.")
    return "\n".join(lines)


def _photo_line(measures: list[EditMeasure], sentences: Sequence[EditSentence]) -> str:
    row = by_sentence(measures, sentences)[-1]
    return (
        f"Photo to edit, over edits that leave age, gender and skin alone: {plain(row.photo_to_edit)}; photo to the "
        f"pasted photo: {plain(row.photo_to_paste)}. Most pixels changed outside the mask: {row.outside_pixels}."
    )


def _understood(run: MethodRun, sentences: SentenceFile) -> str:
    lines = []
    for title, rows in (("benchmark", sentences.drawn), ("figurative", sentences.figurative)):
        if not rows:
            continue
        found = [_understanding(run, s) for s in rows]
        right = [u for u in found if not u["wrong"] and not u["extra"]]
        lines.append(f"{title}: {len(right)} of {len(found)} sentences are read as meant, nothing missing or added.")
        lines.append("")
        for u in found:
            if u["wrong"] or u["extra"]:
                read = ", ".join(f"{name} {value:+.1f}" for name, value in u["intents"].items()) or "nothing"
                said = [f"missed {', '.join(u['wrong'])}"] * bool(u["wrong"])
                said += [f"added {', '.join(u['extra'])}"] * bool(u["extra"])
                lines.append(f"- {u['text']}: read {read} ({'; '.join(said)})")
        lines.append("")
    if sentences.nothing:
        left = f"{_left_alone(run, sentences)} of {len(sentences.nothing)}"
        lines.append(f"nothing: {left} sentences that ask for no edit are left alone.")
    return "\n".join(lines).rstrip()


def _cells(row: EditSummary) -> str:
    return (
        f" {row.lacking} | {share(row.reached)} | {share(row.reached_new)} | {share(row.flipped, 1)} "
        f"| {plain(row.identity)} | {plain(row.outside, 3)} | {plain(row.monotone, 3)} | {plain(row.seconds)} |"
    )
