"""Tables of certificates and instruments for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.claims import Claims

_PROVINCES = 8  # shown


def claims_report(result: Claims) -> Iterator[Table | str]:
    """Tables of a claims ledger for a terminal of 80 columns."""
    run, currency = result.run, result.run.case.market.currency
    unit, scale = _scale(result.balance["issued_mwh"].sum())
    shown = table_of(
        f"{run.regime.name} at {run.carbon_price:g} {currency}/t: certificates, {unit}",
        ["carrier", "issued", "retired", "banked", "converted"],
    )
    columns = ["issued_mwh", "retired_mwh", "banked_mwh", "converted_mwh"]
    table = result.balance.groupby("carrier", sort=False)[columns].sum()
    for name, row in pd.concat([table, table.sum().rename("all").to_frame().T]).iterrows():
        shown.add_row(str(name), *(rounded(row[column] / scale, 3) for column in columns))
    yield shown
    yield _uses(result, unit, scale)
    if len(result.obligations):
        yield _obliged(result, unit, scale)
    offsets = result.offsets[["credited_t", "surrendered_t", "avoided_t"]].sum()
    if len(result.offsets):
        yield (
            f"offsets: {offsets['credited_t']:,.1f} t credited of {offsets['avoided_t']:,.1f} t "
            f"avoided, {offsets['surrendered_t']:,.1f} t surrendered"
        )
    yield (
        f"counted twice without this ledger, at least: "
        f"{result.double_counted['double_mwh'].sum():,.1f} MWh, {result.double_counted_t:,.1f} t"
    )
    yield _proof(result.proof())


def _scale(energy: float) -> tuple[str, float]:
    """Unit of energy that suits the numbers."""
    return ("TWh", 1e6) if energy >= 1e7 else ("GWh", 1e3) if energy >= 1e4 else ("MWh", 1.0)


def _uses(result: Claims, unit: str, scale: float) -> Table:
    """What certificates are claimed for."""
    shown = table_of("claimed", ["use", "instrument", unit, "amount", "in"])
    shown.columns[1].justify = "left"
    keys = ["use", "instrument", "unit"]
    for key, row in result.claims.groupby(keys, sort=False)[["mwh", "amount"]].sum().iterrows():
        use, instrument, of = key if isinstance(key, tuple) else (key, "", "")
        shown.add_row(use, instrument, rounded(row["mwh"] / scale, 3), f"{row['amount']:,.1f}", of)
    return shown


def _obliged(result: Claims, unit: str, scale: float) -> Table:
    """The largest obligations."""
    shown = table_of(
        f"obligations, {unit}", ["province", "share %", "owed", "bundled", "own", "bought", "short"]
    )
    columns = ["obligation_mwh", "bundled_mwh", "local_mwh", "bought_mwh", "short_mwh"]
    for _, row in result.obligations.nlargest(_PROVINCES, "obligation_mwh").iterrows():
        shown.add_row(
            row["province"], rounded(100 * row["share"], 1),
            *(rounded(row[column] / scale, 3) for column in columns),
        )  # fmt: skip
    total = result.obligations[columns].sum()
    shown.add_row("all", "", *(rounded(total[column] / scale, 3) for column in columns))
    return shown


def _proof(proof: pd.DataFrame) -> Table:
    shown = table_of("proof", ["", "left", "", "right", "", "holds"])
    for _, row in proof.iterrows():
        shown.add_row(
            row["check"], f"{row['left']:,.1f}", row["relation"], f"{row['right']:,.1f}",
            row["unit"], "yes" if row["holds"] else "NO",
        )  # fmt: skip
    return shown


def instrument_table(table: pd.DataFrame, year: int | None) -> Iterator[Table | str]:
    """Instruments of a year, or all of them."""
    when = "" if year is None else f" in {year}"
    shown = table_of(f"{len(table)} instruments{when}", ["since", "instrument", "unit", "obliges"])
    for column in shown.columns[1:]:
        column.justify, column.no_wrap = "left", False
    for name, row in table.iterrows():
        mark = "" if row["details"] == "sourced" else f" ({row['details']})"
        shown.add_row(
            str(row["launch_year"]), str(name), row["unit"], f"{row['obligated']}{mark}".strip()
        )
    yield shown
