"""The fitting code on problems whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fdvd.attributes.table import ATTRIBUTES, HELD_OUT_SEEDS, load_labels
from gan_mapping.evaluation.measures import area_under_curve
from gan_mapping.generators.protocol import Generator
from gan_mapping.mappers.layers import VisionMapper
from gan_mapping.training.augment import augment_face
from gan_mapping.training.closed_form.attributes import (
    fair_borders,
    fit_directions,
    fit_readings,
    label_table,
    may_follow,
    mean_answers,
    unseen_readings,
)
from gan_mapping.training.closed_form.calibration import LAYER_GROUPS, solve_gains
from gan_mapping.training.closed_form.correction import codes_in_turn
from gan_mapping.training.closed_form.recipe import RecipeConfig, load_config
from gan_mapping.training.closed_form.text import TextTrainingConfig, TokenBank, fit_text
from gan_mapping.training.closed_form.vision import RELEVANCE, fit_vision, offset_cosine
from gan_mapping.training.rendered_set import SHARD, feature_shards, latents_of, load_shards, plan_faces, render_shards
from vl_backbone import load_backbone
from vl_backbone.common.errors import UsageError


def test_vision_fit_recovers_a_linear_map() -> None:
    torch.manual_seed(0)
    truth = torch.randn(40, 6)
    x = torch.randn(300, 40)
    y = x @ truth + 3.0
    fit = fit_vision(x[:250], y[:250], (x[250:], y[250:]), torch.full((6,), 3.0), rank=6, penalties=(1e-4, 10.0))
    assert fit.penalty == 1e-4 and fit.cosine > 0.999
    ws = fit.mapper(x[250:], num_ws=3)
    assert ws.shape == (50, 3, 6)
    assert torch.allclose(ws[:, 2], y[250:], atol=0.05)
    assert offset_cosine(ws[:, 0], y[250:], torch.full((6,), 3.0)) > 0.999


def test_vision_fit_does_not_depend_on_how_much_it_holds_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    x, y = (torch.randn(120, 30) * torch.rand(30) * 5 + 2).half(), torch.randn(120, 6)
    fits = []
    for columns, rows in ((4096, 2048), (7, 30)):
        monkeypatch.setattr("gan_mapping.training.closed_form.vision.COLUMNS", columns)
        monkeypatch.setattr("gan_mapping.training.closed_form.vision.ROWS", rows)
        fits.append(fit_vision(x[:100], y[:100], (x[100:], y[100:]), torch.zeros(6), rank=4))
    assert fits[0].penalty == fits[1].penalty
    one, other = (fit.mapper(x.float(), 1) for fit in fits)
    assert torch.allclose(one, other, atol=2e-3)
    # Rank 6 is all there is: then the answer is plain ridge regression on features scaled by what each tells.
    whole = fit_vision(x[:100], y[:100], (x[100:], y[100:]), torch.zeros(6), rank=6, penalties=(0.1,))
    seen, wanted = x[:100].double(), y[:100].double()
    mean, scale = seen.mean(0), seen.std(0) + 1e-2
    z = (seen - mean) / scale
    told = (z.T @ ((wanted - wanted.mean(0)) / wanted.std(0)) / 100).square().mean(1)
    scale = scale / (told.clamp(min=0.01) / told.mean()) ** RELEVANCE
    z = (seen - mean) / scale
    size = (z @ z.T).diagonal().mean()
    weights = torch.linalg.solve(
        z.T @ z + 0.1 * size * torch.eye(30, dtype=torch.double), z.T @ (wanted - wanted.mean(0))
    )
    expected = (x.double() - mean) / scale @ weights + wanted.mean(0)
    assert torch.allclose(whole.mapper(x.float(), 1)[:, 0].double(), expected, atol=1e-3)


def test_text_fit_learns_words_and_degrees() -> None:
    """Three "words": 0 wishes the first attribute, 1 removes the second, 2 says nothing; word 3 doubles the degree."""
    torch.manual_seed(0)
    words = torch.eye(4, 8) * 3
    rng = np.random.default_rng(0)
    sentences = [rng.choice(3, size=rng.integers(1, 4)).tolist() for _ in range(400)]
    intents = torch.zeros(400, 2)
    for i, s in enumerate(sentences):
        intents[i, 0], intents[i, 1] = float(0 in s), -float(1 in s)
    bank = TokenBank(torch.cat([words[s] for s in sentences]).half(), torch.tensor([len(s) for s in sentences]))
    mapper = fit_text(bank, intents, TextTrainingConfig(epochs=30, batch_size=32, learning_rate=0.05))
    states, mask = bank.batch(torch.arange(400))
    assert (mapper(states, mask).sign() == intents.sign()).float().mean() > 0.98


def test_directions_raise_their_own_score_and_hold_the_others() -> None:
    torch.manual_seed(0)
    names = ("smile", "glasses", "blond_hair", "hat")
    latents = torch.randn(500, 16) @ torch.randn(16, 16)
    probes = torch.randn(4, 16) / 10
    change = probes @ fit_directions(probes, latents, names, hold=1e4).T
    assert torch.allclose(change.diagonal(), torch.ones(4), atol=1e-4)
    for b, held in enumerate(names):
        for a, edited in enumerate(names):
            if held not in may_follow(edited):
                assert abs(float(change[b, a])) < 0.05


def test_gains_favour_the_layers_that_change_the_target_only() -> None:
    response = torch.zeros(2, len(LAYER_GROUPS), 2)
    response[0, 0, 0], response[0, 1] = 0.6, torch.tensor([0.4, 2.0])
    response[1, :, 1] = 0.5
    calibration = solve_gains(response, ("smile", "glasses"))
    assert calibration.gains[0, 0] > calibration.gains[0, 1] >= 0
    assert calibration.response[0, 0] == pytest.approx(1.0, abs=1e-3)


def test_labels_and_mean_answers() -> None:
    values, known = label_table([0, 1, 999_999], load_labels(), ATTRIBUTES)
    assert values[0, ATTRIBUTES.index("male")] == 0 and values[1, ATTRIBUTES.index("male")] == 1
    assert not known[2].any()
    logits = torch.tensor([[-4.0], [-2.0], [2.0], [4.0]])
    yes = torch.tensor([[0.0], [0.0], [1.0], [1.0]])
    low, high = mean_answers(logits, yes, torch.ones(4, 1))
    assert (low.item(), high.item()) == (-3.0, 3.0)


def test_readings_of_left_out_faces_are_worse_than_of_known_ones_and_their_border_is_fair() -> None:
    """Labels that are part noise: a fit knows its own faces by heart, but not the others."""
    torch.manual_seed(0)
    features = torch.randn(200, 60)
    values = ((features[:, :1] + torch.randn(200, 1)) > 1.0).float()
    known, nobody = torch.ones_like(values), torch.zeros(200, dtype=torch.bool)
    weight, bias = fit_readings(features, values, known, 60, penalty=1e-4)
    unseen = unseen_readings(features, values, known, 60, penalty=1e-4)
    by_heart = area_under_curve((features @ weight + bias)[:, 0], values[:, 0] > 0.5)
    assert by_heart > area_under_curve(unseen[:, 0], values[:, 0] > 0.5) + 0.05 > 0.65
    border = fair_borders(unseen, values, known, nobody)
    assert int((unseen > border).sum()) == pytest.approx(int(values.sum()), abs=1)


def test_held_out_seeds_are_never_planned_as_extra() -> None:
    faces = plan_faces(sorted(load_labels()), 100)
    extra = [face.seed for face in faces if face.seed >= 100_000]
    assert len(extra) == 100 and not set(extra) & set(HELD_OUT_SEEDS)


def test_augmentation_is_deterministic_and_keeps_the_size() -> None:
    face = np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8)
    one, same = (augment_face(face, 256, np.random.default_rng(5)) for _ in range(2))
    assert one.shape == (256, 256, 3) and one.dtype == np.uint8 and np.array_equal(one, same)
    assert not np.array_equal(one, augment_face(face, 256, np.random.default_rng(6)))


def test_measures() -> None:
    scores = torch.arange(10).float()
    assert area_under_curve(scores, scores > 4) == 1.0
    assert area_under_curve(-scores, scores > 4) == 0.0
    assert area_under_curve(torch.zeros(10), scores > 4) == 0.5, "who says the same of all knows nothing"


def test_configuration_is_checked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="rank"):
        RecipeConfig(rank=0)
    for text in ("ranks: 5", "[1, 2]", "rank: [", "rank: many"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(UsageError):
            load_config(tmp_path / "bad.yaml")


def test_codes_are_taken_from_the_views_in_turn(tmp_path: Path) -> None:
    """Features hold 1000 * view + face; two shards, three views."""
    views = []
    for view in range(3):
        numbers = 1000 * view + np.arange(SHARD + 4)
        parts = {tmp_path / f"{view}-{k}.npy": numbers[k * SHARD : (k + 1) * SHARD, None] for k in range(2)}
        for path, part in parts.items():
            np.save(path, part.astype(np.float16))
        views.append(list(parts))
    vision = VisionMapper(1, 1, 2)
    torch.nn.init.ones_(vision.down.weight)
    codes = codes_in_turn(views, vision)[:, 0]
    faces = torch.arange(SHARD + 4)
    assert torch.equal(codes, ((faces % 3) * 1000 + faces).half().float())


@pytest.mark.slow
def test_bank_resumes_with_the_same_faces(
    generator: Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = plan_faces([7, 8], 1)
    latents = latents_of(faces, generator)
    pictures = list(render_shards(latents, generator, tmp_path))
    drawn = np.load(pictures[0])
    assert drawn.shape == (3, 512, 512, 3)
    (tmp_path / f".{pictures[0].name}.partial.npy").write_bytes(b"half a shard")
    stamp = pictures[0].stat().st_mtime_ns
    assert list(render_shards(latents, generator, tmp_path)) == pictures
    assert pictures[0].stat().st_mtime_ns == stamp
    pictures[0].unlink()
    assert np.array_equal(np.load(next(iter(render_shards(latents, generator, tmp_path)))), drawn)
    backbone = load_backbone("imagenet-minilm")
    clean, seen = (list(feature_shards(pictures, backbone, tmp_path, view)) for view in (0, 1))
    assert load_shards(clean).shape == (3, 8 * 8 * 464)
    assert torch.equal(load_shards([*clean, *seen], slice(2, 5)), load_shards([*clean, *seen])[2:5])
    assert not torch.equal(load_shards(clean), load_shards(seen))
    # Other faces in the same folder are drawn and seen anew, not taken for these.
    others = list(render_shards(latents.flip(0), generator, tmp_path))
    assert np.array_equal(np.load(others[0]), drawn[::-1])
    assert not torch.equal(load_shards(list(feature_shards(others, backbone, tmp_path, 0))), load_shards(clean))
    # Nor are other weights: a generator of other weights draws its own.
    monkeypatch.setattr(generator, "weights", {"other": "0" * 64})
    assert next(iter(render_shards(latents, generator, tmp_path))) not in (*pictures, *others)
