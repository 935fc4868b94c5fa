"""An attribute of one's own: one row in a table, and everything derived from it knows it.

Run: python examples/own_attribute.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from fdvd.attributes.loading import TABLE_FILE, load_table

ROW = """  - name: freckles
    description: freckles on nose and cheeks
    kind: appearance
    group: skin
    region: face
    may_follow: [pale]
    label: {flag: freckles}
"""

if __name__ == "__main__":
    text = TABLE_FILE.read_text(encoding="utf-8")
    rows, rest = text.split("\ngroups:", 1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "attributes.yaml"
        path.write_text(f"{rows}\n{ROW}\ngroups:{rest}", encoding="utf-8")
        table = load_table(path)
    row = table["freckles"]
    print(f"{len(table)} attributes, the last is {table.names[-1]}: {row.description}, shown on the {row.region}")
    print("an edit of it leaves alone:", ", ".join(sorted(table.held_from("freckles"))))
