"""Contract prices of energy: the band that holds them, and the carbon cost that moves them."""

from __future__ import annotations

import pandas as pd

from powermkt.inputs.case import Case
from powermkt.rules.base import Cleared

UNBOUNDED_MW = 1e7  # what plant without a bound counts for in means by capacity


def in_band(
    price: pd.Series, base: pd.Series, band: float, capped: pd.Series | bool = True
) -> pd.Series:
    """Hold contract prices between ``base (1 - band)`` and ``base (1 + band)``.

    Parameters
    ----------
    price, base : Series, money/MWh
    band : float
        Half width of the band [1].
    capped : Series of bool, or bool, default True
        Whether the upper end holds.
    """
    held = price.clip(lower=base * (1 - band))
    return held.where(~(capped & (held > base * (1 + band))), base * (1 + band))


def contract_base(case: Case) -> pd.Series:
    """Middle of the band of contract prices, [load] in money/MWh.

    `loads.contract_base`; where it is absent or empty, the benchmark tariff of the province: the
    capacity-weighted mean `generators.tariff` of its quota units, without any the default tariff.
    """
    plant, loads = case.generators, case._n.loads
    plant = plant[plant["carrier"].isin(case.carriers.quota or [])]
    capacity, province = plant["p_nom"].clip(upper=UNBOUNDED_MW), plant["province"]
    total = capacity.groupby(province).sum()
    mean = (capacity * plant["tariff"]).groupby(province).sum() / total.where(total > 0)
    benchmark = case.loads["province"].map(mean).fillna(case.default_tariff)
    own = loads.get("contract_base", pd.Series(float("nan"), loads.index))
    return pd.to_numeric(own, errors="coerce").fillna(benchmark).astype(float)


def output_energy(cleared: Cleared) -> pd.Series:
    """Output of each generator over the horizon [MWh]."""
    return _over_horizon(cleared, cleared.outcome.dispatch)


def quota_energy(cleared: Cleared) -> pd.Series:
    """Output of each generator that sells under annual contracts, 0 of others [MWh]."""
    return output_energy(cleared).where(_sells_under_contract(cleared), 0.0)


def carbon_cost(cleared: Cleared) -> pd.Series:
    """Mean carbon cost of the quota units of each province [money/MWh]."""
    province, chosen = cleared.case.generators["province"], _sells_under_contract(cleared)
    total = quota_energy(cleared).groupby(province).sum()
    paid = _over_horizon(cleared, cleared.outcome.dispatch * cleared.carbon_adder)
    cost = paid.where(chosen, 0.0).groupby(province).sum()
    return (cost / total).where(total > 0, 0.0)


def _over_horizon(cleared: Cleared, rate: pd.DataFrame) -> pd.Series:
    """Sum over the horizon of what generators have per hour."""
    return rate.mul(cleared.case.weights, axis="index").sum()


def _sells_under_contract(cleared: Cleared) -> pd.Series:
    return cleared.case.generators["carrier"].isin(cleared.case.carriers.quota or [])
