"""The tiny model gives what the original code gave for the same weights and inputs."""

from __future__ import annotations

import pytest
import torch

from tests.vl_backbone.hdvila.tiny_hdvila import (
    CHECKPOINT,
    assert_golden,
    goldens,
    small_clips,
    texts,
    tiny_config,
    tiny_state,
    wide_clips,
)
from vl_backbone import build_hdvila, load_official_checkpoint
from vl_backbone.hdvila.model import HDVILA


@pytest.fixture(scope="module")
def model() -> HDVILA:
    return load_official_checkpoint(CHECKPOINT, tiny_config())


@pytest.mark.parametrize("run", ["both", "hr_only", "lr_only6", "lr_only7"])
def test_video_text_and_fusion(model: HDVILA, run: str) -> None:
    hr, lr = wide_clips()
    if run == "lr_only7":
        lr = torch.cat((lr, lr[:, :, -1:]), dim=2)
    with torch.no_grad():
        video = model.encode_video(None if run.startswith("lr") else hr, None if run == "hr_only" else lr)
        text = model.encode_text(*texts(1003, (12, 8), 12))
        fused = model.fuse(video, text)
    ours = {
        "middle_feature": video.grid.flatten(0, 1).permute(0, 3, 1, 2),
        "vis_features": video.embedding,
        "text_features": text.embedding,
        "vtoken_output": fused.video_tokens,
        "pooler2": fused.pooled,
        "mlm_logits": fused.mlm_logits,
        "itm_logits": fused.match_logits,
    }
    for name, tensor in ours.items():
        assert_golden(f"{run}/{name}", tensor, goldens()[f"{run}/{name}"])


def test_stage_1_model_gives_the_same_embeddings() -> None:
    model = build_hdvila(tiny_config(), 1)
    model.load_state_dict({name: tensor for name, tensor in tiny_state().items() if name in model.state_dict()})
    with torch.no_grad():
        video, text = model.encode_video(lr=wide_clips()[1]), model.encode_text(*texts(1003, (12, 8), 12))
    assert_golden("vis_features", video.embedding, goldens()["lr_only6/vis_features"])
    assert_golden("text_features", text.embedding, goldens()["lr_only6/text_features"])


def test_layer_norm_epsilons(model: HDVILA) -> None:
    probes = goldens()
    # The original keeps time as the fastest axis: [1, cells * frames, D] with 3x4 cells and 6 frames.
    frames_first = probes["eps/block0_in"].unflatten(1, (12, 6)).transpose(1, 2)
    out = model.timesformer.blocks[0](frames_first).transpose(1, 2).flatten(1, 2)
    assert_golden("hybrid Transformer", out, probes["eps/block0_out"])
    norm = model.transformer.bert.encoder.layer[0].get_submodule("output.LayerNorm")
    assert_golden("BERT", norm(probes["eps/bert_ln_in"]), probes["eps/bert_ln_out"])


@pytest.mark.parametrize(("kind", "answers"), [("qa_open", 11), ("qa_choice", 1)])
def test_answer_heads_on_another_grid(kind: str, answers: int) -> None:
    """A 3x4 grid and 13 frames: positions and times are interpolated."""
    model = build_hdvila(tiny_config(), 2, answers=answers)
    head = {name.split("/state/")[1]: t for name, t in goldens().items() if name.startswith(f"{kind}/state/")}
    trunk = {name: tensor for name, tensor in tiny_state().items() if name in model.state_dict()}
    model.load_state_dict({**trunk, **head})
    hr, lr = small_clips()
    with torch.no_grad():
        if answers == 1:
            ids, mask = (goldens()[f"{kind}/text_input_{part}"].unflatten(0, (2, 5)) for part in ("ids", "mask"))
            logits = model.choose(hr, lr, ids, mask)
            assert logits.shape == (1, 2, 5)
        else:
            logits = model.answer(hr, lr, *texts(3003, (5, 7), 7))
            assert logits.shape == (1, 2, 11)
    assert_golden(kind, logits, goldens()[f"{kind}/logits"])
