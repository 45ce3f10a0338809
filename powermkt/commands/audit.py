"""The command `audit`: whether results are what they say, on the files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from powermkt.commands.options import JsonOption, QuietOption

_SHOWN = 40


def audit(
    folder: Annotated[Path, typer.Argument(help="folder of results")],
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence/--no-evidence", help="use what the results were made of, if it is there"
        ),
    ] = True,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Audit results on their files alone; exit 1 if anything is found."""
    from powermkt.commands.session import err
    from powermkt.studies.audit import audit as audit_folder

    report = audit_folder(folder, evidence=evidence)
    if as_json:
        if not report.ok:
            typer.echo(
                report.table.to_json(orient="records", lines=True, force_ascii=False).rstrip()
            )
    else:
        for item in report.findings[:_SHOWN]:
            typer.echo(str(item))
        if len(report.findings) > _SHOWN:
            typer.echo(f"and {len(report.findings) - _SHOWN} more: --json shows all")
    if not quiet:
        done = ", ".join(f"{count:,} {kind}" for kind, count in report.checks.items() if count)
        said = "nothing found" if report.ok else f"{len(report.findings)} findings"
        lines = [f"{said} in {done}", *(f"not checked: {why}" for why in report.unchecked)]
        for line in lines:
            err.print(line, markup=False, highlight=False, soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)
