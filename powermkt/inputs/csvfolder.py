"""What is wrong with a PyPSA CSV folder, before PyPSA reads it and fills gaps without a word."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pypsa

from powermkt.errors import Fault, name_list, nearest

_WORDS = {"True", "TRUE", "true", "False", "FALSE", "false"}
_DIGITS = {"0", "1"}
# An empty cell would be a plant without size or cost, or a loss of nothing.
_STATED = ("p_nom", "s_nom", "e_nom", "marginal_cost", "efficiency")


def csv_faults(folder: Path) -> list[Fault]:
    """Return every fault of the files of a CSV folder; empty if PyPSA reads what stands there."""
    faults = [*_misnamed(folder)]
    for file in sorted(folder.glob("*.csv")):
        if file.stem in _components():
            try:
                table = pd.read_csv(file, dtype=str)
            except (OSError, ValueError):
                continue  # PyPSA says why it cannot be read
            faults += _cells(folder, file, table)
    return [*faults, *_series(folder)]


@cache
def _components() -> dict[str, pd.DataFrame]:
    """Attributes of each component of PyPSA, by the name of its table."""
    n = pypsa.Network()
    parts = [n.components[name] for name in sorted(n.all_components)]
    return {part.list_name: part.defaults for part in parts}


def _misnamed(folder: Path) -> Iterator[Fault]:
    """Files that PyPSA passes over, and that are surely meant for it."""
    known = [*_components(), "snapshots", "network"]
    for file in sorted(folder.glob("*.csv")):
        table, dash, attribute = file.stem.partition("-")
        if table not in known:
            close = difflib.get_close_matches(table, known, n=1, cutoff=0.8)
            if close:
                yield Fault(str(file), f"is no table of PyPSA: {table!r}", nearest(table, known))
        elif dash and table in _components():
            attributes = _components()[table].index
            if attribute not in attributes and difflib.get_close_matches(
                attribute, attributes, n=1, cutoff=0.8
            ):
                what = f"is no series of PyPSA: {attribute!r}"
                yield Fault(str(file), what, nearest(attribute, attributes))


def _cells(folder: Path, file: Path, table: pd.DataFrame) -> Iterator[Fault]:
    """Cells of a table that are read as something else than what stands there."""
    kinds = _components()[file.stem]["typ"]
    names = table.iloc[:, 0] if len(table.columns) else pd.Series(dtype=str)
    for column in table.columns[1:].intersection(kinds.index):
        cells, place = table[column], f"{file}: {column}"
        empty = cells.isna()
        if kinds[column] is bool:
            words = set(cells.dropna())
            if not (words <= _WORDS or words <= _DIGITS):
                odd = sorted(words - _WORDS - _DIGITS) or sorted(words)
                what = f"{name_list(map(repr, odd))}: with them PyPSA reads every row as True"
                yield Fault(place, what, "write True or False in every row")
            if column == "active" and empty.any():
                what = f"is empty for {name_list(names[empty])}, which PyPSA reads as False"
                yield Fault(place, what, "write True or False")
        elif kinds[column] in (float, int):
            wrong = pd.to_numeric(cells, errors="coerce").isna() & ~empty
            if wrong.any():
                said = (f"{name}: {cell!r}" for name, cell in zip(names[wrong], cells[wrong],
                                                                  strict=True))  # fmt: skip
                yield Fault(place, f"no number for {name_list(said)}", "write a number")
            if column in _STATED and empty.any() and not empty.all():
                given = _given(folder / f"{file.stem}-{column}.csv")
                if len(missing := names[empty & ~names.isin(given)]):
                    yield Fault(place, f"is empty for {name_list(missing)}",
                                "write a number, 0 if that is meant")  # fmt: skip


def _given(series: Path) -> list[str]:
    """Names that have a series; none where there is no file, or none that can be read."""
    try:
        return [*pd.read_csv(series, nrows=0).columns]
    except (OSError, ValueError):
        return []  # what is wrong with it is told with the series


def _series(folder: Path) -> Iterator[Fault]:
    """Compare series with snapshots.csv and with the tables they belong to; read their cells."""
    file = folder / "snapshots.csv"
    series = sorted(folder.glob("*-*.csv"))
    if not file.is_file():
        if series:
            yield Fault(str(file), "missing, but there are time series", "add snapshots.csv")
        return
    try:
        axis = _times(pd.read_csv(file, dtype=str)["snapshot"])
    except (OSError, ValueError, KeyError) as error:
        remedy = "name the column of times `snapshot`, as PyPSA's export does"
        yield Fault(str(file), f"has no column `snapshot` ({error})", remedy)
        return
    for item in series:
        try:
            table = pd.read_csv(item, low_memory=False)
            times = _times(table.iloc[:, 0].astype(str))
        except (OSError, ValueError, IndexError) as error:
            yield Fault(str(item), f"cannot be read ({error})", "check the file")
            continue
        component, _, attribute = item.stem.partition("-")
        yield from _columns(folder, item, component, table)
        # PyPSA itself writes positions instead of times.
        if times != axis and times != [str(i) for i in range(len(axis))]:
            what = f"its {len(times)} times do not match the {len(axis)} of snapshots.csv"
            remedy = "give one row for every snapshot, in the same order"
            yield Fault(str(item), what, remedy)
        kinds = _components().get(component, pd.DataFrame({"typ": []}))["typ"]
        if kinds.get(attribute) is float:
            for name in table.columns[1:]:
                if pd.api.types.is_numeric_dtype(table[name]):
                    continue
                wrong = pd.to_numeric(table[name], errors="coerce").isna() & table[name].notna()
                said = (f"{time}: {cell!r}" for time, cell in
                        zip(table.iloc[:, 0][wrong], table[name][wrong], strict=True))  # fmt: skip
                if wrong.any():
                    yield Fault(f"{item}: {name}", f"no number at {name_list(said)}",
                                "write a number")  # fmt: skip


def _columns(folder: Path, item: Path, component: str, table: pd.DataFrame) -> Iterator[Fault]:
    static = folder / f"{component}.csv"
    if not static.is_file():
        return
    try:
        names = set(pd.read_csv(static, dtype=str).iloc[:, 0])
    except (OSError, ValueError, IndexError) as error:
        yield Fault(str(static), f"cannot be read ({error})", "check the file")
        return
    for name in table.columns[1:]:
        if name not in names:
            yield Fault(str(item), f"column {name!r} is none of {component}", nearest(name, names))


def _times(column: pd.Series) -> list[object]:
    """Return times where a column holds times, else its words: both spellings are in use."""
    if column.str.fullmatch(r"\d+").all():
        return list(column)
    parsed = pd.to_datetime(column, errors="coerce", format="mixed")
    return list(column if parsed.isna().any() else parsed)
