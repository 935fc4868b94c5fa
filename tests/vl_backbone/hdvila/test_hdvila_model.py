"""What must hold of the model whatever its weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.vl_backbone.hdvila.tiny_hdvila import CHECKPOINT, pictures, small_clips, texts, tiny_config, tiny_state
from vl_backbone import build_hdvila, load_official_checkpoint
from vl_backbone.common.errors import InputError, UsageError
from vl_backbone.hdvila.model import HDVILA


@pytest.fixture(scope="module")
def model() -> HDVILA:
    return load_official_checkpoint(CHECKPOINT, tiny_config())


def embed(model: HDVILA, hr: Tensor | None, lr: Tensor | None) -> Tensor:
    with torch.no_grad():
        return model.encode_video(hr, lr).embedding


@pytest.mark.parametrize(
    ("hr", "lr", "frames", "grid"),
    [
        ((576, 1024), (144, 256), 6, (9, 16)),
        ((384, 640), (96, 160), 6, (6, 10)),
        ((252, 252), (63, 63), 6, (4, 4)),
        ((256, 448), (64, 112), 6, (4, 7)),
        ((320, 512), (80, 128), 5, (5, 8)),
        ((320, 512), (80, 128), 2, (5, 8)),
        ((320, 512), (80, 128), 1, (5, 8)),
        ((720, 1280), None, 0, (11, 20)),
        ((33, 40), None, 0, (1, 1)),
        (None, (180, 320), 3, (12, 20)),
        (None, (1, 17), 1, (1, 2)),
    ],
)
def test_accepted_sizes(
    model: HDVILA,
    hr: tuple[int, int] | None,
    lr: tuple[int, int] | None,
    frames: int,
    grid: tuple[int, int],
) -> None:
    with torch.no_grad():
        video = model.encode_video(
            None if hr is None else torch.zeros(1, 1, 3, *hr), None if lr is None else torch.zeros(1, 1, frames, 3, *lr)
        )
    assert video.grid.shape == (1, 1, *grid, 64)
    assert video.embedding.norm(dim=-1).item() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("hr", "lr"),
    [
        ((720, 1280), (180, 320)),
        ((224, 224), (56, 56)),
        ((360, 640), (90, 160)),
        ((352, 640), (88, 160)),
        ((320, 512), (160, 256)),
        ((640, 1024), (640, 1024)),
        ((40, 40), (10, 10)),
    ],
)
def test_sizes_whose_grids_disagree_are_refused_with_a_fix(
    model: HDVILA, hr: tuple[int, int], lr: tuple[int, int]
) -> None:
    with pytest.raises(InputError, match="multiples of 64") as caught:
        model.encode_video(torch.zeros(1, 1, 3, *hr), torch.zeros(1, 1, 2, 3, *lr))
    proposed = str(caught.value).split("for example ")[1].rstrip(".").split(" with ")
    fixed_hr, fixed_lr = (tuple(map(int, size.split("x"))) for size in proposed)
    embed(model, torch.zeros(1, 1, 3, *fixed_hr), torch.zeros(1, 1, 2, 3, *fixed_lr))


@pytest.mark.parametrize(
    ("hr", "lr", "match"),
    [
        (None, None, "neither"),
        (torch.zeros(1, 3, 64, 64), None, "shape"),
        (torch.zeros(1, 1, 64, 64, 3), None, "3 colour channels"),
        (torch.zeros(0, 1, 3, 64, 64), None, "nothing"),
        (torch.zeros(1, 1, 3, 32, 64), None, "too small"),
        (torch.full((1, 1, 3, 64, 64), 256.0), None, "0..255"),
        (torch.full((1, 1, 3, 64, 64), -1.0), None, "0..255"),
        (torch.full((1, 1, 3, 64, 64), float("nan")), None, "finite"),
        (torch.zeros(1, 1, 3, 64, 64, dtype=torch.int64), None, "int64"),
        (None, torch.zeros(1, 1, 3, 16, 16), "shape"),
        (None, torch.zeros(1, 1, 0, 3, 16, 16), "nothing"),
        (torch.zeros(1, 2, 3, 64, 64), torch.zeros(1, 1, 2, 3, 16, 16), "clips"),
    ],
)
def test_wrong_clips_are_refused(model: HDVILA, hr: Tensor | None, lr: Tensor | None, match: str) -> None:
    with pytest.raises(InputError, match=match):
        model.encode_video(hr, lr)


@pytest.mark.parametrize(
    ("ids", "mask", "match"),
    [
        ([[1, 199, 2]], [[1, 1, 1]], "vocabulary"),
        ([[1, -1, 2]], [[1, 1, 1]], "vocabulary"),
        ([[1, 5, 2]], [[1, 1]], "shapes"),
        ([[1, 5, 2]], [[1, 2, 1]], "attention_mask"),
        ([[1, 5, 2], [1, 5, 2]], [[1, 1, 1], [0, 0, 0]], "no real token"),
        ([[1] * 41], [[1] * 41], "41 tokens"),
        ([1, 5], [1, 1], "shapes"),
    ],
)
def test_wrong_texts_are_refused(model: HDVILA, ids: list[list[int]], mask: list[list[int]], match: str) -> None:
    with pytest.raises(InputError, match=match):
        model.encode_text(torch.tensor(ids), torch.tensor(mask))


def test_padding_does_not_change_a_text(model: HDVILA) -> None:
    ids, mask = texts(5, (6, 6), 6)
    padded = torch.nn.functional.pad(ids, (0, 4)), torch.nn.functional.pad(mask, (0, 4))
    with torch.no_grad():
        torch.testing.assert_close(
            model.encode_text(*padded).embedding, model.encode_text(ids, mask).embedding, rtol=0, atol=1e-6
        )


def test_samples_of_a_batch_do_not_meet(model: HDVILA) -> None:
    hr, lr = small_clips()
    with torch.no_grad():
        text = model.encode_text(*texts(6, (7, 4), 7))
        whole = model.fuse(model.encode_video(hr, lr), text).mlm_logits
        single_text = model.encode_text(*(part[1:] for part in texts(6, (7, 4), 7)))
        single = model.fuse(model.encode_video(hr[1:], lr[1:]), single_text).mlm_logits
    torch.testing.assert_close(whole[1:], single, rtol=0, atol=1e-5)


def test_one_pass_per_frame_equals_all_at_once(model: HDVILA, monkeypatch: pytest.MonkeyPatch) -> None:
    hr, lr = small_clips()
    whole = embed(model, hr, lr)
    monkeypatch.setattr("vl_backbone.hdvila.video_encoder.PIXELS_PER_PASS", 1)
    torch.testing.assert_close(embed(model, hr, lr), whole, rtol=0, atol=1e-6)


def test_one_frame_of_the_hybrid_transformer_equals_that_of_all(model: HDVILA) -> None:
    x = torch.randn(2, 5, 3, 4, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(model.timesformer(x, 2), model.timesformer(x)[:, 2], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("how", "join"), [("lse", torch.logsumexp), ("mean", torch.mean), ("max", lambda x, dim: x.amax(dim))]
)
def test_clip_pooling(how: str, join: Callable[..., Tensor]) -> None:
    """Clips meet the text separately; words are predicted from their joined states."""
    model = build_hdvila({**tiny_config(), "score_agg_func": how}, 2)
    model.load_state_dict(tiny_state())
    clips = pictures(9, (1, 3, 3, 64, 128), 8)
    with torch.no_grad():
        text = model.encode_text(*texts(6, (7,), 7))
        alone = [model.fuse(model.encode_video(clips[:, i : i + 1]), text) for i in range(3)]
        together = model.fuse(model.encode_video(clips), text)
    expected = join(torch.stack([one.text_tokens for one in alone]), dim=0)
    torch.testing.assert_close(together.text_tokens, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(together.pooled, torch.cat([one.pooled for one in alone]), rtol=0, atol=1e-5)


def test_first_token_pooling() -> None:
    model = build_hdvila({**tiny_config(), "bert_mean": 0}, 1)
    ids, mask = texts(6, (7,), 7)
    bert = model.transformer.bert
    with torch.no_grad():
        states = model.encode_tokens(ids, mask)
        torch.testing.assert_close(bert.pool_text(states, mask), torch.tanh(bert.pooler1.dense(states[:, 0])))


def test_gradients_reach_the_pixels_and_every_weight_in_use() -> None:
    model = load_official_checkpoint(CHECKPOINT, tiny_config()).train()
    hr, lr = (frames.float().requires_grad_() for frames in small_clips())
    video, text = model.encode_video(hr, lr), model.encode_text(*texts(3003, (5, 7), 7))
    fused = model.fuse(video, text)
    loss = (video.embedding * text.embedding).sum() + fused.mlm_logits.square().mean() + fused.match_logits.sum()
    loss.backward()
    assert hr.grad is not None and hr.grad.abs().sum() > 0
    assert lr.grad is not None and lr.grad.abs().sum() > 0
    idle = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    unused = ("cnn_low.layer4.", "timesformer.norm.", "transformer.bert.visual_embeddings.position_embeddings.")
    assert all(name.startswith(unused) for name in idle), idle


def test_training_keeps_the_batch_norms_statistics(model: HDVILA) -> None:
    fresh = load_official_checkpoint(CHECKPOINT, tiny_config()).train()
    fresh.encode_video(*small_clips())
    for name, tensor in fresh.state_dict().items():
        if "running" in name or "num_batches" in name:
            assert torch.equal(tensor, tiny_state()[name]), name


def test_bfloat16_stays_close(model: HDVILA) -> None:
    half = load_official_checkpoint(CHECKPOINT, tiny_config()).to(torch.bfloat16)
    similarity = torch.cosine_similarity(embed(half, *small_clips()).float(), embed(model, *small_clips()))
    assert similarity.min() > 0.99


def test_uint8_equals_float(model: HDVILA) -> None:
    hr, lr = small_clips()
    assert torch.equal(embed(model, hr, lr), embed(model, hr.float(), lr.float()))


def test_calls_that_a_model_has_no_head_for() -> None:
    stage_1, answers = build_hdvila(tiny_config(), 1), build_hdvila(tiny_config(), 2, answers=3)
    text = stage_1.encode_text(*texts(6, (7, 4), 7))
    video = stage_1.encode_video(small_clips()[0])
    with pytest.raises(UsageError, match="stage-2"):
        stage_1.fuse(video, text)
    with pytest.raises(UsageError, match="answer"):
        stage_1.answer(small_clips()[0], None, *texts(6, (7, 4), 7))
    with pytest.raises(UsageError, match="answer"):
        answers.encode_video(small_clips()[0])
    with pytest.raises(UsageError, match="candidates"):
        answers.choose(small_clips()[0], None, *texts(6, (7, 4), 7))


def test_videos_and_texts_must_pair_up_and_fit(model: HDVILA) -> None:
    with torch.no_grad():
        text = model.encode_text(*texts(6, (7,), 7))
        with pytest.raises(InputError, match="pairs"):
            model.fuse(model.encode_video(small_clips()[0]), text)
        tall = model.encode_video(torch.zeros(1, 1, 3, 21 * 64, 64))
        with pytest.raises(InputError, match="smaller frames"):
            model.fuse(tall, text)
