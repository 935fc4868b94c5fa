"""`vilaface data`: makes and describes the data sets; the work is in fdvd and gan_mapping.synth."""

from __future__ import annotations

import typer

from apps.cli import data_fdvd, data_synth

data_app = typer.Typer(help="Make and look at data sets of faces.", no_args_is_help=True)


@data_app.callback()
def data() -> None:
    """Make and look at data sets of faces."""


data_app.command("synth")(data_synth.synth)
data_app.command("fdvd")(data_fdvd.fdvd)
data_app.command("celebahq")(data_fdvd.celebahq)
