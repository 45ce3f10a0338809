"""Reference prices of contracts."""

from __future__ import annotations

import pandas as pd

from powermkt.case import Case
from powermkt.contractbook import Contract
from powermkt.rules.base import Cleared
from powermkt.rules.counterparties import Side, output_of, plant_of
from powermkt.rules.locational import load_weighted

HERE = ("own", "province", "zone", "technology")  # of each member


def reference_price(
    contract: Contract, cleared: Cleared, nodal: pd.DataFrame, anchor: Side
) -> pd.DataFrame:
    """Return the reference of every member, [snapshot x member] in money/MWh.

    Parameters
    ----------
    contract : Contract
    cleared : Cleared
    nodal : DataFrame [snapshot x bus], money/MWh
        Prices of the market that the contract refers to.
    anchor : Side
        Whose members the contract is settled by.
    """
    case, named = cleared.case, contract.reference
    if named in HERE:
        table = plant_of(case) if anchor.what == "plant" else case.loads
        home = table.loc[anchor.members]
        if named == "own":
            return nodal[home["bus"]].set_axis(anchor.members, axis="columns")
        if named == "technology":
            return _technology(cleared, nodal, home)
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


def _technology(cleared: Cleared, nodal: pd.DataFrame, home: pd.DataFrame) -> pd.DataFrame:
    """Mean price by output of the carrier in province and month of plant, [snapshot x plant].

    The plain mean of its prices where the carrier has no output in a month.
    """
    plant, weights = plant_of(cleared.case), cleared.case.weights
    kind = pd.MultiIndex.from_frame(plant[["carrier", "province"]])
    mine = pd.MultiIndex.from_frame(home[["carrier", "province"]])
    plant, kind = plant[kind.isin(mine)], kind[kind.isin(mine)]
    energy = output_of(cleared, plant.index).mul(weights, axis="index")
    price = nodal[plant["bus"]].set_axis(plant.index, axis="columns")
    month = months(nodal.index)

    def summed(frame: pd.DataFrame) -> pd.DataFrame:
        total: pd.DataFrame = frame.groupby(month).sum().set_axis(kind, axis="columns")
        return total.T.groupby(level=[0, 1]).sum().T

    total, hours = summed(energy), summed((0.0 * energy).add(weights, axis="index"))
    plain = summed(price.mul(weights, axis="index")) / hours
    mean = (summed(energy * price) / total.where(total > 0)).fillna(plain)
    return mean.loc[month].reindex(columns=mine).set_axis(nodal.index).set_axis(home.index, axis=1)
