"""How far the text mapper's English reaches: sentences read as they were meant, without drawing a face.

python benchmarks/text_reading.py [FILE ...]   (default: the benchmark's thirty, the short wishes and the unseen ones)

Found: every wish of the sentence is read with its sign. As meant: and nothing that the sentence does not ask for.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from gan_mapping.editing.loading import load_face_model
from gan_mapping.evaluation.sentences import SENTENCES_FILE, load_sentences

HERE = Path(__file__).parent
FILES = (SENTENCES_FILE, HERE / "short_wishes.yaml", HERE / "unseen_wishes.yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*", default=FILES)
    parser.add_argument("--preset", default="mini")
    args = parser.parse_args()
    model = load_face_model(args.preset, device="cpu")
    print("| file | group | sentences | found | as meant |\n|---|---|---|---|---|")
    for path in args.files:
        file = load_sentences(path)
        rows: dict[str, list[tuple[bool, bool]]] = {}
        for sentence in (*file.drawn, *file.figurative):
            read = model.mappers.named(model.read(sentence.text))
            wanted = dict(sentence.targets)
            every = all(name in read and (read[name] > 0) == (sign > 0) for name, sign in wanted.items())
            extra = [name for name in read if name not in wanted and name not in sentence.may]
            rows.setdefault(sentence.group, []).append((every, every and not extra))
        for group, results in rows.items():
            found, meant = (sum(column) for column in zip(*results, strict=True))
            print(f"| {path.name} | {group} | {len(results)} | {found} | {meant} |")
        if file.nothing:
            alone = sum(not model.mappers.named(model.read(text)) for text in file.nothing)
            print(f"| {path.name} | nothing | {len(file.nothing)} | | {alone} |")


if __name__ == "__main__":
    main()
