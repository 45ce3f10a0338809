"""Costs and offers that rise in steps with a generator's output.

Each step is a variable of its own, 0 <= step <= width, and output is their sum,

    g_t = sum over k of step_(k, t),

so that rising prices fill the steps in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

import linopy
import numpy as np
import pandas as pd
import xarray as xr

from powermkt.case import Case

STEP = "Generator-step"
_NARROW_MW = 1e-9


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
        What is offered; equal to `cost` where nothing was.
    """

    generator: pd.Series
    width: pd.DataFrame
    cost: pd.DataFrame
    offer: pd.DataFrame


def steps(case: Case, submitted: bool = False) -> Steps | None:
    """Return the steps of a case, None without any.

    Parameters
    ----------
    case : Case
    submitted : bool, default False
        Whether offers that were submitted (`Case.offers`) count; where they do, a generator's
        output ends at the quantity offered.
    """
    offers = case.offers if submitted else None
    names = [*case.ladders["generator"].unique()]
    if offers is not None:
        names += [name for name in offers["generator"].unique() if name not in names]
    parts = [_of_generator(case, str(name), offers) for name in names]
    if not parts:
        return None
    width, cost, offer = (pd.concat([part[i] for part in parts], axis=1) for i in range(3))
    counts = [part[0].shape[1] for part in parts]
    generator = pd.Series(np.repeat(names, counts), index=width.columns, dtype=object)
    return Steps(generator, width, cost, offer)


def add_steps(model: linopy.Model, case: Case, submitted: bool) -> None:
    """Add the steps of every ladder to a model; their resource cost enters the objective."""
    found = steps(case, submitted)
    if found is None:
        return
    step = model.add_variables(
        lower=0, upper=_grid(found.width), coords=_grid(found.width).coords, name=STEP
    )
    model.objective += (step * _grid(found.cost.mul(case.weights, axis="index"))).sum()
    owners = pd.Index(found.generator.unique(), name="name")
    output = 1 * model.variables["Generator-p"].sel(name=owners)
    of_owner = xr.DataArray(found.generator.to_numpy(), {"name": found.generator.index}, "name")
    total = (1 * step).groupby(of_owner.rename("owner")).sum().rename({"owner": "name"})
    total = total.sel(name=owners)  # groups are sorted by name; linopy matches by position
    model.add_constraints(output - total == 0, name=STEP)


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
    return cost


def _of_generator(
    case: Case, name: str, offers: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Width, cost and offer of the steps of one generator, [snapshot x step].

    The edges of both ladders cut it into steps on which cost and offer are constant.
    """
    index = case.snapshots
    cost_top, cost_price = _cost_ladder(case, name)
    offer_top, offer_price = cost_top, cost_price
    if offers is not None:
        own = offers[offers["generator"] == name]
        if len(own):
            offer_top, offer_price = _offer_ladder(own, index, offer_top, offer_price)
    edges = np.sort(np.concatenate([cost_top, offer_top], axis=1), axis=1)
    edges = np.minimum(edges, offer_top[:, -1:])
    width = np.diff(edges, axis=1, prepend=0.0)
    middle = edges - width / 2
    frames = [width, *(_at(middle, *ladder) for ladder in ((cost_top, cost_price),
                                                           (offer_top, offer_price)))]  # fmt: skip
    used = (width > _NARROW_MW).any(axis=0)
    columns = pd.Index([f"{name} step {k + 1}" for k in range(int(used.sum()))])
    a, b, c = (pd.DataFrame(frame[:, used], index=index, columns=columns) for frame in frames)
    return a, b, c


def _cost_ladder(case: Case, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Upper edges [MW] and prices of the cost ladder, [snapshot x step]; flat cost: one step."""
    ladder = case.ladders[case.ladders["generator"] == name]
    shape = (len(case.snapshots), 1)
    if len(ladder):
        top, price = ladder["width_mw"].cumsum().to_numpy(), ladder["price"].to_numpy()
        return np.tile(top, shape), np.tile(price, shape)
    p_nom = float(case.generators.loc[name, "p_nom"])
    flat = case.dense("Generator", "marginal_cost")[[name]].to_numpy(float)
    return np.full(shape, p_nom), flat


def _offer_ladder(
    own: pd.DataFrame, index: pd.Index, cost_top: np.ndarray, cost_price: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Upper edges and prices of a submitted ladder; in hours without one, those of cost."""
    steps = max(int(own["step"].max()) + 1, cost_top.shape[1])
    top = np.full((len(index), steps), np.nan)
    price = np.full((len(index), steps), np.nan)
    everywhere = own["snapshot"].isna()
    for k, group in own[everywhere].groupby("step"):
        top[:, int(k)], price[:, int(k)] = group["top_mw"].iloc[0], group["price"].iloc[0]
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
    return top, price


def _at(middle: np.ndarray, top: np.ndarray, price: np.ndarray) -> np.ndarray:
    """Price of each ladder at some outputs, [snapshot x step]; beyond its end that of the last."""
    step = (middle[:, :, None] > top[:, None, :]).sum(axis=2)
    found: np.ndarray = np.take_along_axis(price, np.minimum(step, price.shape[1] - 1), axis=1)
    return found


def _grid(frame: pd.DataFrame) -> xr.DataArray:
    return xr.DataArray(
        np.asarray(frame, dtype=float),
        coords={
            "snapshot": pd.Index(frame.index, name="snapshot"),
            "name": pd.Index(frame.columns, name="name"),
        },
        dims=("snapshot", "name"),
    )
