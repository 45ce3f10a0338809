"""Parts of an outcome: some of its snapshots, their cost, and the levels they began with."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from powermkt.case import Case
from powermkt.ladders import energy_cost
from powermkt.outcome import Outcome, commitment_cost
from powermkt.products import shortage_cost
from powermkt.seams import SET_POINTS
from powermkt.slack import EXCESS_COST, UNSERVED_COST
from powermkt.units import Commitment


def cut_back(case: Case, outcome: Outcome, snapshots: pd.Index) -> Outcome:
    """Return the outcome at some of its snapshots, with the cost of these alone.

    Parameters
    ----------
    case : Case
        What was cleared.
    outcome : Outcome
    snapshots : Index
        What is kept.
    """
    kept: dict[str, Any] = {
        item.name: value.loc[snapshots]
        for item in fields(outcome)
        if isinstance(value := getattr(outcome, item.name), pd.DataFrame)
        and value.index.equals(outcome.dispatch.index)
    }
    part = case.part(snapshots, next(iter(case.windows)))
    done = Commitment(kept["status"], kept["start_up"], kept["shut_down"])
    cost = commitment_cost(part, kept["online"], kept["started"], done)
    before = outcome.day_ahead
    if before is not None:
        kept["day_ahead"] = cut_back(case.forecasted(), before, snapshots)
    found = replace(outcome, **kept, commitment_cost=cost)
    found.cost = resource_cost(part, found)
    return found


def resource_cost(case: Case, outcome: Outcome) -> float:
    """Resource cost of an outcome from its quantities [money].

    Marginal costs times quantities of generators, storage, stores and links, starts and no-load,
    unserved load and excess at their values: PyPSA's objective. Storage that charges and
    discharges at once counts with its net output.
    """
    market, n = case.market, case._n
    units, stores, links = n.storage_units.index, n.stores.index, n.links.index
    output = outcome.storage[units].clip(lower=0.0)
    hourly = (
        energy_cost(case, outcome.dispatch).sum(axis=1)
        + outcome.shed.sum(axis=1) * (market.value_of_lost_load or UNSERVED_COST)
        + shortage_cost(case, outcome.reserve_short)
        + outcome.excess.sum(axis=1) * (market.price_of_excess or EXCESS_COST)
    )  # fmt: skip
    for component, attribute, quantity in (
        ("StorageUnit", "marginal_cost", output),
        ("StorageUnit", "marginal_cost_storage", outcome.state_of_charge[units]),
        ("StorageUnit", "spill_cost", outcome.spill),
        ("Store", "marginal_cost", outcome.storage[stores]),
        ("Store", "marginal_cost_storage", outcome.state_of_charge[stores]),
        ("Link", "marginal_cost", outcome.flows[links]),
    ):
        price = case.dense(component, attribute)[quantity.columns]
        hourly = hourly + (price * quantity).sum(axis=1)
    return float(hourly.mul(case.weights).sum()) + float(outcome.commitment_cost.sum())


def carried(case: Case) -> pd.Index:
    """Storage units and stores whose level is handed on: all without set points of their own."""
    found: list[object] = []
    for component, attributes in (("StorageUnit", SET_POINTS), ("Store", ("p_set", "e_set"))):
        free = [case.dense(component, attribute).isna().all() for attribute in attributes]
        found += free[0].index[np.logical_and.reduce(free)].tolist()
    return pd.Index(found)


def level_before(case: Case, outcome: Outcome) -> pd.Series:
    """Levels before the first snapshot [MWh], from the energy balance of that snapshot."""
    now = outcome.storage.index[0]
    hours = case._n.snapshot_weightings["stores"].iloc[
        case.snapshots.get_indexer(pd.Index([now]))[0]
    ]

    def at(component: str, attribute: str) -> pd.Series:
        return case.dense(component, attribute).loc[now].fillna(0.0)

    net, level = outcome.storage.loc[now], outcome.state_of_charge.loc[now]
    units, stores = case._n.storage_units.index, case._n.stores.index
    gain = (
        at("StorageUnit", "inflow")
        - outcome.spill.loc[now].reindex(units, fill_value=0.0)
        - net[units].clip(upper=0.0) * at("StorageUnit", "efficiency_store")
        - net[units].clip(lower=0.0) / at("StorageUnit", "efficiency_dispatch")
    )
    change = pd.concat([gain, -net[stores]]) * hours
    loss = pd.concat([at("StorageUnit", "standing_loss"), at("Store", "standing_loss")])
    kept = ((1 - loss) ** hours).replace(0.0, np.nan)
    before = (level[change.index] - change) / kept
    return before.fillna(0.0).clip(lower=0.0)  # where all is lost any will do; rounding
