"""Parts of an outcome: some of its snapshots, their cost, and the levels they began with."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd

from powermkt.dispatch.costs import resource_cost
from powermkt.dispatch.outcome import Outcome, commitment_cost
from powermkt.inputs.case import Case
from powermkt.system.seams import SET_POINTS
from powermkt.system.units import Commitment


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
