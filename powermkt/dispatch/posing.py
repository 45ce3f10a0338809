"""What rules ask of the programme of a window: numbers by variable, and what they come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from powermkt.dispatch.marginal import outputs
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.programme import Adders, Limits, Point, Programme
from powermkt.dispatch.soft import penalties
from powermkt.dispatch.ties import TIES_OF_CURVES, tie_costs
from powermkt.inputs.case import Case
from powermkt.methods.certificate import MINIMISED
from powermkt.methods.mip import UnitCommitment

# Told of the optimum, what was minimised and what it costs [column], while the solver is at it.
Observer = Callable[[Programme, Point, np.ndarray, np.ndarray], None]


@dataclass(frozen=True)
class PriceRun:
    """What a run for prices changes against the dispatch, once units are committed.

    Attributes
    ----------
    adders : mapping
        By variable, added to the offers [money/MWh; money/h for a status].
    bounds : mapping
        By variable, lower and upper bounds that take the place of those of the dispatch.
    """

    adders: Adders
    bounds: Limits


@dataclass(frozen=True)
class Numbers:
    """What rules put into a programme.

    Attributes
    ----------
    offers : sequence of mapping
        By variable, what each rule adds to resource cost [money/MWh].
    ranking : sequence of mapping
        By variable, what decides dispatch beside offers and enters no price [money/MWh].
    limits : sequence of mapping
        By variable, lower and upper bounds [MW].
    exposure : sequence of mapping
        By variable, what one MWh adds to the net demand for allowances under each rule [t/MWh].
    priced : sequence of mapping
        By variable, emissions of one MWh times the multiple of the carbon price on them [t/MWh].
    units : UnitCommitment
        How units are committed.
    price_run : callable, optional
        From what was decided, what a run for prices changes; None: prices are those of the
        dispatch.
    canonical : bool, default False
        Find the optimum that does not depend on what was solved before (`Programme.solve`).
    ranges : bool, default False
        Also find the least and largest curtailment of each province and carrier over all optima.
    margins : bool, default False
        Also find which carriers give one more MWh of load (`marginal`).
    observer : callable, optional
        Told of the optimum of the dispatch.
    """

    offers: Sequence[Adders]
    ranking: Sequence[Adders]
    limits: Sequence[Limits]
    exposure: Sequence[Adders]
    priced: Sequence[Adders]
    units: UnitCommitment
    price_run: Callable[[Outcome], PriceRun | None] | None = None
    canonical: bool = False
    ranges: bool = False
    margins: bool = False
    observer: Observer | None = None


@dataclass(frozen=True)
class Posed:
    """What a programme minimises, within which bounds.

    Attributes
    ----------
    offered : ndarray [column]
        Offers.
    ranked : ndarray [column]
        Offers and what ranks units.
    tie : ndarray [column]
        Tiny costs beside them.
    lower, upper : ndarray [column]
    objectives : mapping of str to ndarray [column]
        Whose duals are wanted; "minimised" is `ranked + tie`. All in money of the horizon, or t.
    """

    offered: np.ndarray
    ranked: np.ndarray
    tie: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    objectives: Mapping[str, np.ndarray]


def posed(case: Case, programme: Programme, numbers: Numbers, curved: bool) -> Posed:
    """Return what the dispatch of a window minimises; quadratic costs come on top."""
    weights = case.weights
    emission = case.generators["emission_rate"]
    offered = offered_costs(case, programme, numbers)
    ranked = offered + _sum(programme, numbers.ranking, weights)
    tie = tie_costs(case, programme, numbers.canonical) * (TIES_OF_CURVES if curved else 1.0)
    objectives = {
        "offer": offered,
        "cost": programme.cost,
        "emission": programme.spread({"Generator-p": emission}, weights),
        "exposure": _sum(programme, numbers.exposure, weights),
        "priced": _sum(programme, numbers.priced, weights),
        MINIMISED: ranked + tie,
        **(outputs(case, programme) if numbers.margins else {}),
    }
    return Posed(offered, ranked, tie, *programme.bounds(numbers.limits), objectives)


def repriced(
    case: Case, programme: Programme, asked: Posed, pricing: PriceRun | None
) -> Posed | None:
    """Return what a run for prices minimises; None where prices are those of the dispatch.

    Its bounds are those of the dispatch with units fixed, `PriceRun.bounds` in their place.
    """
    ladder = case.market.penalties
    if pricing is None and ladder.pricing is None:
        return None
    variables, weights = programme.variables, case.weights
    violated = penalties(case, variables, ladder.pricing or ladder.dispatch)
    extra = _sum(programme, [{} if pricing is None else pricing.adders, violated], weights)
    extra -= programme.spread(penalties(case, variables, ladder.dispatch), weights)
    offered, ranked = asked.offered + extra, asked.ranked + extra
    wanted = {**asked.objectives, "offer": offered, MINIMISED: ranked + asked.tie}
    return replace(asked, offered=offered, ranked=ranked, objectives=wanted)


def offered_costs(case: Case, programme: Programme, numbers: Numbers) -> np.ndarray:
    """Return what everything costs at offers, [column] in money of the horizon."""
    dearer = penalties(case, programme.variables, case.market.penalties.dispatch)
    return programme.cost + _sum(programme, [*numbers.offers, dearer], case.weights)


def _sum(programme: Programme, adders: Sequence[Adders], weights: pd.Series) -> np.ndarray:
    total = np.zeros(len(programme.cost))
    for part in adders:
        total += programme.spread(part, weights)
    return total
