"""Draws the training log of HD-VILA-mini as curves: docs/figures/hdvila_mini_training.csv -> .svg beside it.

python benchmarks/training_curves.py [CSV]

One panel per run, loss on the left scale; shares (how often a text finds its own clip, a true statement beats its
opposite, a hidden word is recovered) from 0 to 1 on the right.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from xml.sax.saxutils import escape

FIGURE = Path(__file__).parents[1] / "docs" / "figures" / "hdvila_mini_training.csv"
SHARES = {"accuracy_both": "#0f766e", "accuracy_hr": "#5eead4", "opposites_both": "#b45309", "accuracy": "#7c3aed"}
NAMES = {
    "accuracy_both": "own clip found, HR and LR",
    "accuracy_hr": "own clip found, HR only",
    "opposites_both": "true beats opposite",
    "accuracy": "hidden word recovered",
}
WIDTH, HEIGHT, LEFT, TOP = 190, 180, 42, 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("csv", type=Path, nargs="?", default=FIGURE)
    path = parser.parse_args().csv
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = list(dict.fromkeys(row["run"] for row in rows))
    highest = max(float(row["loss"]) for row in rows)
    parts = [_panel(i, [row for row in rows if row["run"] == run], highest) for i, run in enumerate(runs)]
    legend = {"loss": ("#111827", "loss"), **{key: (colour, NAMES[key]) for key, colour in SHARES.items()}}
    x = LEFT
    for colour, name in legend.values():
        parts.append(f'<text x="{x}" y="18" fill="{colour}" font-weight="bold">{escape(name)}</text>')
        x += 22 + 7 * len(name)
    size = LEFT + len(runs) * (WIDTH + LEFT), TOP + HEIGHT + 36
    font = 'font-family="sans-serif" font-size="11"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" {font}>'
    path.with_suffix(".svg").write_text(
        "\n".join([svg, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n", encoding="utf-8"
    )


def _panel(number: int, rows: list[dict[str, str]], highest: float) -> str:
    """One run: frame, title, scales and curves."""
    x0, y0 = LEFT + number * (WIDTH + LEFT), TOP
    last = max(int(row["step"]) for row in rows)
    out = [
        f'<text x="{x0}" y="{y0 - 8}">{escape(rows[0]["run"])}</text>',
        f'<rect x="{x0}" y="{y0}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#9ca3af"/>',
        f'<text x="{x0 - 4}" y="{y0 + 10}" text-anchor="end">{highest:.1f}</text>',
        f'<text x="{x0 - 4}" y="{y0 + HEIGHT}" text-anchor="end">0</text>',
        f'<text x="{x0 + WIDTH + 3}" y="{y0 + 10}" fill="#6b7280">1</text>',
        f'<text x="{x0 + WIDTH}" y="{y0 + HEIGHT + 14}" text-anchor="end">{last} steps</text>',
    ]
    for key, colour, top in [("loss", "#111827", highest), *((key, colour, 1.0) for key, colour in SHARES.items())]:
        points = [(int(row["step"]), float(row[key])) for row in rows if row[key]]
        places = " ".join(f"{x0 + WIDTH * s / last:.1f},{y0 + HEIGHT * (1 - v / top):.1f}" for s, v in points)
        if points:
            out.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
    return "\n".join(out)


if __name__ == "__main__":
    main()
