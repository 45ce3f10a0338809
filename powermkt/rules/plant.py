"""Plant that sells energy of its own: generators, and storage that water flows into."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import pandas as pd

from powermkt.case import Case
from powermkt.outcome import Outcome

_PLANT: WeakKeyDictionary[Case, pd.DataFrame] = WeakKeyDictionary()  # asked for by every hook


def plant_of(case: Case) -> pd.DataFrame:
    """Carrier, province, p_nom and tariff of generators, and of storage units with inflow."""
    if (known := _PLANT.get(case)) is not None:
        return known
    columns = ["carrier", "province", "p_nom", "tariff"]
    inflow = (case.dense("StorageUnit", "inflow") > 0).any()
    storage = case.storage_units[inflow.reindex(case.storage_units.index)]
    _PLANT[case] = pd.concat([case.generators[columns], storage[columns]])
    return _PLANT[case]


def output_of(outcome: Outcome) -> pd.DataFrame:
    """What plant sends out, [snapshot x generator or storage] in MW; never below 0."""
    return pd.concat([outcome.dispatch, outcome.storage], axis=1).clip(lower=0.0)
