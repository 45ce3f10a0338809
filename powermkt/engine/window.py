"""Clear one window of a case under several regimes."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby

import pandas as pd

from powermkt.dispatch.clearing import Builder, Constrain, clear
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import Numbers
from powermkt.dispatch.programme import Limits
from powermkt.dispatch.sequential import ThreeSteps
from powermkt.dispatch.tiers import clear_tiers
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case
from powermkt.rules import Cleared, LocationalPrice
from powermkt.system.units import STATUS


def clear_window(
    case: Case, regimes: Sequence[Regime], ranges: bool = False, margins: bool = False
) -> list[Outcome]:
    """Clear one window; neighbours of one structure share a programme and its live solver.

    Parameters
    ----------
    case : Case
        The window.
    regimes : sequence of Regime
        At their carbon prices.
    ranges : bool, default False
        Find the range of curtailment as well.
    margins : bool, default False
        Find which carriers give one more MWh of load as well.

    Returns
    -------
    list of Outcome, one a regime

    Raises
    ------
    ClearingError
        As `clearing.clear`.
    """
    found: list[Outcome] = []
    with warnings.catch_warnings(), _rarely_collected():
        # PyPSA announces its next string type at every copy, in every process.
        warnings.simplefilter("ignore", FutureWarning)
        builder = Builder(case)
        for _, alike in groupby(regimes, key=lambda item: item.structure):
            group = list(alike)
            if group[0].tiers is not None and len(case.corridors):
                found += _clear_in_tiers(case, builder, group, ranges, margins)
                continue
            if group[0].buys_after_energy(case):
                found += _clear_in_steps(case, builder, group, ranges, margins)
                continue
            programme = builder.programme(rows_of(group[0]))
            found += [
                clear(case, programme, numbers_of(case, item, ranges, margins)) for item in group
            ]
        builder.close()
    return found


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Let Python look less often for cycles: a model is many small objects that stay."""
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _clear_in_steps(
    case: Case, builder: Builder, regimes: Sequence[Regime], ranges: bool, margins: bool
) -> list[Outcome]:
    """Clear regimes of one structure that buy reserves after energy."""
    steps = _three_steps(case, builder, regimes[0])
    return [_stepped(case, steps, item, {}, ranges, margins) for item in regimes]


def _three_steps(case: Case, builder: Builder, item: Regime) -> ThreeSteps:
    return ThreeSteps(case, builder, rows_of(item.energy_alone), rows_of(item))


def _stepped(
    case: Case, steps: ThreeSteps, item: Regime, limits: Limits, ranges: bool, margins: bool
) -> Outcome:
    """Clear energy, reserves and energy again, within further limits."""
    alone, both = numbers_of(case, item.energy_alone), numbers_of(case, item, ranges, margins)
    return steps.clear(_within(alone, limits), _within(both, limits), partial(_paid, case, item))


def _within(numbers: Numbers, limits: Limits) -> Numbers:
    return replace(numbers, limits=[*numbers.limits, limits])


def _clear_in_tiers(
    case: Case, builder: Builder, regimes: Sequence[Regime], ranges: bool, margins: bool
) -> list[Outcome]:
    """Clear regimes of one structure in which provinces trade before they clear.

    Reserves that are bought after energy are bought in the second tier.
    """
    steps = None
    if regimes[0].buys_after_energy(case):
        steps = _three_steps(case, builder, regimes[0])
    programme = builder.programme(rows_of(regimes[0])) if steps is None else steps.energy
    found = []
    for item in regimes:
        rule = item.tiers
        assert rule is not None

        def second(limits: Limits, item: Regime = item) -> Outcome:
            if steps is not None:
                return _stepped(case, steps, item, limits, ranges, margins)
            return clear(case, programme, _within(numbers_of(case, item, ranges, margins), limits))

        early = numbers_of(case, item if steps is None else item.energy_alone)
        plan = rule.framework(case)
        found.append(
            clear_tiers(case, programme, early, plan, partial(rule.purchases, case), second)
        )
    return found


def _paid(case: Case, item: Regime, outcome: Outcome) -> pd.DataFrame:
    """What energy is paid at each bus, [snapshot x bus] in money/MWh."""
    pricing = item.pricing
    assert isinstance(pricing, LocationalPrice)  # as `Sequential` asks for
    return pricing.settlement_prices(Cleared(case, outcome, item.carbon_adder(case)))


def rows_of(item: Regime) -> list[Constrain]:
    """What writes the rows of a regime."""
    return [rule.constrain for rule in item.rules]


def numbers_of(case: Case, item: Regime, ranges: bool = False, margins: bool = False) -> Numbers:
    """What the rules of a regime put into the programme of a window."""
    return Numbers(
        offers=[rule.offer(case) for rule in item.rules],
        ranking=[rule.rank_by(case) for rule in item.rules],
        limits=[*(rule.limit(case) for rule in item.rules), _still_on(case)],
        exposure=item.exposure(case),
        priced=item.priced_emission(case),
        units=item.units,
        price_run=lambda found: item.pricing.price_run(case, found.commitment),
        canonical=item.canonical,
        ranges=ranges,
        margins=margins,
    )


def _still_on(case: Case) -> Limits:
    """Units that started before the window and must stay on."""
    if not case.still_on:
        return {}
    least = pd.DataFrame(0.0, case.snapshots, list(case.still_on))
    for name, left in case.still_on.items():
        least.loc[least.index[:left], name] = 1.0
    return {STATUS: (least, 0.0 * least + 1.0)}
