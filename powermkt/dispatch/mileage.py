"""AGC mileage: how well providers follow, who is called in which order, at which price.

Providers are called in the order of bid over normalised performance, ``bid / (K / K_max)``, with
K_max the best of those that can serve in the zone and snapshot. Those of equal rank share what is
left pro rata to what they can give. Everybody is paid the highest rank price that was accepted,
times mileage, times K as far as it is paid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.inputs.regulation import TYPICAL, Mileage, MileageNeed, Performance, Quality, score
from powermkt.inputs.servicecheck import zone_buses
from powermkt.system.products import book_of

_FIGURES = ("speed", "standard", "response", "error")


@dataclass(frozen=True)
class Called:
    """What one zone needs and gets.

    Attributes
    ----------
    zone : str
    need, short, price : Series [snapshot]
        Mileage in an hour [MW]; what nobody can give of it [MW]; highest accepted rank price, 0
        where nobody is called [money/MW].
    mileage : DataFrame [snapshot x provider], MW
    rank_price : DataFrame [snapshot x provider], money/MW
        NaN where a provider cannot serve.
    """

    zone: str
    need: pd.Series
    short: pd.Series
    price: pd.Series
    mileage: pd.DataFrame
    rank_price: pd.DataFrame


def servers(case: Case) -> pd.DataFrame:
    """Who may serve, and how well.

    Returns
    -------
    DataFrame [provider]
        Columns bus, units [1], p_nom [MW], speed, standard [%/min], response [s], error [%],
        capability [MW; NaN: by speed], k [1], bid [money/MW], quality (given, or the weakest of
        the typical figures used).
    """
    data = case.market.services.mileage
    tables = [case.generators, case.storage_units.assign(units=1.0)]
    table = pd.concat([part[["bus", "carrier", "p_nom", "units"]] for part in tables])
    if data is None:
        return table.iloc[:0].assign(k=0.0, bid=0.0, quality="", speed=0.0, capability=0.0)
    chosen = table["carrier"].isin(data.carriers or []) | table.index.isin(data.providers or [])
    table = table[chosen & (table["p_nom"] > 0)]
    rows = []
    for name, carrier in table["carrier"].items():
        figures, quality = performance(data, str(name), carrier)
        bid = data.bids.get(str(name), data.bids.get(carrier, data.cap))
        k = score(data.weights, **{item: figures[item] for item in _FIGURES})
        rows.append({**figures, "k": k, "bid": bid, "quality": quality})
    columns = [*_FIGURES, "capability", "k", "bid", "quality"]
    return pd.concat([table, pd.DataFrame(rows, table.index, columns)], axis=1)


def performance(data: Mileage, name: str, carrier: str) -> tuple[dict[str, float], Quality]:
    """Figures of one provider: its own, those of its carrier, or typical ones."""
    stated = [data.performance.get(key, Performance()) for key in (name, carrier)]
    typical, label = typical_of(carrier)
    quality: Quality = "given"
    figures = {}
    for item in _FIGURES:
        values = [getattr(source, item) for source in (*stated, typical)]
        if values[0] is None and values[1] is None:
            quality = label
        figures[item] = next((value for value in values if value is not None), np.nan)
    own = [source.capability for source in stated if source.capability is not None]
    figures["capability"] = own[0] if own else np.nan
    return figures, quality


def typical_of(carrier: str) -> tuple[Performance, Quality]:
    """Typical figures of a carrier, all absent where none are known."""
    for part, found in TYPICAL.items():
        if part in carrier.lower():
            return found
    return Performance(), "estimated"


def call(case: Case, outcome: Outcome) -> list[Called]:
    """Return what each zone needs and who serves it; nothing without `services.mileage`."""
    data = case.market.services.mileage
    if data is None:
        return []
    table = servers(case)
    capacity, count = _on(case, outcome, table)
    by_speed = table["speed"] / 100.0 * 60.0
    stated = table["capability"].notna().to_numpy()
    by_figure = (capacity > NOISE_MW) * table["capability"].fillna(0.0)
    most = (capacity * by_speed).mask(np.tile(stated, (len(capacity), 1)), by_figure)
    buses = [zone_buses(case._n, case.market.services, need.zone) for need in data.needs]
    found = []
    for need, inside in zip(data.needs, buses, strict=True):
        members = table.index[table["bus"].isin(inside)]
        wanted = _wanted(case, need, inside)
        room = most[members]
        if data.award_cap is not None:
            limit = count[members].mul(data.award_cap * wanted, axis="index")
            room = room.where(room < limit, limit)
        found.append(_called(need.zone, wanted, room, table.loc[members]))
    return found


def _on(case: Case, outcome: Outcome, table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Capacity that is on [MW] and how many units it is [1], [snapshot x provider]."""
    plants = table.index[table.index.isin(case.generators.index)]
    storage = table["p_nom"].drop(plants)
    always = pd.DataFrame(0.0, case.snapshots, storage.index) + storage
    capacity = pd.concat([outcome.capacity_on(case)[plants], always], axis=1)[table.index]
    count = (capacity > NOISE_MW).astype(float)
    fleet = outcome.online.columns.intersection(plants)
    count[fleet] = capacity[fleet] / table.loc[fleet, "p_nom"] * table.loc[fleet, "units"]
    return capacity, count


def _wanted(case: Case, need: MileageNeed, inside: pd.Index) -> pd.Series:
    load = case.dense("Load", "p_set").loc[:, case.loads["bus"].isin(inside)].sum(axis=1)
    total = need.mw + need.load_share * load
    book = book_of(case) if need.per_regulation else None
    for zone in book.zones if book is not None else ():
        product = case.market.services.products[zone.product]
        here = zone.label == need.zone or zone.label.startswith(f"{need.zone} (")
        if here and product.kind.startswith("regulation"):
            total = total + need.per_regulation * zone.mw
    return total.clip(lower=0.0)


def _called(zone: str, need: pd.Series, room: pd.DataFrame, table: pd.DataFrame) -> Called:
    """Call providers in the order of their rank prices, all snapshots at once.

    In each snapshot rank prices are ``bid / K`` times the same K_max: the order is that of bid / K.
    """
    k, bid = table["k"].to_numpy(float), table["bid"].to_numpy(float)
    able = (room.to_numpy() > NOISE_MW) & (k > 0)
    most = np.where(able, room.to_numpy(), 0.0)
    best = np.where(able, k, 0.0).max(axis=1, initial=0.0)
    ratio = np.round(np.divide(bid, k, out=np.full(len(k), np.inf), where=k > 0), 9)
    mileage, price, left = np.zeros(most.shape), np.zeros(len(need)), need.to_numpy(float).copy()
    for value in np.unique(ratio[np.isfinite(ratio)]):  # equal ranks share
        alike = ratio == value
        given = most[:, alike].sum(axis=1)
        served = np.minimum(left, given)
        share = np.divide(served, given, out=np.zeros(len(given)), where=given > 0)
        mileage[:, alike] = most[:, alike] * share[:, None]
        price = np.where(served > NOISE_MW, best * value, price)
        left = left - served
    index = need.index
    rank = np.outer(best, np.where(np.isfinite(ratio), ratio, 0.0))
    return Called(
        zone,
        need,
        pd.Series(np.where(left > NOISE_MW, left, 0.0), index),
        pd.Series(price, index),
        pd.DataFrame(mileage, index, room.columns),
        pd.DataFrame(np.where(able, rank, np.nan), index, room.columns),
    )
