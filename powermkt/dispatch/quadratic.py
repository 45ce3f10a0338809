"""Quadratic costs: a quadratic programme says where, a linear one around it at which price.

Every price of a clearing is read from the basis of a linear programme. So the cost ``c g + q g**2``
of a generator and hour becomes a ladder around the output that HiGHS finds for the quadratic
programme. A ladder costs what the curve does at every edge, and more in between. The step around
the output has the marginal cost of just that output; on both sides follow even steps, of which one
costs `_APART` more than the one before, then steps that grow up to the ends of the range. Where an
output leaves its even steps, the ladder is laid around that output and solved again: cost falls
every time, until all outputs stay.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import highspy
import numpy as np
from scipy import sparse

from powermkt.dispatch.programme import Point, Programme
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.inputs.curves import quadratic_costs
from powermkt.methods.certificate import MINIMISED
from powermkt.methods.solver import pass_programme, set_options
from powermkt.system.ladders import EVEN, GROWING, STEP, STEPS, quadratic_ladder

_APART = 5e-5  # money/MWh from one even step to the next
_NARROWEST_MW = 1e-5  # far above the tolerances of the solver
_ROUNDS = 60
_MONEY = ("offer", "cost", MINIMISED)  # objectives that the steps are part of
_OPTIONS: dict[str, object] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "time_limit": 60.0,
    "ipm_optimality_tolerance": 1e-10,
}
# HiGHS's newer interior point, then its active-set method: on a day of fleets and storage that one
# ended as kNotset or kUnbounded (highspy 1.15.1).
_SOLVERS = ("hipo", "choose")


class Curves:
    """Quadratic costs of one window in its programme; without any, all is as if it were not there.

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
        With steps as `ladders.add_steps` adds them.
    """

    def __init__(self, case: Case, programme: Programme) -> None:
        self._case, self._programme = case, programme
        self._q = quadratic_costs(case._n)
        names = self._q.columns
        self._low = case.must_run[names].to_numpy()
        self._high = np.maximum(case.availability[names].to_numpy(), self._low)

    def __bool__(self) -> bool:
        return not self._q.empty

    def evenly(
        self, lower: np.ndarray, upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return costs of steps and bounds with them, for a search over integers: equal steps."""
        share = np.linspace(0.0, 1.0, STEPS + 1)
        span = (self._high - self._low)[:, :, None]
        return self._numbers(self._low[:, :, None] + span * share, lower, upper)

    def solve(
        self,
        cost: np.ndarray,
        lower: np.ndarray,
        upper: np.ndarray,
        price_objectives: Mapping[str, np.ndarray],
        tie: np.ndarray,
        canonical: bool,
    ) -> tuple[Point, np.ndarray]:
        """Solve as `Programme.solve` does; offers and resource cost get the quadratic part.

        Returns
        -------
        Point
        ndarray [column]
            What quadratic costs added to the objective at the end.

        Raises
        ------
        ClearingError
            As `Programme.solve`, or if outputs do not come to rest.
        """
        programme = self._programme
        if not self:
            point = programme.solve(cost, lower, upper, price_objectives, tie, canonical)
            return point, np.zeros_like(cost)
        centre, seconds, notes = self._centre(cost, lower, upper)
        for _ in range(_ROUNDS):
            added, low, high = self._numbers(self._edges(centre), lower, upper)
            priced = {
                name: vector + added if name in _MONEY else vector
                for name, vector in price_objectives.items()
            }
            point = programme.solve(cost + added, low, high, priced, tie, canonical)
            seconds += point.seconds
            output = self._output(point.columns)
            if self._at_rest(centre, output):
                point.seconds, point.notes = seconds, notes + point.notes
                return point, added
            centre = output
        raise ClearingError(f"quadratic costs: outputs still moved after {_ROUNDS} rounds")

    def _centre(
        self, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> tuple[np.ndarray, float, list[str]]:
        """Output by the quadratic programme, [snapshot x generator] in MW; seconds and notes.

        The first step of each generator takes all above its lowest output: with y for it,
        ``c (low + y) + q (low + y)**2`` is ``(c + q low) g + q low y + q y**2`` with g = low + y.
        """
        whole = np.stack([self._low, self._high], axis=2)
        whole = np.pad(whole, ((0, 0), (0, 0), (0, STEPS - 1)), mode="edge")
        _, low, high = self._numbers(whole, lower, upper)
        first = self._programme.variables[STEP][
            [f"{name} step 1" for name in self._q.columns]
        ].to_numpy()
        weighted = self._q.mul(self._case.weights, axis="index").to_numpy()
        cost = cost + self._of_output()
        cost[first] += weighted * self._low
        hessian = np.zeros(len(cost))
        hessian[first] = 2.0 * weighted
        began = time.perf_counter()
        columns = solve_quadratic(
            self._programme.matrix, cost, hessian, (low, high),
            (self._programme.row_lower, self._programme.row_upper),
        )  # fmt: skip
        seconds = time.perf_counter() - began
        if columns is None:
            note = "the quadratic programme was not solved: ladders began at half output"
            return (self._low + self._high) / 2, seconds, [note]
        return self._output(columns), seconds, []

    def _numbers(
        self, edges: np.ndarray, lower: np.ndarray, upper: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Costs that steps between some outputs add, and bounds with their widths."""
        if not self:
            return np.zeros_like(lower), lower, upper
        width, cost = quadratic_ladder(self._case, edges)
        low, high = self._programme.replaced(lower, upper, {STEP: (0.0 * width, width)})
        steps = self._programme.spread({STEP: cost}, self._case.weights)
        return steps + self._of_output(), low, high

    def _of_output(self) -> np.ndarray:
        """What the lowest output costs beyond its linear cost, as `quadratic_ladder` says."""
        return self._programme.spread({"Generator-p": self._q * self._low}, self._case.weights)

    def _edges(self, centre: np.ndarray) -> np.ndarray:
        """Outputs between which steps lie, [snapshot x generator x edge], around a centre."""
        even = self._even()[:, :, None]
        near = (EVEN + 0.5) * even
        range_ = np.maximum((self._high - self._low)[:, :, None], near)
        growing = near * (range_ / near) ** (np.arange(1, GROWING) / GROWING)
        reach = np.concatenate([even * (np.arange(EVEN + 1) + 0.5), growing], axis=2)
        low, high, middle = (part[:, :, None] for part in (self._low, self._high, centre))
        edges = np.concatenate([low, middle - reach[:, :, ::-1], middle + reach, high], axis=2)
        return np.clip(edges, low, high)

    def _even(self) -> np.ndarray:
        """Width of an even step [MW]; where cost is linear in an hour, the range."""
        q = self._q.to_numpy()
        width = np.where(q > 0, _APART / np.maximum(2 * q, 1e-300), np.inf)
        return np.maximum(np.minimum(width, self._high - self._low), _NARROWEST_MW)

    def _output(self, columns: np.ndarray) -> np.ndarray:
        at = self._programme.variables["Generator-p"][self._q.columns].to_numpy()
        # Rounded, so that a last digit decides nothing.
        return np.clip(columns[at].round(7), self._low, self._high)

    def _at_rest(self, centre: np.ndarray, output: np.ndarray) -> bool:
        """Whether every output lies within its even steps, or at an end of the range there."""
        even = self._even()
        near = (EVEN + 0.5) * even
        low, high = centre - near, centre + near
        inside = (output > low + 0.01 * even) | (low <= self._low)
        inside &= (output < high - 0.01 * even) | (high >= self._high)
        return bool(inside.all())


def solve_quadratic(
    matrix: sparse.csr_array,
    cost: np.ndarray,
    hessian: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
) -> np.ndarray | None:
    """Minimise ``cost x + 1/2 x' diag(hessian) x``; None if HiGHS does not end at an optimum.

    Parameters
    ----------
    matrix : csr_array [row x column]
    cost, hessian : ndarray [column]
    bounds, rows : lower and upper bounds of columns and of rows

    Returns
    -------
    ndarray [column] or None
    """
    kept = (bounds[0] != 0) | (bounds[1] > 0)  # most steps have no width yet
    lower, upper = bounds[0][kept], bounds[1][kept]
    highs = highspy.Highs()
    set_options(highs, _OPTIONS)
    matrix = matrix.tocsc()[:, kept].tocsc()
    pass_programme(highs, matrix, cost[kept], (lower, np.maximum(lower, upper)), rows)
    hessian = hessian[kept]
    curved = np.flatnonzero(hessian).astype(np.int32)
    start = np.searchsorted(curved, np.arange(len(hessian) + 1)).astype(np.int32)
    shape = len(hessian), len(curved), int(highspy.HessianFormat.kTriangular)
    if highs.passHessian(*shape, start, curved, hessian[curved]) == highspy.HighsStatus.kError:
        raise ClearingError("HiGHS refused: passing quadratic costs")
    for solver in _SOLVERS:
        if highs.setOptionValue("solver", solver) != highspy.HighsStatus.kOk:
            continue  # not every build has it
        highs.clearSolver()
        highs.run()
        if highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
            found = np.zeros(len(kept))
            found[kept] = highs.getSolution().col_value
            return found
    return None
