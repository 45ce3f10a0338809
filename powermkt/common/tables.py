"""The tables of a network as PyPSA means them: names, columns, kinds of values, times.

Tables in hand can hold anything: texts where numbers belong, names twice, columns taken away. What
can be read as it is meant, is; the rest is told before anybody computes with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pypsa

from powermkt.errors import Fault, InputError, name_list, nearest

_FLAGS = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False}


def copied(network: pypsa.Network) -> pypsa.Network:
    """Copy a network without the model that `n.optimize` left in it, which PyPSA would not copy."""
    model, network._model = network._model, None
    try:
        return network.copy()
    finally:
        network._model = model


def sound(
    network: pypsa.Network, own: Mapping[str, Mapping[str, object]], where: str
) -> pypsa.Network:
    """Return a network whose tables have PyPSA's columns and kinds of values.

    Parameters
    ----------
    network : pypsa.Network
        Never changed; the same one comes back where all its values are of the kind they should be.
    own : mapping of table to columns
        Columns of numbers that are not PyPSA's, in which an empty cell means nothing.
    where : str
        Name of the network in messages.

    Returns
    -------
    pypsa.Network

    Raises
    ------
    InputError
        Listing names that are no texts or stand there twice, missing columns, values that are of
        another kind, series that do not fit the snapshots.
    """
    if network.snapshots.nlevels > 1 or getattr(network, "has_scenarios", False):
        what = "investment periods and stochastic scenarios are not cleared"
        raise InputError([Fault(where, what, "select one")])
    faults = [*_times(network, where)]
    static: dict[str, dict[str, pd.Series]] = {}
    series: dict[str, dict[str, pd.DataFrame]] = {}
    for component in network.components:
        name = component.list_name
        if component.static.empty and not len(component.static):
            continue
        found = list(_names(component, f"{where}: {name}"))
        faults += found
        if found:
            continue
        static[name] = {}
        faults += _columns(component, own.get(name, {}), f"{where}: {name}", static[name])
        if name in ("line_types", "transformer_types"):
            continue
        series[name] = {}
        faults += _series(component, network.snapshots, f"{where}: {name}_t", series[name])
    if faults:
        raise InputError(faults)
    if not (any(static.values()) or any(series.values())):
        return network
    n = copied(network)
    for name, columns in static.items():
        for column, values in columns.items():
            n.components[name].static[column] = values
    for name, frames in series.items():
        for attribute, frame in frames.items():
            n.components[name].dynamic[attribute] = frame
    return n


def numbers(values: pd.Series) -> pd.Series:
    """Return values as floats, NaN where there is no number that one can hold."""
    try:
        return pd.to_numeric(values, errors="coerce").astype(float)
    except (OverflowError, TypeError, ValueError):
        return values.map(_number).astype(float)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return np.nan


def _times(n: pypsa.Network, where: str) -> Iterator[Fault]:
    if n.snapshots.hasnans:
        yield Fault(f"{where}: snapshots", "times that are none (NaT)", "give each a time")
    for column in n.snapshot_weightings:
        if numbers(n.snapshot_weightings[column]).isna().any():
            place = f"{where}: snapshot_weightings.{column}"
            yield Fault(place, "not above zero: no numbers", "give hours > 0")


def _names(component: Any, place: str) -> Iterator[Fault]:
    index = component.static.index
    odd = [name for name in index if not isinstance(name, str)]
    if odd:
        yield Fault(place, f"names that are no text: {name_list(odd)}", "write them as text")
    if index.has_duplicates:
        twice = index[index.duplicated()].unique()
        yield Fault(place, f"names twice: {name_list(twice)}", "give each a name of its own")
    columns = component.static.columns
    if columns.has_duplicates:
        twice = columns[columns.duplicated()].unique()
        yield Fault(place, f"columns twice: {name_list(twice)}", "keep one of them")


def _columns(
    component: Any, own: Mapping[str, object], place: str, changed: dict[str, pd.Series]
) -> Iterator[Fault]:
    """Yield columns that are missing or hold another kind of values; collect what is converted."""
    table, defaults = component.static, component.defaults
    stated = defaults.index[defaults["static"] & defaults["status"].str.startswith("Input")]
    missing = stated.drop("name", errors="ignore").difference(table.columns)
    if component.list_name != "carriers" and len(missing):
        what = f"lacks PyPSA's columns {name_list(missing)}"
        yield Fault(place, what, "build the table with n.add or n.import_from_csv_folder")
    for column in table.columns:
        values = table[column]
        if column in own:
            kind: object = float
        elif column in defaults.index:
            kind = defaults.loc[column, "typ"]
        else:
            continue
        if kind is str:
            if not all(isinstance(value, str) for value in values):
                changed[column] = values.map(_text).astype(object)
            continue
        if kind is bool:
            if values.dtype != bool:
                flags = values.map(lambda value: _FLAGS.get(str(value).lower()))
                if flags.isna().any():
                    rows = name_list(table.index[flags.isna()])
                    yield Fault(f"{place}.{column}", f"neither true nor false for {rows}",
                                "write True or False")  # fmt: skip
                    continue
                changed[column] = flags.astype(bool)
            continue
        if kind not in (float, int) or values.dtype.kind in "iuf":  # geometries are neither
            continue
        read = numbers(values.replace("", np.nan) if values.dtype != bool else values)
        empty = values.isna() | values.isin(["", None])
        wrong = table.index[read.isna() & ~empty]
        if len(wrong):
            what = f"outside what a number can be, or no finite number, for {name_list(wrong)}"
            yield Fault(f"{place}.{column}", what, "give numbers")
            continue
        changed[column] = read


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if pd.isna(value) else str(value)


def _series(
    component: Any, snapshots: pd.Index, place: str, changed: dict[str, pd.DataFrame]
) -> Iterator[Fault]:
    """Yield series that do not fit; collect those that are converted."""
    names = component.static.index
    for attribute, frame in component.dynamic.items():
        status = component.defaults["status"].get(attribute, "Output")
        if not len(frame.columns) or not status.startswith("Input"):
            continue
        at = f"{place}.{attribute}"
        if not frame.index.equals(snapshots):
            what = f"its {len(frame)} times do not match the {len(snapshots)} snapshots"
            yield Fault(at, what, "give one row for every snapshot, in the same order")
            continue
        unknown = [name for name in frame.columns if name not in names]
        if unknown:
            yield Fault(at, f"unknown: {name_list(unknown)}", nearest(str(unknown[0]), names))
        if frame.columns.has_duplicates:
            twice = frame.columns[frame.columns.duplicated()].unique()
            yield Fault(at, f"series twice: {name_list(twice)}", "keep one of them")
            continue
        if all(kind.kind in "iuf" for kind in frame.dtypes):
            continue
        read = frame.apply(numbers)
        wrong = read.columns[(read.isna() & frame.notna()).any()]
        if len(wrong):
            yield Fault(at, f"no numbers for {name_list(wrong)}", "give numbers")
        else:
            changed[attribute] = read
