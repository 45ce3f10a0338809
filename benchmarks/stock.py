"""One window solved by stock PyPSA: the reference for results and the peer for times.

The same rules write into a linopy model as PyPSA built it; nothing of
`powermkt.dispatch.programme` takes part, so agreement of objectives is evidence.
"""

from __future__ import annotations

import linopy
import numpy as np
import pandas as pd
import pypsa
import xarray as xr

from powermkt.dispatch.programme import Adders, Limits
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case
from powermkt.rules.trade import ProvinceFirst, _band
from powermkt.run import Run
from powermkt.system.fleet import fleets
from powermkt.system.slack import add_slack

SOLVER = {"threads": 1, "parallel": "off", "output_flag": False}


def stock(case: Case, regime: Regime) -> pypsa.Network:
    """Solve one window under a regime by `n.optimize`.

    Parameters
    ----------
    case : Case
        The window.
    regime : Regime
        At its carbon price.

    Returns
    -------
    pypsa.Network
        With results. `objective` is resource cost, offers and rankings, without the order that
        powermkt declares among equal offers.

    Raises
    ------
    RuntimeError
        If PyPSA does not end at an optimum.
    """

    def rules(n: pypsa.Network, snapshots: pd.Index) -> None:
        _rows(n.model, case, regime)

    n = network(case)
    status, condition = n.optimize(
        solver_name="highs",
        io_api="direct",
        include_objective_constant=False,
        log_to_console=False,
        solver_options=SOLVER,
        extra_functionality=rules,
    )
    if condition != "optimal":
        raise RuntimeError(f"PyPSA, {case.name}, {regime.name}: {status}, {condition}")
    return n


def model(case: Case, regime: Regime) -> linopy.Model:
    """Return the model that `stock` solves, unsolved."""
    found: linopy.Model = network(case).optimize.create_model(include_objective_constant=False)
    _rows(found, case, regime)
    return found


def offered(run: Run) -> float:
    """Return resource cost, offers and rankings of a run: what `stock` minimises [money].

    Evaluated from the quantities that a run reports, one window after the other.
    """
    total, out = run.objective, run.outcome
    quantities = {"Generator-p": out.dispatch, "Link-p": out.flows, "StorageUnit-spill": out.spill}
    for label, snapshots in run.case.windows.items():
        case = run.case.window(label)
        here = {name: frame.loc[snapshots] for name, frame in quantities.items()}
        for rule in run.regime.rules:
            if isinstance(rule, ProvinceFirst):
                low, high = _band(case, rule.band)
                flow = here["Link-p"][low.columns]
                here["Exchange-above"] = (flow - high).clip(lower=0.0)
                here["Exchange-below"] = (low - flow).clip(lower=0.0)
            for adders in (rule.offer(case), rule.rank_by(case)):
                for name, price in adders.items():
                    by_hour = (here[name] * price).sum(axis=1)
                    total += float((by_hour * case.weights).sum())
    return total


def network(case: Case) -> pypsa.Network:
    """Return the network of a window with slack, without what rows of rules say instead.

    These are ramp limits of fleets, and costs that rise in steps.
    """
    n = case.network()
    add_slack(n, case)
    n.generators.loc[case.ladders["generator"].unique(), "marginal_cost"] = 0.0
    committed = fleets(case).index
    for column in ("ramp_limit_up", "ramp_limit_down"):
        n.generators.loc[committed, column] = np.nan
        n.generators_t[column] = n.generators_t[column].drop(columns=committed, errors="ignore")
    return n


def _rows(model: linopy.Model, case: Case, regime: Regime) -> None:
    for rule in regime.rules:
        rule.constrain(model, case)
    for rule in regime.rules:
        _add_cost(model, rule.offer(case), case.weights)
        _add_cost(model, rule.rank_by(case), case.weights)
        _add_limits(model, rule.limit(case))


def _add_cost(model: linopy.Model, adders: Adders, weights: pd.Series) -> None:
    """Add money/MWh by variable, times the weight of each snapshot where there are snapshots."""
    for name, value in adders.items():
        variable = model.variables[name]
        price = _array(value)
        if "name" in price.dims:
            variable = variable.sel(
                name=variable.indexes["name"].intersection(price.indexes["name"])
            )
            price = price.sel(name=variable.indexes["name"])
        if "snapshot" in variable.dims:
            price = price * _array(weights.rename_axis("snapshot"))
        model.objective += (variable * price).sum()


def _add_limits(model: linopy.Model, limits: Limits) -> None:
    for name, (low, high) in limits.items():
        least, most = _array(low), _array(high)
        variable = model.variables[name].sel(name=least.indexes["name"])
        model.add_constraints(variable >= least, name=f"Limit-{name}-lower")
        model.add_constraints(variable <= most, name=f"Limit-{name}-upper")


def _array(value: pd.DataFrame | pd.Series | float) -> xr.DataArray:
    """Return numbers as [snapshot x name], [name], or [snapshot] if the index is called so."""
    if isinstance(value, pd.DataFrame):
        coords = {"snapshot": value.index.rename("snapshot"), "name": value.columns.rename("name")}
        return xr.DataArray(value.to_numpy(float), coords, ("snapshot", "name"))
    if isinstance(value, pd.Series):
        dim = "snapshot" if value.index.name == "snapshot" else "name"
        return xr.DataArray(value.to_numpy(float), {dim: value.index.rename(dim)}, dim)
    return xr.DataArray(float(value))
