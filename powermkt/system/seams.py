"""The reservoir plan of a year: levels of storage at the seams between its weeks.

Weeks are cleared one by one, so something must say how much water each may use. The plan is the
optimum of all weeks at once on coarse hours (averages over `seams.block_hours` of the market file)
at resource cost plus wheeling fees, ties free within their capacity, with must-run, unserved load
and excess at their values. Minimum output and starts of fleets, and ramp limits, are left out:
they matter within days.

There is one plan for a case, the same for every regime and carbon price: regimes are compared on
one management of the reservoirs, and what differs between them is not that one has more water in
a week than another.

Storage units follow the plan whose `max_hours` is at least `seams.min_hours`, or which are not
cyclic in the network; units with set points of their own do not. All other storage, and stores, end
each week where they began. Coarse levels need no margin to the limits: averaging keeps the energy
of each week, so that a unit without standing loss can follow exactly, and where standing losses
make a difference the levels move to what each unit reaches (`powermkt.system.reach`). A level that
needs pumping takes the power from its bus: a regime that cannot bring it there sheds load, and at
a bus without load such a week would have no optimum.
"""

from __future__ import annotations

import warnings

import highspy
import linopy
import numpy as np
import pandas as pd
import pypsa

from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.inputs.curves import drop_quadratic, mean_costs
from powermkt.inputs.levels import Seams
from powermkt.system.reach import reachable_plan, reaches
from powermkt.system.slack import add_slack

# Interior points alone are quick on a year at once, and where several plans cost the same they lie
# in the middle of them; if they do not converge, whatever HiGHS thinks best.
_SOLVERS: tuple[dict[str, str], ...] = (
    {"solver": "ipm", "run_crossover": "off"},
    {"solver": "choose", "run_crossover": "on"},
)
SET_POINTS = ("p_set", "p_dispatch_set", "p_store_set", "state_of_charge_set")


def followers(case: Case) -> pd.Index:
    """Storage units that carry energy from week to week."""
    units = case._n.storage_units
    long = (units["max_hours"] >= case.market.seams.min_hours) | ~units["cyclic_state_of_charge"]
    free = pd.Series(True, index=units.index)
    for attribute in SET_POINTS:
        free &= case.dense("StorageUnit", attribute).isna().all().reindex(units.index)
    return units.index[long & free & (units["p_nom"] > 0)]


def with_seams(case: Case) -> Case:
    """Return the case with levels at the seams of its windows, if any storage follows a plan.

    Parameters
    ----------
    case : Case
        With consecutive windows that cover all snapshots.

    Raises
    ------
    ClearingError
        If the coarse programme has no optimum.
    """
    names = followers(case)
    if names.empty or len(case.windows) < 2:
        return case
    blocks = _blocks(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyPSA announces its next string type at every copy
        coarse = _coarse(case, blocks)
        levels, values = _optimum(coarse, case.name)
    last = pd.Index([blocks[index[-1]] for index in case.windows.values()])
    first = pd.Index([blocks[index[0]] for index in case.windows.values()])
    units = case._n.storage_units.loc[names]
    cyclic = units["cyclic_state_of_charge"].to_numpy(dtype=bool)
    ends = levels.loc[last, names].to_numpy()
    plan = reachable_plan(
        np.vstack([ends[-1], ends]),
        reaches(case._n, names, list(case.windows.values())),
        cyclic,
        units["state_of_charge_initial"].to_numpy(dtype=float),
    )
    end, value = plan[1:].copy(), np.roll(values.loc[first, names].to_numpy(), -1, axis=0)
    end[-1, ~cyclic] = value[-1, ~cyclic] = np.nan
    labels = pd.Index(case.windows, name="window")
    return case.with_seams(
        Seams(*(pd.DataFrame(part, labels, names) for part in (plan[:-1], end, value)))
    )


def _blocks(case: Case) -> pd.Series:
    """First snapshot of the block that each snapshot belongs to; no block crosses a seam."""
    step = (case.snapshots[1] - case.snapshots[0]) / pd.Timedelta(hours=1)
    length = max(int(case.market.seams.block_hours / step), 1)
    parts = [
        pd.Series(index[np.arange(len(index)) // length * length], index=index)
        for index in case.windows.values()
    ]
    return pd.concat(parts).reindex(case.snapshots)


def _coarse(case: Case, blocks: pd.Series) -> pypsa.Network:
    """Average a network over blocks of time, with slack, fees, and no ramps."""
    n = case.network()
    add_slack(n, case)
    for table, series, columns in (
        (n.generators, n.generators_t, ("ramp_limit_up", "ramp_limit_down")),
        (n.links, n.links_t, ("ramp_limit_up", "ramp_limit_down")),
        (n.storage_units, n.storage_units_t, ("state_of_charge_set",)),
        (n.stores, n.stores_t, ("e_set",)),
    ):
        for column in columns:
            series[column] = series[column].iloc[:, :0]
            if column in table:
                table[column] = np.nan
    units = n.generators.index[n.generators["committable"].astype(bool)]
    n.generators.loc[units, "committable"] = False
    n.generators.loc[units, "p_min_pu"] = 0.0
    n.generators_t["p_min_pu"] = n.generators_t["p_min_pu"].drop(columns=units, errors="ignore")
    drop_quadratic(n, mean_costs(n))  # the plan is linear
    fee = case.corridors["wheeling_fee"]
    n.links.loc[fee.index, "marginal_cost"] += fee
    varying = n.links_t["marginal_cost"]
    n.links_t["marginal_cost"] = varying + fee.reindex(varying.columns, fill_value=0.0)
    return n.cluster.temporal.from_snapshot_map(blocks)


def _optimum(n: pypsa.Network, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Levels at the end of each block [MWh], and the value of one more MWh at its start."""
    model = n.optimize.create_model(consistency_check=False, include_objective_constant=False)
    matrices = model.matrices
    rows = matrices.A.tocsr()
    solver = highspy.Highs()
    solver.silent()  # before anything else: linopy's own way in prints a banner on stdout
    solver.addVars(len(matrices.vlabels), matrices.lb, matrices.ub)
    every = np.arange(len(matrices.vlabels), dtype=np.int32)
    solver.changeColsCost(len(every), every, matrices.c)
    solver.addRows(
        rows.shape[0],
        np.where(matrices.sense != "<", matrices.b, -np.inf),
        np.where(matrices.sense != ">", matrices.b, np.inf),
        rows.nnz, rows.indptr, rows.indices, rows.data,
    )  # fmt: skip
    for options in _SOLVERS:
        for option, choice in {"threads": 1, **options}.items():
            if solver.setOptionValue(option, choice) != highspy.HighsStatus.kOk:
                raise ClearingError(f"HiGHS refused: option {option}={choice}")
        solver.run()
        if (status := solver.getModelStatus()) == highspy.HighsModelStatus.kOptimal:
            break
    else:
        told = solver.modelStatusToString(status)
        raise ClearingError(f"{name}: no plan of storage levels for the year: {told}")
    solution = solver.getSolution()
    level = _picked(
        model.variables["StorageUnit-state_of_charge"], matrices.vlabels, solution.col_value
    )
    value = _picked(
        model.constraints["StorageUnit-energy_balance"], matrices.clabels, solution.row_dual
    )
    loss = n.get_switchable_as_dense("StorageUnit", "standing_loss")[value.columns]
    kept = (1 - loss).pow(n.snapshot_weightings["stores"], axis="index")
    return level, value * kept


def _picked(
    item: linopy.Variable | linopy.Constraint, labels: np.ndarray, numbers: list[float]
) -> pd.DataFrame:
    """Numbers of one variable or constraint, [snapshot x name], out of those of all."""
    at = item.labels.transpose("snapshot", "name").to_pandas()
    found = pd.Series(np.asarray(numbers), index=labels).reindex(at.to_numpy().ravel())
    return pd.DataFrame(found.to_numpy().reshape(at.shape), at.index, at.columns)
