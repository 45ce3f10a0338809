"""Fleet commitment: how much of a fleet of like units is online, as a linear programme.

A fleet is a generator with `min_stable_pu` m > 0. With online capacity y [MW] and capacity started
s [MW], output g [MW] obeys, at every snapshot t,

    m y <= g <= y <= available,    s_t >= y_t - y_(t-1),
    y_t >= s_t + ... + s_(t-UT+1),    y_(t-DT) + s_t + ... + s_(t-DT+1) <= available,
    g_t - g_(t-1) <= RU (y_t - s_t) + max(m, RU) s_t,
    g_(t-1) - g_t <= RD y_t + max(m, RD) (y_(t-1) - y_t + s_t).

A window is taken to repeat itself, unless the case says what was online before it
(`Case.initial_online`): then that level stands for all snapshots before the first, starts of the
time before are forgotten (what they must stay on is not carried over), and capacity lost since
cannot block what is left. A ramp leads into the window where output before it is known
(`Case.initial_output`).

The relaxation of clustered unit commitment (Palmintier and Webster 2014,
doi:10.1109/TPWRS.2013.2293127): convex, so its duals are prices.
"""

from __future__ import annotations

from typing import Literal

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from powermkt.common.arrays import by_name, by_snapshot, grid, names
from powermkt.inputs.case import Case

# Level, start and the rows between them: levels that may be held through a window.
HELD = ("Fleet-online", "Fleet-start", "Fleet-start")

Commitment = Literal["hourly", "fixed", "all"]
Term = tuple[xr.DataArray | int, linopy.Variable]  # coefficient and variable


def fleets(case: Case) -> pd.DataFrame:
    """Rows of `case.generators` that are committed as fleets."""
    g = case.generators
    return g[(g["min_stable_pu"] > 0) & (g["p_nom"] > 0)]


def add_fleets(model: linopy.Model, case: Case, commitment: Commitment) -> None:
    """Add online and started capacity of every fleet to a model.

    Parameters
    ----------
    model : linopy.Model
        As PyPSA built it for the snapshots of `case`; changed in place.
    case : Case
    commitment : {"hourly", "fixed", "all"}
        Online capacity free in every hour, one level for the whole window, or all that is
        available.
    """
    table = fleets(case)
    if table.empty:
        return
    output = model.variables["Generator-p"].sel(name=table.index)
    available = case.availability[table.index]
    minimum = by_name(table["min_stable_pu"])
    if commitment == "all":
        model.add_constraints(output >= minimum * grid(available), name="Fleet-minimum")
        return
    if commitment == "fixed":
        online = model.add_variables(
            lower=0, upper=by_name(available.max()), coords=[names(table.index)],
            name="Fleet-online",
        )  # fmt: skip
    else:
        online = model.add_variables(
            lower=0, upper=grid(available), coords=grid(available).coords, name="Fleet-online"
        )
    # One expression of all terms: linopy aligns what it adds anew for each sign.
    model.add_constraints(model.linexpr((1, output), (-1, online)) <= 0, name="Fleet-maximum")
    model.add_constraints(model.linexpr((1, output), (-minimum, online)) >= 0, name="Fleet-minimum")
    hours = case.weights
    total_hours = float(hours.sum()) if commitment == "fixed" else by_snapshot(hours)
    idle_cost = by_name(table["no_load_cost"])
    if (table["no_load_cost"] > 0).any():
        model.objective += (online * idle_cost * total_hours).sum()
    if commitment == "hourly":
        _add_starts(model, case, table)
    _add_ramps(model, table, commitment)
    if case.initial_output is not None and commitment == "hourly":
        _add_first_ramps(model, case, table)


def starts_per_event(case: Case) -> pd.Series:
    """How many starts of the horizon one start in a snapshot stands for [1]."""
    weightings = case._n.snapshot_weightings
    ratio: pd.Series = weightings["objective"] / weightings["stores"]
    return ratio


def commitment_cost(case: Case, online: pd.DataFrame, started: pd.DataFrame) -> pd.Series:
    """Start and no-load cost of each generator over all snapshots of a case [money].

    Parameters
    ----------
    case : Case
    online, started : DataFrame [snapshot x fleet], MW
    """
    table = case.generators
    starts = started.mul(starts_per_event(case), axis="index").sum()
    idle = online.mul(case.weights, axis="index").sum()
    cost = pd.Series(0.0, index=table.index)
    for amount, price in ((starts, "start_cost"), (idle, "no_load_cost")):
        cost = cost.add((amount * table[price].reindex(amount.index)), fill_value=0.0)
    return cost[table.index]


def _add_starts(model: linopy.Model, case: Case, table: pd.DataFrame) -> None:
    needs = (table["start_cost"] > 0) | (table["min_up_time"] > 0) | (table["min_down_time"] > 0)
    needs |= table["ramp_up"].notna() | table["ramp_down"].notna()
    table = table[needs]
    if table.empty:
        return
    before = None if case.initial_online is None else case.initial_online[table.index]
    online = model.variables["Fleet-online"].sel(name=table.index)
    started = model.add_variables(lower=0, coords=online.coords, name="Fleet-start")
    level, known = _earlier(online, 1, before)
    change = model.linexpr((1, started), (-1, online), level)
    model.add_constraints(change >= -known, name="Fleet-start")
    cost = by_name(table["start_cost"]) * by_snapshot(starts_per_event(case))
    model.objective += (started * cost).sum()
    available = grid(case.availability)
    # What starts was off: without this, swapping units would get around a ramp limit.
    ramped = table["ramp_up"].notna() | table["ramp_down"].notna()
    table = table.assign(min_down_time=table["min_down_time"].clip(lower=ramped.astype(int)))
    for column in ("min_up_time", "min_down_time"):
        for steps in table.loc[table[column] > 0, column].unique():
            members = table.index[table[column] == steps]
            length = min(int(steps), len(case.snapshots))
            none = None if before is None else 0.0 * before[members]
            begun = started.sel(name=members)
            recent = [(1, begun), *(_earlier(begun, k, none)[0] for k in range(1, length))]
            now = online.sel(name=members)
            if column == "min_up_time":
                spare = model.linexpr((-1, now), *recent)
                model.add_constraints(spare <= 0, name=f"Fleet-up-{length}")
            else:
                last = None if before is None else before[members]
                level, known = _earlier(now, length, last)
                room = np.maximum(available.sel(name=members) - known, 0.0)
                off = model.linexpr(level, *recent)
                model.add_constraints(off <= room, name=f"Fleet-down-{length}")


def _earlier(
    variable: linopy.Variable, steps: int, before: pd.Series | None
) -> tuple[Term, xr.DataArray | float]:
    """Values of a variable some snapshots earlier, and the known part of them.

    Without levels `before` the first snapshot, the end of the window comes before its beginning.
    """
    rolled = variable.roll(snapshot=steps)
    if before is None:
        return (1, rolled), 0.0
    snapshots = variable.indexes["snapshot"]
    inside = by_snapshot(pd.Series(np.arange(len(snapshots)) >= steps, snapshots))
    return (inside, rolled), (1 - inside) * by_name(before)


def _add_ramps(model: linopy.Model, table: pd.DataFrame, commitment: Commitment) -> None:
    for column, sign in (("ramp_up", 1), ("ramp_down", -1)):
        group = table[table[column].notna()]
        if group.empty:
            continue
        output = model.variables["Generator-p"].sel(name=group.index)
        online = model.variables["Fleet-online"].sel(name=group.index)
        limit, edge = (
            by_name(group[column]),
            by_name(group[["min_stable_pu", column]].max(axis=1)),
        )
        later, earlier = slice(1, None), slice(None, -1)
        change = sign * (output.isel(snapshot=later) - _shifted(output, earlier, later))
        if commitment == "fixed":
            model.add_constraints(change - limit * online <= 0, name=f"Fleet-{column}")
            continue
        level, started = online, model.variables["Fleet-start"].sel(name=group.index)
        now, new = level.isel(snapshot=later), started.isel(snapshot=later)
        if column == "ramp_up":
            room = limit * now + (edge - limit) * new
        else:
            room = (limit - edge) * now + edge * _shifted(level, earlier, later) + edge * new
        model.add_constraints(change - room <= 0, name=f"Fleet-{column}")


def _add_first_ramps(model: linopy.Model, case: Case, table: pd.DataFrame) -> None:
    """Ramps from the output before the window; what is not available any more is let go.

    A level that is fixed through the window changes at its edges, freely.
    """
    assert case.initial_output is not None
    available = case.availability.iloc[0]
    for column, sign in (("ramp_up", 1), ("ramp_down", -1)):
        group = table[table[column].notna()]
        if group.empty:
            continue
        names = group.index
        limit, edge = group[column], group[["min_stable_pu", column]].max(axis=1)
        before = case.initial_output[names].clip(upper=available[names])
        output = model.variables["Generator-p"].sel(name=names).isel(snapshot=0)
        online = model.variables["Fleet-online"].sel(name=names)
        change = sign * output
        now = online.isel(snapshot=0)
        new = model.variables["Fleet-start"].sel(name=names).isel(snapshot=0)
        if column == "ramp_up":
            room, known = by_name(limit) * now + by_name(edge - limit) * new, 0.0 * before
            # What must run is not kept down by what ran before.
            before = before.clip(lower=(case.must_run.iloc[0] - limit * available)[names])
        else:
            level = before if case.initial_online is None else case.initial_online[names]
            room = by_name(limit - edge) * now + by_name(edge) * new
            known = edge * level
        bound = by_name(sign * before + known)
        model.add_constraints(change - room <= bound, name=f"Fleet-first-{column}")


def _shifted(variable: linopy.Variable, part: slice, onto: slice) -> linopy.LinearExpression:
    """Values of one part of the horizon, labelled by the snapshots of another."""
    labels = variable.indexes["snapshot"][onto]
    return (1 * variable.isel(snapshot=part)).assign_coords(snapshot=labels)
