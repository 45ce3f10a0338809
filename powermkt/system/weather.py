"""Weather years: other wind, sun, water and load for the network and the snapshots of a case.

A folder of weather years holds one folder for each year, named as the year is to be called, with
series as CSV or Parquet: `generators-p_max_pu`, `generators-p_min_pu`, `storage_units-inflow`,
`loads-p_set`. The first column of a CSV file, and the index of a Parquet file, are the snapshots of
the network; every other column is a component. What has no column keeps the series of the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from powermkt.errors import Fault, InputError, collected, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.forecasts import shifted
from powermkt.inputs.intake import series_faults
from powermkt.inputs.reading import read_series

WeatherYears = Mapping[str, Mapping[str, pd.DataFrame]]
_SHARE = "generators_t.p_max_pu"


def read_weather_years(folder: str | Path, case: Case) -> dict[str, dict[str, pd.DataFrame]]:
    """Read a folder of weather years.

    Parameters
    ----------
    folder : str or Path
        With one folder for each year, as this module says.
    case : Case

    Returns
    -------
    dict of str to dict of str to DataFrame [snapshot x component]
        By year and by series, such as "generators_t.p_max_pu", in the units of the network.

    Raises
    ------
    InputError
        Naming every file that cannot be read and all that does not match the case.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError([Fault(str(folder), "no such folder", "name a folder of weather years")])
    faults: list[Fault] = []
    years = {}
    for part in sorted(item for item in folder.iterdir() if item.is_dir()):
        if part.name.startswith("."):
            continue
        with collected(faults):
            years[part.name] = read_series(part, case.snapshots)
    if not years and not faults:
        remedy = "put the series of each year into a folder of its own"
        faults.append(Fault(str(folder), "holds no folders", remedy))
    faults += weather_faults(case, years)
    if faults:
        raise InputError(faults)
    return years


def weather_faults(case: Case, years: WeatherYears) -> list[Fault]:
    """Return everything in which weather years do not match a case, or each other."""
    n, found = case._n, []
    everywhere = {key for series in years.values() for key in _columns(series)}
    for label, series in years.items():
        where = f"weather year {label!r}"
        if not series:
            remedy = "give series such as generators-p_max_pu.csv"
            found.append(Fault(where, "holds no series", remedy))
            continue
        found += series_faults(n, series, where, "series")
        found += _too_much(case, series, where)
        lacking: dict[str, list[str]] = {}
        for name, column in sorted(everywhere.difference(_columns(series))):
            lacking.setdefault(name, []).append(column)
        found += [
            Fault(
                f"{where}: series {name}",
                f"lacks {name_list(columns)}, which other years have",
                "give every year the same columns",
            )
            for name, columns in lacking.items()
        ]
    return found


def _columns(series: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, str]]:
    return ((name, str(column)) for name, frame in series.items() for column in frame.columns)


def _too_much(case: Case, series: Mapping[str, pd.DataFrame], where: str) -> Iterator[Fault]:
    """Yield availabilities above 1 and above what the network's own series reach."""
    if _SHARE not in series:
        return
    given = series[_SHARE].apply(pd.to_numeric, errors="coerce")
    given = given[given.columns.intersection(case.generators.index)]
    most = case.dense("Generator", "p_max_pu")[given.columns].max().clip(lower=1.0)
    above = given.columns[given.max() > most + 1e-9]
    if len(above):
        remedy = "give shares of p_nom, from 0 to 1"
        yield Fault(f"{where}: series {_SHARE}", f"above 1 for {name_list(above)}", remedy)


def with_weather(case: Case, series: Mapping[str, pd.DataFrame]) -> Case:
    """Return a case in the weather of one year; nothing is checked.

    The framework schedule, offers and contracts stay: they were settled before. Forecasts err by as
    much as in the network's own weather at the time (`forecasts.shifted`).
    """
    found = case.with_series({name: frame.astype(float) for name, frame in series.items()})
    found.forecast = shifted(case, found._n)
    return found
