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
        long = rows_of(table)
        long = long[(long["origin"] != long["consumer"]) & (long["emissions_t"] > 0)]
        between[name] = long.sort_values("emissions_t", ascending=False)
    largest = max((part["emissions_t"].sum() for part in between.values()), default=0.0)
    unit, scale = ("Mt", 1e6) if largest >= 1e6 else ("kt", 1e3) if largest >= 1e3 else ("t", 1.0)
    provinces = list(dict.fromkeys(p for table in transfers.values() for p in table.index))
    colour = {p: _COLOURS[i % len(_COLOURS)] for i, p in enumerate(provinces)}
    count = max(len(between), 1)
    height = 1.0 / count
    tallest = max((part.head(_MOST)["emissions_t"].sum() for part in between.values()), default=0.0)
    figure = graph_objects.Figure()
    for row, (name, part) in enumerate(between.items()):
        shown = part.head(_MOST)
        top = 1.0 - row * height
        total, seen = part["emissions_t"].sum(), shown["emissions_t"].sum()
        # Panels are as high as what they show, so that flows of two regimes compare.
        size = height * 0.78 * max(seen / tallest, 0.05) if tallest > 0 else height * 0.78
        left, right = (list(dict.fromkeys(shown[end])) for end in ("origin", "consumer"))
        label = [*left, *right]
        figure.add_trace(
            graph_objects.Sankey(
                domain={"x": [0.0, 1.0], "y": [top - height * 0.14 - size, top - height * 0.14]},
                valueformat=",.2f", valuesuffix=f" {unit}",
                node={"label": label, "color": [colour[p] for p in label], "pad": 8},
                link={
                    "source": [left.index(p) for p in shown["origin"]],
                    "target": [len(left) + right.index(p) for p in shown["consumer"]],
                    "value": list(shown["emissions_t"] / scale),
                    "color": [_faint(colour[p]) for p in shown["origin"]],
                },
            )
        )  # fmt: skip
        cut = f", the {_MOST} largest flows: {seen / scale:,.1f} {unit}"
        cut = cut if len(part) > _MOST else ""
        figure.add_annotation(
            text=f"{name}: {total / scale:,.1f} {unit} between provinces{cut}", x=0.0, y=top,
            xref="paper", yref="paper", xanchor="left", yanchor="top", showarrow=False,
        )  # fmt: skip
    most = max((min(len(part), _MOST) for part in between.values()), default=1)
    figure.update_layout(
        template="plotly_white", height=120 + (180 + 14 * most) * count,
        title="Embodied emissions: from where they arise (left) to who uses them (right)",
    )  # fmt: skip
    return figure


def rows_of(transfers: pd.DataFrame) -> pd.DataFrame:
    """Return transfers [province x province] as rows: origin, consumer, emissions_t."""
    table = transfers.rename_axis(index="origin", columns="consumer").reset_index()
    return table.melt("origin", value_name="emissions_t")


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.4)"
