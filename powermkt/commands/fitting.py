"""Tables that fit a terminal: what is too wide is split by columns, and no number is cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.table import Column, Table

_NAME = 14  # width to which columns of text may be folded
_KEYS = ("regime", "tau")


def fitted(table: Table, width: int) -> Iterator[Table]:
    """Return a table that fits so many columns of a terminal, or several under each other.

    Columns of text fold; columns of numbers never do. Where they do not fit beside each other, the
    table is split, and the columns at its left that name a row are repeated.
    """
    columns = table.columns
    keys = _leading(columns)
    blocks: list[list[int]] = [[]]
    room = width - sum(_needed(columns[i]) + 1 for i in range(keys))
    left = room
    for i in range(keys, len(columns)):
        need = _needed(columns[i]) + 1
        if blocks[-1] and need > left + 1:  # no space after the last
            blocks.append([])
            left = room
        blocks[-1].append(i)
        left -= need
    for number, block in enumerate(blocks):
        chosen = [columns[i] for i in (*range(keys), *block)]
        yield _part(table, chosen, first=number == 0, last=number == len(blocks) - 1)


def _leading(columns: Sequence[Column]) -> int:
    """How many columns at the left name a row."""
    for number, column in enumerate(columns):
        if number and column.justify != "left" and str(column.header) not in _KEYS:
            return number
    return len(columns)


def _lines(column: Column) -> Iterator[str]:
    for cell in (column.header, *column.cells):
        yield from str(cell).splitlines()


def _needed(column: Column) -> int:
    """Columns of the terminal that a column needs at least."""
    most = max(map(cell_len, _lines(column)), default=0)
    return min(most, _NAME) if column.justify == "left" else most


def _part(table: Table, columns: Sequence[Column], first: bool, last: bool) -> Table:
    part = Table(
        box=table.box, title=table.title if first else None, title_justify=table.title_justify,
        caption=table.caption if last else None, caption_justify=table.caption_justify,
        padding=table.padding, show_edge=table.show_edge,
    )  # fmt: skip
    for column in columns:
        part.add_column(
            column.header, justify=column.justify, no_wrap=column.justify != "left",
            overflow="fold",
        )  # fmt: skip
    for row in zip(*(column.cells for column in columns), strict=True):
        part.add_row(*row)
    return part
