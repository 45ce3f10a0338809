"""Who pays a service: its cost shared by a measure times a weight."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.deeppeak import is_below_base
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.inputs.servicecheck import party_weights
from powermkt.inputs.services import Charge
from powermkt.rules.base import Cleared


def charged(cleared: Cleared, amounts: pd.DataFrame, charges: Sequence[Charge]) -> pd.DataFrame:
    """Return what everybody pays of a service; the sum is what providers are paid.

    Parameters
    ----------
    cleared : Cleared
    amounts : DataFrame [snapshot x provider]
        What providers are paid, money of the horizon.
    charges : sequence of Charge
        Each takes its share of the sum of their shares. Where nobody has anything to be measured
        by in a period, its cost is shared over the horizon; where nobody has then either, others
        pay, as `Charge` says.

    Returns
    -------
    DataFrame [snapshot x party]
        Money of the horizon; no columns where payments cancel out everywhere.
    """
    total = sum(charge.share for charge in charges)
    parts = []
    for charge in charges:
        basis = _basis(cleared, charge)
        for province, cost in _costs(cleared.case, amounts, charge):
            part = cost * (charge.share / total)
            parts.append(_shared(cleared, part, charge, basis, province))
    if not parts:
        return pd.DataFrame(index=amounts.index)
    both = pd.concat(parts, axis=1)
    return both.T.groupby(level=0, sort=False).sum().T


def _costs(
    case: Case, amounts: pd.DataFrame, charge: Charge
) -> list[tuple[str | None, pd.Series]]:  # fmt: skip
    """Costs by the province in which they are shared, None for all."""
    if charge.area == "all":
        return [(None, amounts.sum(axis=1))]
    provinces = pd.concat([case.generators["province"], case.storage_units["province"]])
    parts = amounts.T.groupby(provinces.reindex(amounts.columns)).sum().T
    return [(str(name), cost) for name, cost in parts.items() if (cost != 0).any()]


def _basis(cleared: Cleared, charge: Charge) -> pd.DataFrame:
    """What costs are shared by, [snapshot x party] in MWh times weights."""
    weights = party_weights(cleared.case._n, charge)
    energy = _measure(cleared, charge)[weights.index].mul(cleared.case.weights, axis="index")
    return energy.mul(weights, axis="columns")


def _shared(
    cleared: Cleared, cost: pd.Series, charge: Charge, basis: pd.DataFrame, province: str | None
) -> pd.DataFrame:  # fmt: skip
    """Share a cost by a basis, within a province or among all, or by what takes its place."""
    charge, basis = _payers(cleared, charge, basis, province)
    period = _periods(cleared.case, charge)
    whole = basis.sum(axis=1).groupby(period).transform("sum")
    alone = (cost * (whole <= 0)).sum()  # costs of periods in which nobody can pay
    shared = cost.groupby(period).transform("sum").where(whole > 0, 0.0)
    shares = basis.div(whole.where(whole > 0), axis="index").fillna(0.0)
    return shares.mul(shared, axis="index") + basis * (alone / basis.to_numpy().sum())


def _payers(
    cleared: Cleared, charge: Charge, basis: pd.DataFrame, province: str | None
) -> tuple[Charge, pd.DataFrame]:  # fmt: skip
    """Who pays and by what: the first, as `Charge` lists them, that anybody is measured by."""
    own = _within(cleared.case, basis, province)
    if own.to_numpy().sum() > 0:
        return charge, own
    load = Charge(weights=charge.weights, exempt=charge.exempt, period=charge.period)
    for other in (load, load.model_copy(update={"by": "energy"}), Charge()):
        whole = _basis(cleared, other)
        for area in dict.fromkeys((province, None)):
            part = _within(cleared.case, whole, area)
            if part.to_numpy().sum() > 0:
                return other, part
    raise ValueError("a service has a cost and nobody can pay it: there is no load")


def _within(case: Case, basis: pd.DataFrame, province: str | None) -> pd.DataFrame:
    """Columns of the parties in a province, None for all."""
    if province is None:
        return basis
    tables = (case.generators, case.storage_units, case.loads)
    home = pd.concat([table["province"] for table in tables])
    return basis.loc[:, basis.columns.isin(home.index[home == province])]


def _periods(case: Case, charge: Charge) -> pd.Series:
    """Period within which costs are shared, by snapshot."""
    index = case.snapshots
    if charge.period == "horizon":
        return pd.Series("", index=index)
    if charge.period == "day" and isinstance(index, pd.DatetimeIndex):
        return pd.Series(index.strftime("%Y-%m-%d"), index=index)
    return pd.Series(range(len(index)), index=index)


def _measure(cleared: Cleared, charge: Charge) -> pd.DataFrame:
    """What parties are measured by, [snapshot x party] in MW; never negative."""
    case, outcome = cleared.case, cleared.outcome
    if charge.by == "load":
        return outcome.served(case).clip(lower=0.0)
    if charge.by == "energy":
        return _counted(case, outcome, charge, _supply(case, outcome).clip(lower=0.0))
    if outcome.day_ahead is None:  # nothing was planned: nobody deviates
        everybody = [_supply(case, outcome), outcome.served(case)]
        return pd.concat(everybody, axis=1) * 0.0
    before, planned = outcome.day_ahead, case.forecasted()
    supply = _supply(case, outcome) - _supply(case, before)
    supply = _counted(case, outcome, charge, supply)
    load = outcome.served(case) - before.served(planned)
    change = pd.concat([supply, load], axis=1).abs()
    return change.where(change > NOISE_MW, 0.0)


def _counted(
    case: Case, outcome: Outcome, charge: Charge, supply: pd.DataFrame
) -> pd.DataFrame:  # fmt: skip
    """Leave out plant in snapshots in which it gives deep peak regulation."""
    if not charge.above_base:
        return supply
    below = is_below_base(case, outcome)
    return supply.mask(below.reindex(columns=supply.columns, fill_value=False), 0.0)


def _supply(case: Case, outcome: Outcome) -> pd.DataFrame:
    return pd.concat([outcome.dispatch, outcome.storage[case.storage_units.index]], axis=1)
