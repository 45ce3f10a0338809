"""How an optimum changes with its limits, read from the optimal basis.

With B the optimal basis, any quantity ``K = k x`` changes with a number of the programme as

    dK = y (db - dA x) + d dx + dk x,    B' y = k_B,    d = k - A' y,

b the limits of rows that bind, x in ``d dx`` the columns that stand at a bound (Gal 1995,
doi:10.1515/9783110871203). It holds as long as the basis stays optimal, and for every quantity, not
only for the one that is minimised. Where more limits meet than a basis needs, it holds in one
direction at most, and another basis that is optimal as well may say something else (`loose`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from powermkt.dispatch.programme import Point, Programme
from powermkt.inputs.case import Case

MINIMISED, COST, CURTAILED = "minimised", "cost", "curtailed"
LOOSE = "loose"
_TINY = 1e-9

_Limits = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Change:
    """What a change of the programme's numbers does, by column and row of it.

    Attributes
    ----------
    columns : dict of str to ndarray [column]
        Part of the change of each quantity that belongs to a column; under `LOOSE` whether
        another basis says something else [0 or 1].
    rows : dict of str to ndarray [row]
        Likewise.
    """

    columns: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]


class Sensitivity:
    """An optimal basis and what quantities do around it.

    Parameters
    ----------
    programme : Programme
        Just solved: the live solver is still at the optimum.
    point : Point
        The optimum.
    quantities : mapping of str to ndarray [column]
        Coefficients of each quantity; `MINIMISED` is what was minimised, tie-break included.
    """

    def __init__(
        self, programme: Programme, point: Point, quantities: Mapping[str, np.ndarray]
    ) -> None:
        search = programme.search
        live, self._lean = search.live, search.present
        self.programme, self.quantities = programme, dict(quantities)
        self.lower, self.upper = point._bounds
        matrix = self._lean.matrix
        self._point = live.column_values().copy()
        self._limits = self._limits_of(self.lower, self.upper)
        self._activity = matrix @ self._point
        basic = live.basic()
        self._duals, self._reduced = {}, {}
        for name, vector in quantities.items():
            cost = self._lean.cost(vector)
            self._duals[name] = live.basis_duals(cost)
            self._reduced[name] = cost - matrix.T @ self._duals[name]
            self._reduced[name][basic[basic >= 0]] = 0.0
        moved = search.movement(self.lower, self.upper)
        self._loose_rows = np.abs(moved) > _TINY
        self._loose_columns = np.abs(matrix.T @ moved) > _TINY

    def balance(self, quantity: str) -> pd.DataFrame:
        """Change of a quantity with load, [snapshot x bus] per MW; of `LOOSE` whether it may."""
        left = self._loose_rows.astype(float) if quantity == LOOSE else self._duals[quantity]
        return self.programme.balance(self._lean.spread_rows(left))

    @property
    def held(self) -> np.ndarray:
        """Columns of levels that one number holds through the window."""
        levels: np.ndarray = self._lean.levels.level[:, self._lean.held].ravel()
        return levels

    def of_bounds(self, lower: np.ndarray, upper: np.ndarray) -> Change:
        """Return what other bounds of columns [column] change."""
        return self._change(self._lean.matrix, self._limits_of(lower, upper), {})

    def of_programme(
        self, other: Programme, lower: np.ndarray, upper: np.ndarray, cost: np.ndarray
    ) -> Change | None:
        """Return what other numbers of the whole programme change; None if its shape is another.

        Parameters
        ----------
        other : Programme
            With the same rows and columns and slightly other numbers.
        lower, upper, cost : ndarray [column]
            Bounds of it, and what its columns cost.
        """
        mine = self.programme
        if other.matrix.shape != mine.matrix.shape or list(other.variables) != list(mine.variables):
            return None
        lean = other.search.like(mine.search, lower, upper)
        if lean.key != self._lean.key:
            return None
        quantities = {**self.quantities, COST: cost}
        return self._change(
            lean.matrix,
            lean.limits(lower, upper, other.row_lower, other.row_upper),
            {name: lean.cost(vector) for name, vector in quantities.items()},
        )

    def _limits_of(self, lower: np.ndarray, upper: np.ndarray) -> _Limits:
        mine = self.programme
        return self._lean.limits(lower, upper, mine.row_lower, mine.row_upper)

    def _change(
        self, matrix: sparse.csc_array, limits: _Limits, costs: Mapping[str, np.ndarray]
    ) -> Change:
        slope = (matrix - self._lean.matrix).tocsc()
        slope.eliminate_zeros()
        low, high, row_low, row_high = (
            difference(new, old) for new, old in zip(limits, self._limits, strict=True)
        )
        bounds, rows = self._limits[:2], self._limits[2:]
        moved = _at_bound(self._reduced[MINIMISED], self._point, bounds, (low, high))
        lifted = _at_bound(self._duals[MINIMISED], self._activity, rows, (row_low, row_high))
        by_column, by_row = {}, {}
        for name, vector in self.quantities.items():
            found = self._reduced[name] * moved - (slope.T @ self._duals[name]) * self._point
            if name in costs:
                found += (costs[name] - self._lean.cost(vector)) * self._point
            by_column[name] = self._on_columns(found)
            by_row[name] = self._lean.spread_rows(self._duals[name] * lifted)
        touched = (low != 0) | (high != 0) | (np.diff(slope.indptr) > 0)
        by_column[LOOSE] = self._on_columns((touched & self._loose_columns).astype(float))
        touched = (row_low != 0) | (row_high != 0)
        by_row[LOOSE] = self._lean.spread_rows((touched & self._loose_rows).astype(float))
        return Change(by_column, by_row)

    def _on_columns(self, left: np.ndarray) -> np.ndarray:
        every = np.zeros(len(self.lower))
        every[self._lean.columns] = left
        return every

    def by_name(self, change: Change) -> pd.DataFrame:
        """Sum a change over time, [(variable or row, component)] by quantity and `LOOSE`."""
        found: dict[tuple[str, str], dict[str, float]] = {}
        for quantity in change.columns:
            frames = {
                name: self.programme.frame(name, change.columns[quantity])
                for name in self.programme.variables
            }
            for name, at in self.programme.constraints.items():
                values = self.programme.row_values(at.to_numpy(), change.rows[quantity])
                # A row may be named as a variable is.
                frames[f"{name} row"] = pd.DataFrame(values, at.index, at.columns)
            for name, frame in frames.items():
                for component, value in frame.sum().items():
                    if value != 0:
                        found.setdefault((name, str(component)), {})[quantity] = value
        table = pd.DataFrame.from_dict(found, orient="index", columns=[*change.columns])
        return table.fillna(0.0)


def curtailed(case: Case, programme: Programme) -> np.ndarray:
    """Return unused energy of wind, sun and water, less what is available [column], in MWh."""
    total = np.zeros(len(programme.cost))
    for table, variable, sign in (
        (case.generators, "Generator-p", -1.0),
        (case.storage_units, "StorageUnit-spill", 1.0),
    ):
        if variable in programme.variables:
            members = table.index[table["carrier"].isin(case.carriers.renewable)]
            members = members.intersection(programme.variables[variable].columns)
            total += programme.spread({variable: pd.Series(sign, members)}, case.weights)
    return total


def available(case: Case) -> float:
    """Available energy of wind and sun, and of water without storage [MWh]."""
    members = case.generators.index[case.generators["carrier"].isin(case.carriers.renewable)]
    return float(case.availability[members].mul(case.weights, axis="index").to_numpy().sum())


def difference(new: np.ndarray, old: np.ndarray) -> np.ndarray:
    """By how much limits move; those that are none stay so."""
    finite = np.isfinite(new) & np.isfinite(old)
    return np.where(finite, np.where(finite, new, 0.0) - np.where(finite, old, 0.0), 0.0)


def _at_bound(
    dual: np.ndarray, value: np.ndarray, bounds: tuple[np.ndarray, np.ndarray],
    moves: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:  # fmt: skip
    """How the limit moves at which something stands: what is minimised says which it is."""
    lower = np.abs(value - bounds[0]) <= np.abs(value - bounds[1])
    lower = np.where(np.abs(dual) > _TINY, dual > 0, lower)
    return np.where(lower, moves[0], moves[1])
