"""What a case takes in: a network without what is inactive, schedule, forecasts, columns."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pypsa

from powermkt.common.tables import copied, numbers, sound
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.check import OWN, check, provinces_of, was_off
from powermkt.inputs.mapping import mapped
from powermkt.inputs.market import Market

# Series that may be forecast, and that differ from one weather year to another.
SERIES = (
    "generators_t.p_max_pu", "generators_t.p_min_pu", "loads_t.p_set", "storage_units_t.inflow",
)  # fmt: skip

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


def prepared(
    network: pypsa.Network, market: Market, where: str
) -> tuple[pypsa.Network, Market, list[Fault]]:
    """Return a network whose tables are sound, named as powermkt names things; and every fault.

    Raises
    ------
    InputError
        As `tables.sound`: nothing more can then be said of the network.
    """
    network = sound(network, OWN, where)
    network, market, faults = mapped(network, market, where)
    return network, market, faults + check(network, market, where)


def working_copy(network: pypsa.Network) -> pypsa.Network:
    """Copy a network without what is inactive or unattached, with names unique over components.

    Transformers of a type get its numbers. Ledger, flows and storage are keyed by name, and PyPSA
    lets a line and a transformer share one: the later kind is renamed to `Kind name`.
    """
    n = copied(network)
    if (n.transformers["type"].astype(str) != "").any():
        n.calculate_dependent_values()  # the type says the capacity
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


def series_faults(
    n: pypsa.Network, series: Mapping[str, pd.DataFrame], where: str, what: str
) -> Iterator[Fault]:
    """Yield what is wrong with series that are to take the place of those of a network."""
    for name, frame in series.items():
        place = f"{where}: {what} {name}"
        if name not in SERIES:
            yield Fault(place, f"no such {what}", nearest(name, SERIES))
            continue
        if not frame.index.equals(n.snapshots):
            yield Fault(
                place,
                f"its {len(frame)} times do not match the {len(n.snapshots)} snapshots",
                "give one row for every snapshot, in the same order",
            )
        known = getattr(n, name.split("_t.")[0]).index
        unknown = frame.columns.difference(known)
        if len(unknown):
            yield Fault(place, f"unknown: {name_list(unknown)}", nearest(unknown[0], known))
        values = frame.apply(numbers).astype(float)
        bad = values.columns[(values.isna() | np.isinf(values)).any()]
        if len(bad):
            yield Fault(place, f"no finite number for {name_list(bad)}", "fill the gaps")
        if name != "loads_t.p_set" and (values < 0).any().any():
            below = values.columns[(values < 0).any()]
            yield Fault(place, f"negative for {name_list(below)}", "give numbers >= 0")
    yield from _crossed(n, series, f"{where}: {what}")


def _crossed(
    n: pypsa.Network, series: Mapping[str, pd.DataFrame], place: str
) -> Iterator[Fault]:  # fmt: skip
    """Yield generators that must run at more than is available."""
    bounds = {}
    changed = pd.Index([])
    for attribute in ("p_min_pu", "p_max_pu"):
        bounds[attribute] = n.get_switchable_as_dense("Generator", attribute).copy()
        given = series.get(f"generators_t.{attribute}")
        if given is None:
            continue
        if not given.index.equals(n.snapshots):
            return
        given = given.apply(numbers).astype(float)
        known = given.columns.intersection(n.generators.index)
        bounds[attribute][known] = given[known]
        changed = changed.append(known).unique()
    names = changed.difference(n.generators.index[n.generators["committable"].astype(bool)])
    least, most = bounds["p_min_pu"][names], bounds["p_max_pu"][names]
    crossed = names[(most < least - 1e-9).any()]
    if len(crossed):
        remedy = "raise it, or give generators_t.p_min_pu as well"
        where = f"{place} generators_t.p_max_pu"
        yield Fault(where, f"below p_min_pu for {name_list(crossed)}", remedy)


def substituted(n: pypsa.Network, series: Mapping[str, pd.DataFrame]) -> pypsa.Network:
    """Return a copy of a network with other series; what has none among them keeps its own."""
    n = n.copy()
    for name, frame in series.items():
        table, attribute = name.split(".")
        own = getattr(n, table)[attribute]
        order = own.columns.append(frame.columns.difference(own.columns, sort=False))
        rest = own.drop(columns=frame.columns, errors="ignore")
        getattr(n, table)[attribute] = pd.concat([rest, frame], axis=1)[order]
    return n


def present_forecasts(
    n: pypsa.Network, forecast: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Return forecasts of what a network has, without those of inactive components."""
    return {
        name: frame.loc[:, frame.columns.isin(getattr(n, name.split("_t.")[0]).index)].astype(float)
        for name, frame in forecast.items()
    }


def after(n: pypsa.Network, snapshots: pd.Index) -> tuple[pd.Series, pd.Series] | None:
    """Load, and available output, in the snapshot that follows some of a network [MW].

    None where nothing follows, or only after a gap, as between representative weeks.
    """
    number = int(n.snapshots.get_indexer(snapshots[-1:])[0]) + 1
    if number >= len(n.snapshots):
        return None
    if isinstance(snapshots, pd.DatetimeIndex):
        hours = float(n.snapshot_weightings["stores"].iloc[number - 1])
        if n.snapshots[number] - snapshots[-1] > pd.Timedelta(hours=hours) * 1.001:
            return None
    load = n.get_switchable_as_dense("Load", "p_set").iloc[number]
    share = n.get_switchable_as_dense("Generator", "p_max_pu").iloc[number]
    return load, share * n.generators["p_nom"]


def texts(table: pd.DataFrame, name: str) -> pd.Series:
    """Return an optional column of texts, empty where there is none."""
    if name not in table:
        return pd.Series("", index=table.index, dtype=object)
    return table[name].astype(object).fillna("").astype(str).str.strip()


def column(table: pd.DataFrame, name: str, default: pd.Series | float) -> pd.Series:
    """Return an optional numeric column with its default filled in."""
    if not isinstance(default, pd.Series):
        default = pd.Series(float(default), index=table.index)
    if name not in table:
        return default.astype(float)
    return numbers(table[name]).fillna(default)


def still_on(n: pypsa.Network) -> dict[str, int]:
    """Snapshots that units must stay on for what is left of their minimum up time."""
    g = n.generators[n.generators["committable"].astype(bool) & ~was_off(n.generators)]
    left = (g["min_up_time"] - g["up_time_before"]).clip(lower=0).astype(int)
    return {str(name): int(steps) for name, steps in left[left > 0].items()}
