"""Instruments of energy and climate policy: when each began, its unit, whom it obliges."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd
import pydantic

from powermkt.common.values import Strict
from powermkt.errors import Fault, InputError, collected, nearest, validated
from powermkt.inputs.conversion import Conversions, Factor

YEARS = (1950, 2100)


class Instrument(Strict):
    """One instrument.

    Parameters
    ----------
    instrument : str
        Key by which it is named in plans.
    name : str, optional
        Default: the key.
    launch_year : int
        First year in which it exists.
    unit : str
        What it counts: tce, tCO2, MWh.
    obligated, target : str
        Whom it obliges, and to what.
    quality, details : str
        Of year and unit, and of `obligated` and `target`: sourced, recalled (not verified), or
        stated (by the user; the default).
    source : str
    """

    instrument: str = pydantic.Field(min_length=1)
    name: str = ""
    launch_year: int = pydantic.Field(ge=YEARS[0], le=YEARS[1])
    unit: str = pydantic.Field(min_length=1)
    obligated: str = ""
    target: str = ""
    quality: str = "stated"
    details: str = "stated"
    source: str = ""


def instruments(own: Sequence[Instrument] = (), factors: Sequence[Factor] = ()) -> pd.DataFrame:
    """Return every instrument, by launch year.

    Parameters
    ----------
    own : sequence of Instrument, optional
        One with the key of ours takes its place.
    factors : sequence of Factor, optional
        Whose units `own` may be in beside those of `conversion`.

    Returns
    -------
    DataFrame [instrument]
        Columns name, launch_year, unit, obligated, target, quality, details, source.

    Raises
    ------
    InputError
        Naming keys that stand twice in `own`, and units there are none of.
    """
    keys = [item.instrument for item in own]
    units = Conversions(factors).units
    faults = [
        Fault("instruments", f"{keys.count(key)} are called {key!r}", "name them apart")
        for key in dict.fromkeys(keys) if keys.count(key) > 1
    ]  # fmt: skip
    faults += [
        Fault(f"instruments: {item.instrument}", f"unknown unit {item.unit!r}",
              nearest(item.unit, units))
        for item in own if item.unit not in units
    ]  # fmt: skip
    if faults:
        raise InputError(faults)
    ours = [item for item in _shipped() if item.instrument not in keys]
    table = pd.DataFrame([item.model_dump() for item in (*ours, *own)])
    table["name"] = table["name"].where(table["name"] != "", table["instrument"])
    return table.sort_values("launch_year", kind="stable").set_index("instrument")


def instruments_of(
    year: int, own: Sequence[Instrument] = (), factors: Sequence[Factor] = ()
) -> pd.DataFrame:
    """Return the instruments that exist in a year; parameters and columns as for `instruments`.

    Raises
    ------
    InputError
        If `year` is no year from 1950 to 2100, and as `instruments`.
    """
    whole = isinstance(year, int) and not isinstance(year, bool)
    if not whole or not YEARS[0] <= year <= YEARS[1]:
        remedy = f"give a whole number from {YEARS[0]} to {YEARS[1]}"
        raise InputError([Fault("year", f"{year!r} is no year", remedy)])
    table = instruments(own, factors)
    return table[table["launch_year"] <= year]


def stated_instruments(content: dict[str, Any], where: str) -> list[Instrument]:
    """Return the instruments under the key `instruments` of a file's content.

    Raises
    ------
    InputError
        Naming every fault by number, or that there is no such list.
    """
    rows = content.get("instruments")
    if not isinstance(rows, list):
        remedy = "write `instruments: [{instrument: ..., launch_year: ..., unit: ...}, ...]`"
        raise InputError([Fault(where, "states no list of instruments", remedy)])
    faults: list[Fault] = []
    found = []
    for number, row in enumerate(rows, start=1):
        with collected(faults):
            found.append(validated(Instrument, row, f"{where}: instrument {number}"))
    if faults:
        raise InputError(faults)
    return found


@cache
def _shipped() -> tuple[Instrument, ...]:
    path = resources.files("powermkt") / "data" / "instruments.csv"
    with path.open(encoding="utf-8") as file:
        table: Any = pd.read_csv(file, keep_default_na=False)
    return tuple(Instrument.model_validate(row) for row in table.to_dict("records"))
