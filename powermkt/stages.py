"""Clear the stages of a regime in a window: at once, or a day ahead and then in real time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from powermkt.case import Case
from powermkt.clearing import Builder, clear
from powermkt.cutting import carried, cut_back, level_before
from powermkt.levels import bind_levels
from powermkt.outcome import Outcome, join
from powermkt.programme import Limits
from powermkt.reach import reaches
from powermkt.regime import Regime
from powermkt.rules import TwoSettlement
from powermkt.units import STATUS, fast_units, hand_on
from powermkt.window import clear_window, numbers_of


def clear_stages(case: Case, regimes: Sequence[Regime], ranges: bool = False) -> list[Outcome]:
    """Clear one window; parameters and errors as `clear_window`.

    Where a regime settles twice, outcomes are those of real time, with the one of the day ahead in
    `Outcome.day_ahead`, without ranges of curtailment.
    """
    twice = [item.two_settlement is not None for item in regimes]
    if not any(twice):
        return clear_window(case, regimes, ranges)
    found = []
    for item, staged in zip(regimes, twice, strict=True):
        if not staged:
            found += clear_window(case, [item], ranges)
            continue
        (ahead,) = clear_window(case.forecasted(), [item])
        found.append(_real_time(case, item, ahead))
    return found


def _real_time(case: Case, regime: Regime, ahead: Outcome) -> Outcome:
    """Dispatch interval by interval on actual values."""
    rule = regime.two_settlement
    assert rule is not None
    names = carried(case)
    levels = level_before(case.forecasted(), ahead)
    done: list[Outcome] = []
    for snapshots, horizon in _intervals(case, rule):
        label = next(iter(case.windows))
        part = case.part(horizon, label)
        if part.initial_online is None and len(ahead.online.columns):
            part.initial_online = ahead.online.iloc[-1]  # the window repeats itself
        if done:
            levels = done[-1].state_of_charge.iloc[-1]
            if len(done[-1].online.columns):
                part.initial_online = done[-1].online.iloc[-1]
            if len(ahead.status.columns):
                status = pd.concat([item.status for item in done])
                hand_on(part, case, status, done[-1].dispatch.iloc[-1])
        bind_levels(part._n, levels[names], _led_back(case, part, levels, ahead)[names])
        numbers = numbers_of(part, regime, False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyPSA's next string type
            programme = Builder(part).programme([item.constrain for item in regime.rules])
        kept = _kept(part, programme.variables, ahead, rule)
        numbers = replace(numbers, limits=[*numbers.limits, kept])
        done.append(cut_back(part, clear(part, programme, numbers), snapshots))
    outcome = join(done)
    outcome.day_ahead = ahead
    return outcome


def _intervals(case: Case, rule: TwoSettlement) -> list[tuple[pd.Index, pd.Index]]:
    """Snapshots that each dispatch decides, and those it sees."""
    index = case.snapshots
    hours = case._n.snapshot_weightings["stores"].cumsum().to_numpy()
    before = np.concatenate([[0.0], hours[:-1]])
    number = np.floor((before + 1e-9) / rule.interval).astype(int)
    found = []
    for k in np.unique(number):
        own = np.flatnonzero(number == k)
        seen = own[0] + np.flatnonzero(hours[own[0] :] <= hours[own[-1]] + rule.look_ahead + 1e-9)
        found.append((index[own], index[seen]))
    return found


def _led_back(case: Case, part: Case, levels: pd.Series, ahead: Outcome) -> pd.Series:
    """Levels at the end of a look-ahead [MWh]: those of the day ahead, as far as can be reached."""
    target = ahead.state_of_charge.loc[part.snapshots[-1]].astype(float)
    names = case._n.storage_units.index
    (reach,) = reaches(case._n, names, [part.snapshots])
    target[names] = reach.clip(target[names].to_numpy(), levels[names].to_numpy())
    return target


def _kept(
    part: Case, variables: dict[str, pd.DataFrame], ahead: Outcome, rule: TwoSettlement
) -> Limits:
    """What real time takes over from the day ahead: units that start slowly, online capacity."""
    limits: dict[str, tuple[pd.DataFrame | pd.Series, pd.DataFrame | pd.Series]] = {}
    slow = ahead.status.columns.difference(fast_units(part, rule.fast_start_hours))
    if len(slow):
        status = ahead.status.loc[part.snapshots, slow]
        limits[STATUS] = (status, status)
    if "Fleet-online" in variables:
        at = variables["Fleet-online"]
        online = ahead.online.loc[part.snapshots, at.columns]
        online = online.clip(upper=part.availability[at.columns])  # what has failed since
        level = online if at.index.equals(part.snapshots) else online.min()
        limits["Fleet-online"] = (level, level)
    return limits
