"""Search for the optimum of a lean programme, one basis out of many.

Where offers tie, dispatch is not unique, and where limits meet, prices are not. Asked for a
canonical optimum, `find` widens every limit by a margin of its own (below 0.001 MW) while it looks
for the best basis, beside the tiny costs that the caller adds: the widened programme has exactly
one optimal basis, which any path finds. That basis is then evaluated at the true limits. So a
sweep, a single run, one process or many give the same numbers, and the price at a kink is always
the same of those that support the optimum: mostly that of the last MWh served (one MWh less). It is
the perturbation that proves the simplex method finite (Charnes 1952, doi:10.2307/1907845), kept
until the end.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy import sparse

from powermkt.methods.lean import Lean, Levels, carry, find_pairs
from powermkt.methods.solver import BASIC, LOWER, Basis, Infeasible, Live

_MARGIN_MW = 1e-3  # widening of limits; of levels and their starts a hundredth
_AT_BOUND_MW = 1e-6
_SEED = 20220101
_FAR = 5.0  # times the usual patience, where many rows come in at once

# Limits of columns and of rows: lower, upper, row lower, row upper.
_Limits = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Search:
    """A programme, the small one that stands for it, and a live solver.

    Parameters
    ----------
    matrix : csr_array [row x column]
    row_lower, row_upper : ndarray [row]
    levels : Levels
        Levels that may be held.
    rigid : ndarray of bool [column]
        Columns that are not widened: on or off, or narrow.
    awards : bool, default False
        Whether many columns cost nothing, as reserves do that are free: then so many optima tie
        that the way from any of them to the one that is meant takes longer than a fresh start.
    """

    def __init__(
        self,
        matrix: sparse.csr_array,
        row_lower: np.ndarray,
        row_upper: np.ndarray,
        levels: Levels,
        rigid: np.ndarray,
        awards: bool = False,
    ) -> None:
        self._rigid, self._awards = rigid, awards
        self._matrix, self._rows, self._levels = matrix, (row_lower, row_upper), levels
        self._shifts, self._caps = find_pairs(matrix, row_lower, row_upper)
        self._released = np.zeros(levels.level.shape[1], dtype=bool)
        self._lean: Lean | None = None
        self._last: tuple[np.ndarray, np.ndarray] | None = None
        self.live = Live()

    def find(
        self,
        cost: np.ndarray,
        tie: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        canonical: bool,
    ) -> Lean:
        """Find the optimal basis and leave the live solver at it, with the true limits.

        Parameters
        ----------
        cost, tie, lower, upper : ndarray [column]
            Objective, tiny costs that decide among its optima, limits.
        canonical : bool
            Begin at the last basis and find the canonical optimum; otherwise begin from scratch.

        Returns
        -------
        Lean
            The small programme that was solved.

        Raises
        ------
        Infeasible
            With columns in conflict.
        ClearingError
            If no optimum was found.
        """
        total = cost + tie
        limits = (lower, upper, *self._rows)
        wide = self._widened(limits) if canonical else limits
        if not canonical or not self._step(total, lower, upper, wide):
            self._released[:] = False
            self._begin(cost, total, lower, upper, wide, canonical)
        try:
            self._certify(total, lower, upper, wide, canonical)
            if canonical:
                self._put(limits)
                self.live.warm(primal=False, tight=True)
        except Infeasible as error:
            raise Infeasible(self.present.columns[error.columns]) from None
        self._last = (lower, upper)
        return self.present

    def follow(self, total: np.ndarray, primal: bool) -> Lean:
        """Find the optimum of another objective within the limits of the last search.

        Primal simplex suits small steps of one price. Where many prices move, dual simplex is
        faster, though it is the costs that change: between prices of obligations that are 5 money/t
        apart on a week of 32 provinces it takes 1.4 s where primal simplex takes 3.5 s, 15 apart
        2.1 s where that takes 9 s and a cold start 5 s.

        Parameters
        ----------
        total : ndarray [column]
            Objective with tiny costs that decide among its optima.
        primal : bool
            By primal simplex, or by dual simplex.

        Returns
        -------
        Lean
            The small programme that was solved.
        """
        assert self._last is not None
        lower, upper = self._last
        self.live.put_cost(self.present.cost(total))
        self.live.warm(primal=primal, tight=True, scaled=primal)
        self._certify(total, lower, upper, (lower, upper, *self._rows), True)
        return self.present

    def among(
        self,
        total: np.ndarray,
        rows: sparse.csr_array,
        most: np.ndarray,
        penalty: np.ndarray,
        prices: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Find the optimum among points that obey more rows, from the basis of the last search.

        In a solver of its own: the live one stays where it is. Levels that are held stay held, so
        that the point is a feasible one, and next to the best. With prices y of rows a in the
        objective, what is above `most` b costs the penalty less y, and what is below costs y: the
        same programme but for a constant y b, and the last basis is dual feasible in it.

        Parameters
        ----------
        total : ndarray [column]
            Objective of the last search, with tiny costs and with prices of the rows.
        rows : csr_array [more row x column]
        most : ndarray [more row]
            What each row may come to.
        penalty : ndarray [more row]
            Cost of a unit above that.
        prices : ndarray [more row]
            Those in the objective, from 0 to the penalty.

        Returns
        -------
        ndarray [column]
        ndarray [more row]
            What one unit more in `most` saves.
        float
            Time spent in HiGHS [s].
        """
        assert self._last is not None
        lean, count, basis = self.present, len(most), self.live.basis()
        low, high, row_low, row_high = lean.limits(*self._last, *self._rows)
        one = sparse.eye_array(count)
        matrix = sparse.block_array(
            [[lean.matrix, None, None], [rows @ lean.transform, -one, one]], format="csc"
        )
        matrix.sort_indices()
        none, free = np.zeros(count), np.full(count, np.inf)
        live = Live()
        live.load(
            matrix, np.concatenate([lean.cost(total), penalty - prices, prices]),
            np.concatenate([low, none, none]),
            np.concatenate([high, free, free]), np.concatenate([row_low, most]),
            np.concatenate([row_high, most]),
            basis=Basis(np.concatenate([basis.columns, np.full(2 * count, LOWER, dtype=object)]),
                        np.concatenate([basis.rows, np.full(count, BASIC, dtype=object)])),
        )  # fmt: skip
        live.warm(primal=False, tight=False, patience=_FAR, scaled=False)
        duals = live.row_duals()[len(row_low) :]
        values = lean.values(live.column_values()[: lean.matrix.shape[1]])
        return values, np.maximum(prices - duals, 0.0), live.seconds

    def _step(self, total: np.ndarray, lower: np.ndarray, upper: np.ndarray, wide: _Limits) -> bool:
        """Go on from the last basis; False if there is none or the small programme changes."""
        if self._lean is None or self._last is None:
            return False
        same = np.array_equal(lower, self._last[0]) and np.array_equal(upper, self._last[1])
        if not same and self._reduced(lower, upper).key != self._lean.key:
            return False
        self._put(wide)
        self.live.put_cost(self._lean.cost(total))
        try:
            self.live.warm(primal=same, tight=True)
        except Infeasible:  # perhaps by what is held: from scratch it is looked at
            return False
        return True

    def _begin(
        self,
        cost: np.ndarray,
        total: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        wide: _Limits,
        canonical: bool,
    ) -> None:
        """Solve from scratch, mostly without tie-break first: many ties at once make it slow."""
        self._lean = self._last = None
        lean = self._reduced(lower, upper)
        first = total if self._awards else cost
        self.live.load(lean.matrix, lean.cost(first), *lean.limits(*wide))
        try:
            self.live.cold(generic=canonical and self._awards)
            if not np.array_equal(total, cost):
                self.live.put_cost(lean.cost(total))
                self.live.warm(primal=True, tight=canonical)
        except Infeasible as error:
            if not lean.held.any():
                raise Infeasible(lean.columns[error.columns]) from None
            # Held levels may be what is infeasible: release them all and look again.
            self._released[:] = True
            self._begin(cost, total, lower, upper, wide, canonical)
            return
        self._lean = lean

    def _certify(
        self,
        total: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        wide: _Limits,
        canonical: bool,
    ) -> None:
        """Release the levels that gain from moving until none does."""
        while True:
            lean = self.present
            values = lean.values(self.live.column_values())
            duals = lean.duals(total, self.live.row_duals())
            gaining = lean.gains(total, duals, values, lower, upper)
            if not gaining.any():
                return
            self._released |= gaining
            self._lean = self._reduced(lower, upper)
            basis = carry(lean, self.live.basis(), self._lean)
            self.live.load(
                self._lean.matrix, self._lean.cost(total), *self._lean.limits(*wide), basis=basis
            )
            self.live.warm(primal=False, tight=canonical)

    def _reduced(self, lower: np.ndarray, upper: np.ndarray) -> Lean:
        return Lean(
            self._matrix, lower, upper, self._levels, self._shifts, self._caps, self._released
        )

    def _put(self, limits: _Limits) -> None:
        lower, upper, row_lower, row_upper = self.present.limits(*limits)
        self.live.put_bounds(lower, upper)
        self.live.put_rows(row_lower, row_upper)

    def _widened(self, limits: _Limits) -> _Limits:
        """Limits of columns and rows, each widened by a margin of its own; equations stay."""
        lower, upper, row_lower, row_upper = limits
        columns, rows = self._margins
        return lower - columns[0], upper + columns[1], row_lower - rows[0], row_upper + rows[1]

    @cached_property
    def _margins(self) -> tuple[np.ndarray, np.ndarray]:
        """By how much each limit of columns and of rows is widened: below and above."""
        row_lower, row_upper = self._rows
        rng = np.random.default_rng(_SEED)
        columns = rng.uniform(0.5, 1.0, (2, self._matrix.shape[1])) * _MARGIN_MW
        rows = rng.uniform(0.5, 1.0, (2, len(row_lower))) * _MARGIN_MW
        # Levels stay nearly flat, so that those held and those released have one optimum.
        columns[:, self._levels.level] *= 0.01
        columns[:, self._levels.start] *= 0.01
        rows[:, self._levels.row] *= 0.01
        columns[:, self._rigid] = 0.0
        rows[:, row_lower == row_upper] = 0.0
        return columns, rows

    @property
    def present(self) -> Lean:
        """The small programme that was solved last."""
        assert self._lean is not None
        return self._lean

    def unique_duals(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Whether each row's dual is the same in every optimal basis [row].

        As `movement` shows it.
        """
        moved = self.present.spread_rows(np.abs(self.movement(lower, upper)) > 1e-9)
        unique: np.ndarray = moved == 0
        return unique

    def movement(self, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
        """Where duals of the small programme differ between optimal bases: not 0 [row left].

        Costs are generic, so every other optimal basis is reached by letting a basic variable
        leave that stands at one of its bounds; row b's dual moves with it unless row b of the
        inverse basis has no entry there. One random combination of those rows shows all of them;
        times the matrix it shows the same of reduced costs.
        """
        lean = self.present
        low, high, row_low, row_high = lean.limits(lower, upper, *self._rows)
        basic, values = self.live.basic(), self.live.column_values()
        column, row = np.maximum(basic, 0), np.maximum(-basic - 1, 0)
        at = np.where(basic >= 0, values[column], (lean.matrix @ values)[row])
        bottom = np.where(basic >= 0, low[column], row_low[row])
        top = np.where(basic >= 0, high[column], row_high[row])
        degenerate = np.minimum(np.abs(at - bottom), np.abs(at - top)) < _AT_BOUND_MW
        weights = np.random.default_rng(_SEED).uniform(1.0, 2.0, len(basic))
        return self.live.transposed(np.where(degenerate, weights, 0.0))

    def like(self, other: Search, lower: np.ndarray, upper: np.ndarray) -> Lean:
        """Return the small programme of these limits, with the levels held that another holds."""
        return Lean(
            self._matrix, lower, upper, self._levels, self._shifts, self._caps, other._released
        )

    def ranges(
        self,
        point: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        offered: np.ndarray,
        scale: float,
        vectors: list[np.ndarray],
    ) -> list[tuple[float, float]]:
        """Return the least and largest value of linear quantities over all optima.

        The optimal face is what complementary slackness leaves free: columns and rows whose dual
        is zero, within the size of the tie-break, move; all others stay. Levels are released for
        it: they may move where that costs nothing.

        Parameters
        ----------
        point, lower, upper : ndarray [column]
            What `find` found last, and its limits.
        offered : ndarray [column]
            The objective without the tie-break.
        scale : float
            Reduced costs below it are those of ties.
        vectors : list of ndarray [column]
            Coefficients of each quantity.
        """
        lean, row_lower, row_upper = self.present, *self._rows
        duals = lean.spread_rows(self.live.basis_duals(lean.cost(offered)))
        duals = lean.all_duals(offered, duals, point, lower, upper)
        stay = np.abs(offered - self._matrix.T @ duals) > scale
        bound = np.abs(duals) > scale
        activity = self._matrix @ point
        none = np.array([], dtype=int)
        every = np.ones_like(self._released)
        whole = Lean(
            self._matrix, lower, upper, self._levels, self._shifts.of(none), self._caps.of(none),
            every,
        )  # fmt: skip
        live = Live()
        live.load(
            whole.matrix,
            np.zeros(len(point)),
            np.where(stay, point, lower),
            np.where(stay, point, upper),
            np.where(bound, activity, row_lower),
            np.where(bound, activity, row_upper),
        )
        live.cold()
        found = []
        for vector in vectors:
            at = float(vector @ point)
            ends = [at, at]
            if not (stay | (vector == 0)).all():
                ends += [float(vector @ live.best(sign * vector)) for sign in (1.0, -1.0)]
            found.append((min(ends), max(ends)))
        return found
