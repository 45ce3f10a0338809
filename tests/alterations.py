"""Tables with one number altered: what an audit must find."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

import numpy as np
import pandas as pd

from powermkt.dispatch.outcome import Outcome


def altered(table: pd.DataFrame, count: int, seed: int) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield what was altered, and the table with one cell that is not what it was."""
    rng = np.random.default_rng(seed)
    done = 0
    for _ in range(20 * count if table.size else 0):
        if done == count:
            return
        i, j = int(rng.integers(len(table))), int(rng.integers(table.shape[1]))
        before = table.iloc[i, j]
        kind, after = _another(rng, table.iloc[:, j], before)
        if after is None:
            continue
        column = table.iloc[:, j].copy()
        column = column.astype(object) if isinstance(after, str) else column
        column.iloc[i] = after
        found = table.copy()
        found.isetitem(j, column)
        done += 1
        yield f"{table.columns[j]}, row {i}: {kind}, {before} to {after}", found


def _another(rng: np.random.Generator, column: pd.Series, value: object) -> tuple[str, object]:
    """Another value of a cell, None where that kind of alteration changes nothing."""
    if isinstance(value, bool | np.bool_):
        return "turned", not value
    if isinstance(value, str):
        return "text", f"{value}x"
    if isinstance(value, pd.Timestamp):
        return "later", value + pd.Timedelta(hours=1)
    if not isinstance(value, int | float | np.number):
        return "empty", None
    number = float(value)
    if np.isnan(number):
        return "filled", 1.0
    kind = str(rng.choice(["x 1.01", "+ 0.01", "sign", "swap"]))
    after = {
        "x 1.01": 1.01 * number,
        "+ 0.01": number + 0.01,
        "sign": -number,
        "swap": float(column.iloc[int(rng.integers(len(column)))]),
    }[kind]
    # What rounding could have made of it is no alteration.
    scale = float(np.nanmax(np.abs(column.to_numpy(dtype=float))))
    same = abs(after - number) <= 1e-8 * abs(number) + 1e-12 * scale or np.isnan(after)
    if same or pd.api.types.is_integer_dtype(column):
        return kind, None
    return kind, after


def altered_outcomes(
    outcome: Outcome, count: int, seed: int, untold: tuple[str, ...]
) -> Iterator[tuple[str, Outcome]]:
    """Yield outcomes with one cell altered in each of their tables, `count` times."""
    for item in fields(Outcome):
        frame = getattr(outcome, item.name)
        if not isinstance(frame, pd.DataFrame) or item.name in untold or not frame.size:
            continue
        for what, found in altered(frame, count, seed):
            yield f"{item.name}: {what}", replace(outcome, **{item.name: found})
