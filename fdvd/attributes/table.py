"""The intent axes of a face edit, and the hand-made labels behind them.

An *intent* is a signed number per attribute: ``+1`` asks for the attribute (or more of it), ``-1`` asks for
its removal or its opposite, and the size follows the degree (slightly 0.5, normal 1, very 1.5). Three axes
have a named opposite: ``male -1`` is female, ``age -1`` is younger, ``long_hair -1`` is short hair.
"""

from __future__ import annotations

import csv
from pathlib import Path

from vl_backbone.common.errors import InputError

DESCRIPTIONS: dict[str, str] = {
    "male": "presents as a man; -1 a woman",
    "age": "apparent age; +1 older, -1 younger",
    "child": "a child, up to about twelve",
    "black_hair": "black hair",
    "brown_hair": "brown hair",
    "blond_hair": "blond or golden hair",
    "red_hair": "red, ginger or auburn hair",
    "gray_hair": "gray, silver or white hair",
    "bald": "no hair on the head",
    "receding": "receding hairline or balding",
    "straight_hair": "straight hair",
    "wavy_hair": "wavy hair",
    "curly_hair": "curly hair",
    "long_hair": "length of the hair; -1 short",
    "smile": "a smile of any kind",
    "teeth": "teeth visible, mouth open",
    "frown": "sad, angry or stern mouth, corners down",
    "glasses": "eyeglasses with clear lenses",
    "sunglasses": "dark glasses",
    "hat": "hat, cap, hood, helmet or headscarf",
    "bangs": "a fringe over the forehead",
    "beard": "grown hair on chin and jaw",
    "mustache": "hair on the upper lip",
    "stubble": "a few days without a shave",
    "goatee": "a beard on the chin only",
    "makeup": "visible make-up on eyes or face",
    "lipstick": "coloured lips",
    "earrings": "earrings",
    "necklace": "a necklace or chain",
    "rosy": "rosy cheeks",
    "pale": "very pale skin",
    "dark_skin": "dark skin",
    "chubby": "a round, full face",
    "thin": "a narrow or gaunt face",
    "doublechin": "a double chin",
    "bags": "bags or dark rings under the eyes",
    "wrinkles": "wrinkles",
    "bushy_brows": "bushy eyebrows",
    "arched_brows": "arched eyebrows",
    "narrow_eyes": "narrow or squinting eyes",
    "wide_eyes": "eyes wide open",
    "big_nose": "a big nose",
    "pointy_nose": "a pointed nose",
    "big_lips": "full lips",
    "cheekbones": "high cheekbones",
    "asian": "East Asian features",
    "look_left": "head turned to the viewer's left",
    "look_right": "head turned to the viewer's right",
}

ATTRIBUTES: tuple[str, ...] = tuple(DESCRIPTIONS)
"""Canonical order of the intent axes."""

EXCLUDED: dict[str, tuple[str, ...]] = {"glasses": ("sunglasses",)}
"""Who speaks of the first, wishing for it or it away, does not want the others, and need not say so.

Not all that no face can have at once (`fdvd.language.instructions.lexicon.CONFLICTS`): aiming acts on this.
"""

HELD_OUT_SEEDS = range(1600, 2000)
"""Faces never used for fitting: metrics are taken on these seeds."""

DATA_DIR = Path(__file__).parents[1] / "data"

COLUMNS = ("seed", "gender", "age", "hair_color", "hair_texture", "hair_length", "flags")
AGES: dict[str, float] = {"child": 0.0, "teen": 0.25, "young": 0.45, "middle": 0.7, "old": 1.0}
HAIR_COLORS = ("black", "brown", "blond", "red", "gray", "bald", "hidden")
HAIR_TEXTURES = ("straight", "wavy", "curly", "none")
HAIR_LENGTHS: dict[str, float | None] = {"short": 0.0, "medium": 0.5, "long": 1.0, "bald": None}

FLAG_ATTRIBUTES: dict[str, str] = {
    "wideeyes": "wide_eyes",
    "narrow": "narrow_eyes",
    "bushy": "bushy_brows",
    "arched": "arched_brows",
    "bignose": "big_nose",
    "pointynose": "pointy_nose",
    "biglips": "big_lips",
    "left": "look_left",
    "right": "look_right",
    "dark": "dark_skin",
} | {
    name: name
    for name in (
        *(
            "smile",
            "teeth",
            "frown",
            "glasses",
            "sunglasses",
            "hat",
            "bangs",
            "receding",
            "beard",
            "mustache",
        ),
        *(
            "stubble",
            "goatee",
            "makeup",
            "lipstick",
            "earrings",
            "necklace",
            "rosy",
            "pale",
            "chubby",
            "thin",
        ),
        *("doublechin", "bags", "wrinkles", "cheekbones", "asian"),
    )
}
"""Word in the ``flags`` column -> attribute. ``tan`` and ``artifact`` have no axis of their own."""

UNKNOWN_WHEN_MISSING = frozenset(
    {"arched_brows", "pointy_nose", "big_nose", "big_lips", "cheekbones"}
    | {"thin", "doublechin", "bags", "bushy_brows"}
)
"""Attributes the labelling covered unevenly: no word means 'unknown', not 'no'."""

Labels = dict[str, float | None]


def parse_labels(path: str | Path, *, skip_artifacts: bool = False) -> dict[int, Labels]:
    """Read a label CSV into ``{seed: {attribute: value}}`` with every attribute present.

    Values are 1 (yes), 0 (no) or None (unknown), except ``age`` (child 0 .. old 1) and ``long_hair``
    (short 0, medium 0.5, long 1, unknown when bald). Hair colours are unknown when the hair is hidden or
    absent, hair texture when it reads ``none``, ``bald`` when a hat hides the hair, and ``dark_skin`` for
    tanned skin, because the guide says that tan and dark meet softly.

    Args:
        path: The CSV file, with the header of the labelling guide.
        skip_artifacts: Leave out the faces flagged as broken.
    """
    source = Path(path)
    labels: dict[int, Labels] = {}
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{source}: the label file cannot be read: {error}") from error
    rows = csv.reader(text.splitlines())
    header = next(rows, [])
    if tuple(header) != COLUMNS:
        raise InputError(f"{source}: the header must be {','.join(COLUMNS)}, found {','.join(header)!r}")
    for row in rows:
        if not row:
            continue
        where = f"{source}, line {rows.line_num}"
        if len(row) != len(COLUMNS):
            raise InputError(f"{where}: {len(COLUMNS)} columns are needed, found {len(row)}")
        record = dict(zip(COLUMNS, (cell.strip() for cell in row), strict=True))
        if not (record["seed"].isascii() and record["seed"].isdigit()):
            raise InputError(f"{where}: seed {record['seed']!r} is not a whole number")
        seed = int(record["seed"])
        if seed in labels:
            raise InputError(f"{where}: seed {seed} appears twice")
        flags = set(record["flags"].split())
        values = _row_labels(record, flags, where)
        if not (skip_artifacts and "artifact" in flags):
            labels[seed] = values
    return labels


def load_labels(*, rare: bool = True) -> dict[int, Labels]:
    """The labels shipped with the package: the unselected set, and by default the rare set too."""
    labels = parse_labels(DATA_DIR / "labels.csv")
    if rare:
        labels |= parse_labels(DATA_DIR / "labels_rare.csv")
    return labels


def _row_labels(record: dict[str, str], flags: set[str], where: str) -> Labels:
    """One checked CSV record as a value for every attribute."""
    for column, allowed in (
        ("gender", ("M", "F")),
        ("age", tuple(AGES)),
        ("hair_color", HAIR_COLORS),
        ("hair_texture", HAIR_TEXTURES),
        ("hair_length", tuple(HAIR_LENGTHS)),
    ):
        if record[column] not in allowed:
            raise InputError(f"{where}: {column} {record[column]!r} is not one of {', '.join(allowed)}")
    strange = sorted(flags - FLAG_ATTRIBUTES.keys() - {"tan", "artifact"})
    if strange:
        raise InputError(f"{where}: unknown flag words: {', '.join(strange)}")
    values: Labels = {name: None if name in UNKNOWN_WHEN_MISSING else 0.0 for name in ATTRIBUTES}
    values["male"] = float(record["gender"] == "M")
    values["age"] = AGES[record["age"]]
    values["child"] = float(record["age"] == "child")
    color, texture = record["hair_color"], record["hair_texture"]
    for name in ("black", "brown", "blond", "red", "gray"):
        values[f"{name}_hair"] = None if color in ("bald", "hidden") else float(color == name)
    values["bald"] = None if color == "hidden" else float(color == "bald")
    for name in ("straight", "wavy", "curly"):
        values[f"{name}_hair"] = None if texture == "none" else float(texture == name)
    values["long_hair"] = HAIR_LENGTHS[record["hair_length"]]
    if "tan" in flags:
        values["dark_skin"] = None
    for flag in flags & FLAG_ATTRIBUTES.keys():
        values[FLAG_ATTRIBUTES[flag]] = 1.0
    return values
