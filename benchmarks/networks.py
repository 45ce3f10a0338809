"""What is cleared: the China network, whole or cut to fewer provinces and hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import powermkt as pm

CHINA = Path(__file__).parents[1] / "networks" / "china"


def china() -> pm.Case:
    """Return the China network to be cleared window by window, without its calibration run."""
    case = pm.read(CHINA)
    return case.with_market(case.market.model_copy(update={"weeks": None, "calibration": None}))


def cut(
    case: pm.Case, provinces: int | None = None, windows: dict[str, pd.Index] | None = None
) -> pm.Case:
    """Return a case of some provinces and windows.

    Parameters
    ----------
    case : Case
    provinces : int, optional
        Keep this many, as `largest` chooses them, and all that lies within; default: all.
    windows : dict of str to Index, optional
        Keep these snapshots; default: all.
    """
    windows = windows or case.windows
    chosen = case.snapshots.isin(np.concatenate(list(windows.values())))
    n = case.network().copy(snapshots=case.snapshots[chosen])
    kept = largest(case, provinces or case.provinces.nunique())
    gone = set(case.provinces.index[~case.provinces.isin(kept)])
    for component in n.components:
        table = component.static
        ends = table.columns[table.columns.str.fullmatch(r"bus\d*")]
        outside = table.index[table[ends].isin(gone).any(axis=1)]
        if len(outside):
            n.remove(component.name, outside)
    n.remove("Bus", list(gone))
    smaller = pm.Case(n, case.market, name=case.name, windows=windows)
    if case.schedule is None:
        return smaller
    ties = case.schedule.columns.intersection(smaller.corridors.index)
    return smaller.with_schedule(case.schedule.loc[n.snapshots, ties])


def largest(case: pm.Case, number: int) -> list[str]:
    """Return provinces joined by links: the largest load, then the largest of its neighbours."""
    province = case.loads["bus"].map(case.provinces)
    load = case.dense("Load", "p_set").sum().groupby(province).sum().sort_values(ascending=False)
    ties = case.corridors[["province0", "province1"]]
    chosen: list[str] = [str(load.index[0])]
    while len(chosen) < number:
        touching = set(ties[ties.isin(chosen).any(axis=1)].to_numpy().ravel())
        near = [name for name in load.index if name in touching and name not in chosen]
        if not near:
            break
        chosen.append(str(near[0]))
    return chosen
