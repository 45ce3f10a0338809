"""Tables of a check for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.guide.inspection import Inspection


def check_report(found: Inspection, name: str) -> Iterator[Table | str]:
    """What a case holds, what is assumed, and which presets it is ready for."""
    shown = table_of(f"{name} holds", ["", "number"])
    for what, number in found.counts[found.counts != 0].items():
        shown.add_row(str(what), f"{number:,.6g}" if number < 1e6 else f"{number:,.0f}")
    yield shown
    yield _carrier_table(found.carriers)
    if len(found.assumed):
        yield _assumed_table(found.assumed)
    ready = found.regimes["lacks"] == ""
    yield f"ready for: {', '.join(found.regimes.loc[ready, 'regime']) or 'no preset'}"
    for _, row in found.regimes[~ready].iterrows():
        yield f"not for {row['regime']}: {row['lacks']}"


def _carrier_table(table: pd.DataFrame) -> Table:
    shown = table_of(
        "by carrier",
        ["carrier", "plants", "storage", "MW", "units", "fleets", "t/MWh", "role"],
    )
    shown.columns[-1].justify, shown.columns[-1].no_wrap = "left", False
    for _, row in table.iterrows():
        shown.add_row(
            row["carrier"], *(f"{row[key]:,.0f}" for key in ("generators", "storage",
            "capacity_mw", "units", "fleets")), rounded(row["emission_rate"], 3), row["role"],
        )  # fmt: skip
    return shown


def _assumed_table(table: pd.DataFrame) -> Table:
    shown = table_of("assumed where nothing is stated", ["", "missing", "assumed"])
    shown.columns[-1].justify, shown.columns[-1].no_wrap = "left", False
    for _, row in table.iterrows():
        key = row["what"].startswith("market.yaml")
        missing = "" if key else f"{row['missing']:,} of {row['of']:,}"
        shown.add_row(row["what"], missing, row["assumed"])
    return shown
