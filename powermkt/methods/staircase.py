"""Steps of the least offered cost over the carbon price, found rather than sampled.

With rows and bounds that stay, offers ``c + tau d`` and x what is dispatched, the least offered
cost ``L(tau) = min (c + tau d) x`` is concave and piecewise linear in tau, and its slope d x are
the net allowances that are used. Two solutions of unequal slope have tangents that meet; on both
sides of that point, half a resolution away, the programme is solved again. Either the slopes there
are those of the two solutions: then all that switches between them does so within the resolution.
Or another slope is found, and the search goes on to the left and to the right of it. It ends,
since slopes are finitely many (Gass and Saaty 1955, doi:10.1002/nav.3800020106; Eisner and
Severance 1976, doi:10.1145/321978.321982).

Slopes decide, not values: far from a step all optima have the same slope, while values of solutions
that differ in one unit and hour agree in ten digits. The tiny costs that choose among equal offers
are a hundredth of those of a clearing here, since they move a step by their size over the
difference of emission rates; where a step lies is computed without them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_SAME = 1e-9  # slopes that differ by less, relative to gross emissions, are one


@dataclass(frozen=True)
class Search:
    """What of a staircase is looked for.

    Attributes
    ----------
    low, high : float
        Range of the carbon price [money/t].
    resolution : float
        Width of the interval in which a step must lie to count as found [money/t].
    tolerance : float
        Relative error of the offered cost below which two solutions are left as neighbours [1].
    most : int
        Solves in one window after which the search ends.
    """

    low: float
    high: float
    resolution: float
    tolerance: float = 0.0
    most: int = 2_000


@dataclass(frozen=True)
class Spot:
    """An optimum at one carbon price.

    Attributes
    ----------
    tau : float
        Carbon price [money/t].
    offered, tied : float
        Offered cost there, and with the tiny costs that decide among equal offers [money].
    slope : float
        Change of the offered cost with the carbon price: net allowances, as offered [t].
    cost : float
        Resource cost [money].
    emissions : float
        [t].
    gross : float
        Emissions that outputs could have at the highest rate: what slopes are compared by [t].
    energy : ndarray [unit]
        Output over the horizon [MWh].
    """

    tau: float
    offered: float
    tied: float
    slope: float
    cost: float
    emissions: float
    gross: float
    energy: np.ndarray


@dataclass(frozen=True)
class Step:
    """Two neighbours and the carbon price at which one takes the place of the other.

    Attributes
    ----------
    tau : float
        Where both offer the same [money/t].
    before, after : Spot
        Solutions on both sides; the step lies between them.
    certified : bool
        Whether they are no further apart than the resolution, so that nothing else is between.
    """

    tau: float
    before: Spot
    after: Spot
    certified: bool


class Staircase:
    """The steps between two carbon prices, found by solving where tangents meet.

    Parameters
    ----------
    solve : callable
        From a carbon price [money/t], the optimum there.
    search : Search

    Attributes
    ----------
    first, last : Spot
        At the ends of the range.
    steps : list of Step
        In order.
    """

    def __init__(self, solve: Callable[[float], Spot], search: Search) -> None:
        self._search, self._left = search, search.most
        self._solver = solve
        self.first = self.last = self._solve(search.low)
        if search.high > search.low:
            self.last = self._solve(search.high)
        self.steps: list[Step] = []
        self._climb()

    @property
    def envelope_error(self) -> float:
        """Change of the offered cost less the integral of its slope [money]."""
        knots = [self.first.tau, *(step.tau for step in self.steps), self.last.tau]
        slopes = [self.first.slope, *(step.after.slope for step in self.steps)]
        integral = float(np.diff(knots) @ np.array(slopes))
        return abs(self.last.offered - self.first.offered - integral)

    @property
    def left_error(self) -> float:
        """By how much the offered cost may lie below what steps say that are not certified."""
        errors = (_error(step.before, step.after) for step in self.steps if not step.certified)
        return max(errors, default=0.0)

    def _solve(self, tau: float) -> Spot:
        self._left -= 1
        return self._solver(tau)

    def _climb(self) -> None:
        """Look into pairs, sweep by sweep, so that solves that follow each other are neighbours."""
        pairs, forward = [(self.first, self.last)], True
        while pairs:
            found: list[_Pair] = []
            for pair in self._affordable(pairs)[:: 1 if forward else -1]:
                found += self._split(*pair)
            pairs, forward = sorted(found, key=lambda pair: pair[0].tau), not forward
        self.steps.sort(key=lambda step: step.tau)

    def _affordable(self, pairs: list[_Pair]) -> list[_Pair]:
        """Return the pairs that may be looked into, two solves each: the largest errors first.

        The others stay as they are, steps that are not certified.
        """
        pairs = [pair for pair in pairs if _differ(*pair)]
        count = max(0, self._left // 2)
        errors = [-_error(*pair) for pair in pairs]
        chosen = set(np.argsort(errors, kind="stable")[:count].tolist())
        for i, (a, b) in enumerate(pairs):
            if i not in chosen:
                self.steps.append(Step(_meet(a, b, "offered"), a, b, self._close(a, b)))
        return [pairs[i] for i in sorted(chosen)]

    def _close(self, a: Spot, b: Spot) -> bool:
        return b.tau - a.tau <= self._search.resolution * (1 + 1e-9)

    def _split(self, a: Spot, b: Spot) -> list[_Pair]:
        """Look where the tangents of two solutions meet; return the pairs to look into next."""
        small = _error(a, b) <= self._search.tolerance * abs(a.offered)
        if self._close(a, b) or small or a.slope < b.slope:
            self.steps.append(Step(_meet(a, b, "offered"), a, b, self._close(a, b)))
            return []
        tau, half = _meet(a, b, "tied"), self._search.resolution / 2
        left = a if tau - half <= a.tau else self._solve(tau - half)
        if _differ(a, left):
            return [(a, left), (left, b)]
        right = b if tau + half >= b.tau else self._solve(tau + half)
        return [(left, right), (right, b)]


_Pair = tuple[Spot, Spot]


def _differ(a: Spot, b: Spot) -> bool:
    return abs(a.slope - b.slope) > _SAME * a.gross


def _error(a: Spot, b: Spot) -> float:
    """By how much the offered cost may exceed its chord between two solutions [money]."""
    tau, span = _meet(a, b, "tied"), b.tau - a.tau
    return (a.slope - b.slope) * (tau - a.tau) * (b.tau - tau) / span if span > 0 else 0.0


def _meet(a: Spot, b: Spot, value: str) -> float:
    """Carbon price at which the tangents of two solutions meet, between them [money/t]."""
    if a.slope == b.slope:
        return (a.tau + b.tau) / 2
    rise = getattr(b, value) - getattr(a, value) - b.slope * (b.tau - a.tau)
    return float(np.clip(a.tau + rise / (a.slope - b.slope), a.tau, b.tau))
