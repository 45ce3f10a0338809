"""Entry until the return meets the hurdle rate, as a fixed point between entry and revenues.

At capacities x the market is cleared, and each candidate's excess g is what one MW of it received,
less what it cost to run, less its yearly cost, as a share of that. Entry is an equilibrium where
nobody who entered earns less than the hurdle rate and nobody who might enter would earn more:

    g = 0 between the limits,    g <= 0 at x = 0,    g >= 0 at the potential.

Revenue jumps where a price steps from one plant's cost to the next, and there any price between
the steps supports the market. So what must meet these conditions is a mix of the excesses of points
within a radius of x, and the smallest such mix h, in the metric of what candidates cost, is the way
to go (gradient sampling: Burke, Lewis and Overton 2005, doi:10.1137/030601296). Where it still pays
there, x moves; where not, that point joins the mix. Once a mix meets the conditions, x moves to the
mean of its points, which is a secant step where excess is smooth, and the radius is halved, until
x itself meets them or the radius is within the tolerance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import nnls

from powermkt.common.values import HOURS_A_YEAR
from powermkt.inputs.case import Case
from powermkt.run import Run
from powermkt.studies.candidates import Candidate, EntryPlan

_FIRST, _AGAIN, _GROWTH, _WIDEST = 0.25, 0.05, 1.5, 0.5  # radius, as a share of what is possible
_WHOLE = 1e3  # weight of the row by which shares add up to 1

Clear = Callable[[pd.Series], Run]


@dataclass
class Equilibrium:
    """Where a fixed point came to.

    Attributes
    ----------
    capacity : Series [candidate], MW
    run : Run
        The clearing at it.
    accounts : DataFrame [candidate]
        As `entrant_accounts`, mixed where revenue jumps; of what did not enter those of a small
        trial plant.
    high, low : Series [candidate], money/(MW a)
        Largest and smallest excess in the mix.
    width : Series [candidate], MW
        How far apart the mixed points are.
    clearings : int
    converged : bool
        Whether the conditions are met, by points no further apart than the tolerance.
    """

    capacity: pd.Series
    run: Run
    accounts: pd.DataFrame
    high: pd.Series
    low: pd.Series
    width: pd.Series
    clearings: int
    converged: bool


def entrant_accounts(run: Run, candidates: Mapping[str, Candidate], mw: pd.Series) -> pd.DataFrame:
    """What each candidate that was built receives and costs.

    Parameters
    ----------
    run : Run
    candidates : mapping of str to Candidate
    mw : Series [candidate], MW

    Returns
    -------
    DataFrame [candidate]
        Columns revenue, variable_cost, yearly_cost, excess [money/(MW a)]; NaN of what was not
        built. Of a corridor revenue is congestion rent, where the regime pays it.
    """
    a_year = HOURS_A_YEAR / float(run.case.weights.sum())
    size = mw.where(mw > 0)
    part = a_year * run.accounts.reindex(mw.index)[["receipts", "resource_cost"]].fillna(0.0)
    table = part.div(size, axis="index").set_axis(["revenue", "variable_cost"], axis="columns")
    table["yearly_cost"] = [candidates[name].yearly_cost for name in mw.index]
    table["excess"] = table["revenue"] - table["variable_cost"] - table["yearly_cost"]
    return table


def first_mw(run: Run, candidates: Mapping[str, Candidate]) -> pd.Series:
    """Return the excess of one MW of each generator at the prices of a run [money/(MW a)].

    Reduced costs of a joint optimum would not do: rows of what has no capacity bind whatever their
    duals.
    """
    case = run.case
    names = [name for name, one in candidates.items() if one.kind == "generator"]
    cost = case.dense("Generator", "marginal_cost")[names] + run.regime.carbon_adder(case)[names]
    price = run.outcome.offer_price[case.generators.loc[names, "bus"]].set_axis(names, axis=1)
    gain = (price - cost).clip(lower=0.0) * case.dense("Generator", "p_max_pu")[names]
    earned = HOURS_A_YEAR / float(case.weights.sum()) * gain.mul(case.weights, axis="index").sum()
    return earned - pd.Series({name: candidates[name].yearly_cost for name in names})


def find_entry(
    case: Case, plan: EntryPlan, clear: Clear, start: pd.Series | None = None
) -> Equilibrium:
    """Find a fixed point between entry and what entrants earn.

    Parameters
    ----------
    case : Case
        Without candidates.
    plan : EntryPlan
    clear : callable
        From capacities [candidate, MW] to a run.
    start : Series [candidate], optional
        Capacities to begin at [MW]; default: none.

    Returns
    -------
    Equilibrium
    """
    names = pd.Index(plan.candidates)
    most = np.array([item.most for item in plan.candidates.values()])
    yearly = np.array([item.yearly_cost for item in plan.candidates.values()])
    peak = float(case.dense("Load", "p_set").sum(axis=1).max())
    scale = np.where(np.isfinite(most), most, peak)
    metric = np.maximum(yearly * scale / (yearly * scale).max(), 1e-4)
    top, least = most / scale, plan.tolerance
    places: list[np.ndarray] = []
    excess: list[np.ndarray] = []
    tables: list[pd.DataFrame] = []

    def look(place: np.ndarray) -> Run:
        tried = pd.Series(np.maximum(place, least) * scale, names)
        run = clear(tried)
        tables.append(entrant_accounts(run, plan.candidates, tried))
        places.append(place)
        excess.append(tables[-1]["excess"].to_numpy() / yearly)
        return run

    here = np.zeros(len(names)) if start is None else start.to_numpy() / scale
    radius, at, idle = _FIRST if start is None else _AGAIN, 0, 0
    run = look(here)
    while True:
        near = [k for k, p in enumerate(places) if np.abs(p - here).max() <= radius + 1e-12]
        share, way = _mix(np.array([excess[k] for k in near]), metric, here <= 0, here >= top)
        met = bool((np.abs(way) <= plan.accuracy).all())
        itself = share[near.index(at)] > 1 - 1e-6
        done = met and (radius <= least or itself)
        if done or len(places) >= plan.iterations:
            break
        if met or idle > 2 * len(names):
            if radius <= least:
                break  # no mix within the tolerance meets the conditions
            target = np.clip(share @ np.array([places[k] for k in near]), 0.0, top)
            target = np.where((here <= 0) | (here >= top), here, target)  # met at its limit
            radius, idle = max(radius / 2, least), 0
            if met and np.abs(target - here).max() > 1e-9:
                here, at = target, len(places)
                run = look(here)
            continue
        trial = np.clip(here + radius * way / np.abs(way).max(), 0.0, top)
        there = look(trial)
        if (metric * way) @ excess[-1] > 0:
            here, at, run, idle = trial, len(places) - 1, there, 0
            radius = min(_GROWTH * radius, _WIDEST)
        else:
            idle += 1
    if (here < least).any():
        run = clear(pd.Series(here * scale, names))
    used = [k for k, part in zip(near, share, strict=True) if part > 1e-6]
    weights = [part for part in share if part > 1e-6]
    mixed = sum(part * tables[k] for k, part in zip(used, weights, strict=True)) / sum(weights)
    spread = np.array([places[k] for k in used])
    sides = pd.concat([tables[k]["excess"] for k in used], axis=1)
    return Equilibrium(
        pd.Series(here * scale, names), run, mixed, sides.max(axis=1), sides.min(axis=1),
        pd.Series((spread.max(axis=0) - spread.min(axis=0)) * scale, names), len(places), done,
    )  # fmt: skip


def _mix(
    excess: np.ndarray, metric: np.ndarray, at_none: np.ndarray, at_most: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Shares of points [point] whose mixed excess breaks the conditions least, and by how much.

    Parameters
    ----------
    excess : array [point x candidate], 1
    metric : array [candidate], 1
        Weight of each candidate's square.
    at_none, at_most : array of bool [candidate]
        What stands at its limits: there an excess below (above) 0 breaks nothing.
    """
    root = np.sqrt(metric)
    free = np.diag(root)
    parts = [excess.T * root[:, None], free[:, at_none], -free[:, at_most]]
    matrix = np.hstack(parts)
    whole = np.zeros(matrix.shape[1])
    whole[: len(excess)] = _WHOLE
    found, _ = nnls(np.vstack([matrix, whole]), np.append(np.zeros(len(root)), _WHOLE))
    share = found[: len(excess)] / found[: len(excess)].sum()
    way = share @ excess
    way = np.where(at_none, np.maximum(way, 0.0), way)
    return share, np.where(at_most, np.minimum(way, 0.0), way)
