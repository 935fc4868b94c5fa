"""Without words, how often does super-resolution change what gender, age or skin a face seems to have, and whose?

    python benchmarks/superres_fairness.py --faces 96

The faces are held-out seeds, balanced by their labels over gender, age group and complexion. The same judge reads
the true picture and the answer. Interrupted, the same command goes on.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from superres_faces import PLAIN, Faces, held_out_labels, parsed, parser_for

from apps.cli.common import write_text
from gan_mapping.superres.fairness import QUESTIONS, FlipRow, appearance, balanced, flip_rows, labelled


def markdown(rows: list[FlipRow]) -> str:
    """Flips in per cent; in brackets how often the judge contradicts the label on the true picture."""
    lines = [f"| group | faces | {' | '.join(QUESTIONS)} |", "|" + "---|" * (2 + len(QUESTIONS))]
    for row in rows:
        cells = [f"{row.flipped[q]:.0%} ({row.misread[q]:.0%})" for q in QUESTIONS]
        lines.append(f"| {row.group} | {row.faces} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--faces", type=int, default=48)
    options = parsed(parser)
    labels = held_out_labels()
    seeds = balanced(labels, options.faces)
    faces = Faces(options.work, options.side)
    seen = []
    for number, seed in enumerate(seeds, start=1):
        record = faces.record(seed)
        answer = record["answers"][PLAIN]["reads"]
        seen.append((labelled(labels[seed]), appearance(record["truth"]), appearance(answer)))
        print(f"{number}/{len(seeds)}", flush=True)
    rows = flip_rows(seen)
    text = markdown(rows)
    print(text)
    write_text(options.out / "superres_fairness.md", f"{text}\n\n{len(seeds)} held-out faces, {options.side} px.\n")
    content = json.dumps({"faces": len(seeds), "rows": [asdict(row) for row in rows]}, indent=1)
    write_text(options.out / "superres_fairness.json", content + "\n")


if __name__ == "__main__":
    main()
