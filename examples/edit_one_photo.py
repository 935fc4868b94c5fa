"""Edit one photo with a sentence and save the result.

python examples/edit_one_photo.py examples/astronaut.png "blond hair" edited.png
"""

from __future__ import annotations

import sys

from PIL import Image

from fdvd.media.photos import load_photo
from gan_mapping import FaceEditor


def main(source: str, text: str, target: str) -> None:
    """Edit `source` as `text` says, without refinement, and write the whole photo to `target`."""
    editor = FaceEditor.from_preset("mini")
    result = editor.edit(load_photo(source).rgb, text, refine=0)
    Image.fromarray(result.rgb).save(target)
    sys.stdout.write(f"{target}: {len(result.faces)} face(s), understood as {result.intents}\n")
    for warning in result.warnings:
        sys.stdout.write(f"note: {warning}\n")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit('Usage: python examples/edit_one_photo.py PHOTO "SENTENCE" OUTPUT.png')
    main(*sys.argv[1:])
