"""Audit of a results folder on its files alone: nothing is solved again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from powermkt.analysis.evidence import FOLDER, Cleared, EvidenceError, read_evidence
from powermkt.analysis.risk import hedging_table, risk_table
from powermkt.auditing.runaudit import audit_runs
from powermkt.auditing.studycheck import check_studies, studied
from powermkt.auditing.tablecheck import compare_sums, compare_tables, compare_twin
from powermkt.common.files import read_parquet
from powermkt.common.findings import AuditReport, Finding
from powermkt.common.writing import FILES, SEAL, digests, read_record, sealed
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.studies.comparison import Comparison

_TABLES = (".parquet", ".csv")
# Of the machine and the versions that cleared; of files beside the network that are no evidence.
_OF_THE_RUN = ("versions", "python", "machine", "mended", "quality", FILES, SEAL)


def audit(folder: str | Path, *, evidence: bool = True, seals: bool = True) -> AuditReport:
    """Audit the results in a folder.

    Files are compared with the digests in the record. Where there is evidence, the programme of
    each window is built again and the stored point is certified as its optimum; quantities, money
    and carbon are checked against the network; every table is computed again and compared cell by
    cell. Without evidence, tables are compared with each other.

    Parameters
    ----------
    folder : str or Path
        As `Comparison.to_parquet` or a study wrote it.
    evidence : bool, default True
        Use the evidence, if there is any.
    seals : bool, default True
        Compare digests.

    Returns
    -------
    AuditReport

    Raises
    ------
    InputError
        If the folder holds no results.
    """
    folder = Path(folder)
    record, report = read_record(folder), AuditReport()
    if seals:
        _check_digests(report, folder, record)
    tables = _read_tables(report, folder)
    if not tables:
        raise InputError([Fault(str(folder), "holds no tables", "name a folder of results")])
    if evidence and (folder / FOLDER).is_dir():
        try:
            case, cleared = read_evidence(folder)
        except EvidenceError as error:
            report.add([Finding(FOLDER, "", str(error))])
        else:
            _audit_evidence(report, case, cleared, tables, record)
            _say_rest(report, cleared)
            return report
    if "comparison" in tables and _whole(tables["comparison"]):
        report.leave("tables against what they were made of: there is no evidence")
        compare_sums(report, tables)
    elif "comparison" not in tables and not studied(tables) and "yearly" not in tables:
        report.leave("what the tables of a study say: files are compared with their digests alone")
    check_studies(report, tables, record)
    _check_risk(report, tables, record)
    return report


def _check_risk(
    report: AuditReport, tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any]
) -> None:
    """Compute the tables of risk again from what every weather year gave."""
    if {"yearly", "risk"} <= tables.keys():
        try:
            risk = risk_table(tables["yearly"], float(record["confidence"]))
            expected = {"risk": risk, "hedging": hedging_table(risk)}
        except (KeyError, TypeError, ValueError) as error:
            what = f"tables are none of risk ({type(error).__name__}: {error})"
            report.add([Finding("yearly", "", what)])
        else:
            stored = {name: tables[name] for name in expected if name in tables}
            compare_tables(report, stored, expected)


def _whole(table: pd.DataFrame) -> bool:
    return {"regime", "carbon_price", "cost", "emissions_t"} <= set(table.columns)


def _check_digests(report: AuditReport, folder: Path, record: Mapping[str, Any]) -> None:
    """Say which files are not those that were written."""
    stated = record.get(FILES)
    if not isinstance(stated, dict):
        report.leave("whether files were changed: the record holds no digests")
        return
    if sealed(record)[SEAL] != record.get(SEAL):
        report.add([Finding("record.json", "", "was changed after it was written")])
    found = digests(folder)
    for name, digest in stated.items():
        table = Path(name).stem if "/" not in name else name
        if name not in found:
            report.add([Finding(table, "", f"{name} is missing")])
        elif found[name] != digest:
            what = f"{name} was changed after it was written"
            report.add([Finding(table, "", what, found[name][:12], str(digest)[:12])])
    for name in found.keys() - stated.keys():
        if name.endswith(_TABLES):
            report.add([Finding(Path(name).stem, "", f"{name} was not written with the others")])
    report.add([], "files", len(stated))


def _read_tables(report: AuditReport, folder: Path) -> dict[str, pd.DataFrame]:
    """Read all tables, and compare the CSV files with the Parquet files."""
    tables = {}
    for path in sorted(folder.glob("*.parquet")):
        try:
            tables[path.stem] = read_parquet(path)
        except (OSError, ValueError) as error:
            what = " ".join(str(error).split())[:120]
            report.add([Finding(path.stem, "", f"{path.name} cannot be read ({what})")])
            continue
        twin = path.with_suffix(".csv")
        if twin.is_file():
            compare_twin(report, path.stem, twin, tables[path.stem])
    return tables


def _audit_evidence(
    report: AuditReport, case: Case, cleared: Iterable[Cleared],
    tables: Mapping[str, pd.DataFrame], record: Mapping[str, Any],
) -> None:  # fmt: skip
    """Audit the runs of the evidence, and tables and record against them."""
    cleared = list(cleared)
    runs = [item.run for item in cleared if not item.calibration]
    beside = next((item.run for item in cleared if item.calibration), None)
    try:
        audit_runs(report, case, [(item.run, item.certificates()) for item in cleared])
    except EvidenceError as error:
        report.add([Finding(FOLDER, "", str(error))])
    comparison = Comparison(case, runs, beside)
    expected = comparison.tables
    if set(tables) - set(expected) and "comparison" not in tables:
        report.leave("tables of the study: only what was cleared for them is known")
    else:
        compare_tables(report, tables, expected)
    _check_record(report, record, comparison.record())


def _check_record(
    report: AuditReport, stored: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    """Compare what the record says was run."""
    for name, value in expected.items():
        if name in _OF_THE_RUN:
            continue
        told = json.loads(json.dumps(value, ensure_ascii=False))
        if stored.get(name) != told:
            what = "is not what the evidence gives"
            was, is_ = (json.dumps(x, ensure_ascii=False)[:200] for x in (stored.get(name), told))
            report.add([Finding("record.json", name, what, was, is_)])
    report.add([], "entries of the record", len(expected))


def _say_rest(report: AuditReport, cleared: Iterable[Cleared]) -> None:
    """Say what no certificate speaks of."""
    runs = [item.run for item in cleared]
    if runs:
        report.leave("whether a price is the only one (`unique`), and what the solver said")
    if any(len(run.marginal_mix.columns) for run in runs):
        report.leave("which carriers give one more MWh (marginal_mix)")
    if any(run.outcome.curtailment_range is not None for run in runs):
        report.leave("ranges of curtailment over all optima")
