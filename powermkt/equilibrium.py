"""Entry until the return meets the hurdle rate, as a fixed point between entry and revenues.

At capacities x the market is cleared, and each candidate's excess is what one MW of it received,
less what it cost to run, less its yearly cost. Capacity moves with the sign of the excess; a step
grows while the sign stays, and where it turns it falls back towards where the line between the two
points crosses 0, to 0.1 .. 0.7 of what it was (as Riedmiller and Braun 1993, RPROP, with a secant).
Where all rest, entry is an equilibrium: nobody who entered earns less than the hurdle rate, nobody
who might enter would earn more. Revenue may jump at a capacity, where the price steps from one
plant's cost to the next: then it earns too much below and too little above, and the capacity is
located within a tolerance; both sides are reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from powermkt.candidates import Candidate, EntryPlan
from powermkt.case import Case
from powermkt.run import Run
from powermkt.values import HOURS_A_YEAR

# First step as a share of what is possible; growth before and after a first turn; by what a step
# falls back at least and at most; clearings within which a turn counts as one of now.
_FIRST, _GROWTH, _AGAIN, _LEAST, _MOST, _RECENT = 0.25, 1.6, 1.2, 0.1, 0.7, 2

Clear = Callable[[pd.Series], Run]


@dataclass
class Equilibrium:
    """Where a fixed point came to.

    Attributes
    ----------
    capacity : Series [candidate], MW
    run : Run
        The clearing at it.
    accounts : DataFrame [candidate]
        As `entrant_accounts`; of what did not enter those of a small trial plant.
    below, above : Series [candidate], money/(MW a)
        Excess on the last side at which it was positive (negative); NaN: there was none.
    width : Series [candidate], MW
        The last step.
    iterations : int
    converged : bool
    """

    capacity: pd.Series
    run: Run
    accounts: pd.DataFrame
    below: pd.Series
    above: pd.Series
    width: pd.Series
    iterations: int
    converged: bool


def entrant_accounts(
    run: Run, candidates: Mapping[str, Candidate], mw: pd.Series
) -> pd.DataFrame:
    """What each candidate that was built receives and costs.

    Parameters
    ----------
    run : Run
    candidates : mapping of str to Candidate
    mw : Series [candidate], MW

    Returns
    -------
    DataFrame [candidate]
        Columns revenue, variable_cost, yearly_cost, excess [money/(MW a)]; NaN of what was not
        built. Of a corridor revenue is congestion rent, where the regime pays it.
    """
    a_year = HOURS_A_YEAR / float(run.case.weights.sum())
    size = mw.where(mw > 0)
    part = a_year * run.accounts.reindex(mw.index)[["receipts", "resource_cost"]].fillna(0.0)
    part = part.div(size, axis="index")
    table = part.set_axis(["revenue", "variable_cost"], axis="columns")
    table["yearly_cost"] = [candidates[name].yearly_cost for name in mw.index]
    table["excess"] = table["revenue"] - table["variable_cost"] - table["yearly_cost"]
    return table


@dataclass
class _Search:
    """Capacities on their way."""

    size: pd.Series
    step: pd.Series
    sign: pd.Series
    since: pd.Series  # clearings since the excess turned; infinite: it never did
    excess: pd.Series
    below: pd.Series = field(init=False)
    above: pd.Series = field(init=False)

    def __post_init__(self) -> None:
        self.below = self.above = self.size * np.nan


def find_entry(
    case: Case, plan: EntryPlan, clear: Clear, start: pd.Series | None = None
) -> Equilibrium:
    """Find a fixed point between entry and what entrants earn.

    Parameters
    ----------
    case : Case
        Without candidates.
    plan : EntryPlan
    clear : callable
        From capacities [candidate, MW] to a run.
    start : Series [candidate], optional
        Capacities to begin at [MW]; default: none.

    Returns
    -------
    Equilibrium
    """
    candidates = plan.candidates
    names = pd.Index(candidates)
    most = pd.Series({name: item.most for name, item in candidates.items()})
    peak = float(case.dense("Load", "p_set").sum(axis=1).max())
    scale = most.where(np.isfinite(most), peak)
    least = plan.tolerance * scale  # what stands for one more MW of what has not entered
    zero = pd.Series(0.0, names)
    begun = zero if start is None else start.clip(lower=0.0)
    first = _FIRST if start is None else _FIRST / 4
    at = _Search(begun, first * scale, zero.copy(), zero + np.inf, zero * np.nan)
    for iteration in range(1, plan.iterations + 1):
        tried = at.size.clip(lower=least)
        run = clear(tried)
        table = entrant_accounts(run, candidates, tried)
        now = table["excess"]
        small = now.abs() <= plan.accuracy * table["yearly_cost"]
        sign = np.sign(now).where(~small, 0.0)
        resting = small | ((at.size <= 0) & (sign < 0)) | ((at.size >= most) & (sign > 0))
        at.below = now.where(now >= 0, at.below)
        at.above = now.where(now < 0, at.above)
        turned = (sign * at.sign < 0) & ~resting
        line = now.abs() / (now.abs() + at.excess.abs())
        factor = line.clip(_LEAST, _MOST).where(turned, 1.0)
        onward = (sign * at.sign > 0) & ~resting
        factor = factor.where(~onward, np.where(np.isfinite(at.since), _AGAIN, _GROWTH))
        at.since = (at.since + 1).where(~turned, 0.0)
        located = (at.since <= _RECENT) & (at.step <= least)
        done = bool((resting | located).all())
        if done or iteration == plan.iterations:
            break
        at.step = (at.step * factor.fillna(0.5)).clip(lower=least / 2)
        move = (sign * at.step).where(~resting, 0.0)
        at.size = (at.size + move).clip(lower=0.0, upper=most)
        at.sign, at.excess = sign.where(~resting, 0.0), now
    width = at.step.where(~resting, 0.0)
    if (at.size < least).any():
        run = clear(at.size)
    return Equilibrium(at.size, run, table, at.below, at.above, width, iteration, done)
