"""Tables of remedies for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.remedyvalues import (
    RemedyStudy,
    RemedyValues,
)

_SHOWN = 15  # rows


def remedies_report(study: RemedyStudy) -> Iterator[Table | str]:
    """Tables of a study for a terminal of 80 columns."""
    for item in study.found:
        if item.table.empty:
            yield f"{item.run.regime.name}: no remedies, see the notes"
            continue
        yield _ranking(item)
        if len(item.table) > _SHOWN:
            yield f"and {len(item.table) - _SHOWN} more"


def _ranking(item: RemedyValues) -> Table:
    table = item.table.head(_SHOWN)
    energy, mwh = _scale(table[["mwh_by_dual", "mwh_by_difference"]], "MWh", "GWh", "TWh")
    money, unit = _scale(table[["money_by_dual", "money_by_difference"]], "", "thousand", "m")
    currency = item.run.case.market.currency
    shown = table_of(
        f"{item.run.regime.name}: saved by {table['size'].max():,.0f} more, "
        f"{energy} and {f'{money} {currency}'.strip()}",
        ["rank", "remedy", "where", "size", f"{energy}\nby dual", "by dif-\nference",
         "money\nby dual", "by dif-\nference"],
    )  # fmt: skip
    for column in shown.columns[1:3]:
        column.justify, column.no_wrap = "left", False
    for _, row in table.iterrows():
        shown.add_row(
            str(row["rank"]), row["remedy"].replace("_", " "), str(row["where"]),
            f"{row['size']:,.0f}",
            *(rounded(row[f"mwh_{how}"] / mwh, 3) + "*" * (how == "by_dual" and row["one_sided"])
              for how in ("by_dual", "by_difference")),
            *(rounded(row[f"money_{how}"] / unit, 3) for how in ("by_dual", "by_difference")),
        )  # fmt: skip
    if table["one_sided"].any():
        shown.caption = "* limits meet: the dual holds in one direction at most"
        shown.caption_justify = "left"
    return shown


def _scale(values: pd.DataFrame, one: str, thousand: str, million: str) -> tuple[str, float]:
    """Unit that suits the numbers."""
    largest = np.nanmax(values.abs().to_numpy(dtype=float), initial=0.0)
    return (million, 1e6) if largest >= 1e6 else (thousand, 1e3) if largest >= 1e4 else (one, 1.0)
