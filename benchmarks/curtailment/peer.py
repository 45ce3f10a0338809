"""Stock PyPSA on the same cells: its optimum, its own range, and whether an answer is an optimum.

The programme is the one that `benchmarks.stock` writes; nothing of powermkt's search takes part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

import linopy
import numpy as np
import pandas as pd
import xarray as xr

import powermkt as pm
from benchmarks.curtailment.cases import institution, system
from benchmarks.curtailment.recipe import Cell
from benchmarks.stock import SOLVER, model

GROUP = ["province", "carrier"]
ALL = ("all", "all")
_OUTPUT, _SPILL = "Generator-p", "StorageUnit-spill"


@dataclass
class Peer:
    """A cell as stock PyPSA has it; solved when asked.

    Attributes
    ----------
    columns : DataFrame
        As `curtailable`.
    optimum : float
        Least objective, nan until `solve` [money].
    """

    cell: Cell
    optimum: float = float("nan")
    _model: linopy.Model = field(init=False, repr=False)

    def __post_init__(self) -> None:
        case = system(self.cell.case)
        self._model = model(case, institution(self.cell))
        self._objective = self._model.objective.expression
        self.columns = curtailable(case, self._model)

    def solve(self) -> pd.Series:
        """Return what one optimum curtails, [(province, carrier)] in MWh; sets `optimum`."""
        self.optimum = self._solve(self._objective)
        unused = {
            key: float(expression.solution) + whole
            for key, (expression, whole) in self._unused().items()
        }
        return pd.Series(unused).rename_axis(GROUP)

    def ranges(self, share: float) -> pd.DataFrame:
        """Return least and largest curtailment, [(province, carrier)] by min and max, in MWh.

        The last row is `ALL`: everything together. The textbook way: one row keeps the objective
        within a `share` of the optimum.
        """
        self._model.add_constraints(
            self._objective <= self.optimum + share * abs(self.optimum), name="Optimum"
        )
        found, parts = {}, self._unused()
        parts[ALL] = (
            linopy.merge([expression for expression, _ in parts.values()]),
            sum(whole for _, whole in parts.values()),
        )
        for key, (expression, whole) in parts.items():
            found[key] = [way * self._solve(way * expression) + whole for way in (1.0, -1.0)]
        self._model.remove_constraints("Optimum")
        return pd.DataFrame(found, index=["min", "max"]).T.rename_axis(GROUP)

    def objective_at(self, curtailed: pd.Series, tolerance: pd.Series) -> float:
        """Return the least objective at which just that much is curtailed; inf if none can.

        Parameters
        ----------
        curtailed, tolerance : Series [(province, carrier)], MWh
        """
        names = []
        for i, (key, (expression, whole)) in enumerate(self._unused().items()):
            wanted, about = curtailed[key] - whole, tolerance[key]
            names += [f"Curtailed-{i}-least", f"Curtailed-{i}-most"]
            self._model.add_constraints(expression >= wanted - about, name=names[-2])
            self._model.add_constraints(expression <= wanted + about, name=names[-1])
        try:
            return self._solve(self._objective)
        except Infeasible:
            return float("inf")
        finally:
            self._model.remove_constraints(names)

    def _solve(self, objective: linopy.LinearExpression) -> float:
        self._model.add_objective(objective, overwrite=True)
        self._model.solve(solver_name="highs", io_api="direct", progress=False, **SOLVER)
        condition = self._model.termination_condition
        if condition in ("infeasible", "infeasible_or_unbounded"):
            raise Infeasible(condition)
        if condition != "optimal":
            raise RuntimeError(f"PyPSA, {self.cell.case}, {self.cell.regime}: {condition}")
        return float(self._model.objective.value)

    def _unused(self) -> dict[tuple[str, str], tuple[linopy.LinearExpression, float]]:
        """By province and carrier a linear expression, and what is added to it [MWh]."""
        found: dict[tuple[str, str], tuple[linopy.LinearExpression, float]] = {}
        for (*names, variable), group in self.columns.groupby([*GROUP, "variable"], sort=False):
            hours = group.pivot_table("hours", "snapshot", "component", observed=True)
            by_column = xr.DataArray(
                (-1.0 if variable == _OUTPUT else 1.0) * hours.to_numpy(float),
                {"snapshot": hours.index, "name": hours.columns.rename("name")},
                ("snapshot", "name"),
            )
            part = self._model.variables[variable].sel(name=list(hours.columns))
            whole = float((group["available_mw"] * group["hours"]).sum())
            key, summed = (str(names[0]), str(names[1])), (part * by_column).sum()
            before = found.get(key)
            found[key] = (
                summed if before is None else before[0] + summed,
                (0.0 if before is None else before[1]) + whole * (variable == _OUTPUT),
            )
        return found


@lru_cache(maxsize=1)
def peer_of(cell: Cell) -> Peer:
    """Return the peer of a cell; the last one is kept, since writing it takes longest."""
    return Peer(cell)


class Infeasible(Exception):
    """No dispatch curtails just that much."""


def curtailable(case: pm.Case, rows: linopy.Model) -> pd.DataFrame:
    """Columns of a model that say what is curtailed.

    Curtailed is the sum of hours x (available less value) of outputs, and of hours x value of
    spill.

    Returns
    -------
    DataFrame
        Columns province, carrier, variable, component, snapshot, hours, available_mw (of spill:
        inflow), column (label of the model).
    """
    parts = []
    for variable, members, available in plant(case):
        names = members.index
        labels = rows.variables[variable].labels.sel(name=list(names)).transpose("snapshot", "name")
        size = len(case.snapshots)
        parts.append(
            pd.DataFrame(
                {
                    "province": np.repeat(members["province"].to_numpy(), size),
                    "carrier": np.repeat(members["carrier"].to_numpy(), size),
                    "variable": variable,
                    "component": np.repeat(names.to_numpy(), size),
                    "snapshot": np.tile(case.snapshots.to_numpy(), len(names)),
                    "hours": np.tile(case.weights.to_numpy(), len(names)),
                    "available_mw": available.to_numpy().T.ravel(),
                    "column": labels.to_numpy().T.ravel(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def plant(case: pm.Case) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Plant that can be curtailed, by variable of the model.

    Yields
    ------
    str
        Variable that says what is curtailed.
    DataFrame [component]
        With columns province and carrier.
    DataFrame [snapshot x component], MW
        Available output, or inflow.
    """
    for variable, table, available in (
        (_OUTPUT, case.generators, case.availability),
        (_SPILL, case.storage_units, case.dense("StorageUnit", "inflow")),
    ):
        some = available.columns[(available > 0).any()]
        members = table[table["carrier"].isin(case.carriers.renewable) & table.index.isin(some)]
        if len(members):
            yield variable, members, available[members.index]
