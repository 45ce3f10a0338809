"""Reference prices of contracts."""

from __future__ import annotations

import pandas as pd

from powermkt.inputs.case import Case
from powermkt.inputs.contractbook import Contract
from powermkt.rules.counterparties import KINDS, Basis, Side
from powermkt.system.weighting import load_weighted

HERE = ("own", "province", "zone", "technology")  # of each member


def reference_price(contract: Contract, basis: Basis, anchor: Side) -> pd.DataFrame:
    """Return the reference of every member, [snapshot x member] in money/MWh.

    Parameters
    ----------
    contract : Contract
    basis : Basis
    anchor : Side
        Whose members the contract is settled by.
    """
    case, named, nodal = basis.cleared.case, contract.reference, basis.nodal(contract.market)
    if named in HERE:
        table = basis.plant if anchor.what == "plant" else case.loads
        home = table.loc[anchor.members]
        if named == "own" and anchor.what == "users":
            return basis.paid_by_users(contract.market)[anchor.members]
        if named == "own":
            return nodal[home["bus"]].set_axis(anchor.members, axis="columns")
        if named == "technology":
            mine = pd.MultiIndex.from_frame(home[KINDS])
            means = basis.technology[contract.market].reindex(columns=mine)
            return means.set_axis(anchor.members, axis="columns")
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
