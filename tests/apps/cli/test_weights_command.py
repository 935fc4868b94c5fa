"""`vilaface weights`: what it prints, where, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from apps.cli.weights import weights_app


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(*arguments: str) -> Result:
    return CliRunner().invoke(weights_app, list(arguments))


def test_list_prints_one_json_object_per_file() -> None:
    result = call("list", "--json")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert {row["state"] for row in rows} == {"missing"}
    assert {"mobile-stylegan-ffhq", "stylegan2-ffhq"} <= {row["name"] for row in rows}
    assert all(row["licence"] and row["licence_note"] and row["how"] for row in rows)


def test_list_without_json_is_a_table() -> None:
    result = call("list")
    assert result.exit_code == 0
    assert "mobile-stylegan-ffhq" in result.stdout


def test_verify_fails_with_code_3_and_says_what_to_do() -> None:
    result = call("verify", "mtcnn", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["state"] == "missing"
    assert "vilaface weights fetch mtcnn" in result.stderr


def test_a_file_can_be_imported_and_verified(tmp_path: Path, home: Path) -> None:
    source = tmp_path / "mine.safetensors"
    save_file({"a": torch.zeros(2)}, source)
    result = call("import", str(source), "--as", "mine", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["state"] == "ready"
    assert call("verify", "mine").exit_code == 0
    (home / "weights" / "user" / "mine.safetensors").write_bytes(b"")
    assert call("verify", "mine").exit_code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "nowhere.safetensors", "--as", "mine"),
        ("import", ".", "--as", "mine"),
        ("import", "nowhere.safetensors", "--as", "../mine"),
        ("import", "nowhere.safetensors", "--as", "mtcnn"),
        ("fetch", "nosuch"),
        ("fetch", "hdvila-official"),
        ("verify", "nosuch"),
    ],
)
def test_refusals_are_one_sentence_and_code_3(arguments: tuple[str, ...]) -> None:
    result = call(*arguments)
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ")
    assert "Traceback" not in result.stderr
