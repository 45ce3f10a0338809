"""Figures of results, each a function that returns a plotly figure.

Each takes the tables of a comparison (`Comparison.tables`, or as `read_results` has them), words of
a language, and what is to be shown.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects

from powermkt.overview import CHARGING
from powermkt.report.words import Words

Tables = Mapping[str, pd.DataFrame]

_ENGLISH = Words("en")
# Okabe and Ito's colours, told apart by the colour-blind.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
# Colours of technologies as the field has them, by a part of the name.
_TECHNOLOGIES = {
    "nuclear": "#b565d9", "coal": "#4d4d4d", "lignite": "#6b5344", "gas": "#e0745c",
    "oil": "#a0522d", "biomass": "#8aa636", "hydro": "#1f5fa8", "river": "#5aa5e0",
    "offshore": "#0f7a6b", "wind": "#2f9e5b", "solar": "#f2b705", "pv": "#f2b705", "csp": "#e8a33d",
    "battery": "#c77cff", "storage": "#7fd0d8", "phs": "#7fd0d8",
}  # fmt: skip
# From the bottom of a stack to its top.
_ORDER = (
    "nuclear", "river", "biomass", "coal", "lignite", "oil", "thermal", "gas", "hydro", "wind",
    "solar", "pv", "csp",
)  # fmt: skip
_FEW = 1e-6  # of the largest, below which nothing is drawn
_MOST_FLOWS = 40


def pick(table: pd.DataFrame, **where: object) -> pd.DataFrame:
    """Rows of a table in which columns have the given values."""
    for name, value in where.items():
        table = table[table[name] == value]
    return table


def scaled(largest: float, unit: str) -> tuple[float, str]:
    """Return the number to divide by, and the unit in thousands, millions or more."""
    steps = {"MWh": ("MWh", "GWh", "TWh"), "MW": ("MW", "GW"), "t": ("t", "kt", "Mt")}
    names = steps.get(unit, (unit, f"k {unit}", f"m {unit}", f"bn {unit}"))
    if not np.isfinite(largest) or largest <= 0:
        return 1.0, names[0]
    power = min(max(int(math.log10(largest) // 3), 0), len(names) - 1)
    return 1000.0**power, names[power]


def dispatch(
    tables: Tables, regime: str, carbon_price: float, window: str, words: Words = _ENGLISH
) -> Any:
    """Output by carrier over a window, stacked, with the load as a line.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        With hours and carriers.
    regime : str
    carbon_price : float
    window : str
        Its first 168 snapshots are shown.
    words : Words
    """
    rows = pick(tables["hours"], regime=regime, carbon_price=carbon_price, window=window).head(168)
    carriers = carriers_of(tables["hours"])
    output = rows[carriers].astype(float).fillna(0.0)
    largest = float(output.abs().to_numpy().max(initial=0.0))
    divisor, unit = scaled(float(rows["load"].max()), "MW")
    figure, colours = graph_objects.Figure(), colours_of(tables, carriers)
    for carrier in sorted(output.columns, key=_rank):
        given, taken = output[carrier].clip(lower=0.0), output[carrier].clip(upper=0.0)
        for stack, part in (("output", given), ("taken", taken)):
            if part.abs().max() > _FEW * largest:
                figure.add_scatter(
                    x=rows["snapshot"], y=(part / divisor).round(3), name=words(carrier),
                    stackgroup=stack, mode="lines", fillcolor=colours[carrier],
                    line={"width": 0.3, "color": colours[carrier]},
                )  # fmt: skip
    if rows[CHARGING].abs().max() > 0:
        figure.add_scatter(
            x=rows["snapshot"], y=(-rows[CHARGING] / divisor).round(3), name=words(CHARGING),
            stackgroup="taken", mode="lines", line={"width": 0.3, "color": "#9aa0a6"},
        )  # fmt: skip
    lines = {"load": (rows["load"], "solid")}
    if rows["curtailed"].max() > _FEW * rows["load"].max():
        top = output.clip(lower=0.0).sum(axis=1) + rows["curtailed"]
        lines["curtailed"] = (top, "dot")
    for name, (value, dash) in lines.items():
        figure.add_scatter(
            x=rows["snapshot"], y=(value / divisor).round(3), name=words(name), mode="lines",
            line={"color": "#000000", "width": 1.5, "dash": dash},
        )  # fmt: skip
    form = "%m月%d日\n%H时" if words.language == "zh" else "%H:%M\n%d %b"
    figure.update_xaxes(tickformat=form, hoverformat="%Y-%m-%d %H:%M")
    return finished(figure, words("power"), unit)


def duration(tables: Tables, carbon_price: float, words: Words = _ENGLISH, unit: str = "") -> Any:
    """Price duration curves, one a regime, of the load-weighted price of all provinces."""
    figure = graph_objects.Figure()
    rows = pick(tables["hours"], carbon_price=carbon_price)
    for number, (regime, part) in enumerate(rows.groupby("regime", sort=False)):
        falling = part.sort_values("price", ascending=False)
        share = 100 * falling["hours"].cumsum() / falling["hours"].sum()
        figure.add_scatter(
            x=[0.0, *share.round(3)], y=falling["price"].round(2).iloc[[0, *range(len(falling))]],
            name=words(str(regime)), mode="lines",
            line={"shape": "vh", "color": PALETTE[number % len(PALETTE)]},
        )  # fmt: skip
    figure.update_xaxes(title=f"{words('share of hours')} (%)")
    return finished(figure, words("price"), words.unit(unit))


def provinces_map(
    tables: Tables, regime: str, carbon_price: float, words: Words = _ENGLISH, unit: str = ""
) -> Any:
    """Curtailment (area), prices (colour) and net flows (width) by longitude and latitude."""
    places = pick(tables["provinces"], regime=regime, carbon_price=carbon_price)
    flows = pick(tables["corridors"], regime=regime, carbon_price=carbon_price)
    figure, at = graph_objects.Figure(), places.set_index("province")[["x", "y"]]
    divisor, size = scaled(float(flows["energy_mwh"].max()) if len(flows) else 0.0, "MWh")
    largest = flows["energy_mwh"].max() if len(flows) else 1.0
    for _, flow in flows.nlargest(150, "energy_mwh").iterrows():
        ends = at.loc[[flow["province0"], flow["province1"]]]
        label = (
            f"{words(flow['province0'])} → {words(flow['province1'])}: "
            f"{flow['energy_mwh'] / divisor:,.2f} {size}"
        )
        middle = 0.4 * ends.iloc[0] + 0.6 * ends.iloc[1]
        figure.add_scatter(
            x=[ends["x"].iloc[0], middle["x"], ends["x"].iloc[1]],
            y=[ends["y"].iloc[0], middle["y"], ends["y"].iloc[1]],
            mode="lines+markers", text=label, hoverinfo="text", showlegend=False,
            line={"width": 0.5 + 6 * flow["energy_mwh"] / largest, "color": "#b4bfca"},
            marker={"symbol": "arrow", "angleref": "previous", "color": "#5a6e82",
                    "size": [0, 4 + 8 * flow["energy_mwh"] / largest, 0]},
        )  # fmt: skip
    most = float(places["curtailment_mwh"].max())
    divisor, size = scaled(most, "MWh")
    area = 10 + 30 * np.sqrt(places["curtailment_mwh"].clip(lower=0.0) / (most if most > 0 else 1))
    title = f"{words('price')}<br>{words.unit(unit)}"
    text = [
        f"{words(row['province'])}<br>{words('price')} {row['price']:,.1f} {words.unit(unit)}<br>"
        f"{words('curtailed energy')} {row['curtailment_mwh'] / divisor:,.2f} {size} "
        f"({100 * row['curtailment_rate']:.2f} %)"
        for _, row in places.iterrows()
    ]
    figure.add_scatter(
        x=places["x"], y=places["y"], mode="markers", hovertext=text, hoverinfo="text",
        showlegend=False,
        marker={"size": area, "color": places["price"], "colorscale": "Cividis",
                "line": {"width": 1, "color": "#ffffff"},
                "colorbar": {"title": {"text": title}, "thickness": 12}},
    )  # fmt: skip
    few = len(places) <= 40
    if few:
        for _, row in places.iterrows():
            figure.add_annotation(
                x=row["x"], y=row["y"], text=words(row["province"]), showarrow=False,
                font={"size": 10}, bgcolor="rgba(255,255,255,0.6)", borderpad=0,
            )  # fmt: skip
    stretch = 1 / max(math.cos(math.radians(float(places["y"].mean()))), 0.2)
    figure.update_yaxes(scaleanchor="x", scaleratio=stretch)
    figure.update_xaxes(title=f"{words('longitude')} (°)")
    figure = finished(figure, words("latitude"), "°")
    figure.update_layout(height=620, hovermode="closest")
    return figure


def causes(tables: Tables, regime: str, words: Words = _ENGLISH) -> Any:
    """Curtailment by province, stacked by cause, the most curtailed first."""
    rows = pick(tables["causes"], regime=regime)
    wide = rows.pivot_table(
        index="province", columns="cause", values="mwh", aggfunc="sum", sort=False
    )
    wide = wide.loc[wide.sum(axis=1).sort_values(ascending=False).index].head(20)
    largest = float(wide.abs().to_numpy().max()) if wide.size else 0.0
    wide = wide[(wide.abs() > 1e-3 * largest).any(axis=1)]
    divisor, unit = scaled(largest, "MWh")
    figure = graph_objects.Figure()
    for number, cause in enumerate(wide.columns):
        if wide[cause].abs().max() > _FEW * largest:
            figure.add_bar(
                x=[words(str(name)) for name in wide.index], y=wide[cause] / divisor,
                name=words(str(cause)), marker_color=PALETTE[number % len(PALETTE)],
            )  # fmt: skip
    figure.update_layout(barmode="relative")
    return finished(figure, words("curtailed energy"), unit)


def abatement(tables: Tables, regime: str, words: Words = _ENGLISH, unit: str = "") -> Any:
    """Marginal abatement cost curve: what one more tonne costs, by tonnes abated."""
    rows = pick(tables["abatement_curve"], regime=regime)
    divisor, mass = scaled(float(rows["to_t"].max()) if len(rows) else 0.0, "t")
    figure = graph_objects.Figure()
    names = {"tau": "carbon price", "abatement_cost": "cost"}
    for number, (column, name) in enumerate(names.items()):
        figure.add_scatter(
            x=(rows[["from_t", "to_t"]] / divisor).to_numpy().ravel(),
            y=np.repeat(rows[column].to_numpy(), 2).round(3), name=words(name), mode="lines",
            line={"color": PALETTE[number], "dash": "solid" if number == 0 else "dash"},
        )  # fmt: skip
    figure.update_xaxes(title=f"{words('abatement')} ({mass})", rangemode="tozero")
    figure.update_yaxes(rangemode="tozero")
    return finished(figure, words("marginal cost"), words.unit(unit))


def pass_through(tables: Tables, carbon_price: float, words: Words = _ENGLISH) -> Any:
    """Marginal pass-through by province, a bar for each regime."""
    rows = pick(tables["pass_through"], carbon_price=carbon_price)
    figure = graph_objects.Figure()
    for number, (regime, part) in enumerate(rows.groupby("regime", sort=False)):
        figure.add_bar(
            x=[words(name) for name in part["province"]], y=part["pass_through_marginal"].round(4),
            name=words(str(regime)), marker_color=PALETTE[number % len(PALETTE)],
        )  # fmt: skip
    figure.add_hline(y=1.0, line={"dash": "dot", "width": 1, "color": "#555555"})
    return finished(figure, words("pass-through"), "1")


def incidence(
    tables: Tables, regime: str, carbon_price: float, words: Words = _ENGLISH, unit: str = ""
) -> Any:
    """Change of welfare by group as a waterfall that ends at zero."""
    rows = pick(tables["incidence"], regime=regime, carbon_price=carbon_price)
    change = rows.groupby("group", sort=False)["change"].sum()
    change = change[change.abs() > _FEW * max(float(change.abs().max()), 1e-9)]
    divisor, size = scaled(float(change.abs().max()) if len(change) else 0.0, unit)
    figure = graph_objects.Figure(
        graph_objects.Waterfall(
            x=[words(str(name)) for name in change.index], y=(change / divisor).round(6),
            increasing={"marker": {"color": PALETTE[2]}},
            decreasing={"marker": {"color": PALETTE[1]}}, showlegend=False,
        )
    )  # fmt: skip
    return finished(figure, words("welfare"), words.unit(size))


def reserve_prices(
    tables: Tables, carbon_price: float, words: Words = _ENGLISH, unit: str = ""
) -> Any:
    """Distribution of reserve prices by product, a box for each regime."""
    rows = pick(tables["reserve_prices"], carbon_price=carbon_price)
    value = next(name for name in rows.columns if "price" in name and name != "carbon_price")
    figure = graph_objects.Figure()
    for number, (regime, part) in enumerate(rows.groupby("regime", sort=False)):
        figure.add_box(
            x=part["product"], y=part[value].astype(float).round(3), name=words(str(regime)),
            marker_color=PALETTE[number % len(PALETTE)], boxpoints=False,
        )  # fmt: skip
    figure.update_layout(boxmode="group")
    return finished(figure, words("reserve price"), words.unit(unit))


def payments(
    tables: Tables, regime: str, carbon_price: float, words: Words = _ENGLISH, unit: str = ""
) -> Any:
    """Money between groups of parties as a flow diagram, payers left and payees right."""
    rows = pick(tables["payments"], regime=regime, carbon_price=carbon_price)
    turned = rows["amount"] < 0
    rows = rows.assign(
        payer=rows["payer"].where(~turned, rows["payee"]),
        payee=rows["payee"].where(~turned, rows["payer"]), amount=rows["amount"].abs(),
    ).nlargest(_MOST_FLOWS, "amount")  # fmt: skip
    divisor, size = scaled(float(rows["amount"].max()) if len(rows) else 0.0, unit)
    payers, payees = (list(dict.fromkeys(rows[side])) for side in ("payer", "payee"))
    label = [words(str(name)) for name in [*payers, *payees]]
    figure = graph_objects.Figure(
        graph_objects.Sankey(
            node={"label": label, "pad": 12, "thickness": 14,
                  "color": [PALETTE[0]] * len(payers) + [PALETTE[4]] * len(payees)},
            link={"source": [payers.index(name) for name in rows["payer"]],
                  "target": [len(payers) + payees.index(name) for name in rows["payee"]],
                  "value": (rows["amount"] / divisor).round(6), "label": rows["product"]},
            valuesuffix=f" {words.unit(size)}", valueformat=",.3f",
        )
    )  # fmt: skip
    figure.update_layout(template="plotly_white", height=560, margin={"l": 10, "r": 10, "t": 20})
    return figure


def carriers_of(hours: pd.DataFrame) -> list[str]:
    """Columns of `hours` that are carriers."""
    return hours.columns[list(hours.columns).index(CHARGING) + 1 :].tolist()


def colours_of(tables: Tables, carriers: Sequence[str]) -> dict[str, str]:
    """Colour of each carrier: the network's, or that of its technology."""
    given: dict[str, str] = {}
    if "carriers" in tables:
        pairs = tables["carriers"][["carrier", "color"]].itertuples(index=False)
        given = {str(carrier): str(colour) for carrier, colour in pairs}
    found = {}
    for number, carrier in enumerate(carriers):
        known = (colour for part, colour in _TECHNOLOGIES.items() if part in carrier.lower())
        colour = str(given.get(carrier, "") or "")
        found[carrier] = colour or next(known, PALETTE[number % len(PALETTE)])
    return found


def _rank(carrier: str) -> tuple[int, str]:
    at = [k for k, part in enumerate(_ORDER) if part in carrier.lower()]
    return (at[-1] if at else len(_ORDER), carrier)


def finished(figure: Any, quantity: str, unit: str) -> Any:
    """Give a figure what all have in common."""
    figure.update_yaxes(title=f"{quantity} ({unit})" if unit else quantity, automargin=True)
    figure.update_xaxes(automargin=True)
    figure.update_layout(
        template="plotly_white", height=430, hovermode="x unified",
        margin={"l": 10, "r": 10, "t": 20, "b": 10},
        legend={"orientation": "h", "y": -0.18, "yanchor": "top"},
        font={"family": "system-ui, 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"},
    )  # fmt: skip
    return figure
