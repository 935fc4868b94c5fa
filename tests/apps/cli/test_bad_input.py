"""`vilaface` with what people get wrong: the right exit code, one sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from apps.cli.main import app
from tests.apps.app_helpers import Launch, huge_png, json_rows

BAD_FILES = ("text.jpg", "cut.png", "empty.png", "huge.png", "folder", "missing.png")


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def bad_run(tmp_path_factory: pytest.TempPathFactory, launch: Launch, astronaut: Path) -> tuple[Path, Any]:
    """One real launch with every kind of unusable file."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.jpg").write_text("this is no photo")
    (folder / "cut.png").write_bytes(astronaut.read_bytes()[:20_000])
    (folder / "empty.png").touch()
    (folder / "huge.png").write_bytes(huge_png())
    (folder / "folder").mkdir()
    return folder, launch("edit", *BAD_FILES, "--text", "smile", "--json", "--out", "out", cwd=folder)


def test_bad_files_fail_one_by_one(bad_run: tuple[Path, Any]) -> None:
    folder, result = bad_run
    rows = json_rows(result.stdout)
    assert result.returncode == 1
    assert [row["input"] for row in rows] == list(BAD_FILES)
    assert {row["status"] for row in rows} == {"failed"}
    words = ("not a photo", "damaged or cut off", "empty (0 bytes)", "megapixels", "is a folder", "no such file")
    for row, word in zip(rows, words, strict=True):
        assert word in row["error"]
    assert "Traceback" not in result.stderr
    # Also where rows go to standard output as JSON, people read what failed on standard error.
    assert result.stderr.count("FAILED") == sum(row["status"] == "failed" for row in json_rows(result.stdout))
    assert sorted(path.name for path in (folder / "out").iterdir()) == sorted(
        f"{Path(name).stem}.json" for name in BAD_FILES
    )


def test_a_failed_row_has_every_field(bad_run: tuple[Path, Any]) -> None:
    row = json_rows(bad_run[1].stdout)[0]
    fields = "input task text strength seed preset status error faces outputs timings_s weights warnings"
    assert set(fields.split()) <= set(row)
    assert row["task"] == "edit"
    assert row["outputs"] == dict.fromkeys(("edited", "face", "reconstruction", "latent", "sr"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--text", "  "], "The text is empty"),
        (["--text", "smile", "--strength", "nan"], "Strength must be"),
        (["--text", "smile", "--strength", "inf"], "Strength must be"),
        (["--text", "smile", "--strength", "-inf"], "Strength must be"),
    ],
)
def test_a_wish_that_makes_no_sense_fails_every_item(
    options: list[str], sentence: str, astronaut: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VILAFACE_HOME", str(tmp_path / "nothing-here"))
    photos = [str(astronaut), str(astronaut)]
    result = call("edit", *photos, *options, "--json", "--out", str(tmp_path / "out"))
    rows = json_rows(result.stdout)
    assert result.exit_code == 1
    assert len(rows) == 2
    assert all(sentence in row["error"] and row["status"] == "failed" for row in rows)


def test_generate_with_empty_text_fails(tmp_path: Path) -> None:
    result = call("generate", "--text", " ", "--json", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert json_rows(result.stdout)[0]["status"] == "failed"


@pytest.mark.parametrize(
    "arguments",
    [
        ("edit", "--text", "smile"),
        ("edit", "a.png"),
        ("edit", "a.png", "--text", "smile", "--strength", "much"),
        ("edit", "a.png", "--text", "smile", "--refine", "-1"),
        ("edit", "a.png", "--text", "smile", "--refine", "few"),
        ("edit", "a.png", "--text", "smile", "--face", "left"),
        ("edit", "a.png", "--text", "smile", "--face", "-1"),
        ("edit", "a.png", "--text", "smile", "--preset", "no-such-preset"),
        ("edit", "a.png", "--text", "smile", "--preset", "../mini"),
        ("edit", "a.png", "--text", "smile", "--device", "toaster"),
        ("edit", "a.png", "--text", "smile", "--no-such-option"),
        ("generate", "--text", "smile", "--n", "0"),
        ("generate", "--text", "smile", "--seed", "-1"),
        ("generate", "--text", "smile", "--preset", "no-such-preset"),
        ("serve", "--port", "0"),
        ("serve", "--host", "no such host"),
        ("serve", "--preset", "no-such-preset"),
        ("no-such-command",),
    ],
)
def test_bad_usage_is_code_2(arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.strip()
    assert not result.stdout


def test_an_output_folder_that_is_a_file_is_code_2(tmp_path: Path, astronaut: Path) -> None:
    (tmp_path / "taken").touch()
    for out in ("taken", "taken/below"):
        result = call("edit", str(astronaut), "--text", "smile", "--out", str(tmp_path / out))
        assert result.exit_code == 2
        assert "name another folder" in result.stderr


def test_missing_weights_are_code_3(launch: Launch, astronaut: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    result = launch("edit", str(astronaut), "--text", "smile", cwd=tmp_path, VILAFACE_HOME=str(home))
    assert result.returncode == 3
    assert "vilaface weights fetch" in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout


def test_a_photo_is_never_written_over(astronaut: Path, tmp_path: Path) -> None:
    photo = tmp_path / "me.json"
    photo.write_bytes(astronaut.read_bytes())
    result = call("edit", str(photo), "--text", " ", "--json", "--out", str(tmp_path))
    assert result.exit_code == 1
    assert photo.read_bytes() == astronaut.read_bytes()


@pytest.mark.parametrize("command", [(), ("edit",), ("generate",), ("serve",), ("weights",), ("weights", "list")])
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_a_busy_port_is_named(tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = call("serve", "--port", str(port))
    assert result.exit_code == 2
    assert f"Port {port} is in use" in result.stderr
