"""The command `report`: results as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from powermkt.commands.options import QuietOption


def write_report(
    folders: Annotated[
        list[Path], typer.Argument(help="folders of results on one network", show_default=False)
    ],
    lang: Annotated[str, typer.Option(help="en or zh")] = "en",
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file; default: report.html in the folder", show_default=False),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write results, of one folder or several, as one HTML file that works offline."""
    from powermkt.commands.session import err
    from powermkt.report import report_of

    page = report_of(folders, lang)
    name = "report.html" if lang == "en" else f"report-{lang}.html"
    target = page.write(out or folders[0] / name)
    if page.missing and not quiet:
        err.print(f"missing in these results: {', '.join(page.missing)}")
    for folder, tables in [] if quiet else page.repeated.items():
        err.print(f"{folder}: a folder before it has {', '.join(tables)}", soft_wrap=True)
    typer.echo(f"{target}: {len(page.html.encode()) / 1e6:.1f} MB")
