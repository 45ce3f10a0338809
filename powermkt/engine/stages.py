"""Clear the stages of a regime in a window: at once, or a day ahead and then in real time."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from powermkt.dispatch.clearing import Builder, clear
from powermkt.dispatch.cutting import carried, cut_back
from powermkt.dispatch.handing import continue_from
from powermkt.dispatch.outcome import Outcome, join
from powermkt.dispatch.programme import Limits
from powermkt.engine.regime import Regime
from powermkt.engine.window import clear_window, numbers_of
from powermkt.errors import ClearingError, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.levels import bind_levels
from powermkt.rules import DemandRule, TwoSettlement
from powermkt.system.reach import reaches
from powermkt.system.units import STATUS, fast_units


def clear_stages(
    case: Case, regimes: Sequence[Regime], ranges: bool = False, margins: bool = False
) -> list[Outcome]:
    """Clear one window; parameters and errors as `clear_window`.

    Where a regime settles twice, outcomes are those of real time, with the one of the day ahead in
    `Outcome.day_ahead`, without ranges of curtailment.
    """
    twice = [item.two_settlement is not None for item in regimes]
    if not any(twice):
        return clear_window(case, regimes, ranges, margins)
    found = []
    expected = case.forecasted()  # once, so that carbon prices share PyPSA's rows
    for item, staged in zip(regimes, twice, strict=True):
        if not staged:
            found += clear_window(case, [item], ranges, margins)
            continue
        (ahead,) = clear_window(expected, [item])
        found.append(_real_time(case, item, ahead, margins))
    return found


def _real_time(case: Case, regime: Regime, ahead: Outcome, margins: bool) -> Outcome:
    """Dispatch interval by interval on actual values."""
    rule = regime.two_settlement
    assert rule is not None
    case, regime, reaction = _as_planned(case, regime, ahead)
    names = carried(case)
    levels = _levels_before(case, ahead)
    label = next(iter(case.windows))
    done: list[Outcome] = []
    broken: set[str] = set()  # units that failed: they come back when they can
    for snapshots, horizon in _intervals(case, rule):
        part = case.part(horizon, label)
        if part.initial_online is None and len(ahead.online.columns):
            part.initial_online = ahead.online.iloc[-1]  # the window repeats itself
        if done:
            levels = done[-1].state_of_charge.iloc[-1]
            continue_from(part, case, done)
            _soften_ramps(part, ahead)
        bind_levels(part._n, levels[names], _led_back(case, part, levels, ahead)[names])
        fast = getattr(regime.pricing, "fast_start_hours", rule.fast_start_hours)
        broken |= _let_fail(part, ahead, fast_units(part, fast))
        numbers = numbers_of(part, regime, margins=margins)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyPSA's next string type
            programme = Builder(part).programme([item.constrain for item in regime.rules])
        slow = ahead.status.columns.difference(fast_units(case, rule.fast_start_hours))
        kept = _kept(part, programme.variables, ahead, slow, broken)
        numbers = replace(numbers, limits=[*numbers.limits, kept])
        try:
            outcome = clear(part, programme, numbers)
        except ClearingError as error:
            raise ClearingError(f"real time from {horizon[0]}: {error}") from None
        done.append(cut_back(part, outcome, snapshots))
    outcome = join(done)
    outcome.day_ahead = ahead
    if reaction is not None:
        outcome.elastic, outcome.shifted, outcome.demand_cost = reaction
        outcome.cost += float(reaction[2].mul(case.weights, axis="index").to_numpy().sum())
    if broken:
        note = f"{label}: not as committed since they could not run: {name_list(sorted(broken))}"
        outcome.notes.append(note)
    return outcome


def _as_planned(
    case: Case, regime: Regime, ahead: Outcome
) -> tuple[Case, Regime, tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame] | None]:
    """Let users do in real time what they planned, as far as their load is that high.

    Return the case with their load, the regime without the rules of demand, and what they do.
    """
    rules = tuple(rule for rule in regime.rules if not isinstance(rule, DemandRule))
    if not len(ahead.demand_cost.columns):
        return case, replace(regime, rules=rules), None
    load = case.dense("Load", "p_set")
    elastic, shifted = (
        frame.reindex(columns=load.columns, fill_value=0.0)
        for frame in (ahead.elastic, ahead.shifted)
    )
    change = (elastic + shifted).clip(lower=-load.clip(lower=0.0))
    case = case.with_series({"loads_t.p_set": load + change})
    return case, replace(regime, rules=rules), (change - shifted, shifted, ahead.demand_cost)


def _levels_before(case: Case, ahead: Outcome) -> pd.Series:
    """Levels of storage before the window [MWh], from which the standing loss is taken.

    Cyclic storage begins where the day ahead ends. PyPSA lets a given level lose nothing in the
    first snapshot: what would have left it.
    """
    n = case._n
    hours = float(n.snapshot_weightings["stores"].iloc[0])
    parts = []
    for component, table, cyclic, given in (
        ("StorageUnit", n.storage_units, "cyclic_state_of_charge", "state_of_charge_initial"),
        ("Store", n.stores, "e_cyclic", "e_initial"),
    ):
        loss = case.dense(component, "standing_loss").iloc[0]
        known = table[given] / ((1 - loss) ** hours).replace(0.0, 1.0)
        end = ahead.state_of_charge[table.index].iloc[-1]
        parts.append(known.where(~table[cyclic].astype(bool), end))
    return pd.concat(parts)


def _soften_ramps(part: Case, ahead: Outcome) -> None:
    """Take output before an interval for no more than its planned levels can ramp down from.

    Levels follow the day ahead while output may have been higher.
    """
    table = part.generators.loc[ahead.online.columns]
    falling = table[table["ramp_down"].notna()]
    if falling.empty or part.initial_output is None or part.initial_online is None:
        return
    names, limit = falling.index, falling["ramp_down"]
    edge = falling[["min_stable_pu", "ramp_down"]].max(axis=1)
    now = np.minimum(ahead.online[names].loc[part.snapshots[0]], part.availability[names].iloc[0])
    shut = (part.initial_online[names] - now).clip(lower=0.0)
    most = now * (1 + limit) + edge * shut
    part.initial_output[names] = part.initial_output[names].clip(upper=most)


def _let_fail(part: Case, ahead: Outcome, fast: pd.Index) -> set[str]:
    """Let units that cannot give their minimum break their times and ramps; return which."""
    n, names = part._n, ahead.status.columns
    if names.empty:
        return set()
    minimum = n.get_switchable_as_dense("Generator", "p_min_pu")[names]
    most = n.get_switchable_as_dense("Generator", "p_max_pu")[names]
    on = ahead.status.loc[part.snapshots] > 0.5
    failing = names[((most < minimum - 1e-9) & on).any()]
    table, ramps = n.generators, ["ramp_limit_up", "ramp_limit_down"]
    # Who loses capacity faster than it could ramp down is not held to its ramps.
    before = (table.loc[names, "p_init"] / table.loc[names, "p_nom"]).fillna(most.iloc[0])
    down = n.get_switchable_as_dense("Generator", "ramp_limit_down")[names].fillna(1.0)
    steps = most.shift().fillna(before.to_frame().T.set_axis(most.index[:1])) - most
    derated = names[(steps > down + 1e-9).any()].difference(failing)
    for column in ramps if len(derated) else ():
        table.loc[derated, column] = np.nan
        n.generators_t[column] = n.generators_t[column].drop(columns=derated, errors="ignore")
    if len(failing):
        table["fast_start"] = table.index.isin(fast)  # as before its times are taken away
        part.still_on = {k: left for k, left in part.still_on.items() if k not in failing}
        table.loc[failing, ["min_up_time", "min_down_time"]] = 0
        table.loc[failing, [*ramps, "ramp_limit_start_up", "ramp_limit_shut_down"]] = np.nan
        for column in ramps:
            series = n.generators_t[column]
            n.generators_t[column] = series.drop(columns=failing, errors="ignore")
    return set(failing)


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
    part: Case,
    variables: dict[str, pd.DataFrame],
    ahead: Outcome,
    slow: pd.Index,
    broken: set[str],
) -> Limits:
    """What real time takes over from the day ahead: units that start slowly, online capacity."""
    limits: dict[str, tuple[pd.DataFrame | pd.Series, pd.DataFrame | pd.Series]] = {}
    if len(slow):
        status = ahead.status.loc[part.snapshots, slow]
        least = status.copy()
        least[[name for name in slow if name in broken]] = 0.0
        limits[STATUS] = (least, status)
    if "Fleet-online" in variables:
        at = variables["Fleet-online"]
        online = ahead.online.loc[part.snapshots, at.columns]
        online = online.clip(upper=part.availability[at.columns])  # what has failed since
        level = online if at.index.equals(part.snapshots) else online.min()
        limits["Fleet-online"] = (level, level)
    return limits
