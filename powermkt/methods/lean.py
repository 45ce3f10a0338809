"""Make a linear programme small without changing its optimum, and give its duals back.

Three transformations, all exact and all undone for the user:

*Shifted output.* Where the output g of a unit obeys ``m y <= g <= y`` for a level y, write
``g = m y + p``: the lower row becomes the bound ``p >= 0``. Its dual is the reduced cost that g
would have.

*Floors.* ``g <= y`` and a must-run ``g >= q`` bound the level: ``y >= q``.

*Held levels.* Most fleets keep one level of online capacity through a window. With starts
``s_t >= y_t - y_(t-1)`` around the window at a cost c per unit of s, hold ``y_t = Y``, ``s_t = 0``
and leave the rows of starts out. With r_t the reduced cost of y_t on the duals that are left, the
held level is optimal if and only if duals ``0 <= d_t <= c`` of those rows exist with::

    r_t + d_t - d_(t+1) >= 0 where y_t could be higher, <= 0 where it could be lower,

that is, if moving the level over some interval of the window gains no more than its start costs.
Fleets that fail the test are released. It is column generation with one column per fleet to
begin with, carried to optimality; the certificate is the programme's own duality.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from powermkt.methods.solver import BASIC, LOWER, Basis

_CERTIFICATE = 1e-8  # relative to start cost
_AT_BOUND = 1e-4  # MW, above the margins of a canonical search


@dataclass(frozen=True)
class Levels:
    """Columns and rows of levels that may be held: all [time x member], positions in the programme.

    Attributes
    ----------
    level, start : ndarray of int [time x member]
        Columns of y and s.
    row : ndarray of int [time x member]
        Rows ``s_t - y_t + y_(t-1) >= 0``, around the window.
    """

    level: np.ndarray
    start: np.ndarray
    row: np.ndarray


@dataclass(frozen=True)
class Pairs:
    """Outputs g and levels y that a row ties together: positions, one entry a row.

    `share` is m in ``g - m y >= 0``, and 1 in ``g - y <= 0``.
    """

    output: np.ndarray
    level: np.ndarray
    share: np.ndarray
    row: np.ndarray

    def of(self, mask: np.ndarray) -> Pairs:
        """Return those that a mask names."""
        return Pairs(self.output[mask], self.level[mask], self.share[mask], self.row[mask])


def find_pairs(matrix: sparse.csr_array, low: np.ndarray, high: np.ndarray) -> tuple[Pairs, Pairs]:
    """Find outputs between a share of a level and the level itself, by the shape of their rows.

    Returns
    -------
    shifts, caps : Pairs
        Rows ``g - m y >= 0`` of outputs that have a cap as well, and rows ``g - y <= 0``.
    """
    start = matrix.indptr[:-1]
    pairs = np.flatnonzero(np.diff(matrix.indptr) == 2)
    first, second = start[pairs], start[pairs] + 1
    a, b = matrix.data[first], matrix.data[second]
    swap = a != 1.0  # put the coefficient 1 of the output first
    output = np.where(swap, matrix.indices[second], matrix.indices[first])
    level = np.where(swap, matrix.indices[first], matrix.indices[second])
    one, other = np.where(swap, b, a), np.where(swap, a, b)
    minimum = (one == 1.0) & (other < 0) & (other >= -1) & (low[pairs] == 0) & np.isinf(high[pairs])
    maximum = (one == 1.0) & (other == -1) & (high[pairs] == 0) & np.isinf(low[pairs])
    width = np.int64(matrix.shape[1])
    capped = output[maximum].astype(np.int64) * width + level[maximum]
    candidate = output[minimum].astype(np.int64) * width + level[minimum]
    both = np.isin(candidate, capped)
    # An output with two minima keeps its rows: only one can be the shift.
    outputs, count = np.unique(output[minimum], return_counts=True)
    both &= ~np.isin(output[minimum], outputs[count > 1])
    # A level that is itself an output of another level would chain the substitution.
    both &= ~np.isin(level[minimum], output[minimum])
    every = Pairs(output, level, -other, pairs)
    return every.of(np.flatnonzero(minimum)[both]), every.of(maximum)


def usable_levels(
    levels: Levels, matrix: sparse.csr_array, low: np.ndarray, high: np.ndarray, cost: np.ndarray
) -> Levels:
    """Keep the members whose rows are exactly the starts of a level around the window."""
    time, members = levels.level.shape
    if time < 2 or members == 0:
        return Levels(*(part[:, :0] for part in (levels.level, levels.start, levels.row)))
    before = np.roll(levels.level, 1, axis=0)
    rows = levels.row.ravel()
    good = (levels.level >= 0).all(0) & (levels.start >= 0).all(0) & (levels.row >= 0).all(0)
    counts = np.diff(matrix.indptr)[rows].reshape(time, members) == 3
    expected = sparse.coo_array(
        (
            np.concatenate([np.ones(rows.size), -np.ones(rows.size), np.ones(rows.size)]),
            (
                np.tile(rows, 3),
                np.concatenate([levels.start.ravel(), levels.level.ravel(), before.ravel()]),
            ),
        ),
        shape=matrix.shape,
    ).tocsr()
    difference = np.asarray(abs(matrix[rows] - expected[rows]).sum(axis=1)).reshape(time, members)
    uses = np.diff(matrix.tocsc().indptr)[levels.start] == 1
    good &= (counts & (difference == 0) & uses).all(0)
    good &= (low[levels.row] == 0).all(0) & np.isinf(high[levels.row]).all(0)
    good &= (cost[levels.start] >= 0).all(0)
    return Levels(levels.level[:, good], levels.start[:, good], levels.row[:, good])


class Lean:
    """A small programme that stands for a large one under given bounds.

    Parameters
    ----------
    matrix : csr_array [row x column]
    lower, upper : ndarray [column]
    levels : Levels
        Levels that may be held.
    shifts, caps : Pairs
    released : ndarray of bool [member of levels]
        Members that are not held.

    Attributes
    ----------
    matrix : csc_array
        Rows and columns that are left.
    columns, rows : ndarray of int
        Positions of what is left in the large programme.
    transform : csc_array [column x column left]
        Values of all columns from the values of those left.
    held : ndarray of bool [member of levels]
    """

    def __init__(
        self,
        matrix: sparse.csr_array,
        lower: np.ndarray,
        upper: np.ndarray,
        levels: Levels,
        shifts: Pairs,
        caps: Pairs,
        released: np.ndarray,
    ) -> None:
        self.levels, self._whole = levels, matrix
        self._caps = caps.of(lower[caps.output] > lower[caps.level])
        lower = self._floored(lower)
        self.held = ~released & holdable(levels, lower, upper)
        shift = shiftable(shifts, lower, upper)
        self.key = (self.held.tobytes(), shift.tobytes(), self._caps.row.tobytes())
        count = matrix.shape[1]
        level, start = levels.level[:, self.held], levels.start[:, self.held]
        # Where each column's value comes from: itself, the level it is held at, or nothing.
        source = np.arange(count)
        if level.size:
            source[level] = level[0][None, :]
        kept = source == np.arange(count)
        kept[start.ravel()] = False
        gone = np.zeros(count, dtype=bool)
        gone[start.ravel()] = True
        live = np.flatnonzero(~gone)
        self.shifted = shifts.of(shift)
        self.columns = np.flatnonzero(kept)
        position = np.full(count, -1)
        position[self.columns] = np.arange(len(self.columns))
        self.transform = sparse.coo_array(
            (
                np.concatenate([np.ones(len(live)), self.shifted.share]),
                (
                    np.concatenate([live, self.shifted.output]),
                    np.concatenate([position[source[live]], position[source[self.shifted.level]]]),
                ),
            ),
            shape=(count, len(self.columns)),
        ).tocsc()
        rows = np.ones(matrix.shape[0], dtype=bool)
        rows[self.shifted.row] = False
        rows[levels.row[:, self.held].ravel()] = False
        self.rows = np.flatnonzero(rows)
        self.matrix = (matrix[self.rows] @ self.transform).tocsc()
        self.matrix.eliminate_zeros()
        self.matrix.sort_indices()

    def cost(self, cost: np.ndarray) -> np.ndarray:
        """Objective of what is left."""
        return np.asarray(self.transform.T @ cost)

    def _floored(self, lower: np.ndarray) -> np.ndarray:
        """Raise the lower bounds of levels to the must-run of their outputs."""
        lower = lower.copy()
        np.maximum.at(lower, self._caps.level, lower[self._caps.output])
        return lower

    def limits(
        self, lower: np.ndarray, upper: np.ndarray, row_lower: np.ndarray, row_upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Limits of the columns and rows that are left.

        What a shifted output has above its share starts where its row did, at zero.
        """
        lower = self._floored(lower)
        lower[self.shifted.output] = row_lower[self.shifted.row]
        level = self.levels.level[:, self.held]
        if level.size:
            lower[level[0]] = lower[level].max(0)
        return lower[self.columns], upper[self.columns], row_lower[self.rows], row_upper[self.rows]

    def values(self, values: np.ndarray) -> np.ndarray:
        """Values of all columns."""
        return np.asarray(self.transform @ values)

    def spread_rows(self, left: np.ndarray) -> np.ndarray:
        """Put what belongs to the rows left at their places among all rows, zero elsewhere."""
        every = np.zeros(self._whole.shape[0])
        every[self.rows] = left
        return every

    def duals(self, cost: np.ndarray, left: np.ndarray) -> np.ndarray:
        """Duals of all rows but those of held levels, which are zero, from the duals left."""
        every = self.spread_rows(left)
        # The row that became a bound: what makes the reduced cost of the output vanish.
        reduced = cost - self._whole.T @ every
        every[self.shifted.row] = reduced[self.shifted.output]
        return every

    def gains(
        self, cost: np.ndarray, duals: np.ndarray, point: np.ndarray, lower: np.ndarray,
        upper: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Return which held members would gain from moving over an interval."""
        found = np.zeros(len(self.held), dtype=bool)
        if self.held.any():
            chain = self._chain(cost, duals, point, lower, upper)
            found[np.flatnonzero(self.held)[~chain.feasible()]] = True
        return found

    def all_duals(
        self, cost: np.ndarray, spread: np.ndarray, point: np.ndarray, lower: np.ndarray,
        upper: np.ndarray,
    ) -> np.ndarray:  # fmt: skip
        """Duals of all rows, from the duals left at their places (`spread_rows`)."""
        every = self.duals(cost, spread[self.rows])
        if self.held.any():
            chain = self._chain(cost, every, point, lower, upper)
            every[self.levels.row[:, self.held]] = chain.least()
        # A level at its floor: what bears on it is the row below the output that must run.
        reduced = cost - self._whole.T @ every
        caps = self._caps
        floored = self._floored(lower)
        order = np.argsort(-lower[caps.output], kind="stable")  # the highest floor first
        first = np.unique(caps.level[order], return_index=True)[1]
        for_level = caps.of(order[first])
        bears = (reduced[for_level.level] > 0) & (
            point[for_level.level] <= floored[for_level.level] + _AT_BOUND
        )
        bearing = for_level.of(bears)
        every[bearing.row] -= reduced[bearing.level]
        return every

    def _chain(
        self, cost: np.ndarray, duals: np.ndarray, point: np.ndarray, lower: np.ndarray,
        upper: np.ndarray,
    ) -> _Chain:  # fmt: skip
        """The conditions on the duals of starts of held levels."""
        columns = self.levels.level[:, self.held]
        part = self._whole.T[columns.ravel()] @ duals
        lower = self._floored(lower)
        level = point[columns]
        return _Chain(
            cost[columns] - part.reshape(columns.shape),
            cost[self.levels.start[:, self.held]].min(0),
            level < upper[columns] - _AT_BOUND,
            level > lower[columns] + _AT_BOUND,
        )


@dataclass(frozen=True)
class _Chain:
    """Duals d of starts around a window, in [0, cost], that make reduced costs of levels fit.

    Attributes
    ----------
    reduced : ndarray [time x member]
    cost : ndarray [member]
    higher, lower : ndarray of bool [time x member]
        Where the level could be higher: ``d_(t+1) <= d_t + reduced``; where it could be lower:
        ``d_(t+1) >= d_t + reduced``.
    """

    reduced: np.ndarray
    cost: np.ndarray
    higher: np.ndarray
    lower: np.ndarray

    def feasible(self) -> np.ndarray:
        """Whether such duals exist, by member: intervals are passed on for two turns."""
        slack = _CERTIFICATE * (1 + self.cost)
        low, high = np.zeros_like(self.cost), self.cost.copy()
        good = np.ones(len(self.cost), dtype=bool)
        for _ in range(2):
            for step, higher, lower in zip(self.reduced, self.higher, self.lower, strict=True):
                low, high = (
                    np.where(lower, np.maximum(low + step, 0.0), 0.0),
                    np.where(higher, np.minimum(high + step, self.cost), self.cost),
                )
                good &= low <= high + slack
                low = np.minimum(low, high)
        return good

    def least(self) -> np.ndarray:
        """The smallest such duals, [time x member]."""
        found = np.zeros_like(self.reduced)
        for _ in range(2 * len(found)):
            before = found.copy()
            for t in range(len(found)):  # forward, then backward, until nothing rises
                nxt = (t + 1) % len(found)
                rise = np.where(self.lower[t], found[t] + self.reduced[t], 0.0)
                found[nxt] = np.maximum(found[nxt], rise)
            for t in reversed(range(len(found))):
                nxt = (t + 1) % len(found)
                rise = np.where(self.higher[t], found[nxt] - self.reduced[t], 0.0)
                found[t] = np.maximum(found[t], rise)
            if np.abs(found - before).max(initial=0.0) <= 1e-9:
                break
        return np.minimum(found, self.cost)


def carry(old: Lean, basis: Basis, new: Lean) -> Basis:
    """Carry a basis from one small programme to another of the same large one.

    A level that is released stays where it was held: its hours and the rows of its starts keep it
    there, so that the point is still feasible.
    """
    whole, levels = old._whole, old.levels
    columns = np.full(whole.shape[1], LOWER, dtype=object)
    rows = np.full(whole.shape[0], BASIC, dtype=object)
    columns[old.columns], rows[old.rows] = basis.columns, basis.rows
    released = old.held & ~new.held
    if released.any():
        level, row = levels.level[:, released], levels.row[:, released]
        columns[level] = columns[level[0]][None, :]
        rows[row[1:][:, columns[level[0]] == BASIC]] = LOWER
    return Basis(columns[new.columns], rows[new.rows])


def holdable(levels: Levels, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Which members have the same top all the time, so that one level can reach all of it."""
    if not levels.level.size:
        return np.zeros(levels.level.shape[1], dtype=bool)
    low, high = lower[levels.level], upper[levels.level]
    found: np.ndarray = (high == high[0]).all(0) & (low.max(0) <= high[0])
    found &= (lower[levels.start] == 0).all(0)
    return found


def shiftable(shifts: Pairs, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Which outputs have bounds of their own that the level implies."""
    output, level = shifts.output, shifts.level
    found: np.ndarray = (
        (lower[output] <= 0) & (lower[level] >= 0) & (upper[level] <= upper[output] + 1e-9)
    )
    return found
