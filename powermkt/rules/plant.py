"""Plant, and what of it sells energy of its own: generators, and storage that water flows into."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import pandas as pd

from powermkt.dispatch.outcome import Outcome
from powermkt.inputs.case import Case
from powermkt.system.horizon import window_of

_PLANT: WeakKeyDictionary[Case, pd.DataFrame] = WeakKeyDictionary()  # asked for by every hook


def all_plant(case: Case) -> pd.DataFrame:
    """Generators and storage units: bus, province, carrier, p_nom [MW], tariff [money/MWh]."""
    columns = ["bus", "province", "carrier", "p_nom", "tariff"]
    return pd.concat([case.generators[columns], case.storage_units[columns]])


def plant_of(case: Case) -> pd.DataFrame:
    """Of `all_plant` generators, and storage units with inflow."""
    if (known := _PLANT.get(case)) is not None:
        return known
    dry = ~(case.dense("StorageUnit", "inflow") > 0).any()
    _PLANT[case] = all_plant(case).drop(index=dry.index[dry])
    return _PLANT[case]


def output_of(outcome: Outcome) -> pd.DataFrame:
    """What plant sends out, [snapshot x generator or storage] in MW; never below 0."""
    return pd.concat([outcome.dispatch, outcome.storage], axis=1).clip(lower=0.0)


def own_output_of(case: Case, outcome: Outcome) -> pd.DataFrame:
    """Of `output_of` what is no energy bought before, [snapshot x generator or storage] in MW.

    Of storage that pumps and has inflow, each MWh of a window holds the same part of water that
    flowed in: what comes back of the pumped energy, after both losses, is not its own.
    """
    output, pumps = output_of(outcome), case.storage_units.index
    back = case.dense("StorageUnit", "efficiency_store") * case.dense(
        "StorageUnit", "efficiency_dispatch"
    )
    pumped = outcome.storage[pumps].clip(upper=0.0).mul(-back[pumps])
    window = window_of(case)
    given, bought = (
        frame.mul(case.weights, axis="index").groupby(window).sum()
        for frame in (output[pumps], pumped)
    )
    own = (1 - bought / given.where(given > 0)).clip(lower=0.0).fillna(0.0)
    mine = output[pumps] * own.loc[window].set_axis(output.index, axis="index")
    return output.assign(**mine)
