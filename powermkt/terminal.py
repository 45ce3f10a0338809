"""Tables of a comparison for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import rich.box
from rich.table import Table

from powermkt.compare import Comparison
from powermkt.passthrough import NATION
from powermkt.revenue import by_carrier


def report(result: Comparison) -> Iterator[Table | str]:
    """Tables of a comparison for a terminal of 80 columns."""
    case, currency = result.case, result.case.market.currency
    top = result.table["cost"].abs().max()
    money, scale = ("bn", 1e9) if top >= 1e9 else ("m", 1e6)
    tonnes, t_scale = ("Mt", 1e6) if result.table["emissions_t"].max() >= 1e7 else ("kt", 1e3)
    hours = case.weights.sum()
    caption = f"{case.name}: {len(case.windows)} windows, {hours:,.0f} h; money in {currency}"
    table = _table(
        caption,
        ["regime", "tau", f"cost\n{money}", f"CO2\n{tonnes}", "wind\ncut %", "sun\ncut %",
         "hydro\ncut %", "whole-\nsale", "retail", f"users\npay {money}"],
    )  # fmt: skip
    for _, row in result.table.iterrows():
        table.add_row(
            row["regime"], f"{row['carbon_price']:g}",
            f"{row['cost'] / scale:,.1f}", f"{row['emissions_t'] / t_scale:,.1f}",
            f"{100 * row['wind_curtailment_rate']:.2f}",
            f"{100 * row['solar_curtailment_rate']:.2f}",
            f"{100 * row['hydro_curtailment_rate']:.2f}",
            f"{row['wholesale_price']:.1f}", f"{row['retail_price']:.1f}",
            f"{row['consumer_payment'] / scale:,.1f}",
        )  # fmt: skip
    yield table
    for column, what in (("load_shed_mwh", "unserved load"), ("excess_mwh", "excess generation")):
        amount = float(result.table[column].max())
        if amount > 1:
            yield f"{what}: up to {amount:,.0f} MWh in a run"
    if result.services:
        yield from _service_tables(result)
    if len(result.pass_through):
        yield _pass_through_table(result.pass_through)
    if result.calibration is not None:
        yield from _calibration_tables(result)


def _service_tables(result: Comparison) -> Iterator[Table]:
    """What carriers earn from energy and services, for each regime at its lowest carbon price."""
    case = result.case
    lowest = result.revenue["carbon_price"].min()
    table = by_carrier(result.revenue, float(case.weights.sum()))
    table = table[table["carbon_price"] == lowest]
    for regime, part in table.groupby("regime", sort=False):
        wide = part.pivot(index="carrier", columns="service", values="per_mw_year").fillna(0.0)
        most = wide.abs().max().sort_values(ascending=False).index[:6]
        wide = wide[most].loc[(wide.abs() > 0.5).any(axis=1)]
        title = f"{regime}: revenue in {case.market.currency} per kW and year, tau {lowest:g}"
        shown = _table(title, ["carrier", *(str(name).replace(" ", "\n", 2) for name in most)])
        for carrier, row in wide.iterrows():
            shown.add_row(str(carrier), *(f"{value / 1000:,.1f}" for value in row))
        yield shown


def _table(title: str, heads: list[str]) -> Table:
    """Table of one text column and numbers that fits 80 columns."""
    table = Table(
        box=rich.box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 0),
        show_edge=False,
    )  # fmt: skip
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i else "left", no_wrap=True)
    return table


def _number(value: float, digits: int) -> str:
    if pd.isna(value):
        return "-"
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _pass_through_table(rates: pd.DataFrame) -> Table:
    table = _table(
        "pass-through of the carbon price to all load",
        ["regime", "tau", "dP", "marginal", "net", "dP/dtau\nt/MWh", "retail",
         "dP by province\nlow .. high"],
    )  # fmt: skip
    for _, row in rates[rates["province"] == NATION].iterrows():
        same = (rates["regime"] == row["regime"]) & (rates["carbon_price"] == row["carbon_price"])
        local = rates[same & (rates["province"] != NATION)]["price_change"]
        table.add_row(
            row["regime"], f"{row['carbon_price']:g}", _number(row["price_change"], 2),
            _number(row["pass_through_marginal"], 3), _number(row["pass_through_net"], 3),
            _number(row["pass_through_rate"], 4), _number(row["pass_through_retail"], 3),
            f"{_number(local.min(), 2)} .. {_number(local.max(), 2)}",
        )  # fmt: skip
    return table


def _calibration_tables(result: Comparison) -> Iterator[Table | str]:
    assert result.calibration is not None and result.calibration_run is not None
    name = result.calibration_run.regime.name
    table = _table(
        f"{name} beside observation",
        ["quantity", "fuel", "model", "observed", "diff %", " quality"],
    )
    for _, row in result.calibration.iterrows():
        table.add_row(
            str(row["quantity"]), str(row["carrier"]), f"{row['model']:,.1f}",
            f"{row['observed']:,.1f}", f"{row['difference_pct']:+.1f}", str(row["quality"]),
        )  # fmt: skip
    yield table
    assert result.utilisation is not None
    outliers = result.utilisation[result.utilisation["outlier"]]
    listed = ", ".join(
        f"{row['province']} {row['utilisation_h']:,.0f} h" for _, row in outliers.iterrows()
    )
    yield f"coal hours outside the plausible range: {listed or 'none'}"
