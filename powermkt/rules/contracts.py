"""Contract prices of energy: the band that holds them, and the carbon cost that moves them."""

from __future__ import annotations

import pandas as pd

from powermkt.case import Case
from powermkt.rules.base import Cleared


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
    capacity, province = plant["p_nom"].clip(upper=1e7), plant["province"]
    total = capacity.groupby(province).sum()
    mean = (capacity * plant["tariff"]).groupby(province).sum() / total.where(total > 0)
    benchmark = case.loads["province"].map(mean).fillna(case.default_tariff)
    own = loads.get("contract_base", pd.Series(float("nan"), loads.index))
    return pd.to_numeric(own, errors="coerce").fillna(benchmark).astype(float)


def output_energy(cleared: Cleared) -> pd.Series:
    """Output of each generator over the horizon [MWh]."""
    return cleared.outcome.dispatch.mul(cleared.case.weights, axis="index").sum()


def quota_energy(cleared: Cleared) -> pd.Series:
    """Output of each generator that sells under annual contracts, 0 of others [MWh]."""
    quota = cleared.case.generators["carrier"].isin(cleared.case.carriers.quota or [])
    return output_energy(cleared).where(quota, 0.0)


def carbon_cost(cleared: Cleared) -> pd.Series:
    """Mean carbon cost of the quota units of each province [money/MWh]."""
    sold, province = quota_energy(cleared), cleared.case.generators["province"]
    total = sold.groupby(province).sum()
    cost = (sold * cleared.carbon_adder).groupby(province).sum()
    return (cost / total).where(total > 0, 0.0)
