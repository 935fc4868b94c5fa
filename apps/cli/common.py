"""What all commands share: where output goes, exit codes, loading the editor. Imports nothing heavy."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from vl_backbone.common.errors import InputError, UsageError, VilaFaceError, WeightsError
from vl_backbone.common.reason import reason_of
from vl_backbone.common.strict_json import to_json
from vl_backbone.weights.files import write_atomically

if TYPE_CHECKING:
    import torch

    from gan_mapping.editing.editor import FaceEditor

OK, SOME_FAILED, BAD_USAGE, WEIGHTS, INTERRUPTED = 0, 1, 2, 3, 130
STAGES = ("detect", "align", "encode", "refine", "map_text", "aim", "render", "paste", "identity", "write", "total")
Row = dict[str, Any]

OutOption = Annotated[Path, typer.Option("--out", help="Folder for the results; made when missing.")]
PresetOption = Annotated[str, typer.Option("--preset", help="Which set of networks to use.")]
GeneratorOption = Annotated[
    str | None,
    typer.Option(
        "--generator", help="Draw with this generator (a name or a file) of the same W.  [default: the preset's]"
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help='"auto", "cpu", "cuda" or "cuda:N".')]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per result on standard output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an internal error.", hidden=True)]

console = Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str, style: str = "") -> None:
    """One line for people, on standard error; the message is plain text, not markup."""
    console.print(escape(_printable(message)), style=style or None)


def _printable(text: str) -> str:
    """File names may hold bytes that are no text; they are shown as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(row: Row) -> None:
    """One result as one line on standard output."""
    sys.stdout.write(to_json(row) + "\n")
    sys.stdout.flush()


def say_failure(row: Row) -> None:
    """Beside a row on standard output: its error, if it has one, on standard error as well."""
    if row["status"] != "ok":
        say(f"FAILED  {row['input'] or row['task']}: {row['error']}", "red")


@contextmanager
def exit_codes(debug: bool = False) -> Iterator[None]:
    """Errors become one sentence on standard error and the exit code of their kind; never a traceback."""
    try:
        yield
    except KeyboardInterrupt:
        say("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except VilaFaceError as error:
        say(f"Error: {error}", "red")
        codes = {WeightsError: WEIGHTS, UsageError: BAD_USAGE}
        code = next((codes[kind] for kind in codes if isinstance(error, kind)), SOME_FAILED)
        raise typer.Exit(code) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001
        say(f"Error: {internal_error(error, debug)}", "red")
        raise typer.Exit(SOME_FAILED) from None


def internal_error(error: Exception, debug: bool = False) -> str:
    """The sentence for an error nobody foresaw; its traceback only when asked for."""
    if debug:
        console.print(escape("".join(traceback.format_exception(error))))
    return f"internal error: {type(error).__name__}: {error}"


def quiet_libraries() -> None:
    """No hub look-ups, no usage statistics, no progress bars or warnings of libraries."""
    settings = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def check_device_name(device: str) -> None:
    """UsageError for what cannot be a device, before anything is loaded."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f'Unknown device {device!r}; use "auto", "cpu", "cuda" or "cuda:N".')


def output_folder(path: Path) -> Path:
    """Makes the folder for results; UsageError when that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError:
        raise UsageError(f"--out {path}: is a file, not a folder; name another folder.") from None
    except (OSError, ValueError) as error:
        reason = reason_of(error)
        raise UsageError(f"--out {path}: cannot be written ({reason}); name another folder.") from None
    return path


def load_editor(preset: str, device: str, generator: str | None = None) -> FaceEditor:
    """The editor, warmed up, so that the first photo is not slower than the others."""
    with console.status("Loading the networks."):
        from transformers.utils.logging import disable_progress_bar

        from gan_mapping.editing.editor import FaceEditor

        disable_progress_bar()
        editor = FaceEditor.from_preset(preset, device, generator)
        drawer = editor.model.generator
        mean = drawer.w_mean.expand(1, drawer.num_ws, drawer.w_dim).contiguous()
        drawer.render(mean)
        if not drawer.exact_drafts:
            drawer.draft(mean)
    return editor


def write_text(path: Path, text: str) -> None:
    """Writes a text file that is complete or not there at all."""
    _write(path, text.encode("utf-8"))


def write_latent(path: Path, ws: torch.Tensor) -> None:
    """Writes ws [num_ws, w_dim] as float32 safetensors, key "ws"."""
    from safetensors.torch import save

    _write(path, save({"ws": ws.detach().float().cpu().contiguous()}))


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomically(path, [data])
    except OSError as error:
        reason = reason_of(error)
        raise InputError(f"{path}: cannot be written ({reason}); choose another folder") from None


def rounded(timings: dict[str, float]) -> dict[str, float]:
    """Timings of all stages, 0.0 for one that did not run."""
    return {name: round(float(timings.get(name, 0.0)), 4) for name in dict.fromkeys((*STAGES, *timings))}


def understood(intents: dict[str, float]) -> str:
    """Intents in words: "glasses +1.0, beard -1.0", strongest first."""
    if not intents:
        return "nothing that can be changed on a face"
    strongest = sorted(intents.items(), key=lambda item: -abs(item[1]))
    return ", ".join(f"{name.replace('_', ' ')} {value:+.1f}" for name, value in strongest)


def progress_bar() -> Progress:
    """A bar on standard error; shows nothing when that is no terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
