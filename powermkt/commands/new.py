"""The command `new`: a starter study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from powermkt.commands.options import QuietOption


def new(
    folder: Annotated[Path, typer.Argument(help="folder to make", show_default=False)],
    quiet: QuietOption = False,
) -> None:
    """Lay out a starter study, every line explained."""
    from powermkt.guide.starting import lay_out

    made = lay_out(folder)
    if not quiet:
        typer.echo(f"{made}: now `powermkt check {made}`, then")
        typer.echo(f"powermkt compare {made} --study {made / 'study.yaml'}")
