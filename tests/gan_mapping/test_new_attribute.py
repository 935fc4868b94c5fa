"""One row more in the attributes table is known to regions, training and fresh mappers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fdvd.attributes.table import ATTRIBUTES, AttributeTable
from gan_mapping.editing.regions import edited_region, paste_region, region_of
from gan_mapping.mappers.files import load_mappers
from gan_mapping.training.closed_form.attributes import fit_directions, may_follow, recolors_skin
from gan_mapping.training.through_generator.image_config import FreshConfig
from gan_mapping.training.through_generator.image_recipe import SHIPPED, fresh_mappers
from tests.fdvd.attributes.tables import GREEN, changed_table, with_green_hair
from tests.gan_mapping.training.through_generator.tiny_parts import TinyBackbone, tiny_generator
from vl_backbone.common.errors import InputError


@pytest.fixture
def green(tmp_path: Path) -> AttributeTable:
    return with_green_hair(tmp_path)


def test_it_has_a_region(green: AttributeTable) -> None:
    assert region_of("green_hair", green) == "hair"
    assert torch.equal(edited_region(["green_hair"], 64, green), edited_region(["red_hair"], 64))
    pasted, red = paste_region({"green_hair"}, 64, green), paste_region({"red_hair"}, 64)
    assert pasted is not None and red is not None and torch.equal(pasted, red)


def test_whole_and_unknown_places(tmp_path: Path) -> None:
    whole = changed_table(tmp_path, lambda data: data["attributes"].append(dict(GREEN, whole=True)))
    assert paste_region({"green_hair"}, 64, whole) is None
    nowhere = changed_table(tmp_path, lambda data: data["attributes"].append(dict(GREEN, region="elbow")))
    with pytest.raises(InputError, match="'green_hair' shows at 'elbow'"):
        edited_region(["green_hair"], 64, nowhere)


def test_training_holds_what_may_not_follow(green: AttributeTable) -> None:
    assert may_follow("green_hair", green) >= {"green_hair", "rosy", "red_hair"}
    assert "green_hair" in may_follow("bald", green) and "green_hair" not in may_follow("smile", green)
    assert not recolors_skin("green_hair", green) and recolors_skin("pale", green)
    torch.manual_seed(0)
    names = ("green_hair", "red_hair", "smile")
    latents = torch.randn(300, 12)
    probes = torch.randn(3, 12) / 10
    change = probes @ fit_directions(probes, latents, names, hold=1e4, table=green).T
    assert abs(float(change[2, 0])) < 0.05 < abs(float(change[1, 0]))  # smile is held, the other hair color is not


def test_excludes_and_relative_reach_the_rows(green: AttributeTable) -> None:
    assert green.excluded_by("green_hair") == {"hat"} and green["green_hair"].relative
    assert green.excluded_by("of another table") == frozenset()


def test_fresh_mappers_know_it_and_shipped_ones_only_their_own(green: AttributeTable) -> None:
    fresh = fresh_mappers(FreshConfig("tiny", "tiny", rank=4), TinyBackbone(), tiny_generator(), green.names)
    assert fresh.attributes == (*ATTRIBUTES, "green_hair")
    assert len(fresh.offset.directions) == len(fresh.excludes) == len(ATTRIBUTES) + 1
    assert load_mappers(SHIPPED)[0].attributes == ATTRIBUTES
