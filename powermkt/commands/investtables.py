"""Tables of entry for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.entry import EntryStudy


def invest_report(study: EntryStudy) -> Iterator[Table]:
    """Tables of a study for a terminal of 80 columns."""
    currency = study.case.market.currency
    names = list(study.plan.candidates)
    shown = table_of("what enters, MW (* all that is possible)", ["regime", "tau", *names])
    for (name, price), part in _cells(study.entry):
        full = part["state"].eq("potential").map({True: "*", False: ""})
        shown.add_row(name, price, *(part["entry_mw"].map(lambda x: f"{x:,.0f}") + full))
    yield shown
    shown = table_of(
        "return over the hurdle rate, % points; of what did not enter, of a first MW",
        ["regime", "tau", *names],
    )
    for (name, price), part in _cells(study.entry):
        shown.add_row(name, price, *(100 * part["excess_return"]).map(lambda x: rounded(x, 2)))
    yield shown
    shown = table_of(
        f"the year with what enters; cost in m {currency}: dispatch, what enters, both",
        ["regime", "tau", "wind\n%", "sun\n%", "cut\n%", "CO2\nkt", "dispatch", "entrants", "both"],
    )
    for (name, price), part in _cells(study.system):
        row = part.iloc[0]
        shown.add_row(
            name, price,
            *(rounded(100 * row[key], 1) for key in ("wind_share", "solar_share",
                                                     "curtailment_rate")),
            f"{row['emissions_t'] / 1e3:,.1f}",
            *(f"{row[key] / 1e6:,.1f}" for key in ("resource_cost", "entrants_cost",
                                                   "total_cost")),
        )  # fmt: skip
    yield shown
    shown = table_of(
        "how it was found; what conditions of an equilibrium are missed by, % of yearly cost",
        ["regime", "tau", "method", "clearings", "converged", "missed by", "within MW"],
    )
    for (name, price), part in _cells(study.convergence):
        row = part.iloc[0]
        shown.add_row(
            name, price, row["method"], str(row["clearings"]), "yes" if row["converged"] else "NO",
            rounded(100 * row["largest_excess"], 2), rounded(row["largest_width_mw"], 1),
        )  # fmt: skip
    yield shown


def _cells(table: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for (name, price), part in table.groupby(["regime", "carbon_price"], sort=False):
        yield (str(name), f"{price:g}"), part
