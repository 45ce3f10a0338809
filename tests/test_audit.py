from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from alterations import altered, altered_outcomes
from heattoy import heat_case
from reserve_toys import case_with, spinning, toy
from shell import inside
from toys import one_bus, random_case

import powermkt as pm
from powermkt.analysis.evidence import FOLDER, EvidenceError, read_evidence
from powermkt.auditing.optimality import _NOT_READ
from powermkt.auditing.runaudit import audit_runs
from powermkt.auditing.tablecheck import compare_sums, compare_tables
from powermkt.common.findings import AuditReport
from powermkt.common.writing import FILES, SEAL, digests, sealed, write_results
from powermkt.dispatch.packing import DamagedError, pack, unpack, unpack_certificates
from powermkt.methods.certificate import DISPATCH, Certificate
from powermkt.studies.audit import audit

NETWORKS = Path(__file__).parents[1] / "networks"


@pytest.fixture(scope="module")
def compared() -> pm.Comparison:
    # Coal alone up to 100 MW beside 25 MW of wind, gas above.
    return pm.compare(pm.Case(one_bus([80.0, 150.0])), ["full_market"], [0.0, 60.0])


@pytest.fixture(scope="module")
def folder(compared: pm.Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compared.to_parquet(tmp_path_factory.mktemp("audit") / "toy")


def findings_of(run: pm.Run, certificates: list[Certificate] | None = None) -> list[str]:
    """What the layers below tables find in a run."""
    found = AuditReport()
    held = run.outcome.certificates if certificates is None else certificates
    audit_runs(found, run.case, [(run, iter([held]))])
    return [str(item) for item in found.findings]


@pytest.mark.slow
def test_clean_results_have_no_findings(folder: Path) -> None:
    found = audit(folder)
    assert found.ok, found.findings
    assert found.checks["limits of columns"] > 0 and found.checks["cells"] > 300


def test_a_number_altered_in_a_table_is_found_by_table_row_and_amount(
    compared: pm.Comparison,
) -> None:
    expected, missed, count = compared.tables, [], 0
    for name, table in expected.items():
        for what, other in altered(table, 3, seed=1):
            found = AuditReport()
            compare_tables(found, {name: other}, {name: table})
            count += 1
            if {item.table for item in found.findings} != {name}:
                missed.append(f"{name}: {what}")
            elif "text" not in what and len(other) == len(table):
                assert found.findings[0].row.startswith("row ") and found.findings[0].expected
    assert not missed and count >= 40


def test_an_altered_point_is_no_optimum(compared: pm.Comparison) -> None:
    # Hour 2: 25 MW of wind, 100 MW of coal, 25 MW of gas at 500; the price is that of gas.
    run = compared.runs[0]
    held = run.outcome.certificates[0]
    coal = int(np.flatnonzero(np.isclose(held.columns, 100.0))[0])
    moved, shifted = held.columns.copy(), dict(held.duals)
    moved[coal] -= 1.0  # 1 MWh less of coal: the balance of the hour does not hold
    shifted["minimised"] = 1.01 * shifted["minimised"]
    for columns, duals, words in (
        (moved, held.duals, "primal feasibility of a row"),
        (held.columns, shifted, "complementary slackness"),
    ):
        other = Certificate.of(held.window, DISPATCH, columns, duals)
        assert any(words in text for text in findings_of(run, [other]))


def test_dearer_plant_in_merit_is_found_though_it_balances(compared: pm.Comparison) -> None:
    # Gas for coal, MW for MW: every limit and balance holds, but it costs 200 more per MWh.
    run = compared.runs[0]
    held, columns = run.outcome.certificates[0], run.outcome.certificates[0].columns.copy()
    coal = int(np.flatnonzero(np.isclose(columns, 100.0))[0])
    gas = coal + 1
    assert columns[gas] == pytest.approx(25.0)
    columns[[coal, gas]] += [-10.0, 10.0]
    other = Certificate.of(held.window, DISPATCH, columns, held.duals)
    found = findings_of(run, [other])
    assert any("duality gap" in text for text in found)
    assert not any("primal" in text for text in found)


def test_energy_from_nowhere_is_found_by_bus_and_hour(compared: pm.Comparison) -> None:
    run = compared.runs[0]
    dispatch = run.outcome.dispatch.copy()
    dispatch.iloc[1, 1] += 0.01  # MW
    found = findings_of(replace(run, outcome=replace(run.outcome, dispatch=dispatch)))
    assert any("energy balance" in text and "bus A: " not in text for text in found)
    assert any("0.01" in text or "0.0099" in text for text in found)


def test_a_file_that_was_changed_is_named(tmp_path: Path) -> None:
    target = tmp_path / "r"
    table = pd.DataFrame({"province": ["North"], "mwh": [2.5]})
    write_results(target, {"causes": table}, {"study": "explain"})
    assert audit(target).ok
    # A study: nobody can compute it again, but any altered number is named by its table.
    table.assign(mwh=2.6).to_parquet(target / "causes.parquet", index=False)
    found = audit(target)
    assert {item.table for item in found.findings} == {"causes"}
    assert any("changed after it was written" in str(item) for item in found.findings)
    assert any(item.column == "mwh" for item in found.findings)  # the CSV twin says another number


@pytest.mark.slow
def test_an_altered_record_is_found(folder: Path) -> None:
    record = json.loads((folder / "record.json").read_text())
    assert record[SEAL] == sealed(record)[SEAL] and record[FILES] == digests(folder)
    assert sealed({**record, "currency": "EUR"})[SEAL] != record[SEAL]


@pytest.mark.slow
def test_results_with_obligations_are_audited(tmp_path: Path) -> None:
    """150 MWh of load, 60 % obliged: wind has 50, 40 are short at 20."""
    plain = pm.regime("full_market")
    rule = pm.rules.Obligation(
        name="rps", kind="at_least", counts="output", carriers="renewable", share=0.6, unit="MWh",
        shortfall_price=20.0,
    )  # fmt: skip
    obliged = pm.Regime("obliged", (*plain.rules, rule))
    result = pm.compare(pm.Case(one_bus([60.0, 90.0])), [obliged], [0.0])
    report = audit(result.to_parquet(tmp_path / "results"))
    assert report.ok, report.findings
    assert any("mixture" in why for why in report.unchecked)
    assert report.checks["cells"] > 0


def test_a_folder_without_results_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(pm.InputError, match=r"record\.json"):
        audit(tmp_path)
    (tmp_path / "record.json").write_text("[1]")
    with pytest.raises(pm.InputError, match="mapping"):
        audit(tmp_path)
    done = inside("audit", str(tmp_path / "nothing"), cwd=tmp_path)
    assert done.returncode == 2 and "is no folder" in done.stderr


def test_certificates_come_back_as_they_were_packed(compared: pm.Comparison) -> None:
    outcome = compared.runs[0].outcome
    held = outcome.certificates
    assert held and unpack_certificates(pack(held)) == held
    with pytest.raises(DamagedError):
        unpack_certificates(pack(outcome))
    with pytest.raises(DamagedError):
        unpack(pack(held))


@pytest.mark.slow
def test_damaged_evidence_is_found(folder: Path) -> None:
    path = next((folder / FOLDER).rglob("*.cell"))
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(EvidenceError, match="damaged"):
            read_evidence(folder)
    finally:
        path.write_bytes(whole)


def test_tables_contradict_each_other_without_evidence(compared: pm.Comparison) -> None:
    tables = compared.tables
    clean = AuditReport()
    compare_sums(clean, tables)
    assert clean.ok, clean.findings
    for name, column in (("generation", "emissions_t"), ("ledger", "amount"),
                         ("payments", "amount"), ("incidence", "change")):  # fmt: skip
        other = tables[name].copy()
        at = other.index[other[column].abs() > 1][0]
        other.loc[at, column] *= 1.01
        found = AuditReport()
        compare_sums(found, {**tables, name: other})
        assert not found.ok, name


@pytest.mark.slow
def test_studies_that_do_not_add_up_are_found_without_digests(tmp_path: Path) -> None:
    """An explanation and risk over three weather years, one number altered at a time."""
    two = pm.read(NETWORKS / "two_province")
    pm.explain_curtailment(two, "full_market").to_parquet(tmp_path / "explain")
    case = pm.Case(one_bus([80.0, 150.0]))
    years = {
        f"y{share}": {"generators_t.p_max_pu": pd.DataFrame({"wind": share}, case.snapshots)}
        for share in (0.5, 0.2, 0.3)
    }
    regimes = ["full_market", "full_market_auction"]
    pm.weather_risk(case, years, regimes).to_parquet(tmp_path / "risk")
    sums = {
        "explain": {"causes": ["mwh", "total"], "combinations": ["curtailment_mwh", "wind_mwh"]},
        "risk": {"yearly": ["value"], "risk": ["mean", "std", "cvar"], "hedging": ["std_change"]},
    }
    for study, altered_in in sums.items():
        clean = audit(tmp_path / study)
        assert clean.ok and clean.checks, clean.findings
        for name, columns in altered_in.items():
            path = tmp_path / study / f"{name}.parquet"
            table = pd.read_parquet(path)
            path.with_suffix(".csv").unlink()
            for column in columns:
                row = table[column].abs().idxmax()
                table.assign(**{column: table[column].where(table.index != row, 7.7)}).to_parquet(
                    path
                )
                assert not audit(tmp_path / study, seals=False).ok, (name, column)
            table.to_parquet(path)
            assert audit(tmp_path / study, seals=False).ok


# ---- every table, more than a thousand alterations -----------------------------------------------


def _long_cases() -> list[pm.Comparison]:
    two = pm.read(NETWORKS / "two_province")
    presets = [name for name in pm.presets() if name != "two_settlement"]
    return [
        pm.compare(two, presets, [0.0, 60.0]),
        pm.compare(random_case(5), ["fixed_tariff", "full_market"], [0.0, 60.0], margins=True),
    ]


@pytest.mark.long
def test_a_thousand_alterations_are_found(tmp_path: Path) -> None:
    missed, count = [], 0
    for k, comparison in enumerate(_long_cases()):
        folder = comparison.to_parquet(tmp_path / str(k))
        clean = audit(folder)
        assert clean.ok, clean.findings
        case, cleared = read_evidence(folder)
        expected = pm.Comparison(case, [item.run for item in cleared]).tables
        stored = {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}
        assert stored.keys() == expected.keys()
        for name, table in stored.items():
            for what, other in altered(table, 30, seed=k):
                found = AuditReport()
                compare_tables(found, {name: other}, {name: expected[name]})
                count += 1
                if {item.table for item in found.findings} != {name}:
                    missed.append(f"{name}: {what}")
    print(f"{count} alterations of tables, {len(missed)} not found")
    assert count >= 1000 and not missed


@pytest.mark.long
@pytest.mark.parametrize("network", ["two_province", "rts_gmlc", "china"])
def test_clean_results_of_every_network_have_no_findings(network: str, tmp_path: Path) -> None:
    case = pm.read(NETWORKS / network)
    if network == "rts_gmlc":  # units on and off, a day
        quick = NETWORKS / network / "quick.yaml"
        found = pm.compare(case, [quick], [0.0], start="2020-10-20", days=1)
    else:
        regimes = ["fixed_tariff", "priority_dispatch", "provincial_market", "full_market"]
        found = pm.compare(case, regimes, [0.0, 60.0], weeks=1 if network == "china" else None)
    report = audit(found.to_parquet(tmp_path / network))
    assert report.ok, report.findings
    assert report.checks["cells"] > 1000


def _cleared(kind: str) -> pm.Run:
    """Markets whose outcomes hold what an audit reads: reserves, storage, links of many ports."""
    if kind == "random":
        return pm.clear(random_case(5), "full_market", 60.0)
    if kind == "heat":
        return pm.clear(heat_case(), "full_market", 20.0)
    n = toy(150.0, hours=3)
    n.add("StorageUnit", "cell", bus="A", carrier="battery", p_nom=20, max_hours=2,
          efficiency_store=0.9, efficiency_dispatch=0.9, cyclic_state_of_charge=True)  # fmt: skip
    products = {
        "up": spinning(40.0, shortage=[{"price": 300}]),
        "slow": spinning(60.0, kind="non_spinning", carriers=["gas"]),
        "down": spinning(15.0, kind="regulation_down"),
    }
    return pm.clear(case_with(n, products), "full_market")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["random", "reserves", "heat"])
def test_alterations_of_what_was_cleared_are_found(kind: str) -> None:
    missed, count = [], 0
    run = _cleared(kind)
    clean = run.audit()
    assert clean.ok, clean.findings
    for what, outcome in altered_outcomes(run.outcome, 4, 1, _NOT_READ):
        count += 1
        if not findings_of(replace(run, outcome=outcome)):
            missed.append(what)
    print(f"{kind}: {count} alterations of outcomes, {len(missed)} not found")
    assert count >= 40 and not missed
