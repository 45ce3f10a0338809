"""Resource cost of an outcome from its quantities: PyPSA's objective, by what causes it."""

from __future__ import annotations

import pandas as pd

from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.system.ladders import energy_cost
from powermkt.system.products import shortage_cost
from powermkt.system.slack import EXCESS_COST, UNSERVED_COST

# Kinds of cost, and what `name` is in each.
ENERGY, COMMITMENT = "energy", "commitment"  # generator
STORING = "storage"  # storage unit or store
CARRIAGE = "links"  # link
UNSERVED = "unserved load"  # load
RESPONSE = "demand response"  # load
EXCESS = "excess generation"  # bus
SHORT = "short reserves"  # none: ""


def resource_costs(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Resource cost by kind and component.

    Marginal costs times quantities of generators, storage, stores and links, starts and no-load,
    unserved load, excess and short reserves at their values, what users give up less what they
    add at what it is worth to them. Storage that charges and discharges
    at once counts with its net output, and quadratic costs with the curve itself, where the
    clearing takes small steps along it.

    Parameters
    ----------
    case : Case
    outcome : Outcome
        Of the snapshots of `case`.

    Returns
    -------
    DataFrame
        Columns kind, name (generator, storage unit, store, link, load or bus; "" for reserves),
        cost [money of the horizon].
    """
    market, n = case.market, case._n
    units, stores, links = n.storage_units.index, n.stores.index, n.links.index

    def horizon(rate: pd.DataFrame) -> pd.Series:
        return rate.mul(case.weights, axis="index").sum()

    def priced(component: str, attribute: str, quantity: pd.DataFrame) -> pd.Series:
        return horizon(case.dense(component, attribute)[quantity.columns] * quantity)

    level, net = outcome.state_of_charge, outcome.storage
    storage = [
        priced("StorageUnit", "marginal_cost", net[units].clip(lower=0.0)),
        priced("StorageUnit", "marginal_cost_storage", level[units]),
        priced("StorageUnit", "spill_cost", outcome.spill),
        priced("Store", "marginal_cost", net[stores]),
        priced("Store", "marginal_cost_storage", level[stores]),
    ]
    unserved = outcome.demanded(case) - outcome.served(case)
    short = (shortage_cost(case, outcome.reserve_short) * case.weights).sum()
    parts = {
        ENERGY: horizon(energy_cost(case, outcome.dispatch)),
        COMMITMENT: outcome.commitment_cost,
        STORING: pd.concat(storage).groupby(level=0, sort=False).sum(),
        CARRIAGE: priced("Link", "marginal_cost", outcome.flows[links]),
        UNSERVED: horizon(unserved) * (market.value_of_lost_load or UNSERVED_COST),
        RESPONSE: horizon(outcome.demand_cost),
        EXCESS: horizon(outcome.excess) * (market.price_of_excess or EXCESS_COST),
        SHORT: pd.Series({"": float(short)}),
    }
    found = pd.concat(parts, names=["kind", "name"]).rename("cost").reset_index()
    return found.astype({"cost": float})


def resource_cost(case: Case, outcome: Outcome) -> float:
    """Resource cost of an outcome from its quantities [money]; parameters as `resource_costs`."""
    return float(resource_costs(case, outcome)["cost"].sum())
