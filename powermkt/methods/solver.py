"""A live HiGHS: loaded once, patched with numbers, solved from its last basis.

Measured on weeks of 32 provinces (one thread, highspy 1.15.1, 50,000 rows): a cold start takes 2
to 3 s, a step of 12 money/t in a carbon price 0.1 to 0.4 s. An iteration of primal simplex from a
known basis takes about 1 ms, of dual simplex 0.25 ms, against 0.08 ms from scratch: a warm start
that needs more than one iteration for 20 rows (primal) or 4 rows (dual) is dearer than a cold one,
and gives way to one. Costs alone keep a basis primal feasible: primal simplex, and dual simplex
where the way is long. Bounds alone keep it dual feasible: dual simplex. Perturbation inside HiGHS
is off for warm starts: its removal costs more iterations than the step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import highspy
import numpy as np
from scipy import sparse

from powermkt.errors import ClearingError

_OPTIONS: dict[str, object] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "solver": "simplex",
}
_LOOSE = {"primal_feasibility_tolerance": 1e-7, "dual_feasibility_tolerance": 1e-7}
# Far below declared tie-breaks (money) and margins (MW), so that those decide. From scratch HiGHS
# may stall at it: 5 s or more than 600 s for a week of equal shares.
_TIGHT = {"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9}
_UNSCALED, _SCALED = 0, 2  # as HiGHS has it by default
_COLD = {
    **_LOOSE,
    "presolve": "on",
    "simplex_strategy": 1,
    "simplex_iteration_limit": highspy.kHighsIInf,
    "primal_simplex_bound_perturbation_multiplier": 1.0,
    "dual_simplex_cost_perturbation_multiplier": 1.0,
    "simplex_scale_strategy": _SCALED,
}
_WARM = {
    "primal_simplex_bound_perturbation_multiplier": 0.0,
    "dual_simplex_cost_perturbation_multiplier": 0.0,
}
_PRIMAL, _DUAL = 4, 1
# A run that takes longer has stalled: a warm one starts again from scratch, a cold one is rescued.
_COLD_SECONDS, _WARM_SECONDS, _IIS_SECONDS = 900.0, 20.0, 120.0
_OPTIMAL = highspy.HighsModelStatus.kOptimal
_INFEASIBLE = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
)


class Infeasible(ClearingError):
    """The programme has no feasible point; `columns` are those of an irreducible conflict."""

    def __init__(self, columns: np.ndarray) -> None:
        self.columns = columns
        super().__init__("infeasible")


# Statuses in a basis, as HiGHS has them: numbers would take longer.
LOWER, BASIC = highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic


@dataclass(frozen=True)
class Basis:
    """Status of each column and row."""

    columns: np.ndarray
    rows: np.ndarray


@dataclass
class Live:
    """One programme in HiGHS at a time.

    Attributes
    ----------
    seconds : float
        Time spent inside HiGHS so far [s].
    notes : list of str
        What was done beyond the usual.
    """

    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    _cold_seconds: float = 0.0
    _highs: highspy.Highs | None = None
    _matrix: sparse.csc_array | None = None
    _solution: tuple[np.ndarray, np.ndarray] | None = None
    _basic: np.ndarray | None = None
    _told: dict[str, np.ndarray] = field(default_factory=dict)

    # ---- numbers -----------------------------------------------------------------------------

    def load(
        self,
        matrix: sparse.csc_array,
        cost: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        row_lower: np.ndarray,
        row_upper: np.ndarray,
        basis: Basis | None = None,
    ) -> None:
        """Pass a programme to a new HiGHS, with a basis to start from if there is one."""
        self._matrix = matrix
        self._highs = highspy.Highs()
        self._set(_OPTIONS)
        pass_programme(self._highs, matrix, cost, (lower, upper), (row_lower, row_upper))
        self._forget()
        # Copies: an array that its owner goes on writing into must not look as if it had been told.
        told = {"cost": [cost], "columns": [lower, upper], "rows": [row_lower, row_upper]}
        self._told = {name: np.stack(values) for name, values in told.items()}
        if basis is not None:
            start = highspy.HighsBasis()
            start.col_status, start.row_status = basis.columns.tolist(), basis.rows.tolist()
            start.valid = True  # HiGHS mends one that is not square or singular
            _checked(self._highs.setBasis(start), "starting from a basis")

    def put_cost(self, cost: np.ndarray) -> None:
        """Change the objective."""
        at = self._changed("cost", cost)
        _checked(self._live.changeColsCost(len(at), at, cost[at]), "changing costs")

    def put_bounds(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Change the bounds of columns."""
        at = self._changed("columns", lower, upper)
        done = self._live.changeColsBounds(len(at), at, lower[at], upper[at])
        _checked(done, "changing bounds")

    def put_rows(self, lower: np.ndarray, upper: np.ndarray) -> None:
        """Change the bounds of rows."""
        at = self._changed("rows", lower, upper)
        done = self._live.changeRowsBounds(len(at), at, lower[at], upper[at])
        _checked(done, "changing rows")

    def _changed(self, name: str, *values: np.ndarray) -> np.ndarray:
        """Positions of what HiGHS was last told otherwise; it takes its time over each."""
        new = np.stack(values)
        at = np.flatnonzero((new != self._told[name]).any(axis=0)).astype(np.int32)
        self._told[name] = new
        return at

    # ---- solving -----------------------------------------------------------------------------

    def cold(self, generic: bool = False) -> None:
        """Solve from scratch; `generic` costs, no two alike, need no perturbation."""
        self._set({**_COLD, "dual_simplex_cost_perturbation_multiplier": 0.0 if generic else 1.0})
        self._live.clearSolver()
        before = self.seconds
        self._run(_COLD_SECONDS)
        self._cold_seconds = self.seconds - before
        if self._live.getModelStatus() != _OPTIMAL:
            self._rescue()

    def warm(self, primal: bool, tight: bool, patience: float = 1.0, scaled: bool = True) -> None:
        """Solve from the present basis, by primal simplex (a short way), or by dual simplex.

        With tolerances so tight that tie-breaks decide, or the usual ones. The factors of the
        basis are made anew, so that the result depends on the basis alone and not on how it was
        reached. After `patience` times the usual work primal simplex gives way to dual simplex from
        the same basis, and that to a fresh start. Not `scaled`, an iteration takes about 15 % less
        time; where entries are not near 1 that may cost more iterations.
        """
        highs = self._live
        basis = highs.getBasis()
        for strategy, rows in ((_PRIMAL, 20), (_DUAL, 4))[0 if primal else 1 :]:
            highs.clearSolver()
            _checked(highs.setBasis(basis), "starting from a basis")
            self._set({**_WARM, **(_TIGHT if tight else _LOOSE), "simplex_strategy": strategy})
            self._set({"simplex_scale_strategy": _SCALED if scaled else _UNSCALED})
            limit = max(2000, highs.getNumRow() // rows)
            self._set({"simplex_iteration_limit": int(patience * limit)})
            self._run(patience * max(_WARM_SECONDS, 4 * self._cold_seconds))
            status = highs.getModelStatus()
            if status == _OPTIMAL:
                return
        self.notes.append(f"warm start ended as {status.name}; solved again from scratch")
        self.cold()
        if tight:  # from scratch the tolerances are the usual ones
            self._set({**_WARM, **_TIGHT, "simplex_strategy": _PRIMAL})
            self._run(_WARM_SECONDS)
            if highs.getModelStatus() != _OPTIMAL:
                self.notes.append("tie-breaks decided within the usual tolerances only")
                self.cold()

    def _run(self, seconds: float = _COLD_SECONDS) -> None:
        began = time.perf_counter()
        # HiGHS adds up the time of all its runs against the limit.
        self._set({"time_limit": self._live.getRunTime() + seconds})
        self._live.run()
        self.seconds += time.perf_counter() - began
        self._forget()

    def _forget(self) -> None:
        """Drop what was read from HiGHS: it is another point now."""
        self._solution = self._basic = None

    def _rescue(self) -> None:
        """After a failed cold start: plain dual simplex, then interior point with crossover."""
        for what, options in (
            ("dual simplex without presolve", {"presolve": "off"}),
            ("interior point with crossover", {"presolve": "on", "solver": "ipm",
                                               "run_crossover": "on"}),
        ):  # fmt: skip
            status = self._live.getModelStatus()
            if status == _OPTIMAL:
                return
            if status in _INFEASIBLE:
                raise Infeasible(self._conflict())
            self.notes.append(f"{status.name} from a cold start; tried {what}")
            self._live.clearSolver()
            self._set({**_COLD, **options})
            self._run(_COLD_SECONDS)
            self._set({"solver": "simplex"})
        status = self._live.getModelStatus()
        if status in _INFEASIBLE:
            raise Infeasible(self._conflict())
        if status != _OPTIMAL:
            raise ClearingError(f"not solved to optimality: {status.name}")

    def _conflict(self) -> np.ndarray:
        """Columns of an irreducible infeasible subset."""
        # The quick search looks at single rows only; this one follows equations.
        self._set({"iis_strategy": 2, "time_limit": self._live.getRunTime() + _IIS_SECONDS})
        status, iis = self._live.getIis()
        if status == highspy.HighsStatus.kError:
            return np.empty(0, dtype=int)
        columns = np.asarray(iis.col_index_, dtype=int)
        rows = np.asarray(iis.row_index_, dtype=int)
        if len(rows):
            assert self._matrix is not None
            columns = np.union1d(columns, self._matrix.tocsr()[rows].indices)
        return columns

    # ---- results -----------------------------------------------------------------------------

    def column_values(self) -> np.ndarray:
        """Values of the columns."""
        return self._read()[0]

    def row_duals(self) -> np.ndarray:
        """Duals of the rows under the present objective."""
        return self._read()[1]

    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        """Column values and row duals of the last run; HiGHS copies all it has for each look."""
        if self._solution is None:
            solution = self._live.getSolution()
            self._solution = np.asarray(solution.col_value), np.asarray(solution.row_dual)
        return self._solution

    def best(self, cost: np.ndarray) -> np.ndarray:
        """Return the optimal columns under another objective, from the present basis."""
        self.put_cost(cost)
        self.warm(primal=True, tight=False)
        return self.column_values()

    def basis(self) -> Basis:
        """Return the present basis."""
        basis = self._live.getBasis()
        return Basis(
            np.fromiter(basis.col_status, dtype=object),
            np.fromiter(basis.row_status, dtype=object),
        )

    def basis_duals(self, objective: np.ndarray) -> np.ndarray:
        """Solve B' y = c_B for the present basis: the row duals of any objective on it."""
        basic = self.basic()
        rhs = np.where(basic >= 0, objective[np.maximum(basic, 0)], 0.0)
        return self.transposed(rhs)

    def basic(self) -> np.ndarray:
        """Basic variables in the order of the basis matrix: column i, or -(row + 1)."""
        if self._basic is not None:
            return self._basic
        status, basic = self._live.getBasicVariables()
        if status == highspy.HighsStatus.kError:  # no factorisation at hand: make one
            self._run()
            status, basic = self._live.getBasicVariables()
        _checked(status, "reading the basis")
        self._basic = np.asarray(basic)
        return self._basic

    def transposed(self, rhs: np.ndarray) -> np.ndarray:
        """Solve B' y = rhs."""
        status, found = self._live.getBasisTransposeSolve(rhs)
        _checked(status, "solving with the basis")
        return np.asarray(found)

    @property
    def _live(self) -> highspy.Highs:
        assert self._highs is not None
        return self._highs

    def _set(self, options: dict[str, object]) -> None:
        set_options(self._live, options)


def pass_programme(
    highs: highspy.Highs,
    matrix: sparse.csc_array,
    cost: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    integral: np.ndarray | None = None,
) -> None:
    """Pass a programme to HiGHS, as arrays: its own objects copy number by number.

    Parameters
    ----------
    highs : Highs
    matrix : csc_array [row x column]
    cost : ndarray [column]
    bounds, rows : lower and upper bounds of columns and of rows
    integral : ndarray of bool [column], optional
    """
    kinds = np.zeros(len(cost), dtype=np.int32) if integral is None else integral.astype(np.int32)
    status = highs.passModel(
        matrix.shape[1], matrix.shape[0], matrix.nnz, int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize), 0.0, cost, *bounds, *rows,
        matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data, kinds,
    )  # fmt: skip
    _checked(status, "passing the programme")


def set_options(highs: highspy.Highs, options: dict[str, object]) -> None:
    """Set options; HiGHS must know each of them."""
    for option, value in options.items():
        if highs.setOptionValue(option, value) != highspy.HighsStatus.kOk:
            raise ClearingError(f"HiGHS refused: option {option}={value}")


def _checked(status: highspy.HighsStatus, doing: str) -> None:
    if status == highspy.HighsStatus.kError:
        raise ClearingError(f"HiGHS refused: {doing}")
