"""The linear programme behind a linopy model: lean, patched with numbers, solved to one optimum.

PyPSA writes every bound as a row. Rows with one variable are folded into bounds here, so that
HiGHS, which does not presolve a warm start, re-solves a small programme; `lean` makes it smaller,
`search` finds the optimum. Names lead to positions and back: offers and limits come in by variable,
values and duals go out by variable and by constraint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import linopy
import numpy as np
import pandas as pd
from scipy import sparse

from powermkt.common.positions import aligned, drawn, label_frame, place, positions
from powermkt.dispatch.search import Search
from powermkt.errors import ClearingError, name_list
from powermkt.methods.lean import Lean, Levels, usable_levels
from powermkt.methods.mip import MixedPoint, NoCommitment, UnitCommitment, solve_mixed
from powermkt.methods.solver import Infeasible

Adders = Mapping[str, pd.DataFrame | pd.Series | float]
Limits = Mapping[str, tuple[pd.DataFrame | pd.Series, pd.DataFrame | pd.Series]]


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
    unique : ndarray of bool [row]
        Whether the dual of a row is the same in every optimal basis.
    seconds : float
        Time spent in HiGHS for this point [s].
    notes : list of str
        What the solver had to do beyond the usual.
    """

    columns: np.ndarray
    row_duals: dict[str, np.ndarray]
    unique: np.ndarray
    seconds: float
    notes: list[str]
    _objectives: Mapping[str, np.ndarray]
    _bounds: tuple[np.ndarray, np.ndarray]
    _lean: Lean
    _known: dict[str, np.ndarray] = field(default_factory=dict)

    def all_duals(self, objective: str) -> np.ndarray:
        """Duals of all rows, those that the small programme left out too [row]."""
        if objective not in self._known:
            self._known[objective] = self._lean.all_duals(
                self._objectives[objective], self.row_duals[objective], self.columns, *self._bounds
            )
        return self._known[objective]


class Programme:
    """Arrays of one linopy model and a live HiGHS that keeps its basis between solves.

    Parameters
    ----------
    model : linopy.Model
    held : tuple of str, optional
        Names of a level variable, its start variable and the rows between them, where levels may
        be held (`lean`).
    narrow : mapping of str to Index, optional
        Names of variables whose limits are too close to be widened (`search`).
    taken : mapping of str to Series, optional
        What loads draw from nodal balances, by beginning of a variable's name: bus of each load.
    """

    def __init__(
        self, model: linopy.Model, held: tuple[str, str, str] | None = None,
        narrow: Mapping[str, pd.Index] | None = None, taken: Mapping[str, pd.Series] | None = None,
    ) -> None:  # fmt: skip
        matrices = model.matrices
        position = positions(matrices.vlabels)
        self.variables = {
            name: place(position, label_frame(variable.labels))
            for name, variable in model.variables.items()
        }
        self.cost = np.asarray(matrices.c, dtype=float)
        self.integral = np.isin(matrices.vtypes, ["B", "I"])
        matrix, sense, rhs = matrices.A.tocsr(), matrices.sense, matrices.b.astype(float)
        low, high = np.where(sense == "<", -np.inf, rhs), np.where(sense == ">", np.inf, rhs)
        row = positions(matrices.clabels)
        self.constraints = {
            name: place(row, label_frame(constraint.labels))
            for name, constraint in model.constraints.items()
        }
        if taken:
            matrix = drawn(matrix, self._balance_rows, self.variables, taken)
        self._fold(matrix, low, high, matrices.lb.astype(float), matrices.ub.astype(float))
        rigid = self.integral.copy()
        for name, columns in (narrow or {}).items():
            if len(columns):
                rigid[self.variables[name][columns]] = True
        self.search = Search(
            self.matrix, self.row_lower, self.row_upper, self._find_levels(held), rigid,
            any(name.startswith("Reserve ") for name in self.variables),
        )  # fmt: skip

    def _fold(
        self, matrix: sparse.csr_array, low: np.ndarray, high: np.ndarray, lower: np.ndarray,
        upper: np.ndarray,
    ) -> None:  # fmt: skip
        """Turn rows of one variable into bounds and keep the others."""
        single = np.diff(matrix.indptr) == 1
        first = matrix.indptr[:-1][single]
        column, factor = matrix.indices[first], matrix.data[first]
        bounds = np.stack([low[single] / factor, high[single] / factor])
        bounds = np.where(factor > 0, bounds, bounds[::-1])
        np.maximum.at(lower, column, bounds[0])
        np.minimum.at(upper, column, bounds[1])
        kept = ~single
        self.matrix: sparse.csr_array = matrix[kept]
        self.row_lower, self.row_upper = low[kept], high[kept]
        self.lower, self.upper = lower, upper
        self._row_position = np.where(kept, np.cumsum(kept) - 1, -1)
        self._folded = pd.DataFrame(
            {"column": column, "factor": factor, "lower": bounds[0], "upper": bounds[1]},
            index=np.flatnonzero(single),
        )

    def _find_levels(self, held: tuple[str, str, str] | None) -> Levels:
        """Positions of the levels that may be held."""
        if held is None or held[1] not in self.variables:
            nothing = np.empty((0, 0), dtype=int)
            return Levels(nothing, nothing, nothing)
        start = self.variables[held[1]]
        level = self.variables[held[0]][start.columns]
        rows = self.constraints[held[2]][start.columns]
        found = Levels(level.to_numpy(), start.to_numpy(), self._row_position[rows.to_numpy()])
        return usable_levels(found, self.matrix, self.row_lower, self.row_upper, self.cost)

    # ---- numbers in, by variable name --------------------------------------------------------

    def spread(self, adders: Adders, weights: pd.Series) -> np.ndarray:
        """Return adders in money/MWh as objective coefficients (times snapshot weight).

        A name that is no variable is an error: a term dropped in silence would be a wrong price.
        """
        vector = np.zeros(len(self.cost))
        for name, value in adders.items():
            at = self.variables[name]
            spread = aligned(value, at)
            if at.index.equals(weights.index):
                spread = spread * weights.to_numpy()[:, None]
            mask = at.to_numpy() >= 0
            np.add.at(vector, at.to_numpy()[mask], spread[mask])
        return vector

    def bounds(self, limits: Sequence[Limits]) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper bounds with every limit applied."""
        lower, upper = self.lower.copy(), self.upper.copy()
        for limit in limits:
            for name, (low, high) in limit.items():
                at = self.variables[name]
                for value, target, pick in ((low, lower, np.maximum), (high, upper, np.minimum)):
                    part = at[value.columns if isinstance(value, pd.DataFrame) else value.index]
                    if np.isnan(aligned(value, part, np.nan)).any():
                        raise ClearingError(f"a limit on {name} lacks values")
                    column, there = part.to_numpy(), part.to_numpy() >= 0
                    target[column[there]] = pick(target[column[there]], aligned(value, part)[there])
        return lower, upper

    def replaced(
        self, lower: np.ndarray, upper: np.ndarray, bounds: Limits
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return bounds with some put in the place of what they were."""
        lower, upper = lower.copy(), upper.copy()
        for name, (low, high) in bounds.items():
            for value, target in ((low, lower), (high, upper)):
                at = self.variables[name]
                at = at[value.columns if isinstance(value, pd.DataFrame) else value.index]
                there = at.to_numpy() >= 0
                target[at.to_numpy()[there]] = aligned(value, at)[there]
        return lower, upper

    # ---- numbers out -------------------------------------------------------------------------

    def values(self, name: str, point: Point) -> pd.DataFrame:
        """Return the values of one variable as [snapshot x name] (or one row)."""
        return self.frame(name, point.columns)

    def frame(self, name: str, columns: np.ndarray) -> pd.DataFrame:
        """Return one variable from the values of all columns, as `values`."""
        at = self.variables[name]
        numbers = np.where(at.to_numpy() >= 0, columns[at.to_numpy()], 0.0)
        return pd.DataFrame(numbers, index=at.index, columns=at.columns)

    def dual(self, name: str, point: Point, objective: str) -> pd.DataFrame:
        """Return the duals of one constraint of the model, [snapshot x name] (or one row).

        As linopy gives them: change of the objective per unit of the right-hand side. A row that
        became a bound takes the reduced cost of its variable if it is the one that binds. An
        objective that the point was not solved with is a KeyError.
        """
        frame = self.constraints[name]
        rows = frame.to_numpy()
        cost, duals = point._objectives[objective], point.all_duals(objective)
        found = self.row_values(rows, duals)
        if (self._row_position[rows] < 0).any():
            bearing = self._bearing(cost - self.matrix.T @ duals, *point._bounds)
            folded = (rows >= 0) & (self._row_position[rows] < 0)
            found[folded] = bearing[rows[folded]]
        return pd.DataFrame(found, index=frame.index, columns=frame.columns)

    def balance(self, vector: np.ndarray) -> pd.DataFrame:
        """Return what a vector [row] holds for the nodal balance, [snapshot x bus].

        PyPSA puts buses with many attachments into constraints of their own
        (`Bus-meshed-30-nodal_balance`); each bus is taken from the one that has its row.
        """
        at = self._balance_rows
        return pd.DataFrame(self.row_values(at.to_numpy(), vector), at.index, at.columns)

    @cached_property
    def _balance_rows(self) -> pd.DataFrame:
        """Row of the nodal balance of each bus, [snapshot x bus]."""
        frames = [
            at.loc[:, (at >= 0).any()]
            for name, at in self.constraints.items()
            if name.startswith("Bus-") and name.endswith("nodal_balance")
        ]
        return pd.concat(frames, axis=1)

    def row_values(self, rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Return what a vector [row] holds for rows of the model, 0 for those that are bounds."""
        place = np.where(rows >= 0, self._row_position[rows], -1)
        return np.where(place >= 0, vector[place], vector.dtype.type(0))

    def _bearing(self, reduced: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Duals of folded rows: the first row that sets the bound at which a column stands."""
        rows = self._folded
        column = rows["column"].to_numpy()
        cost = reduced[column]
        binds = np.where(
            cost > 0, rows["lower"] == lower[column], rows["upper"] == upper[column]
        ) & (cost != 0)
        bearing = rows[binds]
        bearing = bearing[~bearing["column"].duplicated()]
        found = np.zeros(len(self._row_position))
        found[bearing.index] = reduced[bearing["column"]] / bearing["factor"]
        return found

    # ---- solving -----------------------------------------------------------------------------

    def commit(
        self, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray, options: UnitCommitment
    ) -> MixedPoint:
        """Find the integral columns: which units are on.

        Raises
        ------
        ClearingError
            If there is no solution, or the time limit ended the search and the incumbent is not
            asked for.
        """
        try:
            found = solve_mixed(
                self.matrix, cost, (lower, np.maximum(lower, upper)),
                (self.row_lower, self.row_upper), self.integral, options.gap, options.time_limit,
            )  # fmt: skip
        except NoCommitment:
            self.solve(cost, lower, upper, {})  # names the conflict, if it is one without integers
            raise
        if not found.complete and not options.accept_incumbent:
            raise ClearingError(
                f"the search for a commitment ended at {options.time_limit:g} s with a gap of "
                f"{found.gap:.2%}; raise `units.time_limit` or `units.gap`, or go on with the "
                "incumbent by `units.accept_incumbent`"
            )
        return found

    def solve(
        self, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray,
        price_objectives: Mapping[str, np.ndarray], tie: np.ndarray | None = None,
        canonical: bool = False,
    ) -> Point:  # fmt: skip
        """Solve with these numbers.

        Parameters
        ----------
        cost, lower, upper : ndarray [column]
        price_objectives : mapping of str to ndarray [column]
            Objectives whose duals are wanted on the optimal basis.
        tie : ndarray [column], optional
            Tiny costs that decide among optima.
        canonical : bool, default False
            Find the one optimum that does not depend on where the search began, and begin at the
            last one; otherwise begin from scratch. For sweeps.

        Raises
        ------
        ClearingError
            If the programme is infeasible (naming what is in conflict) or not solved to
            optimality.
        """
        if len(crossed := np.flatnonzero(lower > upper + 1e-6)):
            raise ClearingError("limits contradict each other: " + self._say(crossed))
        upper, tie = np.maximum(lower, upper), np.zeros_like(cost) if tie is None else tie
        before = self.search.live.seconds
        self.search.live.notes.clear()
        try:
            lean = self.search.find(cost, tie, lower, upper, canonical)
        except Infeasible as error:
            conflict = self._say(error.columns)
            raise ClearingError(
                "no dispatch meets all rules: "
                + (f"in conflict: {conflict}" if conflict else "no small conflict could be found")
            ) from None
        live = self.search.live
        return Point(
            columns=lean.values(live.column_values()),
            row_duals=self._duals(lean, price_objectives),
            unique=self.search.unique_duals(lower, upper),
            seconds=live.seconds - before,
            notes=list(live.notes),
            _objectives=price_objectives,
            _bounds=(lower, upper),
            _lean=lean,
        )

    def _duals(self, lean: Lean, objectives: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Row duals of objectives on the present basis; those that are alike are solved once."""
        found: dict[str, np.ndarray] = {}
        for name, vector in objectives.items():
            alike = [other for other in found if np.array_equal(objectives[other], vector)]
            if not alike:
                duals = self.search.live.basis_duals(lean.cost(vector))
            found[name] = found[alike[0]] if alike else lean.spread_rows(duals)
        return found

    def follow(
        self, cost: np.ndarray, tie: np.ndarray, primal: bool
    ) -> tuple[np.ndarray, float, list[str]]:
        """As `solve` within the limits of the last canonical one, and faster.

        Without prices: at a kink they may be others.

        Parameters
        ----------
        cost, tie : ndarray [column]
        primal : bool
            As in `Search.follow`.

        Returns
        -------
        ndarray [column]
        float
            Time spent in HiGHS [s].
        list of str
            What the solver had to do beyond the usual.
        """
        live, before = self.search.live, self.search.live.seconds
        live.notes.clear()
        lean = self.search.follow(cost + tie, primal)
        return lean.values(live.column_values()), live.seconds - before, list(live.notes)

    def ranges(
        self, point: Point, offered: np.ndarray, scale: float, vectors: list[np.ndarray]
    ) -> list[tuple[float, float]]:
        """Return the least and largest value of linear quantities over all optima.

        Parameters
        ----------
        point : Point
            As `solve` gave it last.
        offered : ndarray [column]
            The objective without the tie-break.
        scale : float
            Reduced costs below it are those of ties.
        vectors : list of ndarray [column]
            Coefficients of each quantity.
        """
        return self.search.ranges(point.columns, *point._bounds, offered, scale, vectors)

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
