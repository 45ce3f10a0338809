"""Figures of what the system does: dispatch, energy, prices, curtailment, reserves."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects

from powermkt.analysis.overview import CHARGING
from powermkt.report.source import Shown, pick, shown_of
from powermkt.report.style import (
    FEW,
    PALETTE,
    bars,
    canvas,
    carriers_of,
    colours_of,
    common,
    dots,
    finished,
    numbers,
    rank,
    summed,
    with_unit,
)

_WEEK = 168  # snapshots of a window that are shown
_NOTHING = 1e-6  # MWh, or money, that nobody would look at
_LABELLED = 40  # provinces that have their names on the map


def dispatch(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    window: str | None = None, province: str | None = None, *, language: str = "en",
) -> Any:  # fmt: skip
    """Output by carrier over a window, stacked, with the load as a line.

    Parameters
    ----------
    source : Run, Comparison, study, results folder, or tables by name
    regime : str, optional
        Default: the first.
    carbon_price : float, optional
        Default: the lowest of that regime [money/t].
    window : str, optional
        Default: the first. Its first 168 snapshots are shown.
    province : str, optional
        The mean day of the window there, in place of all provinces hour by hour. Of a comparison
        at the lowest carbon price of the regime; of a run at its own.
    language : {"en", "zh"}

    Returns
    -------
    plotly Figure
        In MW or GW; below zero what storage and boilers take in.

    Raises
    ------
    InputError
        If the results have no such table, regime, carbon price, window or province.
    """
    shown = shown_of(source, language)
    rows = dispatch_rows(shown, regime, carbon_price, window, province)
    plot = dispatch_plot(shown, rows, province is not None)
    return graph_objects.Figure(plot["data"], {"template": shown.template, **plot["layout"]})


def dispatch_plot(shown: Shown, rows: pd.DataFrame, day: bool) -> dict[str, Any]:
    """`dispatch` of rows of `dispatch_rows` as plain data: a page has hundreds of them."""
    carriers = carriers_of(rows)
    divisor, unit = shown.scaled(float(rows[["load", *carriers]].max().max()), "MW")
    across, form = _times(shown, rows, day)
    layout = common(shown.words("power"), unit)
    layout["xaxis"] |= form
    return {"data": _stack(shown, rows, carriers, divisor, across), "layout": layout}


def dispatch_rows(
    shown: Shown, regime: str | None, carbon_price: float | None, window: str | None,
    province: str | None = None,
) -> pd.DataFrame:  # fmt: skip
    """What `dispatch` shows."""
    name = "hours" if province is None else "province_days"
    rows = shown.rows(name, regime, carbon_price)
    rows = shown.only(rows, "window", window)
    return rows.head(_WEEK) if province is None else shown.only(rows, "province", province)


def _times(shown: Shown, rows: pd.DataFrame, day: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Where values stand, the shortest way to say it; and the look of the axis."""
    if day:
        title = {"text": shown.words("hour of the day")}
        return {"x0": int(rows["hour"].iloc[0]), "dx": 1}, {"title": title, "dtick": 4}
    times = rows["snapshot"]
    if not pd.api.types.is_datetime64_any_dtype(times):
        return {"x": times.astype(str).tolist()}, {}
    form = {"hoverformat": "%Y-%m-%d %H:%M", "type": "date",
            "tickformat": "%m月%d日" if shown.words.language == "zh" else "%d %b"}  # fmt: skip
    steps = times.diff().dropna().unique()
    if len(times) < 48:
        form["tickformat"] = "%H:%M"
    if len(steps) == 1:
        return {"x0": str(times.iloc[0]), "dx": steps[0] / pd.Timedelta(milliseconds=1)}, form
    return {"x": times.astype(str).tolist()}, form


def _stack(
    shown: Shown, rows: pd.DataFrame, carriers: list[str], divisor: float, across: dict[str, Any]
) -> list[dict[str, Any]]:
    words, colours = shown.words, colours_of(shown, carriers)
    output = {name: np.nan_to_num(rows[name].to_numpy(dtype=float)) for name in carriers}
    load, curtailed, charging = (
        rows[name].to_numpy(dtype=float) for name in ("load", "curtailed", CHARGING)
    )
    largest = max((float(np.abs(value).max()) for value in output.values()), default=0.0)
    traces: list[dict[str, Any]] = []

    def add(name: str, value: np.ndarray, **more: Any) -> None:
        traces.append({"type": "scatter", "mode": "lines", "name": words(name),
                       "y": numbers(value / divisor, 3), **across, **more})  # fmt: skip

    def area(name: str, value: np.ndarray, stack: str, colour: str, named: bool) -> None:
        if np.abs(value).max(initial=0.0) > FEW * largest:
            add(name, value, stackgroup=stack, fillcolor=colour, legendgroup=name,
                line={"width": 0, "color": colour}, showlegend=named)  # fmt: skip

    for name in sorted(carriers, key=rank):
        given, taken = np.maximum(output[name], 0.0), np.minimum(output[name], 0.0)
        area(name, given, "output", colours[name], True)
        area(name, taken, "taken", colours[name], bool(given.max(initial=0.0) <= FEW * largest))
    area(CHARGING, -charging, "taken", "#9aa0a6", True)
    if curtailed.max(initial=0.0) > FEW * load.max(initial=0.0):
        top = sum((np.maximum(value, 0.0) for value in output.values()), start=curtailed)
        add("output and curtailed", top, line={"color": "#b3261e", "width": 1.2, "dash": "dot"})
    add("load", load, line={"color": "#000000", "width": 1.6})
    return traces


def generation(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Energy by province and carrier over the horizon, as lying stacks, in MWh or more."""
    shown = shown_of(source, language)
    rows = shown.rows("generation", regime, carbon_price)
    wide = summed(rows, "province", "carrier", "generation_mwh")
    carriers = sorted(map(str, wide.columns), key=rank)
    colours = colours_of(shown, carriers)
    return bars(shown, wide[carriers], shown.words("energy"), "MWh", colours=colours)


def duration(source: Any, carbon_price: float | None = None, *, language: str = "en") -> Any:
    """Price duration curves, one a regime, of the load-weighted price of all provinces.

    Arguments and errors as `dispatch`; the lowest carbon price where none is given. In money/MWh,
    by share of the hours that snapshots stand for.
    """
    shown = shown_of(source, language)
    rows = shown.at(shown.table("hours"), carbon_price)
    figure = canvas(shown)
    for number, (regime, part) in enumerate(rows.groupby("regime", sort=False)):
        falling = part.sort_values("price", ascending=False)
        share = 100 * falling["hours"].cumsum() / falling["hours"].sum()
        figure.add_scatter(
            x=[0.0, *share.round(3)], y=falling["price"].round(2).iloc[[0, *range(len(falling))]],
            name=shown.words(str(regime)), mode="lines",
            # Regimes that pay alike lie on each other: through the gaps the one below is seen.
            line={"shape": "vh", "color": PALETTE[number % len(PALETTE)],
                  "dash": ("solid", "dash", "dot", "dashdot")[number % 4], "width": 2.5},
        )  # fmt: skip
    finished(figure, shown.words("price"), shown.per("MWh"))
    figure.update_xaxes(title=f"{shown.words('share of hours')} (%)", hoverformat=".1f")
    if float(rows["price"].min()) >= 0:
        figure.update_yaxes(rangemode="tozero")
    return figure


def provinces_map(
    source: Any, regime: str | None = None, carbon_price: float | None = None,
    *, language: str = "en",
) -> Any:  # fmt: skip
    """Curtailment (area), prices (colour) and net flows (width) by longitude and latitude.

    Arguments and errors as `dispatch`. Networks without coordinates have all circles in one place.
    """
    shown = shown_of(source, language)
    words = shown.words
    places = shown.rows("provinces", regime, carbon_price)
    corridors = shown.rows("corridors", regime, carbon_price)
    figure, at = canvas(shown), places.set_index("province")[["x", "y"]]
    _add_corridors(shown, figure, corridors, at)
    most = float(places["curtailment_mwh"].max())
    divisor, size = shown.scaled(most, "MWh")
    area = 11 + 30 * np.sqrt(places["curtailment_mwh"].clip(lower=0.0) / (most if most > 0 else 1))
    unit = shown.per("MWh")
    text = [
        f"{words(row['province'])}<br>{words('price')} {row['price']:,.1f} {unit}<br>"
        f"{words('curtailed energy')} {row['curtailment_mwh'] / divisor:,.2f} {size} "
        f"({100 * row['curtailment_rate']:.2f} %)"
        for _, row in places.iterrows()
    ]
    named = len(places) <= _LABELLED
    figure.add_scatter(
        x=places["x"], y=places["y"], hovertext=text, hoverinfo="text", showlegend=False,
        mode="markers+text" if named else "markers",
        text=[words(row) for row in places["province"]] if named else None,
        textposition="top center", textfont={"size": 10, "color": "#1c2733"},
        marker={"size": area, "color": places["price"].round(2), "colorscale": "Cividis",
                "line": {"width": 1, "color": "#ffffff"},
                "colorbar": {"title": {"text": with_unit(words("price"), unit), "side": "top"},
                             "orientation": "h", "thickness": 10, "y": -0.12, "yanchor": "top"}},
    )  # fmt: skip
    finished(figure, words("latitude"), "°")
    stretch = 1 / max(math.cos(math.radians(float(places["y"].mean()))), 0.2)
    figure.update_yaxes(scaleanchor="x", scaleratio=stretch, zeroline=False,
                        constrain="domain")  # fmt: skip
    figure.update_xaxes(title=f"{words('longitude')} (°)", zeroline=False, constrain="domain")
    wide, high = np.ptp(places["x"]), np.ptp(places["y"]) * stretch
    height = 680 if wide <= 0 else min(680, 280 + int(900 * high / wide))
    figure.update_layout(height=height, hovermode="closest")
    return figure


def _add_corridors(shown: Shown, figure: Any, corridors: pd.DataFrame, at: pd.DataFrame) -> None:
    words, largest = shown.words, float(corridors["energy_mwh"].max()) if len(corridors) else 0.0
    divisor, size = shown.scaled(largest, "MWh")
    for _, flow in corridors[corridors["energy_mwh"] > FEW * largest].nlargest(
        150, "energy_mwh"
    ).iterrows():  # fmt: skip
        ends = at.loc[[flow["province0"], flow["province1"]]]
        label = (
            f"{words(flow['province0'])} → {words(flow['province1'])}: "
            f"{flow['energy_mwh'] / divisor:,.2f} {size}"
        )
        middle, share = 0.4 * ends.iloc[0] + 0.6 * ends.iloc[1], flow["energy_mwh"] / largest
        figure.add_scatter(
            x=[ends["x"].iloc[0], middle["x"], ends["x"].iloc[1]],
            y=[ends["y"].iloc[0], middle["y"], ends["y"].iloc[1]],
            mode="lines+markers", text=label, hoverinfo="text", showlegend=False,
            line={"width": 0.5 + 6 * share, "color": "#b4bfca"},
            marker={"symbol": "arrow", "angleref": "previous", "color": "#5a6e82",
                    "size": [0, 4 + 8 * share, 0]},
        )  # fmt: skip


def causes(source: Any, regime: str | None = None, *, language: str = "en") -> Any:
    """Curtailment by province, stacked by cause (Shapley shares), the most curtailed first."""
    shown = shown_of(source, language)
    rows = shown.rows("causes", regime)
    wide = rows.pivot_table(
        index="province", columns="cause", values="mwh", aggfunc="sum", sort=False
    )
    wide = wide.loc[wide.sum(axis=1).sort_values(ascending=False).index]
    largest = float(wide.abs().to_numpy().max(initial=0.0))
    wide = wide[(wide.abs() > 1e-3 * largest).any(axis=1)].head(30)
    return bars(shown, wide, shown.words("curtailed energy"), "MWh")


def remedies(
    source: Any, regime: str | None = None, what: str = "money", *, language: str = "en"
) -> Any:
    """The twenty remedies worth most: resource cost that they save, or curtailment they avoid.

    Parameters
    ----------
    what : {"money", "mwh"}
        Others as in `causes`. Beside each other: at the margin (the dual times the size), and by
        clearing again with the remedy, where that was done.
    """
    shown = shown_of(source, language)
    rows = shown.rows("remedies", regime)
    columns = {f"{what}_by_dual": "at the margin", f"{what}_by_difference": "cleared again"}
    most = rows[[*columns]].max(axis=1)
    best = most[most > max(FEW * most.max(), _NOTHING)].nlargest(20).index
    table = rows.loc[best]
    words = shown.words
    names = [
        f"{words(str(row['remedy']))}: {words(str(row['where']))}, {row['size']:,.4g} "
        f"{words(str(row['unit']))}"
        for _, row in table.iterrows()
    ]
    shares = table[[*columns]].rename(columns=columns).set_axis(names, axis="index")
    quantity = words("resource cost saved" if what == "money" else "curtailment avoided")
    return bars(shown, shares, quantity, shown.money if what == "money" else "MWh", beside=True)


def reserve_prices(source: Any, carbon_price: float | None = None, *, language: str = "en") -> Any:
    """Distribution of reserve prices by product, a box for each regime, in money/(MW h)."""
    shown = shown_of(source, language)
    rows = shown.at(shown.table("reserve_prices"), carbon_price)
    value = next(name for name in rows.columns if "price" in name and name != "carbon_price")
    figure = canvas(shown)
    for number, (regime, part) in enumerate(rows.groupby("regime", sort=False)):
        figure.add_box(
            x=[shown.words(str(name)) for name in part["product"]], y=numbers(part[value], 3),
            name=shown.words(str(regime)), boxpoints=False,
            marker_color=PALETTE[number % len(PALETTE)],
        )  # fmt: skip
    finished(figure, shown.words("reserve price"), shown.per("(MW h)"))
    figure.update_layout(boxmode="group", hovermode="closest")
    if float(rows[value].min()) >= 0:
        figure.update_yaxes(rangemode="tozero")
    return figure


def calibration(source: Any, *, language: str = "en") -> Any:
    """What the model gives beside what was observed, difference in per cent."""
    shown = shown_of(source, language)
    rows = shown.table("calibration")
    words = shown.words
    names = [
        f"{words(str(row['quantity']))}, {words(str(row['carrier']))} ({row['unit']})"
        for _, row in rows.iterrows()
    ]
    difference = rows[["difference_pct"]].set_axis(names, axis="index").astype(float)
    table = difference.rename(columns={"difference_pct": "model less observed"})
    return dots(shown, table, words("model less observed"), "%")


def utilisation(source: Any, *, language: str = "en") -> Any:
    """Full load hours of coal plant by province in the calibration run, outliers marked."""
    shown = shown_of(source, language)
    rows = shown.table("utilisation").set_index("province")
    hours, odd = rows["utilisation_h"], rows["outlier"].astype(bool)
    table = pd.DataFrame({"usual": hours.where(~odd, 0.0), "outlier": hours.where(odd, 0.0)})
    return bars(shown, table[::-1], shown.words("full load hours"), "h")


def price_table(shown: Shown, carbon_price: float) -> pd.DataFrame:
    """What `duration` shows."""
    columns = ["regime", "carbon_price", "window", "snapshot", "hours", "price"]
    return pick(shown.table("hours"), carbon_price=carbon_price)[columns]
