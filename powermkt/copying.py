"""A network taken over into a case: a copy without what is not cleared, and its schedule."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pypsa

from powermkt.check import provinces_of

# `links_t.p_set` means a fixed flow to PyPSA; here it is the framework schedule, which only the
# trade rules that follow it apply. It is kept in the case and taken out of the network.

_KINDS = {
    "Generator": "generators",
    "StorageUnit": "storage_units",
    "Load": "loads",
    "Link": "links",
    "Line": "lines",
    "Transformer": "transformers",
    "Store": "stores",
}


def working_copy(network: pypsa.Network) -> pypsa.Network:
    """Copy a network without what is inactive or unattached, with names unique over components.

    Ledger, flows and storage are keyed by name, and PyPSA lets a line and a transformer share one:
    the later kind is renamed to `Kind name`.
    """
    n = network.copy()
    seen: set[str] = set()
    attached: set[str] = set()
    for kind, name in _KINDS.items():
        table = getattr(n, name)
        inactive = table.index[~table["active"].astype(bool)]
        if len(inactive):
            n.remove(kind, inactive)
            table = getattr(n, name)
        clash = {item: f"{kind} {item}" for item in table.index if item in seen}
        if clash:
            components = n.components[name]
            components.static = components.static.rename(index=clash)
            for attribute, frame in components.dynamic.items():
                components.dynamic[attribute] = frame.rename(columns=clash)
            table = getattr(n, name)
        seen |= set(table.index)
        for column in table.columns[table.columns.str.fullmatch(r"bus\d*")]:
            attached |= set(table[column])
    loose = n.buses.index.difference(list(attached))
    if len(loose):
        n.remove("Bus", loose)
    return n


def take_schedule(n: pypsa.Network) -> pd.DataFrame | None:
    """Take the framework schedule out of the set points of links between provinces."""
    province = provinces_of(n)
    between = n.links["bus0"].map(province) != n.links["bus1"].map(province)
    names = n.links.index[between]
    if names.empty:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule: pd.DataFrame = n.get_switchable_as_dense("Link", "p_set")[names]
        schedule = schedule.dropna(axis="columns", how="any").astype(float).copy()
    n.links.loc[names, "p_set"] = np.nan
    series = n.links_t["p_set"]
    n.links_t["p_set"] = series.drop(columns=series.columns.intersection(names))
    return schedule if len(schedule.columns) else None
