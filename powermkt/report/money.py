"""Figures of who pays, who gains, whose carbon it is, what plant earns."""

from __future__ import annotations

from typing import Any

import pandas as pd
from plotly import graph_objects

from powermkt.accounts.parties import RESOURCE_COST
from powermkt.analysis.demandeffects import DEMAND_EFFECTS
from powermkt.analysis.risk import QUANTITIES
from powermkt.report.source import Shown, pick, shown_of
from powermkt.report.style import (
    FEW,
    PALETTE,
    bars,
    canvas,
    dots,
    finished,
    flows,
    laid,
    numbers,
    scale_of,
    summed,
)

_ALL = "all"  # a row of all provinces


def pass_through(source: Any, carbon_price: float | None = None, *, language: str = "en") -> Any:
    """Marginal pass-through by province, a dot for each regime; 1 is all of it.

    Parameters
    ----------
    source : Comparison, study, results folder, or tables by name
    carbon_price : float, optional
        Default: the lowest that is compared with another [money/t].
    language : {"en", "zh"}

    Raises
    ------
    InputError
        If the results have no such table or carbon price.
    """
    shown = shown_of(source, language)
    rows = shown.at(shown.table("pass_through"), carbon_price)
    wide = _regimes(rows, "province", "pass_through_marginal")
    figure = dots(shown, wide, shown.words("pass-through"), "1")
    if float(wide.max().max()) > 0.4:  # else the line would leave no room for the dots
        figure.add_vline(x=1.0, line={"dash": "dot", "width": 1, "color": "#555555"})
    return figure


def hourly_rates(
    shown: Shown, regime: str | None = None, carbon_price: float | None = None
) -> pd.DataFrame:
    """Marginal pass-through by province (rows) and hour of the day (columns).

    Over the hours with a fossil marginal unit that bears a carbon price: the change of price over
    the marginal carbon cost, both weighted by load and hours.
    """
    rows = shown.rows("pass_through_hourly", regime, carbon_price)
    rows = rows[rows["pass_through_marginal"].notna()]
    times = rows["snapshot"]
    dated = pd.api.types.is_datetime64_any_dtype(times)
    hour = times.dt.hour if dated else times
    weight = rows["load_mw"]
    if "hours" in shown.tables:
        hours = shown.table("hours").drop_duplicates("snapshot").set_index("snapshot")["hours"]
        weight = weight * times.map(hours).fillna(1.0)
    keys = [rows["province"], hour.rename("hour")]
    change = (weight * rows["pass_through_rate"]).groupby(keys, sort=False).sum()
    carbon = (weight * rows["marginal_emission_rate"]).groupby(keys, sort=False).sum()
    return (change / carbon.where(carbon > 0)).unstack("hour").sort_index(axis=1)


def pass_through_by_hour(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Marginal pass-through by province and hour of the day, as colours (`hourly_rates`).

    Needs hourly rates: `powermkt pass-through`, `pm.compare(..., margins=True)`.
    """
    shown = shown_of(source, language)
    rates = hourly_rates(shown, regime, carbon_price)
    # One scale for all regimes, so that they compare.
    every = shown.at(shown.table("pass_through_hourly"), carbon_price)["pass_through_marginal"]
    low, high = every.quantile([0.02, 0.98]).fillna(0.0)
    figure = canvas(
        shown,
        graph_objects.Heatmap(
            z=numbers(rates, 3), x=[str(hour) for hour in rates.columns],
            y=[shown.words(str(name)) for name in rates.index], colorscale="Cividis",
            zmin=min(0.0, float(low)), zmax=float(high) if high > 1e-6 else 1.0,
            hovertemplate="%{y}, %{x}: %{z:.3f}<extra></extra>",
            colorbar={"title": {"text": shown.words("pass-through"), "side": "top"},
                      "orientation": "h", "thickness": 10, "y": 1.02, "yanchor": "bottom"},
        )
    )  # fmt: skip
    laid(figure, shown.words("hour of the day"), "h", len(rates))
    figure.update_xaxes(type="category", nticks=12)
    return figure


def abatement(source: Any, regime: str | None = None, *, language: str = "en") -> Any:
    """Marginal abatement cost curve: what one more tonne costs, by tonnes abated."""
    shown = shown_of(source, language)
    words = shown.words
    rows = shown.rows("abatement_curve", regime)
    divisor, mass = shown.scaled(float(rows["to_t"].max()) if len(rows) else 0.0, "t")
    figure = canvas(shown)
    names = {"tau": "carbon price", "abatement_cost": "cost"}
    for number, (column, name) in enumerate(names.items()):
        figure.add_scatter(
            x=(rows[["from_t", "to_t"]] / divisor).to_numpy().ravel(),
            y=rows[column].repeat(2).round(3).to_numpy(), name=words(name), mode="lines",
            line={"color": PALETTE[number], "dash": "solid" if number == 0 else "dash"},
        )  # fmt: skip
    finished(figure, words("marginal cost"), shown.per("t"))
    figure.update_xaxes(title=f"{words('abatement')} ({mass})", rangemode="tozero",
                        hoverformat=",.3f")  # fmt: skip
    figure.update_yaxes(rangemode="tozero")
    return figure


def incidence(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Change of welfare by group as a waterfall; all together is less the change of cost."""
    shown = shown_of(source, language)
    rows = shown.rows("incidence", regime, carbon_price)
    change = rows.groupby("group", sort=False)["change"].sum().drop(RESOURCE_COST, errors="ignore")
    least, together = FEW * max(float(change.abs().max()), 1e-9), float(change.sum())
    change = change[change.abs() > least]
    change["all together"] = together if abs(together) > least else 0.0
    divisor, size = shown.scaled(float(change.abs().max()) if len(change) else 0.0, shown.money)
    figure = canvas(
        shown,
        graph_objects.Waterfall(
            y=[shown.words(str(name)) for name in change.index], x=(change / divisor).round(6),
            orientation="h", increasing={"marker": {"color": PALETTE[2]}},
            decreasing={"marker": {"color": PALETTE[1]}}, showlegend=False,
            totals={"marker": {"color": PALETTE[6]}},
            measure=[*["relative"] * (len(change) - 1), "total"],
            text=[f"{value:+,.3g}" for value in change / divisor], textposition="auto",
            cliponaxis=False, insidetextanchor="middle",
        )
    )  # fmt: skip
    laid(figure, shown.words("welfare"), shown.words.unit(size), len(change), 3)
    return figure


def windfall(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """What plant gains by the carbon price, by carrier: dearer power, free allowances, less cost.

    The dot is the windfall, the sum of the three; arguments and errors as `incidence`.
    """
    shown = shown_of(source, language)
    rows = shown.rows("windfall", regime, carbon_price)
    total = rows.groupby("carrier", sort=False)[
        ["price_gain", "free_allowances", "carbon_cost", "windfall"]
    ].sum()
    total = total[(total.abs() > FEW * total.abs().to_numpy().max(initial=0.0)).any(axis=1)]
    parts = pd.DataFrame(
        {"gain by price": total["price_gain"], "free allowances": total["free_allowances"],
         "carbon cost": -total["carbon_cost"]}
    )  # fmt: skip
    figure = bars(shown, parts, shown.words("windfall"), shown.money)
    divisor, _ = scale_of(shown, parts, shown.money)
    figure.add_scatter(
        x=numbers(total["windfall"] / divisor, 6), mode="markers", name=shown.words("windfall"),
        y=[shown.words(str(name)) for name in total.index],
        marker={"color": "#000000", "size": 9, "symbol": "diamond"},
    )  # fmt: skip
    return figure


def revenue(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """What plant is paid over the horizon, by carrier and by what for; as `incidence`."""
    shown = shown_of(source, language)
    rows = shown.rows("revenue", regime, carbon_price)
    wide = summed(rows, "carrier", "service", "amount")
    return bars(shown, wide, shown.words("paid"), shown.money)


def payments(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Money between groups of parties as a flow diagram, payers left and payees right."""
    shown = shown_of(source, language)
    rows = shown.rows("payments", regime, carbon_price)
    return flows(shown, rows, ("payer", "payee"), "amount", shown.money, "product")


def retail(
    source: Any, carbon_price: float | None = None, user_class: str | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """What a class of users pays by province, all charges in it, a dot for each regime."""
    shown = shown_of(source, language)
    rows = shown.only(shown.at(shown.table("retail"), carbon_price), "user_class", user_class)
    wide = _regimes(rows, "province", "price")
    return dots(shown, wide, shown.words("retail price"), shown.per("MWh"))


def responsibility(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Emissions where they arise and by whose use they do, by province."""
    shown = shown_of(source, language)
    rows = shown.rows("responsibility", regime, carbon_price)
    rows = rows[rows["province"] != _ALL].set_index("province")
    rows = rows.sort_values("consumption_t", ascending=False)
    columns = {"production_t": "production-based", "consumption_t": "consumption-based"}
    table = rows[[*columns]].rename(columns=columns)
    return bars(shown, table, shown.words("emissions"), "t", beside=True)


def carbon_transfers(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Emissions in one province (left) for what another uses (right), the largest flows."""
    shown = shown_of(source, language)
    rows = shown.rows("carbon_transfers", regime, carbon_price)
    rows = rows[(rows["origin"] != rows["consumer"]) & (rows["emissions_t"] > 0)]
    return flows(shown, rows, ("origin", "consumer"), "emissions_t", "t")


def carbon_principles(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """What provinces would pay for carbon by who bears it: producers, consumers, both."""
    shown = shown_of(source, language)
    rows = shown.rows("carbon_principles", regime, carbon_price)
    rows = rows[rows["province"] != _ALL].set_index("province")
    table = rows[["producer", "consumer", "shared"]].sort_values("consumer", ascending=False)
    table = table.add_suffix(" pays").rename(columns={"shared pays": "shared"})
    return bars(shown, table, shown.words("carbon cost"), shown.money, beside=True)


def returns(source: Any, carbon_price: float | None = None, *, language: str = "en") -> Any:
    """Internal rate of return by group of plant, a dot for each regime that has one."""
    shown = shown_of(source, language)
    rows = shown.at(shown.table("returns_summary"), carbon_price)
    wide = 100 * _regimes(rows, "group", "irr").astype(float)
    return dots(shown, wide, shown.words("internal rate of return"), "%")


def entry(source: Any, *, language: str = "en") -> Any:
    """Capacity that enters under each regime and carbon price, by candidate."""
    shown = shown_of(source, language)
    rows = shown.table("entry")
    wide = rows.pivot_table(
        index=["regime", "carbon_price"], columns="candidate", values="entry_mw", aggfunc="sum",
        sort=False,
    ).fillna(0.0)  # fmt: skip
    per = shown.per("t")
    names = [f"{shown.words(regime)}, {price:g} {per}" for regime, price in wide.index]
    return bars(shown, wide.set_axis(names, axis="index"), shown.words("capacity"), "MW")


def risk(source: Any, quantity: str | None = None, *, language: str = "en") -> Any:
    """Mean over weather years, bars from the 5 % to the 95 % quantile, a dot for each regime.

    Parameters
    ----------
    quantity : str, optional
        A `quantity` of table `risk`; default: the first.
    """
    shown = shown_of(source, language)
    rows = shown.only(shown.table("risk"), "quantity", quantity)
    parts = {name: _regimes(rows, "detail", name) for name in ("mean", "q05", "q95")}
    largest = float(max(part.abs().max().max() for part in parts.values()))
    unit = risk_unit(shown, str(rows["quantity"].iloc[0]))
    divisor, size = shown.scaled(largest, unit) if unit else (1.0, "")
    parts = {name: part.astype(float) / divisor for name, part in parts.items()}
    spread = {str(name): (parts["q05"][name], parts["q95"][name]) for name in parts["mean"]}
    label = shown.words(str(rows["quantity"].iloc[0]))
    return dots(shown, parts["mean"], label, shown.words.unit(size), spread)


def risk_unit(shown: Shown, quantity: str) -> str:
    """Unit of a quantity of table `risk`, in this currency; none where it is a share."""
    unit = QUANTITIES.get(quantity, ("", "", ""))[0]
    return "" if unit == "1" else unit.replace("money", shown.money)


def flexibility(source: Any, quantity: str | None = None, *, language: str = "en") -> Any:
    """What flexibility earns, by kind: a bar for each regime and carbon price."""
    shown = shown_of(source, language)
    rows = shown.only(shown.table("flexibility"), "quantity", quantity)
    price = [f", {value:g}" if pd.notna(value) else "" for value in rows["carbon_price"]]
    named = [shown.words(str(name)) for name in rows["regime"]]
    rows = rows.assign(run=[a + b for a, b in zip(named, price, strict=True)])
    wide = rows.pivot_table(index="detail", columns="run", values="value", sort=False)
    name = str(rows["quantity"].iloc[0])
    return dots(shown, wide, shown.words(name), flexibility_unit(shown, name))


def flexibility_unit(shown: Shown, quantity: str) -> str:
    """Unit of a quantity of table `flexibility`, in words."""
    known = {"storage_per_mw": "money/(MW a)", "arbitrage_per_mw": "money/(MW a)",
             "capture_break_even": "money/t"}  # fmt: skip
    unit = known.get(quantity) or DEMAND_EFFECTS.get(quantity, ("", ""))[0]
    return "" if unit == "1" else shown.words.unit(unit.replace("money", shown.money))


def _regimes(rows: pd.DataFrame, index: str, values: str) -> pd.DataFrame:
    """Wide: rows by `index` in their order, all provinces first; a column for each regime."""
    names = list(dict.fromkeys(rows[index]))
    names.sort(key=lambda name: name != _ALL)
    regimes = list(dict.fromkeys(rows["regime"]))
    found = {
        regime: pick(rows, regime=regime).drop_duplicates(index).set_index(index)[values]
        for regime in regimes
    }
    return pd.DataFrame(found, index=names).astype(float)
