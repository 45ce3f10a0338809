"""Tables of trade between provinces: what was traded in which tier, and what bids were worth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.engine.regime import Regime
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.rules import Cleared
from powermkt.rules.pricing import mean_on_grid
from powermkt.rules.trade import ratings
from powermkt.system.folding import cheapest_paths
from powermkt.system.weighting import load_weighted

FRAMEWORK, SPOT, ALL = "framework", "spot", "all"
TRADE = [
    "corridor", "seller", "buyer", "tier", "sent_mwh", "delivered_mwh", "seller_price",
    "buyer_price", "fee",
]  # fmt: skip
BIDS = ["seller", "buyer", "path", "fee", "loss", "bid", "folded_bid", "ask", "gain", "room_mw"]


def trade(regime: Regime, cleared: Cleared) -> pd.DataFrame:
    """Energy that each corridor carried, by tier and direction.

    Parameters
    ----------
    regime : Regime
    cleared : Cleared
        With `stated`.

    Returns
    -------
    DataFrame
        Columns corridor, seller, buyer (provinces), tier ("framework" and "spot", "all" under rules
        of trade without tiers), sent_mwh, delivered_mwh, seller_price (mean, for a MWh sent),
        buyer_price (mean, for a MWh delivered, the fee and the rent of the corridor included), fee
        (for a MWh sent) [money/MWh].
    """
    case, outcome, corridors = cleared.case, cleared.outcome, cleared.case.corridors
    assert cleared.stated is not None
    flows, rule = outcome.flows[corridors.index], regime.tiers
    own = corridors["wheeling_fee"]
    tariffs = mean_on_grid(cleared, case.generators["tariff"])
    if rule is not None and len(corridors):
        plan = rule.framework(case)
        prices = rule.framework_prices(cleared)
        parts = [
            (FRAMEWORK, plan, _contracted(corridors, plan, prices), own),
            (
                SPOT,
                flows - plan,
                _ends(case, rule.spot_prices(case, outcome)),
                rule.spot_fees(case),
            ),
        ]
    elif regime.pricing.locational:
        parts = [(ALL, flows, _ends(case, cleared.stated.nodal), own)]
    else:
        parts = [(ALL, flows, _contracted(corridors, flows, tariffs), own)]
    kept = case.dense("Link", "efficiency")[corridors.index]
    rows = [
        _carried(case, tier, sign, flow, kept, ends, fee)
        for tier, flow, ends, fee in parts
        for sign in (1, -1)
    ]
    found = pd.concat(rows, ignore_index=True)
    return found.sort_values(["corridor", "tier"], kind="stable", ignore_index=True)[TRADE]


_Ends = tuple[pd.DataFrame, pd.DataFrame | None]


def _ends(case: Case, nodal: pd.DataFrame) -> _Ends:
    """Prices at both ends of the corridors, [snapshot x corridor]."""
    links = case._n.links.loc[case.corridors.index]
    first, last = (nodal[links[end]].set_axis(links.index, axis=1) for end in ("bus0", "bus1"))
    return first, last


def _contracted(corridors: pd.DataFrame, flow: pd.DataFrame, prices: pd.Series) -> _Ends:
    """Price at the sending end, whichever that is; the receiver pays it and the fee."""
    first, last = (corridors[end].map(prices) for end in ("province0", "province1"))
    return flow.gt(0).mul(first) + flow.le(0).mul(last), None


def _carried(
    case: Case, tier: str, sign: int, flow: pd.DataFrame, kept: pd.DataFrame, ends: _Ends,
    fee: pd.Series,
) -> pd.DataFrame:  # fmt: skip
    """What was carried along the corridors (sign 1) or against them (-1)."""
    at_first = (sign * flow).where(sign * flow > NOISE_MW, 0.0)
    at_last = at_first * kept
    sent, delivered = (at_first, at_last)[::sign]
    first, last = ends
    seller = first if sign > 0 or last is None else last
    buyer = None if last is None else (last if sign > 0 else first)

    def energy(power: pd.DataFrame) -> pd.Series:
        return power.mul(case.weights, axis="index").sum()

    out, come = energy(sent), energy(delivered)
    income = energy(sent * seller)
    cost = income + fee * out if buyer is None else energy(delivered * buyer)
    names = ["province0", "province1"][::sign]
    table = pd.DataFrame(
        {
            "corridor": flow.columns,
            "seller": case.corridors[names[0]],
            "buyer": case.corridors[names[1]],
            "tier": tier,
            "sent_mwh": out,
            "delivered_mwh": come,
            "seller_price": income / out.where(out > 0),
            "buyer_price": cost / come.where(come > 0),
            "fee": fee if sign > 0 else 0.0 * fee,
        }
    )
    return table[out > 0]


def folded_bids(regime: Regime, cleared: Cleared, snapshot: Any) -> pd.DataFrame:
    """What each province alone would pay another, and ask, before the first tier opens.

    Returns
    -------
    DataFrame
        For every two provinces that a path joins, the most gainful first: seller, buyer, path, fee
        (sum along it) [money/MWh], loss [1], bid (the buyer's price alone) [money/MWh], folded_bid
        (what of it reaches the seller), ask (the seller's price alone), gain (the difference) and
        room_mw, what the seller could send on the path beside the framework.

    Raises
    ------
    InputError
        If the regime has no tiers of trade, or there is no such snapshot.
    """
    case, rule = cleared.case, regime.tiers
    if rule is None:
        what = f"{type(regime.rules[1]).__name__} has no bids between provinces"
        fault = Fault(f"regime {regime.name!r}: trade", what, "trade by InterprovincialSpot")
        raise InputError([fault])
    at = [snapshot] if snapshot in case.snapshots else []
    if not at:
        what = f"no snapshot {snapshot!r}"
        raise InputError([Fault(case.name, what, f"take one of {case.snapshots[0]} ..")])
    paths, corridors = cheapest_paths(case, rule.fee), case.corridors
    alone = load_weighted(cleared.outcome.local_price, case, case.provinces).loc[snapshot]
    bid, ask = (paths[end].map(alone).astype(float) for end in ("buyer", "seller"))
    folded = bid * paths["kept"].astype(float) - paths["charge"].astype(float)
    table = paths.assign(bid=bid, folded_bid=folded, ask=ask, gain=folded - ask)
    low, high = (bound.loc[snapshot] for bound in ratings(case))
    plan = rule.framework(case).loc[snapshot]
    table["room_mw"] = [
        _room(corridors, links, seller, high - plan, plan - low.where(low < 0, plan))
        for links, seller in zip(paths["links"], paths["seller"], strict=True)
    ]
    return table.sort_values("gain", ascending=False, ignore_index=True)[BIDS]


def _room(
    corridors: pd.DataFrame, links: Iterable[str], seller: str, along: pd.Series, against: pd.Series
) -> float:
    """What can enter a path at its seller [MW]."""
    room, arriving, node = np.inf, 1.0, seller
    for name in links:
        first, last = (str(corridors[end][name]) for end in ("province0", "province1"))
        forward = first == node
        left = (along if forward else against)[name]
        room = min(room, max(float(left), 0.0) / arriving)
        arriving *= min(float(corridors["efficiency"][name]), 1.0) if forward else 1.0
        node = last if forward else first
    return room
