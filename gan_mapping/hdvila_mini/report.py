"""Figures about a finished FDVD-synth: what is in it, what its captions say, how large it is."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from fdvd.datasets.packed import BLOCK_FOLDER, MANIFEST
from fdvd.datasets.sources import read_manifest
from gan_mapping.synth.probes import Probes

Table = dict[str, Any]


def statistics(out: Path, probes: Probes) -> Table:
    """Counts of clips, movements, facts and words, bytes on disk, and the probes' quality, ready for JSON."""
    rows = read_manifest(out / MANIFEST)
    captions = [caption for row in rows for caption in row["captions"]]
    return {
        "clips": len(rows),
        "splits": _counts(row["split"] for row in rows),
        "labelled_faces": sum(row["labelled"] for row in rows),
        "motions": _counts(row["motion"] for row in rows),
        "facts": _counts(fact for row in rows for fact in row["facts"]),
        "captions": len(captions),
        "different_captions": len(set(captions)),
        "words_per_caption": round(sum(len(caption.split()) for caption in captions) / len(captions), 2),
        "words": len({word.strip(".,").lower() for caption in captions for word in caption.split()}),
        "bytes": sum(path.stat().st_size for path in (out / BLOCK_FOLDER).glob("*.zip")),
        "probes": {
            "auc": {fact: round(auc, 4) if math.isfinite(auc) else None for fact, auc in probes.auc.items()},
            "precision_of_said": round(probes.precision, 4),
            "share_of_truths_said": round(probes.share, 4),
        },
    }


def _counts(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
