"""Official checkpoints: every key accounted for, nothing executed, bit-equal round trips."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from tests.vl_backbone.hdvila.tiny_hdvila import CHECKPOINT, DATA, tiny_config, tiny_state
from vl_backbone import build_hdvila, load_official_checkpoint, save_official_checkpoint
from vl_backbone.common.errors import UsageError, WeightsError
from vl_backbone.hdvila.config import HDVILAConfig
from vl_backbone.hdvila.model import HDVILA


@pytest.mark.parametrize("stage", [1, 2])
def test_published_size_has_the_official_names_and_shapes(stage: int) -> None:
    official = json.loads((DATA / "official_keys.json").read_text())
    shapes = official["stage2"]
    if stage == 1:
        shapes = {name: shape for name, shape in shapes.items() if name not in official["stage2_only"]}
    with torch.device("meta"):
        state = HDVILA(HDVILAConfig.from_dict(official["config"]), stage).official_state_dict()
    assert {name: list(tensor.shape) for name, tensor in state.items()} == shapes
    assert len(state) == {1: 926, 2: 1135}[stage]
    whole = {name for name, tensor in state.items() if tensor.dtype == torch.int64}
    assert whole == {name for name in state if name.endswith("num_batches_tracked")}


def stage_1_state() -> dict[str, Tensor]:
    names = build_hdvila(tiny_config(), 1).state_dict().keys()
    return {name: tensor for name, tensor in tiny_state().items() if name in names}


def assert_equal_states(ours: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert ours.keys() == expected.keys()
    for name, tensor in expected.items():
        assert ours[name].dtype == tensor.dtype and torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("stage", [1, 2])
def test_round_trip_is_bit_equal(tmp_path: Path, stage: int, suffix: str) -> None:
    state = stage_1_state() if stage == 1 else tiny_state()
    source, target = tmp_path / "official.pt", tmp_path / f"copy{suffix}"
    torch.save(state, source)
    model = load_official_checkpoint(source, tiny_config())
    assert model.stage == stage and not model.training
    save_official_checkpoint(model, target)
    assert_equal_states(load_official_checkpoint(target, tiny_config()).official_state_dict(), state)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_saving_over_the_file_in_use(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    model = build_hdvila(tiny_config(), 2)
    save_official_checkpoint(model, path)
    loaded = load_official_checkpoint(path, tiny_config())
    with torch.no_grad():
        for parameter in loaded.parameters():
            parameter.add_(1.0)
    expected = {name: tensor.clone() for name, tensor in loaded.official_state_dict().items()}
    assert_equal_states(
        load_official_checkpoint(path, tiny_config()).official_state_dict(), model.official_state_dict()
    )
    save_official_checkpoint(loaded, path)
    assert_equal_states(load_official_checkpoint(path, tiny_config()).official_state_dict(), expected)


def test_wrapped_prefixed_and_half_precision(tmp_path: Path) -> None:
    """The original's restore.pt: a wrapper, half precision; a parallel wrapper's prefix on top."""
    state = {f"module.{name}": t.half() if t.is_floating_point() else t for name, t in tiny_state().items()}
    path = tmp_path / "restore.pt"
    torch.save({"global_step": 7, "model_state_dict": state, "optim_state_dict": {"state": {}}}, path)
    expected = {name: t.half().float() if t.is_floating_point() else t for name, t in tiny_state().items()}
    assert_equal_states(load_official_checkpoint(path, tiny_config()).official_state_dict(), expected)


def test_old_torch_format(tmp_path: Path) -> None:
    path = tmp_path / "old.pt"
    torch.save(tiny_state(), path, _use_new_zipfile_serialization=False)
    assert_equal_states(load_official_checkpoint(path, tiny_config()).official_state_dict(), tiny_state())


def test_answer_head_is_recognised(tmp_path: Path) -> None:
    model = build_hdvila(tiny_config(), 2, answers=11)
    path = tmp_path / "answers.pt"
    save_official_checkpoint(model, path)
    loaded = load_official_checkpoint(path, tiny_config())
    assert (loaded.stage, loaded.answers) == (2, 11)
    assert_equal_states(loaded.official_state_dict(), model.official_state_dict())


def test_shared_bias_stays_one_parameter() -> None:
    predictions = load_official_checkpoint(CHECKPOINT, tiny_config()).transformer.cls.predictions
    assert predictions.bias is predictions.decoder.bias


def test_tied_tensors_are_untied(tmp_path: Path) -> None:
    """The decoder is a parameter of its own even when a file stores it as the word embeddings."""
    state = dict(tiny_state())
    state["transformer.cls.predictions.decoder.weight"] = state["transformer.bert.embeddings.word_embeddings.weight"]
    torch.save(state, tmp_path / "tied.pt")
    model = load_official_checkpoint(tmp_path / "tied.pt", tiny_config())
    with torch.no_grad():
        model.transformer.cls.predictions.decoder.weight.zero_()
    assert model.transformer.bert.embeddings.word_embeddings.weight.abs().sum() > 0


def refused(state: object, path: Path) -> str:
    torch.save(state, path)
    with pytest.raises(WeightsError) as caught:
        load_official_checkpoint(path, tiny_config())
    return str(caught.value)


def test_every_wrong_key_is_named(tmp_path: Path) -> None:
    state = dict(tiny_state())
    del state["grid_encoder.0.weight"]
    state["grid_encoder.1.weight"] = torch.zeros(3)
    state["transformer.t_proj.bias"] = torch.zeros(63)
    message = refused(state, tmp_path / "wrong.pt")
    assert "unknown keys: grid_encoder.1.weight" in message
    assert "missing keys: grid_encoder.0.weight" in message
    assert "transformer.t_proj.bias is [63] instead of [64]" in message


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"transformer.cls.predictions.bias": torch.ones(199)}, "one parameter"),
        ({"cnn.bn1.num_batches_tracked": torch.tensor(1.0)}, "num_batches_tracked"),
        ({"cnn.bn1.bias": torch.zeros(8, dtype=torch.int64)}, "cnn.bn1.bias"),
        ({"cnn.bn1.bias": torch.zeros(8, dtype=torch.bool)}, "bool"),
        ({"cnn.bn1.bias": torch.zeros(8).to_sparse()}, "sparse"),
        ({"cnn.bn1.bias": torch.zeros(1).expand(8)}, "more values"),
        ({"cnn.bn1.bias": "text"}, "str"),
        ({7: torch.zeros(1)}, "'7'"),
        ({"transformer.classifier.2.weight": torch.zeros(())}, "unknown keys"),
    ],
)
def test_strange_entries_are_refused(tmp_path: Path, change: dict[object, object], match: str) -> None:
    state: dict[object, object] = {}
    state.update(tiny_state().items())
    assert match in refused({**state, **change}, tmp_path / "strange.pt")


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {}}, torch.zeros(3), {"state_dict": 3}, None])
def test_files_without_a_state_are_refused(tmp_path: Path, content: object) -> None:
    refused(content, tmp_path / "none.pt")


class Bomb:
    """Would make a file in the working folder if the unpickler ran it."""

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("executed"),)


def test_code_in_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused({"model_state_dict": dict(tiny_state()), "extra": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError):
        load_official_checkpoint(tmp_path / "raw.pt", tiny_config())
    assert not (tmp_path / "executed").exists()


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("small")
    state = {"cnn.bn1.bias": torch.arange(8.0), "cnn.bn1.weight": torch.ones(8)}
    torch.save(state, folder / "zip.pt")
    torch.save(state, folder / "old.pt", _use_new_zipfile_serialization=False)
    save_file(state, folder / "st.safetensors")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from(["zip.pt", "old.pt", "st.safetensors"]))
def test_damaged_files_give_a_sentence(
    tmp_path: Path, small_files: dict[str, bytes], name: str, data: st.DataObject
) -> None:
    content = bytearray(small_files[name])
    cut = data.draw(st.integers(0, len(content)))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / name
    path.write_bytes(bytes(content[:cut]))
    with pytest.raises(WeightsError):
        load_official_checkpoint(path, tiny_config())


def test_missing_file_and_wrong_suffix(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="not a file"):
        load_official_checkpoint(tmp_path / "absent.pt", tiny_config())
    with pytest.raises(UsageError, match="safetensors"):
        save_official_checkpoint(build_hdvila(tiny_config(), 1), tmp_path / "model.onnx")


def test_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    folder = tmp_path / "file-in-the-way"
    folder.write_text("old")
    with pytest.raises(WeightsError, match="Writing"):
        save_official_checkpoint(build_hdvila(tiny_config(), 1), folder / "model.pt")
    assert folder.read_text() == "old"
