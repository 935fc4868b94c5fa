"""Where an edit may show in the photo."""

from __future__ import annotations

import numpy as np
import pytest

from fdvd.attributes.table import ATTRIBUTES
from fdvd.faces.alignment import FaceFrame
from fdvd.faces.pasting import paste
from gan_mapping.editing.regions import edited_region, paste_region

EYES, MOUTH, HAIR, CORNER = (0.46, 0.38), (0.73, 0.5), (0.12, 0.5), (0.03, 0.03)


def at(region: object, place: tuple[float, float]) -> float:
    values = np.asarray(region)[0, 0]
    return float(values[int(place[0] * len(values)), int(place[1] * len(values))])


@pytest.mark.parametrize(
    ("names", "inside", "outside"),
    [
        ({"glasses"}, [EYES], [MOUTH, HAIR, CORNER]),
        ({"lipstick"}, [MOUTH], [EYES, HAIR, CORNER]),
        ({"smile", "teeth"}, [EYES, MOUTH], [CORNER]),
        ({"blond_hair"}, [HAIR], [MOUTH]),
        ({"hat"}, [HAIR], [MOUTH]),
        ({"beard", "glasses"}, [EYES, MOUTH], [CORNER]),
    ],
)
def test_an_edit_shows_where_it_belongs(
    names: set[str], inside: list[tuple[float, float]], outside: list[tuple[float, float]]
) -> None:
    region = paste_region(names, 256)
    assert region is not None and region.shape == (1, 1, 256, 256) and region.min() >= 0 and region.max() <= 1
    assert all(at(region, place) > 0.95 for place in inside)
    assert all(at(region, place) < 0.02 for place in outside)


@pytest.mark.parametrize("names", [set(), {"age"}, {"male", "glasses"}, {"long_hair"}, {"curly_hair", "smile"}])
def test_what_changes_the_whole_head_is_pasted_whole(names: set[str]) -> None:
    assert paste_region(names, 64) is None


def test_every_attribute_has_its_place() -> None:
    assert all(edited_region([name], 64).any() for name in ATTRIBUTES)
    for name in ATTRIBUTES:
        soft, hard = paste_region({name}, 128), edited_region([name], 128)
        if soft is not None and name not in ("hat", "blond_hair", "black_hair", "brown_hair", "red_hair", "gray_hair"):
            assert float(soft[0, 0][hard].min()) > 0.9


def test_pasting_with_a_region_leaves_the_rest_bit_for_bit() -> None:
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (300, 300, 3), dtype=np.uint8)
    before, after = rng.integers(0, 256, (2, 128, 128, 3), dtype=np.uint8)
    quad = ((60.0, 60.0), (60.0, 240.0), (240.0, 240.0), (240.0, 60.0))
    frame = FaceFrame(np.array(quad), (300, 300), 128)
    whole = paste(photo, frame, before, after)
    part = paste(photo, frame, before, after, region=paste_region({"glasses"}, 128))
    eyes = slice(60 + int(0.4 * 180), 60 + int(0.5 * 180)), slice(60 + int(0.3 * 180), 60 + int(0.7 * 180))
    chin = slice(60 + int(0.75 * 180), 60 + int(0.95 * 180)), slice(None)
    assert np.array_equal(part[eyes], whole[eyes]) and not np.array_equal(part[eyes], photo[eyes])
    assert np.array_equal(part[chin], photo[chin]) and not np.array_equal(whole[chin], photo[chin])
