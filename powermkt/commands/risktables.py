"""Tables of weather risk for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.riskstudy import ALL, WeatherRisk

# What is shown of each regime: quantity, how it is called, and in which unit.
_SHOWN = (
    ("renewable_revenue", "renewables earn", "money"),
    ("renewable_price", "  per MWh", ""),
    ("consumer_bill", "users pay", "money"),
    ("retail_price", "  per MWh", ""),
    ("cost", "resource cost", "money"),
    ("emissions_t", "CO2", "tonnes"),
    ("curtailment_rate", "curtailed", "%"),
)
_HEDGED = ("renewable_revenue", "consumer_bill")
_Units = Mapping[str, tuple[str, float]]


def risk_report(result: WeatherRisk) -> Iterator[Table | str]:
    """Tables of a study of weather years for a terminal of 80 columns."""
    case, table = result.case, result.risk
    years, currency = int(table["years"].max()), case.market.currency
    yield (
        f"{case.name}: {years} weather years of {float(case.weights.sum()):,.0f} h in "
        f"{len(case.windows)} windows; money in {currency}"
    )
    most = table.groupby("quantity")["max"].max()
    units: _Units = {
        "money": ("bn", 1e9) if most["consumer_bill"] >= 1e9 else ("m", 1e6),
        "tonnes": ("Mt", 1e6) if most["emissions_t"] >= 1e7 else ("kt", 1e3),
        "%": ("%", 0.01),
        "": ("", 1.0),
    }
    worst = f"CVaR\n{100 * result.confidence:g} %"
    for regime, part in table.groupby("regime", sort=False):
        shown = table_of(str(regime), ["", "mean", "sd", "cv %", "5 %", "median", "95 %", worst])
        for what, row, scale in _lines(part, units):
            shown.add_row(
                what,
                *(_digits(row[column] / scale) for column in ("mean", "std")),
                rounded(100 * row["cv"], 1),
                *(_digits(row[column] / scale) for column in ("q05", "q50", "q95", "cvar")),
            )
        yield shown
    if len(result.hedging):
        yield _hedging(result.hedging, *units["money"])


def _lines(part: pd.DataFrame, units: _Units) -> Iterator[tuple[str, pd.Series, float]]:
    """Rows of one regime with their names and what they are divided by."""
    for quantity, name, kind in _SHOWN:
        rows, (unit, scale) = part[part["quantity"] == quantity], units[kind]
        label = f"{name}, {unit}" if unit else name
        yield from ((label, row, scale) for _, row in rows[rows["detail"] == ALL].iterrows())
        if quantity == "renewable_revenue" and len(rows) > 2:  # of one carrier it is all
            carriers = rows[rows["detail"] != ALL].iterrows()
            yield from ((f"  {row['detail']}", row, scale) for _, row in carriers)


def _hedging(table: pd.DataFrame, money: str, scale: float) -> Table:
    """Change of risk against the first regime."""
    shown = table_of(
        f"against {table['against'].iloc[0]}, {money}",
        ["regime", "", "mean", "sd", "variance\nless %", "CVaR"],
    )
    chosen = table[(table["detail"] == ALL) & table["quantity"].isin(_HEDGED)]
    names = {quantity: name for quantity, name, _ in _SHOWN}
    for _, row in chosen.iterrows():
        shown.add_row(
            row["regime"], names[row["quantity"]],
            _signed(row["mean_change"] / scale), _signed(row["std_change"] / scale),
            rounded(100 * row["variance_reduction"], 1), _signed(row["cvar_change"] / scale),
        )  # fmt: skip
    return shown


def _digits(value: float) -> str:
    """A number to four or five digits."""
    size = abs(value)
    return f"{value + 0.0:,.{1 if size >= 100 else 2 if size >= 1 else 3}f}"


def _signed(value: float) -> str:
    text = _digits(value)
    return text if text.startswith("-") or not float(text.replace(",", "")) else f"+{text}"
