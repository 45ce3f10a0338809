"""A master programme over known answers of parts, and the prices to ask them at next.

Each part k has answers c of cost C_kc that add a_jkc to sum j, measures m save up to P_m at k_m
each and take u_jm off (add to) what is at most (at least) b_j, and what is still missed costs p_j:

    min  sum_kc lambda_kc C_kc + sum_m k_m x_m + sum_j p_j s_j
    s.t. sum_kc lambda_kc a_jkc - sum_m u_jm x_m - s_j <= b_j    (at most; at least: signs of a, b)
         sum_c lambda_kc = 1 for every part k,  0 <= x <= P,  lambda, s >= 0

(Dantzig and Wolfe 1960, doi:10.1287/opre.8.1.101). Its duals y are prices; parts that answer at
them give a lower bound and new columns. With few columns those prices are far off, so they are
looked for in a box around the best ones: there a sum may also be missed at the upper end of the
box, and is paid for at the lower end (Marsten, Hogan and Blankenship 1975,
doi:10.1287/opre.23.3.389). The box moves and grows where the bound rises as foretold, and shrinks
where it does not. Cost, shares and prices that are given in the end are those without it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linprog

from powermkt.errors import ClearingError

_SERIOUS, _GOOD = 0.1, 0.5  # of the rise that was foretold
_GROWTH, _SHRINKING = 2.0, 0.5
_NARROW = 0.005
_LITTLE = 0.03  # of what is left between cost and bound: a box that promises less is too small


@dataclass(frozen=True)
class Mixture:
    """An optimum of the master programme.

    Attributes
    ----------
    value : float
        Cost [money].
    prices : ndarray [line]
    shares : list of ndarray [answer], one for each part
    missed : ndarray [line]
    saved : ndarray [measure]
    """

    value: float
    prices: np.ndarray
    shares: list[np.ndarray]
    missed: np.ndarray
    saved: np.ndarray


@dataclass
class Master:
    """The master programme.

    Parameters
    ----------
    sign : ndarray [line]
        1: at most, -1: at least.
    target : ndarray [line]
    penalty : ndarray [line]
        Cost of a unit that is missed.
    step : ndarray [line]
        How far prices may go from those of the best bound at first.
    potential, cost : ndarray [measure]
    units : ndarray [line x measure]
    parts : int
    reach : float
        Size of the box, in steps.
    """

    sign: np.ndarray
    target: np.ndarray
    penalty: np.ndarray
    step: np.ndarray
    potential: np.ndarray
    cost: np.ndarray
    units: np.ndarray
    parts: int
    bound: float = -np.inf
    best: np.ndarray = field(init=False)
    _costs: list[list[float]] = field(init=False)
    _sums: list[list[np.ndarray]] = field(init=False)
    _reach: float = 1.0  # of the box, in steps
    _foretold: float = np.nan  # nothing yet
    _at_border: bool = False

    def __post_init__(self) -> None:
        self.best = np.zeros(len(self.sign))
        self._costs = [[] for _ in range(self.parts)]
        self._sums = [[] for _ in range(self.parts)]

    def add(self, part: int, cost: float, sums: np.ndarray) -> bool:
        """Add an answer of a part; False if it is known."""
        for known in self._sums[part]:
            if np.allclose(sums, known, rtol=1e-9, atol=1e-6):
                return False
        self._costs[part].append(cost)
        self._sums[part].append(sums)
        return True

    def answered(self, prices: np.ndarray, least: float) -> None:
        """Take the lower bound of prices, and move and size the box by it.

        Parameters
        ----------
        prices : ndarray [line]
        least : float
            What all parts cost at least at these prices, prices included.
        """
        worth = prices @ self.units - self.cost
        bound = least - float(self.sign @ (prices * self.target))
        bound -= float(self.potential @ np.maximum(worth, 0.0))
        rise = (bound - self.bound) / self._foretold if self._foretold != 0 else 1.0
        if rise >= _GOOD and self._at_border:
            self._reach *= _GROWTH
        elif rise < _SERIOUS:
            self._reach *= _SHRINKING
        self._foretold = np.nan
        if bound > self.bound:
            self.bound, self.best = bound, prices

    def narrow(self, apart: np.ndarray) -> None:
        """Look for prices no further from the best than this, or a part of the step before.

        Parameters
        ----------
        apart : ndarray [line]
            How far prices of parts are from each other.
        """
        self.step = np.clip(apart, _NARROW * self.step, self.step)

    def gap(self, value: float) -> float:
        """How far a cost is above the best bound, relative to it [1]."""
        return max(0.0, value - self.bound) / max(abs(value), 1.0)

    def next_prices(self) -> np.ndarray:
        """Return the prices in the box that promise the highest bound."""
        most = self.solve().value - self.bound
        while True:
            reach = self._reach * self.step
            low = np.maximum(self.best - reach, 0.0)
            high = np.minimum(self.best + reach, self.penalty)
            found = self.solve(low, high)
            whole = (low <= 0.0) & (high >= self.penalty)
            if found.value - self.bound >= _LITTLE * most or whole.all():
                break
            self._reach *= _GROWTH
        prices = np.clip(found.prices, low, high)
        self._foretold = found.value - self.bound
        border = (prices >= high - 1e-6 * reach) & (high < self.penalty)
        border |= (prices <= low + 1e-6 * reach) & (low > 0)
        self._at_border = bool(border.any())
        return prices

    def solve(self, low: np.ndarray | None = None, high: np.ndarray | None = None) -> Mixture:
        """Solve with prices within bounds; by default between 0 and the penalties.

        Raises
        ------
        ClearingError
            If HiGHS finds no optimum.
        """
        lines, high = len(self.sign), self.penalty if high is None else high
        counts = [len(part) for part in self._costs]
        ends = np.cumsum(counts)
        # One scale of money and of units: what obligations weigh is far from what power costs. What
        # is missed is in targets: HiGHS takes entries as small as 1e-9 for none.
        unit = np.maximum(np.abs(self.target), 1.0)
        answers = np.concatenate(self._costs)
        money = max(1.0, float(np.abs(answers).max()))
        added = np.stack([sums for part in self._sums for sums in part], axis=1)
        less = self.units * self.potential / unit[:, None]
        rows = [(self.sign / unit)[:, None] * added, -less, -np.eye(lines)]
        cost = [answers, self.cost * self.potential, high * unit]
        most = [np.full(len(answers), np.inf), np.ones(len(self.cost)), np.full(lines, np.inf)]
        if low is not None:
            rows, cost = [*rows, np.eye(lines)], [*cost, -low * unit]
            most.append(np.full(lines, np.inf))
        whole = np.zeros((len(counts), sum(map(len, cost))))
        for k, (count, end) in enumerate(zip(counts, ends, strict=True)):
            whole[k, end - count : end] = 1.0
        upper = np.concatenate(most)
        solved = linprog(
            np.concatenate(cost) / money,
            A_ub=np.hstack(rows), b_ub=self.sign * self.target / unit,
            A_eq=whole, b_eq=np.ones(len(counts)),
            bounds=np.stack([np.zeros(len(upper)), upper], axis=1), method="highs-ds",
        )  # fmt: skip
        if not solved.success:
            raise ClearingError(f"obligations: {solved.message}")
        split = np.split(solved.x, np.cumsum([len(part) for part in cost])[:-1])
        return Mixture(
            value=float(solved.fun * money),
            prices=np.maximum(-solved.ineqlin.marginals * money / unit, 0.0),
            shares=np.split(split[0], ends[:-1]),
            missed=split[2] * unit,
            saved=split[1] * self.potential,
        )

    def sums(self, shares: list[np.ndarray]) -> np.ndarray:
        """What each sum comes to in a mixture of answers, without measures [line]."""
        total = np.zeros(len(self.sign))
        for known, part in zip(self._sums, shares, strict=True):
            for share, sums in zip(part, known, strict=True):
                total += share * sums
        return total
