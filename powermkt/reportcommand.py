"""The command `report`: results as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from powermkt.options import QuietOption


def write_report(
    folder: Annotated[Path, typer.Argument(help="folder of results", show_default=False)],
    lang: Annotated[str, typer.Option(help="en or zh")] = "en",
    out: Annotated[
        Path | None,
        typer.Option(help="HTML file; default: report.html in the folder", show_default=False),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write results as one HTML file that works offline."""
    from powermkt.report import report_of
    from powermkt.session import err

    page = report_of(folder, lang)
    name = "report.html" if lang == "en" else f"report-{lang}.html"
    target = page.write(out or folder / name)
    if page.missing and not quiet:
        err.print(f"not in these results: {', '.join(page.missing)}")
    typer.echo(f"{target}: {len(page.html.encode()) / 1e6:.1f} MB")
