"""The linear programme behind a linopy model: lean, patched with numbers, solved warm.

PyPSA writes every bound as a row. Rows with one variable are folded into bounds here, so that
HiGHS, which does not presolve a warm start, re-solves a small programme.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import highspy
import linopy
import numpy as np
import pandas as pd
import xarray as xr
from scipy import sparse

from powermkt.errors import ClearingError, name_list

Adders = Mapping[str, pd.DataFrame | pd.Series | float]
Limits = Mapping[str, tuple[pd.DataFrame | pd.Series, pd.DataFrame | pd.Series]]

_OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "solver": "simplex",
}
_TOLERANCE = 1e-7


@dataclass
class Point:
    """One optimal basic solution: values of all columns, and prices for any objective.

    Attributes
    ----------
    columns : ndarray [column]
        Primal values.
    row_duals : dict of str to ndarray [row]
        For each objective asked for: change of that objective per unit of each row's right-hand
        side while the optimal basis stays.
    notes : list of str
        What the solver had to do beyond the usual.
    """

    columns: np.ndarray
    row_duals: dict[str, np.ndarray]
    notes: list[str] = field(default_factory=list)


class Programme:
    """Arrays of one linopy model and a live HiGHS that keeps its basis between solves."""

    def __init__(self, model: linopy.Model) -> None:
        matrices = model.matrices
        self.variables = {name: _frame(var.labels) for name, var in model.variables.items()}
        position = np.full(int(matrices.vlabels.max()) + 1, -1)
        position[matrices.vlabels] = np.arange(len(matrices.vlabels))
        self.variables = {
            name: pd.DataFrame(
                np.where(labels.to_numpy() >= 0, position[labels.to_numpy()], -1),
                index=labels.index,
                columns=labels.columns,
            )
            for name, labels in self.variables.items()
        }
        self.cost = np.asarray(matrices.c, dtype=float)
        matrix, sense, rhs = matrices.A.tocsr(), matrices.sense, matrices.b.astype(float)
        low = np.where(sense == "<", -np.inf, rhs)
        high = np.where(sense == ">", np.inf, rhs)
        self._fold(matrix, low, high, matrices.lb.astype(float), matrices.ub.astype(float))
        row_of = np.full(int(matrices.clabels.max()) + 1, -1)
        row_of[matrices.clabels] = self._row_position
        self._constraint_labels = {
            name: constraint.labels for name, constraint in model.constraints.items()
        }
        self._row_of = row_of
        self._highs: highspy.Highs | None = None
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._columns: np.ndarray | None = None

    def _fold(
        self,
        matrix: sparse.csr_array,
        low: np.ndarray,
        high: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
    ) -> None:
        """Turn rows of one variable into bounds and keep the others."""
        single = np.diff(matrix.indptr) == 1
        first = matrix.indptr[:-1][single]
        column, factor = matrix.indices[first], matrix.data[first]
        bounds = np.stack([low[single] / factor, high[single] / factor])
        bounds = np.where(factor > 0, bounds, bounds[::-1])
        np.maximum.at(lower, column, bounds[0])
        np.minimum.at(upper, column, bounds[1])
        kept = ~single
        self.matrix = matrix[kept].tocsc()
        self.row_lower, self.row_upper = low[kept], high[kept]
        self.lower, self.upper = lower, upper
        self._row_position = np.where(kept, np.cumsum(kept) - 1, -1)

    # ---- numbers in, by variable name --------------------------------------------------------

    def spread(self, adders: Adders, weights: pd.Series) -> np.ndarray:
        """Return adders in money/MWh as objective coefficients (times snapshot weight).

        A name that is no variable of the programme is an error: a silently dropped term would be
        a wrong price.
        """
        vector = np.zeros(len(self.cost))
        for name, value in adders.items():
            at = self.variables[name]
            spread = _aligned(value, at)
            if at.index.equals(weights.index):
                spread = spread * weights.to_numpy()[:, None]
            mask = at.to_numpy() >= 0
            np.add.at(vector, at.to_numpy()[mask], spread[mask])
        return vector

    def bounds(self, limits: list[Limits]) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper bounds with every limit applied."""
        lower, upper = self.lower.copy(), self.upper.copy()
        for limit in limits:
            for name, (low, high) in limit.items():
                at = self.variables[name]
                for value, target, pick in ((low, lower, np.maximum), (high, upper, np.minimum)):
                    part = at[value.columns if isinstance(value, pd.DataFrame) else value.index]
                    if np.isnan(_aligned(value, part, np.nan)).any():
                        raise ClearingError(f"a limit on {name} lacks values")
                    column = part.to_numpy()
                    target[column] = pick(target[column], _aligned(value, part))
        return lower, upper

    def values(self, name: str, point: Point) -> pd.DataFrame:
        """Return the values of one variable as [snapshot x name] (or one row)."""
        at = self.variables[name]
        numbers = np.where(at.to_numpy() >= 0, point.columns[at.to_numpy()], 0.0)
        return pd.DataFrame(numbers, index=at.index, columns=at.columns)

    def balance_duals(self, vector: np.ndarray) -> pd.DataFrame:
        """Return row duals of the nodal balance, [snapshot x bus].

        PyPSA puts buses with many attachments into constraints of their own
        (`Bus-meshed-30-nodal_balance`); all of them are read.
        """
        frames = []
        for name, labels in self._constraint_labels.items():
            if name.startswith("Bus-") and name.endswith("nodal_balance"):
                label = _frame(labels)
                row = np.where(label.to_numpy() >= 0, self._row_of[label.to_numpy()], -1)
                values = np.where(row >= 0, vector[row], 0.0)
                frames.append(pd.DataFrame(values, index=label.index, columns=label.columns))
        return pd.concat(frames, axis=1)

    # ---- solving -----------------------------------------------------------------------------

    def solve(
        self,
        cost: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        price_objectives: Mapping[str, np.ndarray],
    ) -> Point:
        """Solve with these numbers, from the last basis if there is one.

        Raises
        ------
        ClearingError
            If the programme is infeasible (naming what is in conflict) or not solved to
            optimality.
        """
        crossed = np.flatnonzero(lower > upper + 1e-6)
        if len(crossed):
            raise ClearingError("limits contradict each other: " + self._say(crossed))
        upper = np.maximum(lower, upper)
        notes: list[str] = []
        if self._columns is None or self._last is None or self._changed(cost, lower, upper):
            self._columns = None
            if self._highs is None:
                self._highs = self._load(cost, lower, upper)
                self._highs.run()
            else:
                self._rerun(cost, lower, upper, notes)
            self._last = (cost, lower, upper)
            self._accept(notes)
            self._columns = np.asarray(self._highs.getSolution().col_value)
        duals = {name: self._basis_duals(vector) for name, vector in price_objectives.items()}
        return Point(self._columns, duals, notes)

    def ranges(self, offered: np.ndarray, vectors: list[np.ndarray]) -> list[tuple[float, float]]:
        """Return the least and largest value of linear quantities over all optima.

        The optimal face is what complementary slackness leaves free: columns and rows whose dual
        is zero, within the size of the tie-break, move; all others stay.

        Parameters
        ----------
        offered : ndarray [column]
            The objective without the tie-break.
        vectors : list of ndarray [column]
            Coefficients of each quantity.
        """
        highs, point = self._highs, self._columns
        assert highs is not None and point is not None and self._last is not None
        cost, lower, upper = self._last
        scale = float(np.abs(offered).max()) * 1e-6
        duals = self._basis_duals(offered)
        held = np.abs(offered - self.matrix.T @ duals) > scale
        bound = np.abs(duals) > scale
        activity = self.matrix @ point
        every, rows = np.arange(len(cost), dtype=np.int32), np.arange(len(duals), dtype=np.int32)

        def put(
            low: np.ndarray, high: np.ndarray, row_low: np.ndarray, row_high: np.ndarray
        ) -> None:
            _checked(highs.changeColsBounds(len(every), every, low, high), "changing bounds")
            _checked(highs.changeRowsBounds(len(rows), rows, row_low, row_high), "changing rows")

        put(
            np.where(held, point, lower),
            np.where(held, point, upper),
            np.where(bound, activity, self.row_lower),
            np.where(bound, activity, self.row_upper),
        )
        found = []
        for vector in vectors:
            at = float(vector @ point)
            if (held | (vector == 0)).all():
                found.append((at, at))
                continue
            ends = []
            for sign in (1.0, -1.0):
                _checked(highs.changeColsCost(len(every), every, sign * vector), "changing costs")
                highs.run()
                optimal = highs.getModelStatus() == highspy.HighsModelStatus.kOptimal
                values = np.asarray(highs.getSolution().col_value)
                ends.append(float(vector @ values) if optimal else float("nan"))
            found.append((min(ends[0], at), max(ends[1], at)))
        put(lower, upper, self.row_lower, self.row_upper)
        _checked(highs.changeColsCost(len(every), every, cost), "changing costs")
        self._columns = None  # the basis has moved: solve again before reading it
        return found

    def _changed(self, *numbers: np.ndarray) -> bool:
        """Whether any number differs from the last solve; the same programme is solved once."""
        assert self._last is not None
        return not all(map(np.array_equal, numbers, self._last))

    def _load(self, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> highspy.Highs:
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = self.matrix.shape
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = self.row_lower, self.row_upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = self.matrix.indptr
        lp.a_matrix_.index_ = self.matrix.indices
        lp.a_matrix_.value_ = self.matrix.data
        highs = highspy.Highs()
        for option, value in _OPTIONS.items():
            _checked(highs.setOptionValue(option, value), f"option {option}={value}")
        _checked(highs.passModel(lp), "passing the programme")
        return highs

    def _rerun(
        self, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray, notes: list[str]
    ) -> None:
        """Patch the live solver and go on from its basis.

        A pure change of cost keeps the basis primal feasible: primal simplex, with an iteration
        cap. Anything else, and a primal that runs into its cap, goes to dual simplex.
        """
        assert self._highs is not None and self._last is not None
        highs, (_, last_lower, last_upper) = self._highs, self._last
        every = np.arange(len(cost), dtype=np.int32)
        _checked(highs.changeColsCost(len(cost), every, cost), "changing costs")
        same_bounds = np.array_equal(lower, last_lower) and np.array_equal(upper, last_upper)
        if not same_bounds:
            _checked(highs.changeColsBounds(len(cost), every, lower, upper), "changing bounds")
        else:
            cap = max(2000, self.matrix.shape[0] // 4)
            highs.setOptionValue("simplex_strategy", 4)  # primal
            highs.setOptionValue("simplex_iteration_limit", cap)
            highs.run()
            highs.setOptionValue("simplex_strategy", 1)  # dual
            highs.setOptionValue("simplex_iteration_limit", highspy.kHighsIInf)
            if highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
                return
            notes.append("primal simplex reached its cap; solved by dual simplex")
            highs.clearSolver()
        highs.run()

    def _accept(self, notes: list[str]) -> None:
        """Accept only an optimal solution; try once from scratch, then say what is wrong."""
        highs, optimal = self._highs, highspy.HighsModelStatus.kOptimal
        assert highs is not None
        status = highs.getModelStatus()
        if status == optimal:
            return
        infeasible = (
            highspy.HighsModelStatus.kInfeasible,
            highspy.HighsModelStatus.kUnboundedOrInfeasible,
        )
        if status not in infeasible:
            highs.clearSolver()
            _checked(highs.setOptionValue("solver", "ipm"), "option solver=ipm")
            highs.run()
            highs.setOptionValue("solver", "simplex")
            if highs.getModelStatus() == optimal:
                notes.append(f"simplex ended as {status.name}; solved by interior point")
                return
        if highs.getModelStatus() in infeasible:
            raise ClearingError("no dispatch meets all rules: " + self._conflict())
        raise ClearingError(f"not solved to optimality: {highs.getModelStatus().name}")

    def _conflict(self) -> str:
        """Name the variables of an irreducible infeasible subset."""
        assert self._highs is not None
        status, iis = self._highs.getIis()
        if status == highspy.HighsStatus.kError:
            return "no irreducible conflict could be found"
        columns = np.asarray(iis.col_index_, dtype=int)
        rows = np.asarray(iis.row_index_, dtype=int)
        if len(rows):
            columns = np.union1d(columns, self.matrix.tocsr()[rows].indices)
        return "in conflict: " + self._say(columns)

    def _say(self, columns: np.ndarray) -> str:
        """Describe columns as `variable of component in hours`."""
        found = []
        for name, at in self.variables.items():
            hit = np.isin(at.to_numpy(), columns)
            for j in np.flatnonzero(hit.any(axis=0)):
                times = at.index[hit[:, j]]
                span = f" in {times[0]}" + (f" .. {times[-1]}" if len(times) > 1 else "")
                found.append(f"{name} of {at.columns[int(j)]}{span}")
        return name_list(found, most=6)

    def _basis_duals(self, objective: np.ndarray) -> np.ndarray:
        """Solve B' y = c_B for the optimal basis: the row duals of any objective on it."""
        assert self._highs is not None
        status, basic = self._highs.getBasicVariables()
        if status == highspy.HighsStatus.kError:  # no factorisation at hand: make one
            self._highs.run()
            status, basic = self._highs.getBasicVariables()
        _checked(status, "reading the basis")
        basic = np.asarray(basic)
        rhs = np.where(basic >= 0, objective[np.maximum(basic, 0)], 0.0)
        status, duals = self._highs.getBasisTransposeSolve(rhs)
        _checked(status, "solving with the basis")
        return np.asarray(duals)


def _checked(status: highspy.HighsStatus, doing: str) -> None:
    if status == highspy.HighsStatus.kError:
        raise ClearingError(f"HiGHS refused: {doing}")


def _frame(labels: xr.DataArray) -> pd.DataFrame:
    """Labels of a linopy variable or constraint as [snapshot x name]; one row without time."""
    values, dims = labels.to_numpy(), labels.dims
    coords = [labels.indexes.get(d) for d in dims]
    if len(dims) == 2:
        if dims[0] != "snapshot":
            values, coords = values.T, coords[::-1]
        return pd.DataFrame(values, index=coords[0], columns=coords[1])
    if len(dims) == 1 and dims[0] == "snapshot":
        return pd.DataFrame(values[:, None], index=coords[0], columns=[""])
    return pd.DataFrame(np.atleast_2d(values), index=[""], columns=coords[0] if coords else [""])


def _aligned(
    value: pd.DataFrame | pd.Series | float, at: pd.DataFrame, absent: float = 0.0
) -> np.ndarray:
    """Align a value to [snapshot x name] positions by label; absent names add nothing."""
    if isinstance(value, pd.DataFrame):
        unknown = value.columns.difference(at.columns)
        if len(unknown):
            raise KeyError(f"no such components: {name_list(unknown)}")
        full = value.reindex(index=at.index, columns=at.columns)
        return full.fillna(absent).to_numpy(dtype=float)
    if isinstance(value, pd.Series):
        unknown = value.index.difference(at.columns)
        if len(unknown):
            raise KeyError(f"no such components: {name_list(unknown)}")
        row = value.reindex(at.columns).fillna(absent).to_numpy(dtype=float)
        return np.broadcast_to(row, at.shape)
    return np.full(at.shape, float(value))
