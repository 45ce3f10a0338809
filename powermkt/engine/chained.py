"""Windows one after another: each sees some hours beyond its end, and hands its state on.

Each window is cleared together with a look-ahead, of which only prices and decisions for later are
dropped; what it hands on is the level of every storage unit and store, the online capacity of
every fleet, and what every unit does and for how long, at its last snapshot. Storage must be
somewhere at the end of the look-ahead:

* what follows a plan of the year (`powermkt.system.seams`) at the plan's level, interpolated
  within a window and moved to what the unit can reach and can close the window from;
* other storage at the level it began the horizon with, which the first window chooses as if it,
  with its look-ahead, repeated itself;
* at the end of the horizon cyclic storage at its first level, so that the year closes; open-ended
  storage is free there.

Starts are counted from window to window, but none from the end of the horizon to its beginning.
Storage with set points of its own, and commitment and quotas that hold for a window as a whole
(`commitment: fixed`, `EqualShares`), take the window and its look-ahead as one window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from powermkt.dispatch.cutting import carried, cut_back, level_before
from powermkt.dispatch.handing import continue_from
from powermkt.dispatch.outcome import Outcome
from powermkt.engine.regime import Regime
from powermkt.engine.stages import clear_stages
from powermkt.inputs.case import Case
from powermkt.inputs.levels import bind_levels
from powermkt.system.reach import reaches


def clear_chained(case: Case, regime: Regime, done: Sequence[Outcome] = ()) -> Iterator[Outcome]:
    """Clear the windows of a case in their order, each from where the one before ended.

    Parameters
    ----------
    case : Case
        With consecutive windows that cover all snapshots, and a look-ahead.
    regime : Regime
    done : sequence of Outcome
        Outcomes of the first windows, where a study is taken up again.

    Yields
    ------
    Outcome of each window that is not done, as `clear_link` gives it.
    """
    outcomes = list(done)
    for label in list(case.windows)[len(done) :]:
        part = link(case, label, outcomes)
        outcomes.append(clear_link(part, regime, case.windows[label]))
        yield outcomes[-1]


def link(case: Case, label: str, done: Sequence[Outcome]) -> Case:
    """Return one window of a chain with its look-ahead, bound to what came before.

    Parameters
    ----------
    case : Case
        With consecutive windows that cover all snapshots, and a look-ahead.
    label : str
    done : sequence of Outcome
        Of all windows before.
    """
    levels = level_before(case, done[0]) if done else _given_levels(case)
    part = _with_look_ahead(case, label, levels, done[-1] if done else None)
    if done:
        continue_from(part, case, done)
    return part


def clear_link(part: Case, regime: Regime, snapshots: pd.Index, margins: bool = False) -> Outcome:
    """Clear a window of a chain; what it says of its look-ahead and the cost of that are dropped.

    Parameters
    ----------
    part : Case
        As `link` gives it.
    regime : Regime
    snapshots : Index
        Those of the window.
    margins : bool, default False
        Find which carriers give one more MWh of load as well.
    """
    (outcome,) = clear_stages(part, [regime], margins=margins)
    return cut_back(part, outcome, snapshots)


def _with_look_ahead(case: Case, label: str, first: pd.Series, last: Outcome | None) -> Case:
    """A window and its look-ahead, with the levels it begins and must end with."""
    window = case.windows[label]
    begin = int(case.snapshots.get_indexer(window[:1])[0])
    after = begin + len(window)
    beyond = case._n.snapshot_weightings["stores"].iloc[after:].cumsum()
    end = after + int((beyond <= (case.look_ahead or 0.0)).sum())
    part = case.part(case.snapshots[begin:end], label)
    start = first
    if last is not None:
        start = last.state_of_charge.iloc[-1]
    start = start.reindex(carried(case)).dropna()
    bind_levels(part._n, start, _target(case, part, start, first))
    return part


def _given_levels(case: Case) -> pd.Series:
    """Levels before the first snapshot where they are known [MWh]: by plan, or not cyclic."""
    n = case._n
    levels = pd.concat(
        [
            n.storage_units["state_of_charge_initial"].mask(
                n.storage_units["cyclic_state_of_charge"].astype(bool)
            ),
            n.stores["e_initial"].mask(n.stores["e_cyclic"].astype(bool)),
        ]
    )
    if case.seams is not None:
        levels = case.seams.start.iloc[0].combine_first(levels)
    return levels


def _target(case: Case, part: Case, start: pd.Series, first: pd.Series) -> pd.Series:
    """Levels at the last snapshot of a window and its look-ahead [MWh]; NaN: free."""
    n = case._n
    target = first.reindex(start.index).astype(float)
    closing = part.snapshots[-1] == case.snapshots[-1]
    if closing:
        open_ended = [
            *n.storage_units.index[~n.storage_units["cyclic_state_of_charge"].astype(bool)],
            *n.stores.index[~n.stores["e_cyclic"].astype(bool)],
        ]
        target[target.index.isin(open_ended)] = np.nan
    units = n.storage_units.index.intersection(start.index)
    low, high = pd.Series(0.0, units), pd.Series(np.inf, units)
    if case.seams is not None:
        planned, rest, end = _planned(case, part.snapshots[-1])
        if not closing:
            target.update(planned)
        if len(rest):
            known = end.dropna().index
            (onward,) = reaches(n, known, [rest])
            low[known], high[known] = onward.starts(end[known].to_numpy(), end[known].to_numpy())
    (reach,) = reaches(n, units, [part.snapshots])
    wanted = target[units].clip(lower=low, upper=high)
    target[units] = reach.clip(wanted.to_numpy(), start[units].to_numpy())
    return target


def _planned(case: Case, snapshot: object) -> tuple[pd.Series, pd.Index, pd.Series]:
    """Planned levels at a snapshot [MWh], the rest of its window, and the levels at its end."""
    assert case.seams is not None
    label = next(label for label, index in case.windows.items() if snapshot in index)
    start, end = case.seams.edges(label)
    window = case.windows[label]
    passed = int(window.get_indexer(pd.Index([snapshot]))[0]) + 1
    share = passed / len(window)
    level = start + share * (end.fillna(start) - start)
    return level, window[passed:], end
