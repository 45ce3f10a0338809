"""Mixed-integer programmes: HiGHS's branch and bound from scratch, one thread, one seed.

Nothing is handed over from one programme to the next, so that a commitment does not depend on what
was solved before.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import highspy
import numpy as np
import pydantic
from scipy import sparse

from powermkt.common.values import Strict
from powermkt.errors import ClearingError
from powermkt.methods.solver import pass_programme, set_options

_OPTIONS: dict[str, object] = {
    "output_flag": False,
    "threads": 1,
    "parallel": "off",
    "random_seed": 0,
    "mip_abs_gap": 0.0,
    "mip_feasibility_tolerance": 1e-7,
}


class UnitCommitment(Strict):
    """How units are committed.

    Parameters
    ----------
    gap : float, default 1e-4
        Relative gap at which the search for a better commitment ends [1].
    time_limit : float, default 600
        Seconds after which it is given up, by window [s].
    accept_incumbent : bool, default False
        At the time limit, go on with the best commitment found; its gap is in the result.
    relaxed : bool, default False
        Let units be on in part, a linear programme. Its prices are not those of a commitment,
        and every result says so.
    """

    gap: float = pydantic.Field(default=1e-4, ge=0, lt=1)
    time_limit: float = pydantic.Field(default=600.0, gt=0)
    accept_incumbent: bool = False
    relaxed: bool = False


class NoCommitment(ClearingError):
    """No solution has all integral columns at whole numbers."""


@dataclass(frozen=True)
class MixedPoint:
    """The best solution of a mixed-integer programme.

    Attributes
    ----------
    columns : ndarray [column]
    objective, bound : float
        Of the solution, and below which none can be.
    seconds : float
        Time spent in HiGHS [s].
    complete : bool
        False where a time limit ended the search.
    """

    columns: np.ndarray
    objective: float
    bound: float
    seconds: float
    complete: bool

    @property
    def gap(self) -> float:
        """Distance of objective and bound relative to the objective."""
        return (self.objective - self.bound) / max(abs(self.objective), 1e-9)


def solve_mixed(
    matrix: sparse.csr_array,
    cost: np.ndarray,
    bounds: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    integral: np.ndarray,
    gap: float,
    time_limit: float,
) -> MixedPoint:
    """Minimise a linear objective over columns of which some are integral.

    Parameters
    ----------
    matrix : csr_array [row x column]
    cost : ndarray [column]
    bounds, rows : lower and upper bounds of columns and of rows
    integral : ndarray of bool [column]
    gap : float
        Relative gap at which the search ends [1].
    time_limit : float
        [s].

    Raises
    ------
    ClearingError
        If no solution was found.
    """
    highs = highspy.Highs()
    set_options(highs, {**_OPTIONS, "mip_rel_gap": gap, "time_limit": time_limit})
    pass_programme(highs, matrix.tocsc(), cost, bounds, rows, integral)
    began = time.perf_counter()
    highs.run()
    seconds = time.perf_counter() - began
    status, info = highs.getModelStatus(), highs.getInfo()
    complete = status == highspy.HighsModelStatus.kOptimal
    if not complete and status != highspy.HighsModelStatus.kTimeLimit:
        raise NoCommitment(
            "no commitment of units meets all rules, though one "
            "with units on in part would: look at minimum up and down times, ramps, and what was "
            f"on before ({status.name})"
        )
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        raise ClearingError(
            f"no commitment was found within {time_limit:g} s; raise `units.time_limit`"
        )
    return MixedPoint(
        columns=np.asarray(highs.getSolution().col_value),
        objective=float(info.objective_function_value),
        bound=float(info.mip_dual_bound),
        seconds=seconds,
        complete=complete,
    )
