"""Tables of reserves: who held how much, at which price, and what was short."""

from __future__ import annotations

import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.rules.ancillary import Procurement
from powermkt.rules.base import Cleared
from powermkt.system.products import book_of

AWARDS = ["snapshot", "product", "zone", "provider", "reserve_mw"]
PRICES = ["snapshot", "product", "zone", "price", "required_mw", "short_mw"]


def awards(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Reserve awards above 0.

    Returns
    -------
    DataFrame
        Columns snapshot, product, zone, provider, reserve_mw. The zone is the smallest one with a
        requirement for the product that the provider is in; "" where it is in none.
    """
    reserve = outcome.reserve
    if not reserve.shape[1]:
        return pd.DataFrame(columns=AWARDS)
    total = reserve.T.groupby(level=["product", "provider"], sort=False).sum().T
    long = total.rename_axis(index="snapshot").unstack().rename("reserve_mw").reset_index()  # type: ignore[call-overload]
    long = long[long["reserve_mw"] > NOISE_MW]
    book = book_of(case)
    place: dict[tuple[str, str], tuple[int, str]] = {}
    for zone in book.zones if book is not None else ():
        for name in zone.members:
            size, _ = place.get((zone.product, name), (len(zone.members) + 1, ""))
            if len(zone.members) < size:
                place[zone.product, name] = (len(zone.members), zone.label)
    keys = zip(long["product"], long["provider"], strict=True)
    long["zone"] = [place.get(key, (0, ""))[1] for key in keys]
    return long[AWARDS].reset_index(drop=True)


def zone_table(procurement: Procurement | None, cleared: Cleared) -> pd.DataFrame:
    """Price, requirement and shortage of each product, zone and snapshot.

    Returns
    -------
    DataFrame
        Columns snapshot, product, zone, price [money/(MW h)] (what an award in the zone is paid,
        the zones around it included), required_mw, short_mw.
    """
    short = cleared.outcome.reserve_short
    if procurement is None or not short.shape[1]:
        return pd.DataFrame(columns=PRICES)
    frames = {
        "price": procurement.zone_prices(cleared),
        "required_mw": cleared.outcome.reserve_required,
        "short_mw": short,
    }
    long = {
        name: frame.rename_axis(index="snapshot", columns=["product", "zone"]).unstack()
        for name, frame in frames.items()
    }
    return pd.DataFrame(long).reset_index()[PRICES]
