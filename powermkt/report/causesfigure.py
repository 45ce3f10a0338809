"""A figure of what is curtailed: stacked causes by province."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

_MOST = 20  # provinces shown
# Okabe and Ito's colours, told apart by the colour-blind.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#F0E442", "#999999")


def figure_of(shares: Mapping[str, pd.DataFrame]) -> Any:
    """Return a plotly figure with a panel for each regime.

    Parameters
    ----------
    shares : mapping of str to DataFrame
        By regime, MWh by [province], a column for each cause and total.
    """
    from plotly import graph_objects
    from plotly.subplots import make_subplots

    largest = max(
        (frame["total"].abs().max() for frame in shares.values() if len(frame)), default=0
    )
    unit, scale = ("TWh", 1e6) if largest >= 1e6 else ("GWh", 1e3)
    figure = make_subplots(
        rows=len(shares), cols=1, subplot_titles=list(shares), shared_yaxes="all",
        vertical_spacing=0.3 / max(len(shares), 1),
    )  # fmt: skip
    few = max((len(frame) for frame in shares.values()), default=0) < 4
    causes = list(dict.fromkeys(name for frame in shares.values() for name in frame.columns))
    causes = [name for name in causes if name != "total"]
    for row, frame in enumerate(shares.values(), start=1):
        shown = frame[(frame.drop(columns="total").abs() > 1e-3).any(axis=1)].head(_MOST)
        for number, cause in enumerate(causes):
            if cause not in shown:
                continue
            figure.add_trace(
                graph_objects.Bar(
                    x=list(shown.index), y=list(shown[cause] / scale), name=cause,
                    legendgroup=cause, showlegend=row == 1,
                    marker_color=_COLOURS[number % len(_COLOURS)], width=0.25 if few else None,
                ),
                row=row, col=1,
            )  # fmt: skip
        figure.update_yaxes(title_text=unit, row=row, col=1)
    figure.update_layout(
        barmode="relative", template="plotly_white", height=120 + 320 * max(len(shares), 1),
        title="Curtailment by cause (Shapley shares)",
    )  # fmt: skip
    return figure
