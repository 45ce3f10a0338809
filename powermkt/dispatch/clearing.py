"""Clear one window: PyPSA's programme, the rules' rows, offers and limits, one optimum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import linopy
import numpy as np
import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.deeppeak import DEPTH
from powermkt.dispatch.demand import CHANGE
from powermkt.dispatch.marginal import mix_of
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import Numbers, posed, repriced
from powermkt.dispatch.programme import Point, Programme
from powermkt.dispatch.quadratic import Curves
from powermkt.dispatch.ranges import curtailment_range
from powermkt.dispatch.results import (
    by_bus,
    certificate_of,
    import_price_of,
    prices_of,
    read_outcome,
    reserve_prices_of,
    slack_of,
)
from powermkt.dispatch.soft import soften
from powermkt.dispatch.ties import TIES_OF_CURVES
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.inputs.curves import drop_quadratic
from powermkt.methods.certificate import DISPATCH, PRICES
from powermkt.methods.mip import UnitCommitment
from powermkt.system import fleet
from powermkt.system.fleet import fleets
from powermkt.system.ladders import STEP, quadratic_step_names
from powermkt.system.slack import EXCESS, SHED, add_slack
from powermkt.system.units import SHUT, START, STATUS, count_starts, reachable_ramps, units

Constrain = Callable[[linopy.Model, Case], None]

# PyPSA's rows take longest to write: they stay as long as their case, for who clears it again.
_KEPT: WeakKeyDictionary[Case, linopy.Model] = WeakKeyDictionary()
_MOST_KEPT = 1_000_000  # columns; of more the memory is worth more
_FEW_BUSES = 200  # of these one group of balances is written at once


class Builder:
    """Builds programmes of one window: PyPSA's rows once, the rules' rows for each regime.

    Parameters
    ----------
    case : Case
        The window.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        kept = _KEPT.pop(case, None)  # taken out: nobody else writes into it meanwhile
        self._model: linopy.Model = self._written() if kept is None else kept
        self._objective = self._model.objective.expression

    def _written(self) -> linopy.Model:
        """Return the model as PyPSA writes it, with slack and without what rules write."""
        case = self._case
        n = case.network()
        add_slack(n, case)
        committed = fleets(case).index
        for column in ("ramp_limit_up", "ramp_limit_down"):  # fleets ramp on online capacity
            n.generators.loc[committed, column] = np.nan
            series = n.generators_t[column]
            n.generators_t[column] = series.drop(columns=series.columns.intersection(committed))
        count_starts(n, case)
        # A bound on its status and no row holds such a unit on: a run for prices may lift it.
        held = list(case.still_on)
        n.generators.loc[held, "up_time_before"] = n.generators.loc[held, "min_up_time"]
        if case.initial_output is not None:
            reachable_ramps(n)
        ladders = case.ladders["generator"].unique()
        n.generators.loc[ladders, "marginal_cost"] = 0.0  # their steps cost
        drop_quadratic(n, case.dense("Generator", "marginal_cost"))  # likewise (`quadratic`)
        model: linopy.Model = n.optimize.create_model(
            consistency_check=False,
            include_objective_constant=False,
            # Balances in groups of buses save memory where there are many, and cost time else.
            meshed_thresholds=[] if len(n.buses) <= _FEW_BUSES else None,
        )
        soften(model, case)
        return model

    def programme(self, constrain: Sequence[Constrain]) -> Programme:
        """Return the programme with the rows that `constrain` adds."""
        model = self._model
        variables, constraints = set(model.variables), set(model.constraints)
        labels = model._xCounter, model._cCounter
        for rows in constrain:
            rows(model, self._case)
        programme = Programme(
            model, fleet.HELD, {STEP: quadratic_step_names(self._case)},
            {CHANGE: self._case.loads["bus"]},
        )  # fmt: skip
        # Leave the model as PyPSA made it, for the next regime.
        model.add_objective(self._objective, overwrite=True)
        model.remove_constraints([name for name in model.constraints if name not in constraints])
        for name in [name for name in model.variables if name not in variables]:
            model.remove_variables(name)
        model._xCounter, model._cCounter = labels  # without end they would grow
        return programme

    def close(self) -> None:
        """Leave PyPSA's rows to who clears the same case next."""
        if self._model.nvars <= _MOST_KEPT:
            _KEPT[self._case] = self._model


def clear(case: Case, programme: Programme, numbers: Numbers) -> Outcome:
    """Clear a window: commit units, dispatch, find prices.

    Units are committed by a mixed-integer programme; then what they do is fixed, and dispatch and
    prices are those of the linear programme that is left.

    Parameters
    ----------
    case : Case
        The window.
    programme : Programme
        As built for it.
    numbers : Numbers
        Offers and limits of the rules.

    Returns
    -------
    Outcome

    Raises
    ------
    ClearingError
        If there is no optimum, or load stays unserved without a declared value of lost load, or
        generation exceeds what can be used: province and hours are named.
    """
    curves = Curves(case, programme)
    asked = posed(case, programme, numbers, bool(curves))
    offered, ranked, tie = asked.offered, asked.ranked, asked.tie
    lower, upper = asked.lower, asked.upper
    label = next(iter(case.windows))
    search, notes = _no_search(), []
    try:
        how = numbers.units
        if programme.integral.any() and how.relaxed:
            notes.append("units were on in part: prices are those of a relaxed commitment")
        elif programme.integral.any():
            if curves:
                notes.append("units were committed with quadratic costs in equal steps")
            added, low, high = curves.evenly(lower, upper)
            lower, upper, search = commit(programme, ranked + added, low, high, how, label)
        wanted = asked.objectives
        point, added = curves.solve(ranked, lower, upper, wanted, tie, numbers.canonical)
    except ClearingError as error:
        raise ClearingError(f"{case.name}, window {label!r}: {error}") from None
    if numbers.observer is not None:
        numbers.observer(programme, point, ranked + added + tie, programme.cost + added)
    output = programme.values("Generator-p", point)
    refuse_slack(case, output)
    outcome = read_outcome(case, programme, point, output, slack_of(output, SHED))
    outcome.cost = float((programme.cost + added) @ point.columns)
    outcome.minimised = float((ranked + added) @ point.columns)
    outcome.search = search
    outcome.offered_cost = offered_cost_of(case, programme, point, offered)
    outcome.marginal_mix = mix_of(case, programme, point)
    if numbers.ranges:
        ties = TIES_OF_CURVES if curves else 1.0
        outcome.curtailment_range = curtailment_range(case, programme, point, ranked + added, ties)
    outcome.certificates = [certificate_of(point, label, DISPATCH)]
    pricing = None if numbers.price_run is None else numbers.price_run(outcome)
    again = repriced(case, programme, asked, pricing)
    if again is not None:
        bounds = programme.replaced(lower, upper, {} if pricing is None else pricing.bounds)
        priced, _ = curves.solve(again.ranked, *bounds, again.objectives, tie, numbers.canonical)
        outcome.certificates.append(certificate_of(priced, label, PRICES))
        outcome.offer_price = prices_of(case, programme, priced, "offer")
        # What one more MWh emits goes with what it costs.
        outcome.marginal_emission = prices_of(case, programme, priced, "emission")
        outcome.marginal_exposure = prices_of(case, programme, priced, "exposure")
        outcome.marginal_priced = prices_of(case, programme, priced, "priced")
        outcome.marginal_mix = mix_of(case, programme, priced)
        outcome.reserve_price = reserve_prices_of(case, programme, priced)
        outcome.import_price = import_price_of(case, programme, priced)
        outcome.price_unique = by_bus(case, programme, priced.unique)
        outcome.solver_seconds += priced.seconds
        notes += priced.notes
    notes += _exceeded(outcome.overload)
    outcome.notes = [f"{label}: {note}" for note in [*notes, *point.notes]]
    return outcome


def _exceeded(overload: pd.DataFrame) -> list[str]:
    """Say which branches carry more than their limits."""
    most = overload.max()
    return [
        f"{name} exceeds its limit in {int((overload[name] > NOISE_MW).sum())} "
        f"snapshots, by up to {most[name]:,.1f} MW"
        for name in overload.columns[most > NOISE_MW]
    ]


def _no_search() -> pd.DataFrame:
    """Searches for a commitment by window: none."""
    columns = ["objective", "bound", "gap", "seconds", "complete"]
    return pd.DataFrame(columns=columns, index=pd.Index([], dtype=str, name="window"), dtype=float)


def commit(
    programme: Programme, cost: np.ndarray, lower: np.ndarray, upper: np.ndarray,
    options: UnitCommitment, label: str,
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:  # fmt: skip
    """Bounds with the units fixed at what they do, and how they were found."""
    found = programme.commit(cost, lower, upper, options)
    whole = programme.integral
    lower, upper = lower.copy(), upper.copy()
    lower[whole] = upper[whole] = np.rint(found.columns[whole])
    search = _no_search()
    search.loc[label] = [
        found.objective, found.bound, found.gap, found.seconds, float(found.complete)
    ]  # fmt: skip
    return lower, upper, search


def offered_cost_of(
    case: Case, programme: Programme, point: Point, offered: np.ndarray
) -> pd.DataFrame:
    """What units offered to do what they did, [snapshot x unit] in money of the horizon."""
    names = units(case).index
    total = pd.DataFrame(0.0, index=case.snapshots, columns=names)
    paid = offered * point.columns
    below = [name for name in programme.variables if name.startswith(DEPTH)]
    for variable in ("Generator-p", STATUS, START, SHUT, *below):
        if variable in programme.variables:
            at = programme.variables[variable].reindex(columns=names)
            total += np.where(at.notna() & (at >= 0), paid[at.fillna(-1).astype(int)], 0.0)
    if STEP in programme.variables:
        at = programme.variables[STEP]
        owner = at.columns.str.replace(r" step \d+$", "", regex=True)
        cost = pd.DataFrame(np.where(at >= 0, paid[at], 0.0), at.index, owner)
        by_unit = cost.T.groupby(level=0).sum().T
        total = total.add(by_unit.reindex(columns=names, fill_value=0.0))
    return total


def refuse_slack(case: Case, output: pd.DataFrame) -> None:
    """Refuse unserved load and excess generation that the market file does not price.

    Parameters
    ----------
    case : Case
        The window.
    output : DataFrame [snapshot x generator], MW
        With the generators that stand for slack.

    Raises
    ------
    ClearingError
        Naming provinces and hours.
    """
    label = next(iter(case.windows))
    if case.market.price_of_excess is None:
        _refuse(case, label, slack_of(-output, EXCESS), "generation exceeds what can be used in")
    if case.market.value_of_lost_load is None:
        _refuse(case, label, slack_of(output, SHED), "load cannot be served in")


def _refuse(case: Case, label: str, slack: pd.DataFrame, what: str) -> None:
    """Raise if slack is used, naming each province, its hours and the largest amount."""
    by_province = slack.T.groupby(case.provinces).sum().T
    used = by_province > NOISE_MW
    if not used.any().any():
        return
    parts = []
    for province in used.columns[used.any()]:
        hours = used.index[used[province]]
        span = f"{hours[0]}" + (f" .. {hours[-1]} ({len(hours)} hours)" if len(hours) > 1 else "")
        parts.append(f"{province}: {span}, up to {by_province[province].max():,.1f} MW")
    raise ClearingError(f"{case.name}, window {label!r}: {what} " + "; ".join(parts))
