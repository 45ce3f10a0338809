"""Trade between provinces before trade within them: one window in three clearings.

0. Every province clears by itself with the framework schedule on its borders: what it would do
   without its neighbours, and its price.
1. First tier: all provinces trade on what the framework leaves of the corridors. Plant that is
   costly to start or to keep on stays as committed before.
2. Second tier: every province clears again, with the flows of the first as its borders. This is
   what is dispatched, and its marginal values are the prices within provinces. Trade fills a
   province up to where its own plant stands at a limit, so that with firm borders any price between
   what runs last and what would run next supported the dispatch. Borders have a leeway of 0.1 MW:
   where nothing congests, the price at home is that of trade.

What is minimised (offers, fees and ranks) never rises from step to step: the schedule lies within
the limits of the first tier, and what that dispatched within those of the second. No step comes
below the joint clearing of all provinces, whose limits contain all of theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from powermkt.dispatch.clearing import clear
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import Numbers
from powermkt.dispatch.programme import Limits, Programme
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case
from powermkt.system.fleet import fleets
from powermkt.system.slack import EXCESS_COST, UNSERVED_COST
from powermkt.system.units import STATUS

_ONLINE = "Fleet-online"
_LEEWAY_MW = 0.1  # far above the margins by which `search` widens limits


def clear_tiers(
    case: Case,
    programme: Programme,
    numbers: Numbers,
    framework: pd.DataFrame,
    purchases: Callable[[Outcome], Limits],
    second: Callable[[Limits], Outcome],
) -> Outcome:
    """Clear a window in tiers.

    Parameters
    ----------
    case : Case
        The window; it has corridors.
    programme : Programme
        In which provinces clear by themselves, and then trade.
    numbers : Numbers
        For it; its limits are those of the first tier.
    framework : DataFrame [snapshot x corridor], MW
    purchases : callable
        From what provinces did by themselves, further limits of the first tier.
    second : callable
        Clears the second tier within limits.

    Returns
    -------
    Outcome
        Of the second tier, with `local_price` and `tier_price`.

    Raises
    ------
    ClearingError
        As `clearing.clear`; alone, a province may lack load or have too much.
    """
    alone = [*numbers.limits, {"Link-p": (framework, framework)}]
    local = clear(_elastic(case), programme, replace(numbers, limits=alone))
    kept = _as_committed(case, programme, local)
    bought = purchases(local)
    try:
        limits = [*numbers.limits, kept, bought]
        first = clear(case, programme, replace(numbers, limits=limits))
    except ClearingError as error:
        raise ClearingError(f"first tier: {error}") from None
    flows = first.flows[framework.columns]
    outcome = second({**bought, "Link-p": (flows - _LEEWAY_MW, flows + _LEEWAY_MW)})
    outcome.local_price, outcome.tier_price = local.offer_price, first.offer_price
    outcome.solver_seconds += local.solver_seconds + first.solver_seconds
    label = next(iter(case.windows))
    for name, step in (("alone", local), ("first tier", first)):
        said = (note.removeprefix(f"{label}: ") for note in step.notes)
        outcome.notes += [f"{label}: {name}: {note}" for note in said]
    return outcome


def _elastic(case: Case) -> Case:
    """Let a province alone leave load to trade that it cannot serve, and output that it cannot use.

    Costs are those of the programme, which has them where nothing is declared as well.
    """
    market = case.market
    slack = {
        "value_of_lost_load": market.value_of_lost_load or UNSERVED_COST,
        "price_of_excess": market.price_of_excess or EXCESS_COST,
    }
    return case.with_market(market.model_copy(update=slack))


def _as_committed(case: Case, programme: Programme, local: Outcome) -> Limits:
    """Limits that neither start nor stop anything.

    A fleet that may be on or off for nothing has made no decision that could be kept.
    """
    limits: dict[str, tuple[pd.DataFrame | pd.Series, pd.DataFrame | pd.Series]] = {}
    if len(local.status.columns):
        limits[STATUS] = (local.status, local.status)
    if _ONLINE in programme.variables:
        table = fleets(case)
        bound = ["start_cost", "no_load_cost", "min_up_time", "min_down_time"]
        costly = table.index[(table[bound] > 0).any(axis=1)]
        if len(costly):
            online = local.online[costly]
            hourly = programme.variables[_ONLINE].index.equals(case.snapshots)
            level = online if hourly else online.iloc[0]
            limits[_ONLINE] = (level, level)
    return limits
