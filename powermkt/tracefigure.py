"""A figure of whose carbon it is: where emissions arise, and who uses what they were for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

_MOST = 40  # flows shown in a panel
# Okabe and Ito's colours, told apart by the colour-blind.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")


def figure_of(transfers: Mapping[str, pd.DataFrame]) -> Any:
    """Return a plotly figure of Sankey diagrams, a panel for each regime.

    What a province emits for its own use is left away: the flows are between provinces.

    Parameters
    ----------
    transfers : mapping of str to DataFrame
        By regime, t by [province, province], from the row to the column.
    """
    from plotly import graph_objects

    between = {}
    for name, table in transfers.items():
        names = {"index": "origin", "columns": "consumer"}
        long = table.rename_axis(**names).stack().rename("t").reset_index()
        long = long[(long["origin"] != long["consumer"]) & (long["t"] > 0)]
        between[name] = long.sort_values("t", ascending=False)
    largest = max((part["t"].sum() for part in between.values()), default=0.0)
    unit, scale = ("Mt", 1e6) if largest >= 1e6 else ("kt", 1e3) if largest >= 1e3 else ("t", 1.0)
    provinces = list(dict.fromkeys(p for table in transfers.values() for p in table.index))
    colour = {p: _COLOURS[i % len(_COLOURS)] for i, p in enumerate(provinces)}
    count = max(len(between), 1)
    height = 1.0 / count
    figure = graph_objects.Figure()
    for row, (name, part) in enumerate(between.items()):
        shown = part.head(_MOST)
        top = 1.0 - row * height
        left, right = (list(dict.fromkeys(shown[end])) for end in ("origin", "consumer"))
        label = [*left, *right]
        figure.add_trace(
            graph_objects.Sankey(
                domain={"x": [0.0, 1.0], "y": [top - height * 0.88, top - height * 0.08]},
                valueformat=",.2f", valuesuffix=f" {unit}",
                node={"label": label, "color": [colour[p] for p in label], "pad": 8},
                link={
                    "source": [left.index(p) for p in shown["origin"]],
                    "target": [len(left) + right.index(p) for p in shown["consumer"]],
                    "value": list(shown["t"] / scale),
                    "color": [_faint(colour[p]) for p in shown["origin"]],
                },
            )
        )  # fmt: skip
        total, seen = part["t"].sum() / scale, shown["t"].sum() / scale
        cut = f", the {_MOST} largest flows: {seen:,.1f} {unit}" if len(part) > _MOST else ""
        figure.add_annotation(
            text=f"{name}: {total:,.1f} {unit} between provinces{cut}", x=0.0, y=top,
            xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False,
        )  # fmt: skip
    most = max((min(len(part), _MOST) for part in between.values()), default=1)
    figure.update_layout(
        template="plotly_white", height=120 + (180 + 14 * most) * count,
        title="Embodied emissions: from where they arise (left) to who uses them (right)",
    )  # fmt: skip
    return figure


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.4)"
