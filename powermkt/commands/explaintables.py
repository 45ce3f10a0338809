"""Tables of causes of curtailment for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table

from powermkt.commands.terminal import rounded, table_of
from powermkt.studies.explain import Explanation, ExplanationStudy

_PROVINCES = 8  # shown


def explain_report(study: ExplanationStudy) -> Iterator[Table | str]:
    """Tables of a study for a terminal of 80 columns."""
    for item in study.explanations:
        name = item.run.regime.name
        if item.table.empty:
            yield f"{name}: no shares can be given, see the notes"
            continue
        unit, scale = _scale(item.by_cause["total"])
        yield _by_cause(item, unit, scale)
        if item.interactions is not None and len(item.interactions):
            yield _interactions(item, unit, scale)
            yield "avoided by both beyond what each avoids alone; below 0: one would do"
        if len(item.by_province) > 1:
            yield _by_province(item)


def _scale(values: pd.Series) -> tuple[str, float]:
    """Unit of energy that suits the numbers."""
    largest = values.abs().sum()
    return ("TWh", 1e6) if largest >= 1e6 else ("GWh", 1e3) if largest >= 1e3 else ("MWh", 1.0)


def _by_cause(item: Explanation, unit: str, scale: float) -> Table:
    table = item.by_cause
    ranged = "low" in table
    shown = table_of(
        f"{item.run.regime.name}: curtailed by cause, {unit}",
        ["cause", "wind", "solar", "hydro", "total", "share %", *["low", "high"] * ranged],
    )
    if ranged:
        shown.columns[-2].header, shown.columns[-1].header = "low", "high"
    total = table.sum().rename("all")
    for cause, row in pd.concat([table, total.to_frame().T]).iterrows():
        ends = [row["low"], row["high"]] if ranged and cause != "all" else []
        shown.add_row(
            str(cause),
            *(rounded(row[kind] / scale, 3) for kind in ("wind", "solar", "hydro", "total")),
            rounded(100 * row["share"], 1),
            *(rounded(value / scale, 3) for value in ends),
        )
    return shown


def _by_province(item: Explanation) -> Table:
    unit, scale = _scale(item.by_province["total"])
    seen = (item.by_province.abs() >= scale / 2000).any(axis=1)
    table = item.by_province[seen].head(_PROVINCES)
    causes = [name for name in table.columns if name != "total"]
    shown = table_of(
        f"{item.run.regime.name}: most curtailed provinces, {unit}",
        ["province", *(name.replace("_", "\n") for name in causes), "total"],
    )
    for province, row in table.iterrows():
        shown.add_row(str(province), *(rounded(row[name] / scale, 3) for name in table.columns))
    return shown


def _interactions(item: Explanation, unit: str, scale: float) -> Table:
    assert item.interactions is not None
    pairs = item.interactions.groupby(["cause", "other"], sort=False)["mwh"].sum()
    shown = table_of(
        f"{item.run.regime.name}: interaction of causes",
        ["cause", "other", unit],
    )
    shown.columns[1].justify = "left"
    for _, row in pairs.reset_index().iterrows():
        shown.add_row(row["cause"], row["other"], rounded(row["mwh"] / scale, 3))
    return shown
