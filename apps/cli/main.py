"""The console script `vilaface`: mounts the commands. What is heavy is imported inside the commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from apps.cli import batch, edit, generate, serve, superres, video
from apps.cli.common import quiet_libraries
from apps.cli.data import data_app
from apps.cli.evaluate import evaluate_app
from apps.cli.train import train_app
from apps.cli.weights import weights_app

app = typer.Typer(
    help="Edit face photos with words, and make faces from words.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vilaface {version('vilaface')}")
        raise typer.Exit


@app.callback()
def vilaface(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Edit face photos with words, and make faces from words."""


app.command("edit")(edit.edit)
app.command("generate")(generate.generate)
app.command("superres")(superres.superres)
app.command("batch")(batch.batch)
app.command("video")(video.video)
app.command("serve")(serve.serve)
app.add_typer(weights_app, name="weights")
app.add_typer(train_app, name="train")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(data_app, name="data")


def run() -> None:
    """Entry point of the console script."""
    quiet_libraries()
    app()


if __name__ == "__main__":
    run()
