"""Tables of returns for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.analysis.passthrough import NATION
from powermkt.commands.terminal import money_unit, rounded, table_of
from powermkt.studies.returnsstudy import ReturnsStudy

# Change of the return of renewable projects from the market of its time to a full one [%].
PUBLISHED = (2.3, 14.5)
_SOURCE = "Zou, Wang, Sun 2022, Bulletin of CAS 37(4): 469-478"


def returns_report(study: ReturnsStudy) -> Iterator[Table | str]:
    """What renewables sell, at which price, with which return; why; what one more would earn."""
    currency = study.comparison.case.market.currency
    if study.summary.empty:
        yield "no renewable plant"
    else:
        yield _summary_table(study.summary, currency)
        yield _published(study.summary)
    if len(study.split_summary):
        yield _split_table(study.split_summary)
    yield _plant_table(study.returns)
    if study.one_more is not None:
        yield _one_more_table(study.one_more, currency)


def _summary_table(table: pd.DataFrame, currency: str) -> Table:
    unit, over = ("TWh", 1e6) if table["energy_mwh"].max() >= 1e6 else ("GWh", 1e3)
    shown = table_of(
        f"returns on renewables; prices in {currency}/MWh; change from {table['regime'].iloc[0]}",
        ["", f"{unit}\na year", "hours", "price of\nenergy", "all\nreceipts", "IRR %",
         "change,\npoints", "change,\n%"],
    )  # fmt: skip
    for title, part in _by_run(table):
        shown.add_row(title)
        for _, row in part.iterrows():
            shown.add_row(
                f"  {row['group']}",
                rounded(row["energy_mwh"] / over, 1), rounded(row["full_load_hours"], 0),
                rounded(row["capture_price"], 1), rounded(row["received_price"], 1),
                rounded(100 * row["irr"], 2), _signed(100 * row["irr_points"], 2),
                _signed(100 * row["irr_relative"], 1),
            )  # fmt: skip
    _add_notes(shown, table, "group")
    return shown


def _by_run(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Rows of each run and what it is called; the carbon price only where there are several."""
    several = len(table["carbon_price"].unique()) > 1
    for (regime, price), part in table.groupby(["regime", "carbon_price"], sort=False):
        yield f"{regime} at {price:g}" if several else str(regime), part


def _add_notes(shown: Table, table: pd.DataFrame, what: str) -> None:
    """Say under a table why there is no IRR."""
    notes = table.loc[table["irr_note"] != "", ["regime", what, "irr_note"]].drop_duplicates()
    if len(notes):
        shown.caption = "\n".join(
            f"{regime}, {name}: {note}" for regime, name, note in notes.itertuples(index=False)
        )
        shown.caption_justify = "left"


def _published(table: pd.DataFrame) -> str:
    """The published change beside the last regime's, in both readings."""
    low, high = PUBLISHED
    said = (
        f"published for a full market: {low:+g} to {high:+g} % ({_SOURCE}); whether points or "
        "per cent of the return is not said there, and nothing here was fitted to it."
    )
    every = table[table["group"] == "renewables"]
    if every.empty:
        return said
    row = every.iloc[-1]
    readings = [
        f"{_signed(100 * row[name], 2)} {what} ({_inside(100 * row[name])})"
        for name, what in (("irr_points", "points"), ("irr_relative", "%"))
    ]
    return f"{said} Here, {row['regime']}, renewables: {', '.join(readings)}."


def _inside(value: float) -> str:
    if pd.isna(value):
        return "no figure"
    return "inside" if PUBLISHED[0] <= value <= PUBLISHED[1] else "outside"


def _split_table(table: pd.DataFrame) -> Table:
    money, over = money_unit(table[["revenue_change"]])
    shown = table_of(
        f"why revenue ({money} a year) and IRR (points) differ from those of "
        f"{table['base'].iloc[0]}",
        ["", "revenue", "volume", "price", "other", "IRR", "volume", "price", "other", "cost"],
    )
    for title, part in _by_run(table):
        shown.add_row(title)
        for _, row in part.iterrows():
            revenue = (
                row["revenue_change"], row["volume_effect"], row["price_effect"],
                row["carbon_effect"] + row["certificate_effect"] + row["outside_effect"],
            )  # fmt: skip
            irr = (
                row["irr_change"], row["irr_volume"], row["irr_price"],
                row["irr_carbon"] + row["irr_certificate"] + row["irr_outside"], row["irr_cost"],
            )  # fmt: skip
            shown.add_row(
                f"  {row['carrier']}",
                *(rounded(value / over, 2) for value in revenue),
                *(rounded(100 * value, 2) for value in irr),
            )
    return shown


def _plant_table(table: pd.DataFrame) -> Table:
    """IRR of all carriers, everywhere, at the lowest carbon price of each regime."""
    lowest = table.groupby("regime")["carbon_price"].transform("min")
    table = table[(table["province"] == NATION) & (table["carbon_price"] == lowest)]
    regimes = table["regime"].unique()
    shown = table_of(
        f"IRR of all plant in % at tau {lowest.min():g}; - : none, or not stated what it costs",
        ["carrier", *(name.replace("_", "\n") for name in regimes)],
    )
    wide = table.pivot(index="carrier", columns="regime", values="irr")
    for carrier in table["carrier"].unique():
        shown.add_row(carrier, *(rounded(100 * wide.loc[carrier, name], 2) for name in regimes))
    return shown


def _one_more_table(table: pd.DataFrame, currency: str) -> Table:
    money, over = money_unit(table[["others_cash_change", "system_cost_change"]])
    size, carrier = table["capacity_mw"].iloc[0], table["carrier"].iloc[0]
    shown = table_of(
        f"{size:,.0f} MW more of {carrier}; cash and cost in {money} {currency} a year",
        ["", "hours", "price of\nenergy", "IRR %", "payback,\nyears", "hours of others",
         "their\ncash", "system\ncost"],
    )  # fmt: skip
    for title, part in _by_run(table):
        shown.add_row(title)
        for _, row in part.iterrows():
            shown.add_row(
                f"  {row['province']}",
                rounded(row["full_load_hours"], 0), rounded(row["capture_price"], 1),
                rounded(100 * row["irr"], 2), rounded(row["payback"], 1),
                f"{row['others_hours_before']:,.0f} > {row['others_hours_after']:,.0f}",
                rounded(row["others_cash_change"] / over, 2),
                rounded(row["system_cost_change"] / over, 2),
            )  # fmt: skip
    _add_notes(shown, table, "province")
    return shown


def _signed(value: float, digits: int) -> str:
    return "-" if pd.isna(value) else f"{round(value, digits) + 0.0:+.{digits}f}"
