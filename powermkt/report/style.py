"""What figures have in common: colours, axes, and a few shapes that several of them take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects

from powermkt.analysis.overview import CHARGING
from powermkt.report.source import Shown

# Okabe and Ito's colours, told apart by the colour-blind.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
# Colours of technologies as the field has them, by a part of the name.
_TECHNOLOGIES = {
    "nuclear": "#a3479b", "coal chp": "#7d7268", "coal": "#4d4d4d", "lignite": "#6b5344",
    "gas chp": "#f2b880", "gas": "#e8872e", "ccgt": "#e8872e", "ocgt": "#f2a65e", "oil": "#8c4a2f",
    "biomass": "#8aa636", "river": "#5cc4b4", "ror": "#5cc4b4", "pumped": "#9fd8d2",
    "phs": "#9fd8d2", "hydro": "#158f86", "offshore": "#1f4e9c", "wind": "#3d8fd9",
    "distributed": "#f9dc7a", "rtpv": "#f9dc7a", "csp": "#e0a800", "solar": "#f2c318",
    "pv": "#f2c318", "battery": "#b07cc6", "storage": "#b07cc6", "sync": "#b8b8b8",
    "thermal": "#a0a0a0",
}  # fmt: skip
# From the bottom of a stack to its top.
_ORDER = (
    "nuclear", "river", "biomass", "coal", "lignite", "oil", "thermal", "gas", "hydro", "wind",
    "solar", "pv", "csp",
)  # fmt: skip
_FONT = "system-ui, 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"
_ROW = 22  # px of a bar
_MOST_ROWS = 60  # that have their names and room for them
FEW = 1e-6  # of the largest, below which nothing is drawn
MOST_FLOWS = 40


def carriers_of(table: pd.DataFrame) -> list[str]:
    """Columns of `hours` or `province_days` that are carriers."""
    return table.columns[list(table.columns).index(CHARGING) + 1 :].tolist()


def colours_of(shown: Shown, carriers: Sequence[str]) -> dict[str, str]:
    """Colour of each carrier: that of its technology, the network's where the name says none."""
    given: dict[str, str] = {}
    if "carriers" in shown.tables:
        pairs = shown.table("carriers")[["carrier", "color"]].itertuples(index=False)
        given = {str(carrier): str(colour) for carrier, colour in pairs if colour}
    found = {}
    for number, carrier in enumerate(carriers):
        known = (colour for part, colour in _TECHNOLOGIES.items() if part in carrier.lower())
        stated = given.get(carrier) or PALETTE[number % len(PALETTE)]
        found[carrier] = next(known, stated)
    return found


def rank(carrier: str) -> tuple[int, str]:
    """Order of carriers in a stack, from its bottom."""
    at = [k for k, part in enumerate(_ORDER) if part in carrier.lower()]
    return (at[-1] if at else len(_ORDER), carrier)


def numbers(values: Any, digits: int = 4) -> np.ndarray:
    """Values for a trace, short: a page holds many of them."""
    return np.asarray(values, dtype=float).round(digits)


def with_unit(quantity: str, unit: str) -> str:
    """Title of an axis."""
    return f"{quantity} ({unit})" if unit else quantity


def canvas(shown: Shown, *traces: Any) -> Any:
    """An empty figure, or one of traces."""
    return graph_objects.Figure(list(traces), {"template": shown.template})


def common(quantity: str, unit: str) -> dict[str, Any]:
    """Layout that all figures have in common; the quantity is on the upright axis."""
    return {
        "height": 440, "hovermode": "x unified",
        "font": {"family": _FONT}, "margin": {"l": 10, "r": 14, "t": 24, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left",
                   "traceorder": "normal"},
        "yaxis": {"title": {"text": with_unit(quantity, unit)}, "automargin": True},
        "xaxis": {"automargin": True},
    }  # fmt: skip


def finished(figure: Any, quantity: str, unit: str) -> Any:
    """Give a figure what all have in common."""
    figure.update_layout(common(quantity, unit))
    return figure


def laid(figure: Any, quantity: str, unit: str, rows: int, beside: int = 1) -> Any:
    """Finish a figure that names its rows on the upright axis, the first on top."""
    finished(figure, quantity, unit)
    figure.update_xaxes(title=with_unit(quantity, unit))
    figure.update_yaxes(
        title=None,
        range=[rows - 0.5, -0.5],
        tickmode="linear" if rows <= _MOST_ROWS else "auto",
        dtick=1,
    )
    figure.update_layout(
        height=150 + min(rows, _MOST_ROWS) * max(_ROW, 9 * beside), hovermode="closest"
    )
    return figure


def summed(rows: pd.DataFrame, index: str, columns: str, values: str) -> pd.DataFrame:
    """Sum values by two columns of rows, the largest sum first, for `bars`."""
    wide = rows.pivot_table(
        index=index, columns=columns, values=values, aggfunc="sum", sort=False
    ).fillna(0.0)
    return wide.loc[wide.sum(axis=1).sort_values(ascending=False).index]


def scale_of(
    shown: Shown, table: pd.DataFrame, unit: str, *, beside: bool = False
) -> tuple[float, str]:
    """Number by which `bars` divides a table, and the unit that it then has."""
    size = table.abs() if beside else table.abs().sum(axis=1)
    return shown.scaled(float(size.fillna(0.0).to_numpy().max(initial=0.0)), unit)


def bars(
    shown: Shown, table: pd.DataFrame, quantity: str, unit: str, *, beside: bool = False,
    colours: Mapping[str, str] | None = None,
) -> Any:  # fmt: skip
    """Lying bars: a row for each index, a colour for each column.

    Parameters
    ----------
    table : DataFrame
        In `unit`, which is scaled.
    beside : bool
        Bars of a row stand beside each other; else they are stacked by sign.
    """
    table = table.astype(float)
    largest = float(table.abs().max().max()) if table.size else 0.0
    divisor, size = scale_of(shown, table, unit, beside=beside)
    figure = canvas(shown)
    for number, name in enumerate(table.columns):
        if table[name].abs().max() > FEW * largest or (beside and table[name].notna().any()):
            figure.add_bar(
                y=[shown.words(str(row)) for row in table.index], orientation="h",
                x=numbers(table[name] / divisor, 6), name=shown.words(str(name)),
                marker_color=(colours or {}).get(str(name), PALETTE[number % len(PALETTE)]),
            )  # fmt: skip
    figure.update_layout(barmode="group" if beside else "relative", bargap=0.25)
    rows = len(table)
    return laid(figure, quantity, shown.words.unit(size), rows, table.shape[1] if beside else 1)


def dots(
    shown: Shown, table: pd.DataFrame, quantity: str, unit: str,
    spread: Mapping[str, tuple[pd.Series, pd.Series]] | None = None,
) -> Any:  # fmt: skip
    """A row for each index, a dot for each column; bars about it from and to where there are."""
    figure = canvas(shown)
    for number, name in enumerate(table.columns):
        rows = table[name].dropna()
        more: dict[str, Any] = {}
        if spread is not None:
            low, high = (part.reindex(rows.index) for part in spread[str(name)])
            ends = {"array": numbers(high - rows), "arrayminus": numbers(rows - low)}
            more["error_x"] = {"type": "data", "symmetric": False, "thickness": 1.5, **ends}
        figure.add_scatter(
            x=numbers(rows), y=[shown.words(str(row)) for row in rows.index], mode="markers",
            name=shown.words(str(name)),
            marker={"color": PALETTE[number % len(PALETTE)], "size": max(13 - 2 * number, 6),
                    "symbol": ("circle", "diamond", "square", "triangle-up")[number % 4]}, **more,
        )  # fmt: skip
    order = [shown.words(str(row)) for row in table.index]
    laid(figure, quantity, unit, len(table))
    figure.update_yaxes(categoryorder="array", categoryarray=order)
    figure.update_xaxes(zeroline=True)
    return figure


def flows(
    shown: Shown, rows: pd.DataFrame, ends: tuple[str, str], value: str, unit: str,
    label: str | None = None,
) -> Any:  # fmt: skip
    """Flows from the left to the right, the largest of them; widths are amounts."""
    turned = rows[value] < 0
    left, right = ends
    rows = rows.assign(
        **{left: rows[left].where(~turned, rows[right]),
           right: rows[right].where(~turned, rows[left]), value: rows[value].abs()}
    ).nlargest(MOST_FLOWS, value)  # fmt: skip
    divisor, size = shown.scaled(float(rows[value].max()) if len(rows) else 0.0, unit)
    sources, targets = (list(dict.fromkeys(rows[side])) for side in ends)
    names = list(dict.fromkeys([*sources, *targets]))
    colour = {name: PALETTE[number % (len(PALETTE) - 1)] for number, name in enumerate(names)}
    link: dict[str, Any] = {
        "source": [sources.index(name) for name in rows[left]],
        "target": [len(sources) + targets.index(name) for name in rows[right]],
        "value": (rows[value] / divisor).round(6).tolist(),
        "color": [faint(colour[name]) for name in rows[left]],
    }
    if label is not None:
        link["label"] = [shown.words(str(item)) for item in rows[label]]
    figure = canvas(
        shown,
        graph_objects.Sankey(
            node={"label": [shown.words(str(name)) for name in [*sources, *targets]], "pad": 15,
                  "thickness": 14, "color": [colour[name] for name in [*sources, *targets]]},
            link=link, valuesuffix=f" {shown.words.unit(size)}", valueformat=",.3f",
            textfont={"size": 12, "color": "#1c2733"},
        )
    )  # fmt: skip
    figure.update_layout(
        height=260 + 20 * max(len(sources), len(targets)),
        margin={"l": 10, "r": 10, "t": 10, "b": 10}, font={"family": _FONT},
    )  # fmt: skip
    return figure


def faint(colour: str) -> str:
    """A colour that lets others through."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.4)"
