"""Tables of deep peak regulation and mileage: who gave how much, at which price."""

from __future__ import annotations

import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.deeppeak import areas, clearing_prices, depths, offers
from powermkt.dispatch.mileage import Called, call, servers
from powermkt.engine.regime import Regime
from powermkt.rules import Cleared, DeepPeakMarket, DeepPeakOffers, MileageMarket
from powermkt.rules.mileage import paid

DEEP_PEAK = ["snapshot", "area", "provider", "tier", "depth_mw", "offer", "price", "amount"]
MILEAGE = [
    "snapshot", "zone", "provider", "k", "quality", "bid", "rank_price", "mileage_mw", "price",
    "amount",
]  # fmt: skip
MILEAGE_PRICES = ["snapshot", "zone", "need_mw", "short_mw", "price"]


def deep_peak(regime: Regime, cleared: Cleared) -> pd.DataFrame:
    """Output below the base load rate; no rows without a rule for it.

    Returns
    -------
    DataFrame
        Columns snapshot, area, provider, tier (from 1), depth_mw, offer, price [money/MWh], amount
        [money of the horizon]. In the joint clearing price and amount are 0: nothing but
        energy is paid.
    """
    case = cleared.case
    market = any(isinstance(rule, DeepPeakMarket) for rule in regime.rules)
    joint = any(isinstance(rule, DeepPeakOffers) for rule in regime.rules)
    called = depths(case, cleared.outcome) if market or joint else []
    prices = clearing_prices(case, called) if called else []
    parts = []
    for tier, (depth, price, offer) in enumerate(
        zip(called, prices, offers(case) if called else [], strict=True), start=1
    ):
        price = price if market else 0.0 * price
        long = _long(
            {
                "depth_mw": depth,
                "offer": 0.0 * depth + offer,
                "price": price,
                "amount": (depth * price).mul(case.weights, axis="index"),
            }
        )
        parts.append(long[long["depth_mw"] > 0].assign(tier=tier))
    if not parts:
        return pd.DataFrame(columns=DEEP_PEAK)
    rows = pd.concat(parts)
    rows["area"] = rows["provider"].map(areas(case, called[0].columns))
    return rows.sort_values(["snapshot", "provider", "tier"], ignore_index=True)[DEEP_PEAK]


def mileage(regime: Regime, cleared: Cleared) -> pd.DataFrame:
    """Mileage awards above 0; no rows without `MileageMarket`.

    Returns
    -------
    DataFrame
        Columns snapshot, zone, provider, k [1], quality (of the figures behind k: given,
        recalled, estimated), bid, rank_price [money/MW], mileage_mw (in an hour), price [money/MW],
        amount [money of the horizon].
    """
    case, table = cleared.case, servers(cleared.case)
    parts = []
    calls = _calls(regime, cleared)
    for part, money in zip(calls, paid(case, calls), strict=True):
        columns = part.mileage.columns
        frames = {
            "mileage_mw": part.mileage,
            "rank_price": part.rank_price,
            "price": pd.DataFrame(dict.fromkeys(columns, part.price), index=part.price.index),
            "amount": money.mul(case.weights, axis="index"),
        }
        if len(columns):
            long = _long(frames)
            parts.append(long[long["mileage_mw"] > NOISE_MW].assign(zone=part.zone))
    if not parts:
        return pd.DataFrame(columns=MILEAGE)
    rows = pd.concat(parts)
    for column in ("k", "quality", "bid"):
        rows[column] = rows["provider"].map(table[column])
    return rows.sort_values(["snapshot", "zone", "rank_price"], ignore_index=True)[MILEAGE]


def mileage_prices(regime: Regime, cleared: Cleared) -> pd.DataFrame:
    """Mileage needed by zone; no rows without `MileageMarket`.

    Returns
    -------
    DataFrame
        Columns snapshot, zone, need_mw, short_mw (both in an hour), price [money/MW].
    """
    parts = [
        pd.DataFrame(
            {"zone": part.zone, "need_mw": part.need, "short_mw": part.short, "price": part.price}
        ).rename_axis(index="snapshot").reset_index()
        for part in _calls(regime, cleared)
    ]  # fmt: skip
    if not parts:
        return pd.DataFrame(columns=MILEAGE_PRICES)
    return pd.concat(parts, ignore_index=True)[MILEAGE_PRICES]


def _calls(regime: Regime, cleared: Cleared) -> list[Called]:
    asked = any(isinstance(rule, MileageMarket) for rule in regime.rules)
    return call(cleared.case, cleared.outcome) if asked else []


def _long(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each snapshot and provider."""
    return pd.DataFrame(
        {
            name: frame.rename_axis(index="snapshot", columns="provider").unstack()
            for name, frame in frames.items()
        }
    ).reset_index()
