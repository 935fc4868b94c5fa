"""Sentences, regions, faces and the numbers: small parts with known answers."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.stats import spearmanr

from fdvd.attributes.table import ATTRIBUTES, HELD_OUT_SEEDS
from fdvd.language.instructions import load_heldout, sample, short_forms
from gan_mapping import load_generator
from gan_mapping.editing.regions import edited_region
from gan_mapping.evaluation.boundaries import fit_boundaries
from gan_mapping.evaluation.faces import FaceChoice, held_out_faces, photo_faces
from gan_mapping.evaluation.measures import at_equal, outside_pixels_changed, perceptual_where, psnr, spearman
from gan_mapping.evaluation.sentences import load_sentences
from gan_mapping.evaluation.sheet import draw_sheet, save_jpeg, save_strip
from gan_mapping.training.closed_form.recipe import RecipeConfig
from tests.paths import ROOT
from tests.standin import standin_model
from vl_backbone.common.errors import InputError, UsageError


def test_thirty_sentences_that_training_never_saw() -> None:
    shipped = load_sentences()
    sentences = shipped.drawn
    assert Counter(s.group for s in sentences) == {"single": 10, "composite": 10, "removal": 10}
    assert {len(s.targets) for s in sentences if s.group == "composite"} == {2, 3}
    assert all(len(s.targets) == 1 for s in sentences if s.group != "composite")
    assert len(shipped.sheet) == 12 and len(shipped.nothing) == 10
    count = RecipeConfig().sentences
    seen = {row.text for row in [*sample(1, count), *short_forms(), *load_heldout()]}
    plain = {text.lower().rstrip(".!?") for text in seen}
    for file in (shipped, load_sentences(ROOT / "benchmarks" / "unseen_wishes.yaml")):
        assert [text for text in file.texts if text.lower().rstrip(".!?") in plain] == []


GOOD = "single: [{text: a, want: +smile, may: teeth}]\n"


def test_a_sentence_file_may_have_any_of_the_groups(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    alone = load_sentences(path)
    assert [s.text for s in alone.drawn] == alone.texts == ["a"]
    path.write_text(GOOD + "figurative: [{text: b, want: -hat, may: ''}]\nnothing: [{text: c}]\nsheet: [d]\n")
    whole = load_sentences(path)
    assert whole.drawn == alone.drawn and whole.texts == ["a", "b", "c"] and whole.sheet == ("d",)
    assert whole.figurative[0].targets == (("hat", -1),) and whole.nothing == ("c",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("single: [{text: a, want: +wings, may: ''}]", "wings"),
        ("single: [{text: a, want: '', may: ''}]", "no target"),
        ("single: [{text: a, want: smile, may: ''}]", "want"),
        ("single: [{text: a, may: ''}]", "want"),
        ("single: [{text: 3, want: +smile, may: ''}]", "3"),
        ("single: [a]", "'a'"),
        ("single: [{text: a, want: +smile, may: '', group: b}]", "group"),
        ("[1]", "lists by group"),
        ("single: a", "lists by group"),
        ("single: [", "read"),
        (GOOD + "removals: []", "removals"),  # a group's name misspelt
        (GOOD + "nothing: [{text: a, want: +smile}]", "nothing"),
        (GOOD + "figurative: [{text: b}]", "want"),
        (GOOD + "sheet: [{text: b}]", "sheet"),
        ("{}", "no sentence"),
        ("single: []\nnothing: [{text: a}]", "no sentence"),
    ],
)
def test_bad_sentence_files_are_named(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"mine\.yaml.*{named}"):
        load_sentences(path)


def test_every_attribute_has_a_place() -> None:
    assert all(edited_region([name], 64).any() for name in ATTRIBUTES)
    eyes, hair, mouth = (edited_region([name], 64) for name in ("glasses", "red_hair", "lipstick"))
    assert eyes[29, 24] and not eyes[47, 32] and mouth[47, 32] and not mouth[29, 24]
    assert hair[8, 32] and not hair[40, 32]  # the face itself is outside a hair edit
    assert torch.equal(edited_region(["glasses", "lipstick"], 64), eyes | mouth)
    assert edited_region(["look_left"], 64).all()


def test_held_out_faces_have_a_fixed_order() -> None:
    few, many = held_out_faces(6), held_out_faces(400)
    assert many[:6] == few
    assert sorted(source.seed or 0 for source in many) == list(HELD_OUT_SEEDS)
    with pytest.raises(UsageError, match="400"):
        held_out_faces(401)


def test_photos_are_found_and_named(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("a.png", "b.txt", "more/a.jpg", "more/a-2.png"):
        (tmp_path / name).write_bytes(b"x")
    sources = photo_faces([tmp_path, tmp_path / "more"])
    assert [source.name for source in sources] == ["a", "a-2", "a-3"], "one record each"
    with pytest.raises(UsageError, match="nowhere"):
        photo_faces([tmp_path / "nowhere"])


def test_only_photos_are_refined_before_an_edit(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    model = standin_model(refine_steps=7)
    for refine, expected in ((None, [0, 0, 7]), (3, [0, 0, 3]), (0, [0, 0, 0])):
        choice = FaceChoice(2, (tmp_path,), refine)
        assert [choice.steps(model, source) for source in choice.sources()] == expected
        assert choice.refine_steps(model) == expected[-1]
    for wrong in ((0,), (-1,), (401,), (1, (), -1), (1, (tmp_path / "b.png",))):
        with pytest.raises(UsageError):
            FaceChoice(*wrong)


def test_measures() -> None:
    assert spearman(torch.tensor([0.1, 0.2, 0.3, 0.9])) == pytest.approx(1.0)
    assert spearman(torch.tensor([0.9, 0.3, 0.2, 0.1])) == pytest.approx(-1.0)
    assert spearman(torch.full((5,), 0.4)) == 0.0  # an edit that does nothing has no slider
    black, gray = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 51, np.uint8)
    assert math.isinf(psnr(black, black)) and psnr(black, gray) == pytest.approx(20 * math.log10(5), abs=1e-4)
    assert at_equal(0.5, [(1.0, 4.0), (0.0, 2.0)]) == 3.0
    assert math.isnan(at_equal(2.0, [(1.0, 4.0), (0.0, 2.0)])) and math.isnan(at_equal(1.0, []))
    edited = black.copy()
    edited[0, :2] = 7
    inside = np.zeros((4, 4), bool)
    inside[0, 0] = True
    assert outside_pixels_changed(black, edited, inside) == 1


@given(st.lists(st.integers(-3, 3), min_size=2, max_size=9).filter(lambda values: len(set(values)) > 1))
def test_rank_correlation_is_scipys_also_with_ties(values: list[int]) -> None:
    expected = spearmanr(values, range(len(values))).statistic
    assert spearman(torch.tensor(values, dtype=torch.float32)) == pytest.approx(expected, abs=1e-12)


def test_perceptual_distance_sees_only_its_part() -> None:
    a, b = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    b[..., :4] = 1.0  # differs by 2 on the left half
    left = torch.zeros(16, 16, dtype=torch.bool)
    left[:, :8] = True
    assert perceptual_where([a], [b], left) == pytest.approx(2.0)
    assert perceptual_where([a], [b], ~left) == 0.0
    assert perceptual_where([a, a], [b, b], left | ~left) == pytest.approx(2.0)
    assert math.isnan(perceptual_where([a], [b], left & ~left))


def test_boundaries_tell_faces_apart() -> None:
    generator = load_generator()
    relative = torch.zeros(len(ATTRIBUTES))
    mapper = fit_boundaries(generator, ATTRIBUTES, ["male"], relative)
    a = ATTRIBUTES.index("male")
    intents = torch.zeros(1, len(ATTRIBUTES))
    intents[0, a] = 1.0
    ws = generator.w_mean.expand(1, generator.num_ws, -1)
    moved = ws + mapper(ws, intents)
    assert float(mapper.scores(moved)[0, a]) == pytest.approx(float(mapper.high[a]), abs=1e-3)
    assert not mapper.directions[ATTRIBUTES.index("hat")].any()
    with pytest.raises(InputError, match="wings"):  # nobody has them
        fit_boundaries(generator, ("male", "wings"), ["wings"], torch.zeros(2))


def test_sheets_keep_to_their_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        save_strip(path, rng.integers(0, 255, (128 * 2, 128, 3), dtype=np.uint8))
    sheet = draw_sheet(paths, ["before", "a sentence"])
    assert save_jpeg(sheet, tmp_path / "sheet.jpg", 60_000) <= 60_000
    assert Image.open(tmp_path / "sheet.jpg").size == sheet.size
