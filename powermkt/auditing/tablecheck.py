"""Compare tables of a results folder with what they should be, and with each other."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from powermkt.accounts.parties import RESOURCE_COST
from powermkt.auditing.bookscheck import audit_allowances, audit_ledger
from powermkt.auditing.physics import run_key
from powermkt.common.findings import AuditReport, Finding, number, sums

_RELATIVE = 1e-9  # of the number itself
_ROUNDING = 1e-13  # of the largest of its column: the last digits of sums that cancel
_MOST = 20
_RUN = ["regime", "carbon_price"]
_SUMS = 1e-9  # of what is added up
# Texts that tell no row of a table from another.
_NO_KEYS = {"name_zh", "color", "unit", "quality", "kind"}


def compare_tables(
    report: AuditReport, stored: Mapping[str, pd.DataFrame], expected: Mapping[str, pd.DataFrame]
) -> None:
    """Compare all tables cell by cell.

    Parameters
    ----------
    report : AuditReport
    stored, expected : mapping of str to DataFrame
        By name.
    """
    for name in sorted(expected.keys() - stored.keys()):
        report.add([Finding(name, "", "table is missing")])
    for name in sorted(stored.keys() - expected.keys()):
        report.add([Finding(name, "", "table that belongs to nothing")])
    for name in sorted(stored.keys() & expected.keys()):
        report.add(_differences(name, stored[name], expected[name]), "cells", stored[name].size)


def _differences(name: str, stored: pd.DataFrame, expected: pd.DataFrame) -> Iterator[Finding]:
    missing = [str(c) for c in expected.columns if c not in stored]
    extra = [str(c) for c in stored.columns if c not in expected]
    if missing or extra:
        for column in missing:
            yield Finding(name, "", "column is missing", column=column)
        for column in extra:
            yield Finding(name, "", "column that belongs to nothing", column=column)
    if list(stored.columns) != list(expected.columns) and not missing and not extra:
        yield Finding(name, "", "order of columns")
    if len(stored) != len(expected):
        yield Finding(name, "", "number of rows", str(len(stored)), str(len(expected)))
        return
    keys = keys_of(expected)
    count = 0
    for column in expected.columns:
        if column not in stored:
            continue
        a, b = stored[column], expected[column]
        for i in np.flatnonzero(~_alike(a, b)):
            count += 1
            if count <= _MOST:
                row = ", ".join(f"{k} {expected[k].iloc[i]}" for k in keys if k != column)
                was, is_ = _told(a.iloc[i]), _told(b.iloc[i])
                what = "is not what the evidence gives"
                yield Finding(name, f"row {i}: {row}", what, was, is_, str(column))
    if count > _MOST:
        yield Finding(name, "", f"{count - _MOST} more cells are not what the evidence gives")


def keys_of(table: pd.DataFrame) -> list[str]:
    """Columns of texts and times that tell one row from another."""
    texts = [
        str(name)
        for name, values in table.items()
        if not pd.api.types.is_numeric_dtype(values) and name not in _NO_KEYS
    ]
    return [*texts, *(["carbon_price"] if "carbon_price" in table else [])]


def _alike(a: pd.Series, b: pd.Series) -> np.ndarray:
    """Which cells are the same: numbers nearly, texts and times to the letter."""
    plain = [pd.api.types.is_numeric_dtype(part) for part in (a, b)]
    if all(plain):
        x, y = a.to_numpy(dtype=float), b.to_numpy(dtype=float)
        finite = np.abs(y[np.isfinite(y)])
        limit = _RELATIVE * np.abs(y) + _ROUNDING * finite.max(initial=0.0)
        with np.errstate(invalid="ignore"):
            near = np.abs(x - y) <= limit
        return near | (x == y) | (np.isnan(x) & np.isnan(y))
    return np.asarray([_told(x) == _told(y) for x, y in zip(a, b, strict=True)], dtype=bool)


def _told(value: object) -> str:
    """A cell as text; what is empty is empty, whatever it is made of."""
    if value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NaT:
        return ""
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return str(value)


def compare_twin(report: AuditReport, name: str, path: Path, table: pd.DataFrame) -> None:
    """Compare the CSV file of a table with the table: numbers as they are printed."""
    try:
        text = path.read_text(encoding="utf-8")
        stored = list(csv.reader(io.StringIO(text)))
    except (OSError, ValueError, csv.Error) as error:
        report.add([Finding(name, "", f"{path.name} cannot be read ({error})")])
        return
    expected = list(csv.reader(io.StringIO(table.to_csv(index=False))))
    report.add(_twin(name, stored, expected), "cells of CSV files", table.size)


def _twin(name: str, stored: list[list[str]], expected: list[list[str]]) -> Iterator[Finding]:
    if stored[:1] != expected[:1] or len(stored) != len(expected):
        shape = [f"{len(part) - 1} rows of {part[:1]}" for part in (stored, expected)]
        yield Finding(name, "", "CSV: columns or rows are not those of the Parquet file", *shape)
        return
    count = 0
    for i, (a, b) in enumerate(zip(stored[1:], expected[1:], strict=True)):
        if a == b:
            continue
        if len(a) != len(b):
            yield Finding(name, f"row {i}", "CSV: number of cells", str(len(a)), str(len(b)))
            continue
        for column, x, y in zip(expected[0], a, b, strict=True):
            if x == y or _near(x, y):
                continue
            count += 1
            if count <= _MOST:
                what = "CSV: is not what stands in the Parquet file"
                yield Finding(name, f"row {i}: {', '.join(b[:4])}", what, x, y, column)
    if count > _MOST:
        yield Finding(
            name, "", f"{count - _MOST} more cells of the CSV are not those of the Parquet file"
        )


def _near(a: str, b: str) -> bool:
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    return abs(x - y) <= 1e-15 * abs(y)


# ---- without evidence: sums across tables --------------------------------------------------------


def compare_sums(report: AuditReport, tables: Mapping[str, pd.DataFrame]) -> None:
    """Check what tables of a comparison say about each other.

    Parameters
    ----------
    report : AuditReport
    tables : mapping of str to DataFrame
        By name; what is absent is not looked at.
    """
    runs = tables["comparison"].set_index(_RUN)
    if runs.index.has_duplicates:
        report.add([Finding("comparison", "", "a run stands there twice")])
        return
    for name, check in _CHECKS.items():
        try:
            if name in tables:
                check(report, runs, tables)
        except (KeyError, TypeError, ValueError) as error:
            report.add([Finding(name, "", f"is no such table ({type(error).__name__}: {error})")])
    for name in ("ledger", "compliance"):
        parts: dict[Any, pd.DataFrame] = {}
        if name in tables:
            parts = dict(list(tables[name].groupby(_RUN)))
        for at, part in parts.items():
            audit = audit_ledger if name == "ledger" else audit_allowances
            audit(report, part, run_key(str(at[0]), float(at[1])))


def _by_run(table: pd.DataFrame, column: str) -> pd.Series:
    total = table.groupby(_RUN)[column].sum()
    return total.set_axis([run_key(*at) for at in total.index])


def _of(runs: pd.DataFrame, column: str) -> pd.Series:
    return runs[column].set_axis([run_key(*at) for at in runs.index])


def _same(
    report: AuditReport, table: str, column: str, stored: pd.Series, expected: pd.Series, what: str,
    scale: float | None = None,
) -> None:  # fmt: skip
    size = float(stored.abs().max()) if scale is None and len(stored) else scale
    report.add(sums(table, stored, expected, _SUMS, what, size, column), "sums across tables",
               len(stored))  # fmt: skip


_Tables = Mapping[str, pd.DataFrame]


def _of_generation(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    table = tables["generation"]
    emitted = _by_run(table, "emissions_t")
    _same(report, "generation", "emissions_t", emitted, _of(runs, "emissions_t"),
          "emissions of the comparison")  # fmt: skip
    hours = (table["generation_mwh"] / table["capacity_mw"]).where(table["capacity_mw"] > 0, 0.0)
    row = _rows(table, ["province", "carrier"])
    _same(report, "generation", "utilisation_h", table["utilisation_h"].set_axis(row),
          hours.set_axis(row), "energy over capacity")  # fmt: skip


def _of_curtailment(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    table = tables["curtailment"]
    lost = _by_run(table, "curtailment_mwh")
    _same(report, "curtailment", "curtailment_mwh", lost, _of(runs, "curtailment_mwh"),
          "curtailment of the comparison")  # fmt: skip
    whole = _by_run(table, "available_mwh")
    _same(report, "comparison", "curtailment_rate", _of(runs, "curtailment_rate"),
          (lost / whole).where(whole > 0, 0.0), "curtailed over available")  # fmt: skip
    row = _rows(table, ["province", "carrier"])
    share = (table["curtailment_mwh"] / table["available_mwh"]).fillna(0.0)
    _same(report, "curtailment", "curtailment_rate", table["curtailment_rate"].set_axis(row),
          share.set_axis(row), "curtailed over available")  # fmt: skip


def _of_payments(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    if "ledger" not in tables:
        return
    keys = [*_RUN, "product"]
    stored, expected = (
        tables[name].groupby(keys)["amount"].sum() for name in ("payments", "ledger")
    )
    scale = float(tables["ledger"]["amount"].abs().max())
    _same(report, "payments", "amount", _flat(stored), _flat(expected),
          "sum of the ledger", scale)  # fmt: skip


def _of_provinces(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    table = tables["provinces"]
    _same(report, "provinces", "curtailment_mwh", _by_run(table, "curtailment_mwh"),
          _of(runs, "curtailment_mwh"), "curtailment of the comparison")  # fmt: skip
    if "hours" in tables:
        hours = tables["hours"]
        energy = hours.assign(load=hours["load"] * hours["hours"])
        scale = float(energy["load"].abs().sum())
        _same(report, "provinces", "load_mwh", _by_run(table, "load_mwh"), _by_run(energy, "load"),
              "load of all hours", scale)  # fmt: skip


def _of_incidence(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    """Changes of all lines sum to zero; those of resource cost to its change."""
    table = tables["incidence"]
    if table.empty:
        return
    change = _by_run(table, "change")
    scale = float(table["change"].abs().sum())
    _same(report, "incidence", "change", change, 0.0 * change, "all changes sum to zero", scale)
    if "savings" in tables:
        return  # what users save of their own fuel is no cost of the power system
    of_cost = table.assign(change=table["change"].where(table["group"] == RESOURCE_COST, 0.0))
    lowest = runs.sort_index()["cost"].groupby(level=0).transform("first")
    more = _of((runs["cost"] - lowest.reindex(runs.index)).to_frame("cost"), "cost")
    more = more.reindex(change.index, fill_value=0.0)
    _same(report, "incidence", "change", _by_run(of_cost, "change"), more,
          "change of resource cost", scale)  # fmt: skip


def _of_retail(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    table = tables["retail"]
    paid = table.assign(paid=table["energy_mwh"] * table["price"])
    stored, expected = _by_run(paid, "paid"), _of(runs, "consumer_payment")
    _same(report, "retail", "price", stored, expected, "what users pay in all")


def _of_comparison(report: AuditReport, runs: pd.DataFrame, tables: _Tables) -> None:
    if "ledger" not in tables:
        return
    ledger = tables["ledger"]
    made_whole = ledger.assign(amount=ledger["amount"].where(ledger["product"] == "uplift", 0.0))
    _same(report, "comparison", "uplift", _of(runs, "uplift"), _by_run(made_whole, "amount"),
          "uplift of the ledger", float(ledger["amount"].abs().max()))  # fmt: skip


def _flat(values: pd.Series) -> pd.Series:
    return values.set_axis([", ".join(map(str, at)) for at in values.index])


def _rows(table: pd.DataFrame, columns: list[str]) -> list[str]:
    return [", ".join(map(str, row)) for row in table[[*_RUN, *columns]].itertuples(index=False)]


_CHECKS: dict[str, Callable[[AuditReport, pd.DataFrame, _Tables], None]] = {
    "comparison": _of_comparison,
    "generation": _of_generation,
    "curtailment": _of_curtailment,
    "payments": _of_payments,
    "provinces": _of_provinces,
    "incidence": _of_incidence,
    "retail": _of_retail,
}
