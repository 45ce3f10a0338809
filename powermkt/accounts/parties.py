"""Who is who in the ledger: groups of parties, what each receives and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from powermkt.common.ledger import balances
from powermkt.dispatch import costs
from powermkt.dispatch.costs import resource_costs
from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.rules.base import EXCESS, GROUPS, SAVERS, TRANSMISSION, grid_company

CONSUMERS, PRODUCERS, STORAGE, GRID_COMPANIES, NETWORKS = GROUPS
RESOURCE_COST = "resource cost"  # a line beside the groups


def parties(case: Case, others: Iterable[str] = ()) -> pd.DataFrame:
    """Group of every party of a ledger.

    Parameters
    ----------
    case : Case
    others : iterable of str, optional
        Parties that are no component of the network. Whatever is neither a grid company nor the
        transmission owner is a group of its own, under its own name: nobody is left out.

    Returns
    -------
    DataFrame [party]
        Columns group, detail (user class of loads, carrier of plant, what transmission is paid
        for; else ""), province ("" where a party is in none or between two).
    """
    n = case._n
    parts = [
        _group(case.loads["user_class"], CONSUMERS, case.loads["province"]),
        _group(case.generators["carrier"], PRODUCERS, case.generators["province"]),
        _group(case.storage_units["carrier"], STORAGE, case.storage_units["province"]),
        _group(n.stores["carrier"], STORAGE, n.stores["bus"].map(case.provinces)),
    ]
    for table in (n.links, n.lines, n.transformers):
        ends = [table[end].map(case.provinces) for end in ("bus0", "bus1")]
        rent = pd.Series("congestion rent", table.index)
        parts.append(_group(rent, NETWORKS, ends[0].where(ends[0] == ends[1], "")))
    named = {grid_company(p): (GRID_COMPANIES, "", p) for p in case.provinces.unique()}
    named |= {f"{SAVERS} {p}": (SAVERS, "", p) for p in case.provinces.unique()}
    named[TRANSMISSION] = (NETWORKS, "wheeling", "")
    found = pd.concat([part for part in parts if len(part)])
    accounts = pd.Index(list(others)).difference(found.index, sort=False)
    rows = [named.get(name, (name, "", "")) for name in accounts]
    return pd.concat([found, pd.DataFrame(rows, accounts, found.columns)]).rename_axis("party")


def accounts(
    case: Case, outcome: Outcome, entries: pd.DataFrame, beside: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """What every party receives and what it bears of the resource cost.

    Plant bears its fuel, operation and starts, links their own cost, users what is unserved of
    their load at its declared value. What nobody in particular suffers, short reserves, is a row
    of its own among consumers; excess generation is taken off by a party of that name.

    Parameters
    ----------
    case : Case
    outcome : Outcome
    entries : DataFrame
        The ledger of a run.
    beside : mapping of str to float, optional
        By party, resource cost outside the power system: what users save of their own fuel.

    Returns
    -------
    DataFrame [party]
        Columns group, detail, province (as `parties`), receipts (net), resource_cost, welfare (the
        difference), all [money of the horizon]. Receipts sum to zero, resource cost to
        that of the outcome and what is beside it.
    """
    caused = resource_costs(case, outcome)
    bearer = caused["name"].where(caused["kind"] != costs.EXCESS, EXCESS)
    bearer = bearer.where(caused["kind"] != costs.SHORT, costs.SHORT)
    borne = caused["cost"].groupby(bearer).sum()
    receipts = balances(entries)
    beside = {} if beside is None else beside
    table = parties(case, dict.fromkeys([*receipts.index, *borne.index, *beside]))
    if costs.SHORT in table.index:
        table.loc[costs.SHORT, ["group", "detail"]] = [CONSUMERS, costs.SHORT]
    table["receipts"] = receipts.reindex(table.index).fillna(0.0)
    table["resource_cost"] = borne.reindex(table.index).fillna(0.0)
    # What small steps along quadratic costs, storage that charges and discharges at once, and
    # rounding leave to the objective is of plant: it goes by what plant costs otherwise.
    left = outcome.cost - table["resource_cost"].sum()
    plant = table["group"].isin([PRODUCERS, STORAGE])
    share = table["resource_cost"].abs().where(plant, 0.0)
    share = share if share.sum() > 0 else plant.astype(float)
    table["resource_cost"] += left * share / share.sum()
    table["resource_cost"] += pd.Series(beside, dtype=float).reindex(table.index).fillna(0.0)
    table["welfare"] = table["receipts"] - table["resource_cost"]
    return table


def _group(detail: pd.Series, group: str, province: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"group": group, "detail": detail, "province": province})
