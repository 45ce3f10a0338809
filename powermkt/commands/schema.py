"""The command `schema`: JSON schemas of the files that users write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def schema(
    kind: Annotated[
        str | None,
        typer.Argument(help="which file, e.g. market; without it: a list", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="folder in which KIND.schema.json is written; without KIND every one",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print the JSON schema of a file that users write."""
    from powermkt.errors import StorageError
    from powermkt.guide.schemas import FILES
    from powermkt.guide.schemas import schema as schema_of

    if kind is None and out is None:
        for name, what in FILES.items():
            typer.echo(f"{name:12} {what}")
        return
    texts = {
        name: json.dumps(schema_of(name), indent=2, ensure_ascii=False, allow_nan=False)
        for name in (FILES if kind is None else [kind])
    }
    if out is None:
        typer.echo("\n".join(texts.values()))
        return
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / f"{name}.schema.json").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{out}: cannot be written: {error.strerror or error}") from error
