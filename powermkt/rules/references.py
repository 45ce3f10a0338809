"""Reference prices of contracts."""

from __future__ import annotations

import pandas as pd

from powermkt.case import Case
from powermkt.contractbook import Contract
from powermkt.rules.base import Cleared
from powermkt.rules.counterparties import Parties, Side, output_of
from powermkt.rules.locational import load_weighted

HERE = ("own", "province", "zone", "technology")  # of each member


def reference_price(
    contract: Contract, cleared: Cleared, nodal: pd.DataFrame, parties: Parties, anchor: Side
) -> pd.DataFrame:
    """Return the reference of every member, [snapshot x member] in money/MWh.

    Parameters
    ----------
    contract : Contract
    cleared : Cleared
    nodal : DataFrame [snapshot x bus], money/MWh
        Prices of the market that the contract refers to.
    parties : Parties
    anchor : Side
        Whose members the contract is settled by.
    """
    case, named = cleared.case, contract.reference
    if named in HERE:
        table = parties.plant if anchor.what == "plant" else parties.users
        home = table.loc[anchor.members]
        if named == "own":
            return nodal[home["bus"]].set_axis(anchor.members, axis="columns")
        if named == "technology":
            kinds = pd.MultiIndex.from_frame(home[["carrier", "province"]])
            mean = _technology(cleared, nodal, parties).reindex(columns=kinds)
            return mean.set_axis(anchor.members, axis="columns")
        group = case.provinces if named == "province" else case.zones
        mean = load_weighted(nodal, case, group)
        return mean[home["bus"].map(group)].set_axis(anchor.members, axis="columns")
    if named in nodal and named != "system":
        price = nodal[named]
    else:
        group = case.provinces if named in set(case.provinces) else case.zones
        group = case.provinces.map(lambda _: named) if named == "system" else group
        price = load_weighted(nodal, case, group)[named]
    return pd.DataFrame(dict.fromkeys(anchor.members, price), index=nodal.index)


def reference_names(case: Case) -> list[str]:
    """Every name of a reference."""
    places = (case.provinces.index, case.provinces, case.zones)
    return [*HERE, "system", *dict.fromkeys(str(name) for place in places for name in place)]


def months(index: pd.Index) -> pd.Series:
    """Calendar month of each snapshot; one for all where snapshots are no times."""
    if isinstance(index, pd.DatetimeIndex):
        return pd.Series(index.strftime("%Y-%m"), index=index)
    return pd.Series("horizon", index=index)


def _technology(cleared: Cleared, nodal: pd.DataFrame, parties: Parties) -> pd.DataFrame:
    """Mean price by output of a carrier in a province and month, [snapshot x (carrier, province)].

    The plain mean of the month where the carrier has no output in it.
    """
    plant, weights = parties.plant, cleared.case.weights
    energy = output_of(cleared, plant.index).mul(weights, axis="index")
    price = nodal[plant["bus"]].set_axis(plant.index, axis="columns")
    month, keys = months(nodal.index), [plant["carrier"], plant["province"]]

    def summed(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.groupby(month).sum().T.groupby(keys).sum().T

    total = summed(energy)
    hours = summed(0.0 * energy + 1.0)
    mean = (summed(energy * price) / total.where(total > 0)).fillna(summed(price) / hours)
    return mean.loc[month].set_axis(nodal.index, axis="index")
