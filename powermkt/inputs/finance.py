"""What plant costs to build and to keep, and what an investment earns: IRR, NPV, payback.

An investment is a set of parts. Each costs `capex` at once and brings the same cash at the end of
every year of its lifetime; of a year that is not full it brings that part. Rates are real where
costs are: nothing here grows with time.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import compress
from typing import NamedTuple

import numpy as np
import pandas as pd
import pypsa
import pyxirr

from powermkt.common.tables import numbers
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.market import Market

DEFAULT = "default"
STATED = ["capex", "fixed_om", "lifetime", "discount_rate"]
NEVER_POSITIVE = "no IRR: cash flows never turn positive"
NO_FLOWS = "no IRR: there are no cash flows"
NEVER_NEGATIVE = "no IRR: cash flows never turn negative"
_LONGEST = 200.0
_KW = 1000.0  # kW per MW
_SIZE = 1e6
# PyPSA's columns: name -> (key of the market file, least, whether the least itself will do)
_COLUMNS = {
    "overnight_cost": ("capex", 0.0, True),
    "fom_cost": ("fixed_om", 0.0, True),
    "lifetime": ("lifetime", 0.0, False),
    "discount_rate": ("discount_rate", -1.0, False),
}
_TABLES = (("generators", "p_nom"), ("storage_units", "p_nom"), ("stores", "e_nom"))


class Earnings(NamedTuple):
    """What an investment earns.

    Attributes
    ----------
    irr : float
        Rate a year at which all cash flows are worth nothing together; NaN: see `irr_note`.
    npv : float
        At the discount rates of the parts, before year 1 [money].
    payback, discounted_payback : float
        Years until cash (discounted cash) has paid back the investment, as if it came evenly
        through each year; NaN: not within the lifetime.
    irr_note : str
        Why there is no IRR, else empty.
    """

    irr: float
    npv: float
    payback: float
    discounted_payback: float
    irr_note: str


def plant_finance(n: pypsa.Network, market: Market) -> pd.DataFrame:
    """What all plant costs to build and to keep.

    PyPSA's columns `overnight_cost` and `fom_cost` (above 0) [money/MW, of stores money/MWh],
    `lifetime` (finite) and `discount_rate` come first, each by itself; then `finance` of the market
    file by carrier, then its key `default`. Stores are in no market file: it speaks of kW.

    Returns
    -------
    DataFrame [generator, storage unit, store]
        Columns capex [money], fixed_om [money/a, 0 where nothing says], lifetime [a],
        discount_rate [1/a]; NaN where nothing says.
    """
    parts = []
    fallback = market.finance.get(DEFAULT)
    for name, size in _TABLES:
        table: pd.DataFrame = getattr(n, name)
        found = pd.DataFrame(np.nan, table.index, STATED)
        for column, (key, _, _) in _COLUMNS.items():
            value = _given(table, column)
            if column == "fom_cost":
                value = value.where(value > 0)
            if name != "stores" or key in ("lifetime", "discount_rate"):
                scale = _KW if key in ("capex", "fixed_om") else 1.0
                by_carrier = {
                    carrier: scale * getattr(item, key)
                    for carrier, item in market.finance.items()
                    if getattr(item, key) is not None
                }
                value = value.fillna(table["carrier"].map(by_carrier).astype(float))
                if fallback is not None and getattr(fallback, key) is not None:
                    value = value.fillna(scale * getattr(fallback, key))
            found[key] = value
        found["fixed_om"] = found["fixed_om"].fillna(0.0)
        capacity = table[size].where(np.isfinite(table[size]))
        found[["capex", "fixed_om"]] = found[["capex", "fixed_om"]].mul(capacity, axis="index")
        parts.append(found)
    return pd.concat(parts)


def finance_faults(n: pypsa.Network, market: Market, where: str) -> Iterator[Fault]:
    """Name carriers that do not exist, and costs and lifetimes that cannot be."""
    known = {*n.generators["carrier"], *n.storage_units["carrier"], *n.carriers.index} - {""}
    for carrier in market.finance:
        if carrier != DEFAULT and carrier not in known:
            yield Fault(
                "market.yaml: finance", f"unknown carrier {carrier!r}", nearest(carrier, known)
            )
    for name, _ in _TABLES:
        table: pd.DataFrame = getattr(n, name)
        for column, (_, least, itself) in _COLUMNS.items():
            value = _given(table, column)
            wrong = (value < least) | ((value == least) & (not itself))
            wrong |= (value > _LONGEST) & (column == "lifetime")
            if wrong.any():
                what = {"lifetime": f"not within 0 .. {_LONGEST:g} years"}.get(
                    column, "negative" if itself else f"not above {least:g}"
                )
                names = name_list(table.index[wrong])
                yield Fault(f"{where}: {name}.{column}", f"{what} for {names}", "correct it")


def missing(finance: pd.DataFrame) -> pd.Series:
    """Say for each plant what it lacks for an IRR and an NPV, "" where it lacks nothing."""
    keys = ["capex", "lifetime", "discount_rate"]
    found = [", ".join(compress(keys, row)) for row in finance[keys].isna().to_numpy()]
    return pd.Series(found, finance.index, dtype=object)


def _given(table: pd.DataFrame, column: str) -> pd.Series:
    """Finite numbers of a column that may be absent, else NaN."""
    if column not in table:
        return pd.Series(np.nan, table.index)
    value = numbers(table[column])
    return value.where(np.isfinite(value))


def earnings(
    capex: np.ndarray, cash: np.ndarray, lifetime: np.ndarray, discount_rate: np.ndarray
) -> Earnings:
    """Return IRR, NPV and payback of an investment.

    Parameters
    ----------
    capex : array [part], money
    cash : array [part], money/a
        The same in every year of the lifetime.
    lifetime : array [part], a
    discount_rate : array [part], 1/a

    Returns
    -------
    Earnings
        By `pyxirr`: IRR the root of ``sum_t flow_t (1 + r)^-t = 0``. Flows that change sign more
        than once have several roots, and get a note instead of one of them.
    """
    flows = cash_flows(capex, cash, lifetime)
    irr, note = _irr(flows)
    discounted = np.zeros_like(flows)
    npv = 0.0
    for rate in np.unique(discount_rate):
        part = discount_rate == rate
        own = cash_flows(capex[part], cash[part], lifetime[part])
        npv += pyxirr.npv(float(rate), own) or 0.0
        discounted[: len(own)] += own / (1 + rate) ** np.arange(len(own))
    return Earnings(irr, npv, _payback(flows), _payback(discounted), note)


def cash_flows(capex: np.ndarray, cash: np.ndarray, lifetime: np.ndarray) -> np.ndarray:
    """Cash by year, the investment in year 0, [year] in money; parameters as of `earnings`."""
    return np.concatenate([[-capex.sum()], cash @ _shares(lifetime)])


def annuity(capex: float, lifetime: float, rate: float) -> float:
    """Return the yearly cash that earns a rate on an investment [money/a].

    ``capex / sum_t (1 + rate)^-t`` over the years of the lifetime; of a year that is not full only
    that part brings cash. Cash of just that has the rate as its IRR (`earnings`).

    Parameters
    ----------
    capex : float, money
    lifetime : float, a
    rate : float, 1/a
    """
    worth = pyxirr.npv(rate, cash_flows(np.zeros(1), np.ones(1), np.array([lifetime])))
    return capex / float(worth or np.nan)


def _shares(lifetime: np.ndarray) -> np.ndarray:
    """Share of each year in which a part brings cash, [part x year from 1]."""
    years = np.arange(1, int(np.ceil(lifetime.max(initial=0.0))) + 1)
    return np.clip(lifetime[:, None] - years + 1, 0.0, 1.0)


def _irr(flows: np.ndarray) -> tuple[float, str]:
    if not flows.any():
        return np.nan, NO_FLOWS
    if not (flows > 0).any():
        return np.nan, NEVER_POSITIVE
    if not (flows < 0).any():
        return np.nan, NEVER_NEGATIVE
    signs = np.sign(flows[flows != 0])
    changes = int((signs[1:] != signs[:-1]).sum())
    if changes > 1:
        return np.nan, f"no single IRR: cash flows change sign {changes} times"
    # Its tolerance is a sum of money: the root is sought at one size, and found to the last digit.
    rate = pyxirr.irr(flows * (_SIZE / np.abs(flows).max()), silent=True)
    return (np.nan, "no IRR was found") if rate is None else (float(rate), "")


def _payback(flows: np.ndarray) -> float:
    """Years until the sum of flows is no longer negative."""
    total = np.cumsum(flows)
    paid = np.flatnonzero(total >= 0)
    if not len(paid) or paid[0] == 0:
        return 0.0 if len(paid) else np.nan
    year = paid[0]
    return float(year - 1 - total[year - 1] / flows[year])


def rate_effects(
    rates: tuple[float, float], cash: tuple[np.ndarray, np.ndarray], lifetime: np.ndarray,
    effects: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """Split the change of an IRR into effects; they add up to it.

    With cash C of part m, lifetime n and ``a(r, n) = sum_t (1 + r)^-t``, investment being the same,

        0 = sum_m C1 a(r1) - C0 a(r0) = sum_m [(C1 - C0) a_mean + C_mean (a(r1) - a(r0))],

    means of before and after, so that what changes C by E changes the rate by

        sum_m E a_mean / -sum_m C_mean (a(r1) - a(r0)) / (r1 - r0).

    It is symmetric in before and after, needs no IRR on the way (there may be none), and with one
    lifetime shares the change out as the effects share that of cash (the Aumann-Shapley value).

    Parameters
    ----------
    rates : IRR before and after
    cash : array [part] before and after, money/a
    lifetime : array [part], a
    effects : array [part x effect], money/a
        Their sums over effects are the changes of cash.

    Returns
    -------
    array [effect]
        In the unit of the rates.
    """
    shares = _shares(lifetime)
    year = np.arange(1, shares.shape[1] + 1)
    before, after = (1 / (1 + rate) for rate in rates)
    worth = shares @ (before**year + after**year) / 2
    # (x^t - y^t) / (x - y) without dividing by what may be nothing.
    slope, power = np.empty(len(year)), 0.0
    for t in year:
        power = after * power + before ** (t - 1)
        slope[t - 1] = -before * after * power
    steepness = -(cash[0] + cash[1]) / 2 @ (shares @ slope)
    return worth @ effects / steepness
