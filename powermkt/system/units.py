"""Unit commitment: real units that are on or off, PyPSA's `committable` generators.

PyPSA writes the rows: output between minimum and maximum while on, start and shut-down, minimum up
and down times, ramps, what was on before. Here is what powermkt adds: starts are counted for the
horizon that a snapshot stands for, windows in a row hand on what is on, and the cost of it all.
"""

from __future__ import annotations

from dataclasses import dataclass

import linopy
import numpy as np
import pandas as pd
import pypsa
import xarray as xr

from powermkt.common.arrays import grid
from powermkt.inputs.case import Case
from powermkt.system.fleet import fleets, starts_per_event

STATUS, START, SHUT = "Generator-status", "Generator-start_up", "Generator-shut_down"


@dataclass(frozen=True)
class Commitment:
    """What units do, all [snapshot x unit]; 1 or 0, or in between where it is relaxed.

    Attributes
    ----------
    status, start_up, shut_down : DataFrame [snapshot x unit]
        On; started in a snapshot; shut down in a snapshot.
    """

    status: pd.DataFrame
    start_up: pd.DataFrame
    shut_down: pd.DataFrame


def units(case: Case) -> pd.DataFrame:
    """Rows of the network's generators that are committed one by one, as PyPSA has them."""
    g = case._n.generators
    return g[g["committable"].astype(bool)]


def online_capacity(
    model: linopy.Model, case: Case, members: pd.Index, share: pd.DataFrame | float = 1.0
) -> list[tuple[pd.Index, linopy.LinearExpression | xr.DataArray]]:
    """Output that generators can reach as they are on, times a share, by kind of generator.

    Who is neither a fleet nor a unit is on with all that is available.

    Parameters
    ----------
    model : linopy.Model
    case : Case
    members : Index
    share : DataFrame [snapshot x generator] or 1
    """
    fleet = members[members.isin(fleets(case).index)]
    unit = members[members.isin(units(case).index)]
    other = members[~members.isin(fleet) & ~members.isin(unit)]
    available = case.availability
    factor = available * 0.0 + share
    found: list[tuple[pd.Index, linopy.LinearExpression | xr.DataArray]] = []
    if len(fleet) and "Fleet-online" in model.variables:
        level = model.variables["Fleet-online"].sel(name=fleet)
        found.append((fleet, level * grid(factor[fleet])))
    else:
        other = other.append(fleet)
    if len(unit):
        status = model.variables[STATUS].sel(name=unit)
        found.append((unit, status * grid((available * factor)[unit])))
    if len(other):
        found.append((other, grid((available * factor)[other])))
    return found


def fast_units(case: Case, hours: float) -> pd.Index:
    """Units that start fast: by `generators.fast_start`, else by minimum up time [h]."""
    table = units(case)
    if "fast_start" in table:
        return table.index[table["fast_start"].fillna(False).astype(bool)]
    step = float(case._n.snapshot_weightings["stores"].iloc[0])
    return table.index[table["min_up_time"] * step <= hours]


def count_starts(n: pypsa.Network, case: Case) -> None:
    """Let starts cost as often as the horizon has them, where a snapshot stands for several.

    PyPSA counts one start for each snapshot in which a unit starts.
    """
    times = starts_per_event(case)
    names = units(case).index
    if names.empty or np.allclose(times, 1.0):
        return
    for attribute in ("start_up_cost", "shut_down_cost"):
        cost = n.get_switchable_as_dense("Generator", attribute)[names]
        series = n.generators_t[attribute].drop(columns=names, errors="ignore")
        n.generators_t[attribute] = pd.concat([series, cost.mul(times, axis="index")], axis=1)


def unit_cost(case: Case, done: Commitment) -> pd.DataFrame:
    """Start, shut-down and no-load cost of units, [snapshot x unit] in money of the horizon."""
    names = done.status.columns
    if names.empty:
        return pd.DataFrame(index=case.snapshots, dtype=float)
    times = starts_per_event(case)

    def price(attribute: str) -> pd.DataFrame:
        return case.dense("Generator", attribute)[names]

    switched = done.start_up * price("start_up_cost") + done.shut_down * price("shut_down_cost")
    idle = (done.status * price("stand_by_cost")).mul(case.weights, axis="index")
    return switched.mul(times, axis="index") + idle


def reachable_ramps(n: pypsa.Network) -> None:
    """Move output before the window to where a ramp can lead from, in place.

    What is available, or must run, may have left it: then as far away as a ramp can lead.
    """
    for component, table in (("Generator", n.generators), ("Link", n.links)):
        known = table.index[table["p_init"].notna()]
        if known.empty:
            continue
        first = {
            name: n.get_switchable_as_dense(component, name)[known].iloc[0]
            for name in ("p_min_pu", "p_max_pu", "ramp_limit_up", "ramp_limit_down")
        }
        up, down = (first[f"ramp_limit_{way}"].fillna(1.0) for way in ("up", "down"))
        unit = table.loc[known, "committable"].astype(bool)
        least = first["p_min_pu"].where(~unit, -1.0) - up  # units may be off
        nominal = table.loc[known, "p_nom"]
        table.loc[known, "p_init"] = table.loc[known, "p_init"].clip(
            lower=least * nominal, upper=(first["p_max_pu"] + down) * nominal
        )
