"""Demand that reacts: variables and rows of a window, and what an optimum says of them.

What users take of a load beyond its reference `p_set` (below 0: less) is one variable a rule, which
the nodal balance draws (`Programme`):

    elastic:    change_t = sum over blocks k of sign_k b_(k, t),   0 <= b_(k, t) <= width_(k, t)
    shiftable:  change_t = more_t - less_t,   sum over a window of (more_t - less_t) hours_t = 0

The objective takes what blocks are worth to users: given up it is a resource cost, added it is one
less. Shifting costs by what is moved.
"""

from __future__ import annotations

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from powermkt.common.arrays import by_name, by_snapshot, grid, names
from powermkt.dispatch.programme import Point, Programme
from powermkt.inputs.case import Case
from powermkt.system.slack import SHED

# Names of variables begin so: net change of a load, blocks of a curve, energy moved.
CHANGE, BLOCKS, SHIFT = "Demand-change", "Demand-block", "Demand-shift"
_ELASTIC, _SHIFTED = f"{CHANGE} elastic", f"{CHANGE} shifted"
_BLOCK = " block "


def block_names(blocks: pd.DataFrame) -> pd.Index:
    """Return names of blocks, from the load that they belong to."""
    number = blocks.groupby("load").cumcount() + 1
    return pd.Index(blocks["load"] + _BLOCK + number.astype(str), dtype=object)


def add_elastic(
    model: linopy.Model, case: Case, key: str, blocks: pd.DataFrame, reference: pd.DataFrame
) -> None:
    """Add the blocks of demand curves.

    Parameters
    ----------
    model : linopy.Model
    case : Case
        The window.
    key : str
        What tells the rule from others.
    blocks : DataFrame [block, as `block_names`]
        Columns load, sign, width [1, of the reference], value [money/MWh].
    reference : DataFrame [snapshot x load], MW
        Demand at the reference price.
    """
    width = pd.DataFrame(
        reference[blocks["load"]].to_numpy() * blocks["width"].to_numpy(),
        case.snapshots,
        blocks.index,
    )
    moved = model.add_variables(
        lower=0, upper=grid(width), coords=grid(width).coords, name=f"{BLOCKS} {key}"
    )
    value = blocks["sign"] * blocks["value"]
    worth = pd.DataFrame(np.outer(case.weights, value), case.snapshots, blocks.index)
    model.objective -= (moved * grid(worth)).sum()
    owner = xr.DataArray(blocks["load"].to_numpy(), {"name": names(blocks.index)}, "name")
    signed = moved * by_name(blocks["sign"])
    total = signed.groupby(owner.rename("owner")).sum().rename({"owner": "name"})
    _add_change(model, case, f"{_ELASTIC} {key}", reference.columns, total)


def add_shift(
    model: linopy.Model, case: Case, key: str, room: pd.DataFrame, window: pd.Series, cost: float
) -> None:
    """Add energy that moves between the hours of a window.

    Parameters
    ----------
    model : linopy.Model
    case : Case
        The window of the horizon.
    key : str
        What tells the rule from others.
    room : DataFrame [snapshot x load], MW
        By how much a load may be above or below its reference.
    window : Series [snapshot]
        Number of the window in which energy is conserved.
    cost : float
        Of a MWh moved [money/MWh].
    """
    more, less = (
        model.add_variables(
            lower=0, upper=grid(room), coords=grid(room).coords, name=f"{SHIFT} {key} {way}"
        )
        for way in ("more", "less")
    )
    if cost:
        model.objective += (more * by_snapshot(cost * case.weights)).sum()
    change = _add_change(model, case, f"{_SHIFTED} {key}", room.columns, more - less)
    hours = case._n.snapshot_weightings["stores"]
    for number, snapshots in window.groupby(window).groups.items():
        part = change.sel(snapshot=snapshots) * by_snapshot(hours.loc[snapshots])
        model.add_constraints(part.sum("snapshot") == 0, name=f"{SHIFT} {key} window {number}")


def _add_change(
    model: linopy.Model, case: Case, name: str, loads: pd.Index, total: linopy.LinearExpression
) -> linopy.Variable:
    """Add the net change of loads."""
    coords = [pd.Index(case.snapshots, name="snapshot"), names(loads)]
    change = model.add_variables(coords=coords, name=name)
    # linopy puts expressions of one size together by position: groups come sorted.
    model.add_constraints(change - total.sel(name=coords[1]) == 0, name=name)
    return change


def bound_shedding(model: linopy.Model, case: Case) -> None:
    """Let no more load be shed than users have not given up, where it may be shed at all."""
    if case.market.value_of_lost_load is None:
        return
    changes = [model.variables[name] for name in model.variables if name.startswith(CHANGE)]
    load = case.dense("Load", "p_set").clip(lower=0.0).T.groupby(case.loads["bus"]).sum().T
    output, bus = model.variables["Generator-p"], case.loads["bus"]
    moving = pd.Index([name for change in changes for name in change.indexes["name"]]).unique()
    for place in bus[moving].unique():
        shed = 1 * output.sel(name=SHED + place)
        for change in changes:
            here = [name for name in change.indexes["name"] if bus[name] == place]
            if here:
                shed = shed - change.sel(name=here).sum("name")
        model.add_constraints(shed <= by_snapshot(load[place]), name=f"Demand-shed {place}")


def read_demand(case: Case, programme: Programme, point: Point) -> dict[str, pd.DataFrame]:
    """Return what users do, as `Outcome` has it: elastic, shifted, demand_cost.

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
    point : Point
    """
    found: dict[str, list[pd.DataFrame]] = {"elastic": [], "shifted": [], "demand_cost": []}
    value = programme.cost * point.columns
    for name in programme.variables:
        for prefix, what in ((_ELASTIC, "elastic"), (_SHIFTED, "shifted")):
            if name.startswith(prefix):
                found[what].append(programme.values(name, point))
        if name.startswith((BLOCKS, SHIFT)):
            cost = programme.frame(name, value).div(case.weights, axis="index")
            if name.startswith(BLOCKS):
                cost = cost.rename(columns=lambda column: column.rsplit(_BLOCK, 1)[0])
            found["demand_cost"].append(cost)
    return {name: _summed(parts, case.snapshots) for name, parts in found.items()}


def _summed(parts: list[pd.DataFrame], snapshots: pd.Index) -> pd.DataFrame:
    """Add up frames by column."""
    if not parts:
        return pd.DataFrame(index=snapshots)
    every = pd.concat(parts, axis=1)
    total: pd.DataFrame = every.T.groupby(level=0, sort=False).sum().T
    return total.set_axis(snapshots, axis="index")
