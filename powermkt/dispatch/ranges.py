"""Curtailment over all optima of a clearing."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
import pandas as pd

from powermkt.dispatch.programme import Point, Programme
from powermkt.dispatch.ties import TIE_STEP
from powermkt.inputs.case import Case


def curtailment_range(
    case: Case, programme: Programme, point: Point, offered: np.ndarray, scale: float
) -> pd.DataFrame:
    """Least and largest curtailment of each province and carrier over all optima [MWh].

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
    point : Point
        As it was solved last.
    offered : ndarray [column]
        What was minimised, without tiny costs.
    scale : float
        What tiny costs were multiplied by.
    """
    groups: dict[tuple[Hashable, ...], tuple[np.ndarray, float]] = {}
    available = case.availability.mul(case.weights, axis="index").sum()
    for table, variable, sign in (
        (case.generators, "Generator-p", -1.0),
        (case.storage_units, "StorageUnit-spill", 1.0),
    ):
        members = table[table["carrier"].isin(case.carriers.renewable)]
        if variable not in programme.variables:
            continue
        names = programme.variables[variable].columns
        for key, group in members[members.index.isin(names)].groupby(["province", "carrier"]):
            unused = programme.spread({variable: pd.Series(sign, group.index)}, case.weights)
            whole = float(available[group.index].sum()) if sign < 0 else 0.0
            before = groups.get(key, (0.0 * unused, 0.0))
            groups[key] = (before[0] + unused, before[1] + whole)
    ties = scale * 20 * TIE_STEP * float(case.weights.max())
    found = programme.ranges(point, offered, ties, [vector for vector, _ in groups.values()])
    bounds = np.array(found).reshape(-1, 2) + np.array([[whole] for _, whole in groups.values()])
    index = pd.MultiIndex.from_tuples(list(groups), names=["province", "carrier"])
    return pd.DataFrame(bounds.clip(min=0.0), index=index, columns=["min", "max"])
