"""Tables of what flexibility earns for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from rich.table import Table

from powermkt.analysis.breakeven import ALL
from powermkt.analysis.passthrough import NATION
from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.flexibilitystudy import (
    FlexibilityStudy,
)

_KW = 1000.0
_TEXTS = ("regime", "province", "carrier")


def flexibility_report(study: FlexibilityStudy) -> Iterator[Table | str]:
    """Tables of a study for a terminal of 80 columns."""
    currency = study.comparison.case.market.currency
    if len(study.storage):
        yield _storage_table(study.storage, currency)
    if len(study.arbitrage):
        yield _arbitrage_table(study.arbitrage, currency)
    if len(study.break_even):
        yield from _capture_tables(study, currency)
    if study.demand is not None:
        yield _demand_table(study.demand, currency)


def _of_runs(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    for (name, price), part in table.groupby(["regime", "carbon_price"], sort=False):
        yield str(name), f"{price:g}", part


def _add_rows(shown: Table, rows: Sequence[tuple[str, ...]]) -> None:
    """Add rows of regime, carbon price and the rest; carbon prices that change nothing are one."""
    regimes: dict[str, dict[tuple[str, ...], list[str]]] = {}
    for name, price, *cells in rows:
        regimes.setdefault(name, {}).setdefault(tuple(cells), []).append(price)
    for name, found in regimes.items():
        prices = {price for own in found.values() for price in own}
        for figures, own in found.items():
            price = "all" if len(own) == len(prices) > 1 else ", ".join(own)
            shown.add_row(name, price, *figures)


def _storage_table(table: pd.DataFrame, currency: str) -> Table:
    shown = table_of(
        f"storage, all provinces; revenue in {currency} per kW and year",
        ["regime", "tau", "carrier", "GW", "sold\nGWh", "lost\nGWh", "energy", "services", "net"],
    )
    shown.columns[2].justify = "left"
    rows = []
    for name, price, part in _of_runs(table):
        for carrier, here in part.groupby("carrier"):
            row = here.drop(columns=list(_TEXTS)).sum()
            size = row["capacity_mw"] * _KW or float("nan")
            rows.append((
                name, price, str(carrier), rounded(row["capacity_mw"] / 1e3, 2),
                f"{row['sold_mwh'] / 1e3:,.1f}", f"{row['conversion_losses_mwh'] / 1e3:,.1f}",
                rounded(row["energy_revenue"] / size, 1),
                rounded(row["service_revenue"] / size, 1),
                rounded((row["revenue"] - row["variable_cost"]) / size, 1),
            ))  # fmt: skip
    _add_rows(shown, rows)
    return shown


def _arbitrage_table(table: pd.DataFrame, currency: str) -> Table:
    shown = table_of(
        f"the most 1 kW could earn by arbitrage, {currency} a year; prices per MWh",
        ["regime", "tau", "side", "kind", "hours", "earns", "low .. high", "sold at", "bought at"],
    )
    shown.columns[2].justify = shown.columns[3].justify = "left"
    rows = []
    for name, price, part in _of_runs(table):
        for (side, carrier), here in part.groupby(["side", "carrier"], sort=False):
            hours, earns = (_mean(here[key], here["weight"]) for key in ("hours", "per_mw"))
            at = [
                _mean(here[f"{way}_at"].fillna(0.0), here["weight"] * here[f"{way}_mwh"])
                for way in ("sold", "bought")
            ]
            ends = (here["per_mw"].min() / _KW, here["per_mw"].max() / _KW)
            rows.append((
                name, price, str(side), str(carrier), f"{hours:g}",
                rounded(earns / _KW, 1), " .. ".join(rounded(x, 0) for x in ends),
                *(rounded(value, 1) for value in at),
            ))  # fmt: skip
    _add_rows(shown, rows)
    return shown


def _mean(values: pd.Series, weights: pd.Series) -> float:
    return float(np.average(values, weights=weights)) if weights.sum() > 0 else np.nan


def _capture_tables(study: FlexibilityStudy, currency: str) -> Iterator[Table | str]:
    table, gains = study.break_even, study.capture
    shown = table_of(
        f"carbon price from which capture pays, {currency}/t",
        ["regime", "dispatch", "break-even", "between", "provinces\nlow .. high"],
    )
    shown.columns[1].justify = "left"
    for name, part in table.groupby("regime", sort=False):
        row = part[part["carrier"] == ALL].iloc[0]
        local = part.loc[part["carrier"] != ALL, "break_even"]
        known = not pd.isna(row["break_even"])
        shown.add_row(
            str(name), row["dispatch"], rounded(row["break_even"], 1),
            f"{row['low']:.1f} .. {row['high']:.1f}" if known else "-",
            f"{rounded(local.min(), 0)} .. {rounded(local.max(), 0)}",
        )  # fmt: skip
    yield shown
    for _, row in table[(table["carrier"] == ALL) & (table["note"] != "")].iterrows():
        yield f"{row['regime']}: {row['note']}"
    cost = gains["yearly_cost"].iloc[0] / _KW
    asked = _asked(study)
    shown = table_of(
        f"gain of one more kW of it, {currency} a year; its yearly cost is {cost:,.1f}",
        ["regime", *(f"tau {price:g}" for price in asked)],
    )
    for name, part in gains[gains["carrier"] == ALL].groupby("regime", sort=False):
        gain = part.set_index("carbon_price")["gain"].reindex(asked) / _KW
        shown.add_row(str(name), *(rounded(value, 1) for value in gain))
    yield shown


def _asked(study: FlexibilityStudy) -> list[float]:
    """Carbon prices that were asked for."""
    return sorted({run.carbon_price for run in study.comparison.runs})


def _demand_table(table: pd.DataFrame, currency: str) -> Table:
    shown = table_of(
        f"flexible demand against the same rules without it; bills in m {currency} a year",
        ["regime", "tau", "raised\nGWh", "lowered\nGWh", "peak\nMW", "bill", "change",
         "curtailed\nGWh", "cost"],
    )  # fmt: skip
    for name, price, part in _of_runs(table):
        row = part[part["province"] == NATION].iloc[0]
        shown.add_row(
            name, price, rounded(row["raised_mwh"] / 1e3, 1), rounded(row["lowered_mwh"] / 1e3, 1),
            rounded(row["peak_change_mw"], 1),
            *(rounded(row[key] / 1e6, 2) for key in ("bill", "bill_change")),
            rounded(row["curtailment_change_mwh"] / 1e3, 2), rounded(row["cost_change"] / 1e6, 2),
        )  # fmt: skip
    return shown
