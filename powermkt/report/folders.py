"""Read the tables and the records of results folders."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.common.files import read_parquet
from powermkt.common.writing import FILES
from powermkt.errors import Fault, InputError

_RECORD = "record.json"
# What studies call alike and is not: by a key of the study's record, table -> name on the page.
_RENAMED = {
    "claims": {
        name: f"certificate_{name}"
        for name in ("balance", "issued", "claims", "obligations", "offsets", "payments",
                     "double_counted", "proof")
    },
    "credit": {
        name: f"overlap_{name}"
        for name in ("cases", "lines", "parties", "claimed", "double_counted", "proof", "published",
                     "instruments")
    },
}  # fmt: skip


def of_study(source: Any) -> dict[str, pd.DataFrame]:
    """Tables of a study by the names that they have on the page."""
    marks = {"double_counted_t": "claims", "cleared": "credit"}  # what only one study has
    key = next((key for mark, key in marks.items() if hasattr(source, mark)), "")
    names = _RENAMED.get(key, {})
    return {names.get(name, name): table for name, table in source.tables.items()}


@dataclass
class Folders:
    """Results of one or several folders.

    Attributes
    ----------
    tables : dict of str to DataFrame
        The first folder that has a table gives it.
    record : dict
        That of the first folder, with what others add.
    origin : dict of str to str
        Folder of each table.
    horizons : dict of str to dict
        Windows of each folder, as its record has them.
    incomplete : dict of str to list of str
        Tables that a folder was written with and does not have, by folder.
    """

    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    horizons: dict[str, dict[str, Any]] = field(default_factory=dict)
    incomplete: dict[str, list[str]] = field(default_factory=dict)
    repeated: dict[str, list[str]] = field(default_factory=dict)


def read_results(folder: str | Path) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Read the tables and the record of a results folder.

    Tables of certificates and of overlap studies have `certificate_` and `overlap_` before their
    names.

    Raises
    ------
    InputError
        If it holds no results, results of another version, or tables that cannot be read: all that
        is wrong at once.
    """
    where = Path(folder)
    if not (where / _RECORD).is_file():
        what = "holds no results" if where.is_dir() else "is no folder"
        remedy = "name the folder that `powermkt compare` or a study wrote (--out)"
        raise InputError([Fault(str(folder), what, remedy)])
    try:
        record = json.loads((where / _RECORD).read_text(encoding="utf-8"))
        version = str(record["versions"]["powermkt"])
        if not isinstance(record.get(FILES, {}), dict):
            raise TypeError(f"{FILES} is no mapping")
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = "says no version" if isinstance(error, KeyError) else f"cannot be read: {error!r}"
        raise InputError([Fault(str(where / _RECORD), what, "make the results anew")]) from None
    here = metadata.version("powermkt")
    faults, tables = [], {}
    if version.split(".")[:2] != here.split(".")[:2]:
        what = f"is of powermkt {version}, this is {here}"
        faults.append(Fault(str(folder), what, "make the results anew, or use that version"))
    renamed = next((names for key, names in _RENAMED.items() if key in record), {})
    for file in sorted(where.glob("*.parquet")):
        try:
            tables[renamed.get(file.stem, file.stem)] = read_parquet(file)
        except (OSError, ValueError) as error:
            faults.append(Fault(str(file), f"cannot be read: {error}", "make the results anew"))
    if faults:
        raise InputError(faults)
    return tables, record


def read_folders(folders: Sequence[str | Path]) -> Folders:
    """Read several folders of results on one network; the first that has a table gives it.

    Raises
    ------
    InputError
        As `read_results`, of all folders at once, and for results of different networks.
    """
    found, faults = Folders(), []
    cases: dict[str, str] = {}
    for folder in folders:
        try:
            tables, record = read_results(folder)
        except InputError as error:
            faults += error.faults
            continue
        name = str(folder)
        cases[name] = str(record.get("case", record.get("network", "")))
        renamed = next((names for key, names in _RENAMED.items() if key in record), {})
        stated = record.get(FILES, {})
        there = (name.removesuffix(".parquet") for name in stated if "/" not in name)
        written = {renamed.get(table, table) for table in there if "." not in table}
        if lacking := sorted(written - {*tables}):
            found.incomplete[name] = lacking
        windows = record.get("windows", {})
        found.horizons[name] = windows if isinstance(windows, dict) else {}
        for table in tables:
            if table in found.tables:
                found.repeated.setdefault(name, []).append(table)
            else:
                found.tables[table], found.origin[table] = tables[table], name
        found.record = _joined(found.record, record)
    if len(set(cases.values())) > 1:
        what = "are results of different networks: " + ", ".join(
            f"{folder} of {case}" for folder, case in cases.items()
        )
        faults.append(Fault("folders", what, "make a page of each network"))
    if faults:
        raise InputError(faults)
    return found


def _joined(first: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """A record with what another adds: its rules and notes beside, other keys where it has none."""
    if not first:
        return dict(more)
    joined = {**more, **first}
    for key in ("regimes", "notes", "quality", "market", "causes"):
        if isinstance(first.get(key), dict) and isinstance(more.get(key), dict):
            joined[key] = {**more[key], **first[key]}
    said = [*first.get("mended", []), *more.get("mended", [])]
    joined["mended"] = list(dict.fromkeys(map(str, said)))
    return joined
