"""Tables of responsibility for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.analysis.principles import PRINCIPLES
from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.tracestudy import TraceStudy

_PROVINCES = 8  # shown
_FLOWS = 6
_HEADS = ("prod.", "cons.", "shared")  # of `PRINCIPLES`


def trace_report(study: TraceStudy) -> Iterator[Table | str]:
    """Tables of a study for a terminal of 80 columns."""
    currency = study.comparison.case.market.currency
    whole = study.responsibility["production_t"].max()
    unit, scale = _unit(whole)
    for name, part in _of_runs(study.responsibility):
        yield _provinces(f"{name} {currency}/t", part, unit, scale)
    yield _flows(study.transfers, unit, scale)
    if study.principles["producer"].abs().max() > 0:
        for name, part in _of_runs(study.principles):
            yield _payers(name, part, currency)
    if study.consumption_charge is not None:
        for name, part in _of_runs(study.consumption_charge):
            yield f"charge on consumption, {name}: {part['amount'].sum():,.0f} {currency}"


def _of_runs(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for (name, price), part in table.groupby(["regime", "carbon_price"], sort=False):
        yield f"{name} at {price:g}", part


def _number(value: float) -> str:
    return f"{round(value, 2) + 0.0:,.2f}"


def _unit(tonnes: float) -> tuple[str, float]:
    return ("Mt", 1e6) if tonnes >= 1e7 else ("kt", 1e3) if tonnes >= 1e4 else ("t", 1.0)


def _chosen(part: pd.DataFrame, size: pd.Series) -> pd.DataFrame:
    """The provinces where most moves, then all of them together."""
    whole = part["province"] == "all"
    order = size[~whole].abs().sort_values(ascending=False, kind="stable").index[:_PROVINCES]
    return pd.concat([part.loc[order], part[whole]])


def _provinces(title: str, part: pd.DataFrame, unit: str, scale: float) -> Table:
    shown = table_of(
        f"{title}: CO2, {unit}, and factors, kg/MWh",
        ["province", "used\nGWh", "pro-\nduced", "con-\nsumed", "net\nimport", "factor\nprod.",
         "factor\ncons.", "one\nmore"],
    )  # fmt: skip
    for _, row in _chosen(part, part["net_import_t"]).iterrows():
        shown.add_row(
            row["province"], f"{row['used_mwh'] / 1e3:,.1f}",
            *(_number(row[name] / scale)
              for name in ("production_t", "consumption_t", "net_import_t")),
            *(rounded(row[f"{name}_factor"] * 1e3, 0)
              for name in ("production", "consumption", "marginal")),
        )  # fmt: skip
    return shown


def _flows(table: pd.DataFrame, unit: str, scale: float) -> Table:
    """The transfers that differ most among regimes, or the largest of one."""
    between = table[table["origin"] != table["consumer"]]
    wide = between.pivot_table(
        index=["origin", "consumer"], columns=["regime", "carbon_price"], values="emissions_t",
        sort=False,
    )  # fmt: skip
    order = (wide.max(axis=1) - wide.min(axis=1)) if wide.shape[1] > 1 else wide.iloc[:, 0]
    wide = wide.loc[order.sort_values(ascending=False, kind="stable").index[:_FLOWS]]
    several = len(set(wide.columns.get_level_values(1))) > 1
    labels = wide.columns.to_frame()
    heads = labels["regime"].astype(str).str.replace("_", "\n")
    if several:
        heads = heads + "\n" + labels["carbon_price"].map("{:g}".format)
    shown = table_of(f"CO2 in one province for what another uses, {unit}", ["from", "to", *heads])
    shown.columns[1].justify = "left"
    ends = wide.index.to_frame()
    for origin, consumer, row in zip(
        ends["origin"], ends["consumer"], wide.to_numpy(), strict=True
    ):
        shown.add_row(origin, consumer, *(_number(value / scale) for value in row))
    return shown


def _payers(title: str, part: pd.DataFrame, currency: str) -> Table:
    """What provinces pay by each principle."""
    most = part["producer"].max()
    money, scale = ("bn", 1e9) if most >= 1e9 else ("m", 1e6) if most >= 1e6 else ("k", 1e3)
    heads = part["producer_per_head"].notna().any()
    shown = table_of(
        f"{title}: who pays, {money} {currency}, {currency}/MWh used"
        + (f", {currency} a head" if heads else ""),
        ["province", *_HEADS, *(f"{name}\n/MWh" for name in _HEADS),
         *([f"{name}\n/head" for name in _HEADS] if heads else [])],
    )  # fmt: skip
    for _, row in _chosen(part, part["consumer"] - part["producer"]).iterrows():
        shown.add_row(
            row["province"],
            *(_number(row[name] / scale) for name in PRINCIPLES),
            *(rounded(row[f"{name}_per_mwh"], 1) for name in PRINCIPLES),
            *((rounded(row[f"{name}_per_head"], 0) for name in PRINCIPLES) if heads else ()),
        )  # fmt: skip
    return shown
