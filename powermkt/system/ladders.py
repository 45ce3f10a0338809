"""Costs and offers that rise in steps with a generator's output.

Each step is a variable of its own, 0 <= step <= width, and output is their sum,

    g_t = sum over k of step_(k, t),

so that rising prices fill the steps in their order.

A quadratic cost ``c g + q g**2`` has steps as well, above the lowest output of the generator,

    g_t = low_t + sum over k of step_(k, t);

their widths and costs are numbers of one solve (`powermkt.dispatch.quadratic`), not of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from powermkt.common.arrays import grid
from powermkt.errors import Fault, InputError, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.curves import quadratic_costs

STEP = "Generator-step"
_NARROW_MW = 1e-9
_ENDLESS_MW = 1e9  # what stands for capacity without end

# Every carbon price of a window asks for the same steps.
_FOUND: WeakKeyDictionary[Case, dict[bool, Steps | None]] = WeakKeyDictionary()
# Steps of a quadratic cost: one around an output, and on each side of it as many that are even,
# then as many that grow, the last one to the end of the range.
EVEN, GROWING = 2, 6
STEPS = 1 + 2 * (EVEN + GROWING)


@dataclass(frozen=True)
class Steps:
    """Steps of all generators whose cost or offer is a ladder.

    Attributes
    ----------
    generator : Series [step]
        Generator that a step belongs to.
    width : DataFrame [snapshot x step], MW
    cost : DataFrame [snapshot x step], money/MWh
        Resource cost.
    offer : DataFrame [snapshot x step], money/MWh
        What was submitted; equal to `cost` where nothing was.
    submitted : DataFrame of bool [snapshot x step]
        Whether it was.
    block : DataFrame of int [snapshot x step]
        The block of the submitted ladder that a step is part of, else that of the cost curve.
    """

    generator: pd.Series
    width: pd.DataFrame
    cost: pd.DataFrame
    offer: pd.DataFrame
    submitted: pd.DataFrame
    block: pd.DataFrame


def steps(case: Case, submitted: bool = False) -> Steps | None:
    """Return the steps of a case, None without any.

    Parameters
    ----------
    case : Case
    submitted : bool, default False
        Whether offers that were submitted (`Case.offers`) count; where they do, a generator's
        output ends at the quantity offered.
    """
    known = _FOUND.setdefault(case, {})
    if submitted not in known:
        known[submitted] = _steps(case, submitted)
    return known[submitted]


def _steps(case: Case, submitted: bool) -> Steps | None:
    offers: dict[str, pd.DataFrame] = {}
    if submitted and case.offers is not None:
        offers = {str(name): own for name, own in case.offers.groupby("generator")}
    quadratic = quadratic_costs(case._n).columns
    if both := [name for name in offers if name in quadratic]:
        what = f"offers of generators with quadratic costs: {name_list(both)}"
        raise InputError([Fault("offers", what, "give them a piecewise marginal_cost")])
    curved = [str(name) for name in case.ladders["generator"].unique()]
    curved += [name for name in quadratic if name not in curved]
    names = [*curved, *(name for name in offers if name not in curved)]
    parts = [
        _unpriced(case, name) if name in quadratic else _of_generator(case, name, offers.get(name))
        for name in names
    ]
    if not parts:
        return None
    frames = [pd.concat([part[i] for part in parts], axis=1) for i in range(5)]
    counts = [part[0].shape[1] for part in parts]
    generator = pd.Series(np.repeat(names, counts), index=frames[0].columns, dtype=object)
    return Steps(generator, *frames)


def add_steps(model: linopy.Model, case: Case, submitted: bool) -> None:
    """Add the steps of every ladder to a model.

    The steps of a cost curve carry its resource cost; where cost is flat and only the offer rises,
    it stays with the output of the generator. Those of quadratic costs have none here, and may
    reach the highest output.
    """
    found = steps(case, submitted)
    if found is None:
        return
    step = model.add_variables(
        lower=0, upper=grid(found.width), coords=grid(found.width).coords, name=STEP
    )
    curved = found.generator.isin(case.ladders["generator"])
    if curved.any():
        cost = found.cost.mul(case.weights, axis="index") * curved
        model.objective += (step * grid(cost)).sum()
    owners = pd.Index(found.generator.unique(), name="name")
    output = 1 * model.variables["Generator-p"].sel(name=owners)
    of_owner = xr.DataArray(found.generator.to_numpy(), {"name": found.generator.index}, "name")
    total = (1 * step).groupby(of_owner.rename("owner")).sum().rename({"owner": "name"})
    # linopy puts expressions of one size together by position: groups come sorted, owners do not.
    total = total.sel(name=owners)
    curved = owners.isin(quadratic_costs(case._n).columns)
    lowest = case.must_run[owners].where(np.tile(curved, (len(case.snapshots), 1)), 0.0)
    model.add_constraints(output - total == grid(lowest), name=STEP)


def energy_cost(case: Case, output: pd.DataFrame) -> pd.DataFrame:
    """Resource cost of output, without commitment, [snapshot x generator] in money/h.

    Parameters
    ----------
    case : Case
    output : DataFrame [snapshot x generator], MW
    """
    cost = case.dense("Generator", "marginal_cost").loc[output.index, output.columns] * output
    for name, ladder in case.ladders.groupby("generator", sort=False):
        if name in output:
            top = ladder["width_mw"].cumsum().to_numpy()
            bottom = top - ladder["width_mw"].to_numpy()
            filled = np.clip(output[name].to_numpy()[:, None], bottom, top) - bottom
            cost[name] = filled @ ladder["price"].to_numpy()
    q = quadratic_costs(case._n)
    for name in q.columns.intersection(output.columns):
        cost[name] += q.loc[output.index, name] * output[name] ** 2
    return cost


def quadratic_ladder(case: Case, edges: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the steps of quadratic costs between some outputs.

    Exact at the edges: with Generator-p at ``c + q low`` (the mean cost of the lowest output), the
    step from a to b costs ``q (a + b - low)``, so that both together make ``c g + q g**2``.

    Parameters
    ----------
    case : Case
    edges : ndarray [snapshot x generator x STEPS + 1], MW
        Rising outputs of the generators of `quadratic_costs`, the first one the lowest.

    Returns
    -------
    width : DataFrame [snapshot x step], MW
    cost : DataFrame [snapshot x step], money/MWh
        Of the step, to which that of Generator-p comes.
    """
    q = quadratic_costs(case._n)
    columns = quadratic_step_names(case)
    width = np.diff(edges, axis=2)
    cost = q.to_numpy()[:, :, None] * (edges[:, :, 1:] + edges[:, :, :-1] - edges[:, :, :1])
    shape = (len(q), len(columns))
    return (
        pd.DataFrame(width.reshape(shape), q.index, columns),
        pd.DataFrame(cost.reshape(shape), q.index, columns),
    )


def quadratic_step_names(case: Case) -> pd.Index:
    """Return the names of the steps of quadratic costs, generator by generator."""
    names = quadratic_costs(case._n).columns
    return pd.Index([step for name in names for step in _step_names(name, STEPS)], dtype=object)


def _unpriced(case: Case, name: str) -> tuple[pd.DataFrame, ...]:
    """Frames as of `_of_generator` for the steps of a quadratic cost, before they have numbers.

    The first may reach the highest output.
    """
    columns = _step_names(name, STEPS)
    cost = pd.DataFrame(0.0, case.snapshots, columns)
    width = cost.copy()
    width[columns[0]] = case.availability[name] - case.must_run[name]
    submitted, block = cost > 0, cost.astype(int)
    return width, cost, cost, submitted, block


def _step_names(generator: str, count: int) -> pd.Index:
    return pd.Index([f"{generator} step {k + 1}" for k in range(count)])


def _of_generator(case: Case, name: str, own: pd.DataFrame | None) -> tuple[pd.DataFrame, ...]:
    """Width, cost, offer, whether it was submitted and block of its steps, [snapshot x step].

    The edges of both ladders cut it into steps on which cost and offer are constant.
    """
    index = case.snapshots
    cost_top, cost_price = _cost_ladder(case, name)
    offer_top, offer_price = cost_top, cost_price
    given = np.zeros(len(index), dtype=bool)
    if own is not None:
        offer_top, offer_price, given = _offer_ladder(own, index, offer_top, offer_price)
    edges = np.sort(np.concatenate([cost_top, offer_top], axis=1), axis=1)
    edges = np.minimum(edges, offer_top[:, -1:])
    width = np.diff(edges, axis=1, prepend=0.0)
    middle = edges - width / 2
    block = _block(middle, offer_top)
    frames = [
        width,
        np.take_along_axis(cost_price, _block(middle, cost_top), axis=1),
        np.take_along_axis(offer_price, block, axis=1),
        np.repeat(given[:, None], width.shape[1], axis=1),
        block,
    ]
    used = (width > _NARROW_MW).any(axis=0)
    columns = _step_names(name, int(used.sum()))
    return tuple(pd.DataFrame(frame[:, used], index=index, columns=columns) for frame in frames)


def _cost_ladder(case: Case, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Upper edges [MW] and prices of the cost ladder, [snapshot x step]; flat cost: one step."""
    ladder = case.ladders[case.ladders["generator"] == name]
    shape = (len(case.snapshots), 1)
    if len(ladder):
        top, price = ladder["width_mw"].cumsum().to_numpy(), ladder["price"].to_numpy()
        return np.tile(top, shape), np.tile(price, shape)
    flat = case.dense("Generator", "marginal_cost")[[name]].to_numpy(float)
    most = max(float(case.generators["p_nom"][name]), float(case.availability[name].max()))
    return np.full(shape, min(most, _ENDLESS_MW)), flat


def _offer_ladder(
    own: pd.DataFrame, index: pd.Index, cost_top: np.ndarray, cost_price: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper edges and prices of a submitted ladder, and in which hours there is one.

    In hours without one they are those of cost.
    """
    steps = max(int(own["step"].to_numpy().max()) + 1, cost_top.shape[1])
    top = np.full((len(index), steps), np.nan)
    price = np.full((len(index), steps), np.nan)
    everywhere = own["snapshot"].isna()
    always = own[everywhere]
    top[:, always["step"].to_numpy(int)] = always["top_mw"].to_numpy(float)
    price[:, always["step"].to_numpy(int)] = always["price"].to_numpy(float)
    dated = own[~everywhere]
    dated = dated[dated["snapshot"].isin(index)]
    row = index.get_indexer(pd.Index(dated["snapshot"]))
    if len(row):
        top[np.unique(row)] = price[np.unique(row)] = np.nan
        top[row, dated["step"].to_numpy(int)] = dated["top_mw"].to_numpy(float)
        price[row, dated["step"].to_numpy(int)] = dated["price"].to_numpy(float)
    missing = np.isnan(top[:, 0])
    width = cost_top.shape[1]
    top[missing, :width], price[missing, :width] = cost_top[missing], cost_price[missing]
    # Shorter ladders end in steps of no width.
    top = pd.DataFrame(top).ffill(axis=1).to_numpy()
    price = pd.DataFrame(price).ffill(axis=1).to_numpy()
    return top, price, ~missing


def _block(middle: np.ndarray, top: np.ndarray) -> np.ndarray:
    """Position in a ladder of each output, [snapshot x step]; beyond its end that of the last."""
    found: np.ndarray = (middle[:, :, None] > top[:, None, :]).sum(axis=2)
    return np.minimum(found, top.shape[1] - 1)
