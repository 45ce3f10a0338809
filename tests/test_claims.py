"""Certificates: each MWh and each tonne is claimed once, and what that comes to by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import pypsa
import pytest
from conftest import NETWORKS
from hypothesis import given
from shell import inside
from toys import add_rows, weigh

import powermkt as pm
from powermkt.analysis.certificates import issued, operating_margin
from powermkt.auditing.studycheck import check_studies
from powermkt.common.findings import AuditReport
from powermkt.common.ledger import balances

REGIME = {
    "name": "toy", "extends": "full_market",
    "carbon": {"rule": "CarbonPrice", "price": 60, "offsets": {"limit": 0.1, "price": 40}},
    "contract": {
        "rule": "Contracts",
        "book": [{"name": "park", "kind": "green_power", "seller": "wind", "buyer": "users@B",
                  "share": 0.2, "premium": 20}],
    },
}  # fmt: skip


def network() -> pypsa.Network:
    """Two provinces for ten hours of January and ten of February.

    A: load 60, wind 25 of 50, coal (e 0.9) gives 35. B: load 40, sun 10, hydro 10, gas (0.4) 20.
    MWh a month: wind 250, sun 100, hydro 100; in all coal 700, gas 400; 630 + 160 = 790 t.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.DatetimeIndex(["2022-01-31 23:00", "2022-02-01 00:00"]))
    weigh(n, 10.0)
    n.add("Carrier", ["coal", "gas", "onshore wind", "solar", "hydro", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    rows: dict[str, dict[str, object]] = {
        "coal": {"bus": "A", "p_nom": 100, "marginal_cost": 300, "emission_rate": 0.9},
        "wind": {"bus": "A", "p_nom": 50, "p_max_pu": 0.5, "carrier": "onshore wind"},
        "gas": {"bus": "B", "p_nom": 100, "marginal_cost": 500, "emission_rate": 0.4},
        "sun": {"bus": "B", "p_nom": 10, "carrier": "solar"},
    }
    add_rows(
        n, "Generator", {k: {"carrier": k, "emission_rate": 0.0, **v} for k, v in rows.items()}
    )
    dam = {"bus": "B", "carrier": "hydro", "p_nom": 10, "inflow": 10, "max_hours": 1}
    add_rows(n, "StorageUnit", {"river": {**dam, "cyclic_state_of_charge": True}})
    add_rows(n, "Load", {f"load {b}": {"bus": b, "p_set": p} for b, p in (("A", 60), ("B", 40))})
    return n


@pytest.fixture(scope="module")
def run() -> pm.Run:
    return pm.clear(pm.Case(network(), name="toy"), pm.regime(REGIME))


def refused(run: pm.Run, **plan: Any) -> str:
    with pytest.raises(pm.InputError) as caught:
        pm.claims(run, plan)
    return str(caught.value)


def test_issued(run: pm.Run) -> None:
    table = issued(run)
    assert table["issued_mwh"].to_dict() == pytest.approx(
        {("wind", "2022-01"): 250, ("wind", "2022-02"): 250,
         ("sun", "2022-01"): 100, ("sun", "2022-02"): 100}
    )  # fmt: skip
    assert issued(run, hydro=True)["issued_mwh"].sum() == pytest.approx(900)


def test_every_way_by_hand(run: pm.Run) -> None:
    """Issued 700. Wind: bundled 100, converted 50, voluntary 60; sun: to energy-use rights 20.

    50 MWh x 0.9 t = 45 t of at most 79 (a tenth of 790), which units buy at 40. 20 MWh x 0.3015 =
    6.03 tce. Obligations: A 0.1 x 1200 = 120 from its own wind; B 0.4 x 800 = 320, of which 100
    bundled and 180 its own sun, 40 bought of what wind is left. Banked 500 - 100 - 50 - 60 - 120
    - 40 = 130.
    """
    plan = {
        "registrations": [
            {"of": "wind", "use": "convert", "share": 0.1},
            {"of": "onshore wind@A", "use": "retire", "mwh": 60, "by": "data centre", "price": 25},
            {"of": "B", "use": "convert", "to": "energy_use_rights", "share": 0.1, "by": "steel",
             "price": 10},
        ],
        "obligations": {"A": 0.1, "all": 0.4}, "certificate_price": 30,
    }  # fmt: skip
    found = pm.claims(run, plan)
    assert found.proven and found.notes == []
    by_use = found.claims.groupby("use")[["mwh", "amount"]].sum()
    assert by_use["mwh"].to_dict() == pytest.approx(
        {"bundled": 100, "carbon_market": 50, "voluntary": 60, "energy_use_rights": 20,
         "obligation": 340, "bank": 130}
    )  # fmt: skip
    assert by_use["amount"][["carbon_market", "energy_use_rights"]].tolist() == pytest.approx(
        [45, 6.03]
    )
    owed = found.obligations.set_index("province")
    columns = ["obligation_mwh", "bundled_mwh", "local_mwh", "bought_mwh", "short_mwh", "cost"]
    assert owed.loc["A", columns].tolist() == pytest.approx([120, 0, 120, 0, 0, 3600])
    assert owed.loc["B", columns].tolist() == pytest.approx([320, 100, 180, 40, 0, 6600])
    assert found.offsets[["credited_t", "surrendered_t", "held_t"]].sum().tolist() == (
        pytest.approx([45, 45, 0])
    )
    wind = found.balance.set_index("carrier").loc["onshore wind"]
    assert wind[["issued_mwh", "retired_mwh", "banked_mwh", "converted_mwh"]].tolist() == (
        pytest.approx([500, 320, 130, 50])
    )
    # Beside the run: 60 x 25 + (120 + 40) x 30 + 45 x 40 to wind; 180 x 30 + 20 x 10 to the sun.
    more = balances(found.payments)
    assert more["wind"] == pytest.approx(1500 + 4800 + 1800)
    assert more["sun"] == pytest.approx(5400 + 200)
    assert more["grid company B"] == pytest.approx(-6600)
    whole = balances(found.ledger)
    assert whole.sum() == pytest.approx(0, abs=1e-6)
    # Of 79 t that units buy as offsets, 45 come from certificates.
    assert whole["offset suppliers"] == pytest.approx((79 - 45) * 40)
    assert run.ledger.loc[run.ledger["product"] == "green certificates", "amount"].sum() == (
        pytest.approx(2000)  # bundled: 100 x 20, in the ledger of the run alone
    )


def test_nothing_said_is_banked_and_bundled_may_be(run: pm.Run) -> None:
    found = pm.claims(run, {"bundled": "banked", "hydro": True})
    assert found.proven and found.retired.empty and found.converted.empty
    assert found.banked["mwh"].sum() == pytest.approx(900)
    assert found.banked.loc[found.banked["use"] == "bundled", "by"].unique().tolist() == ["load B"]
    assert found.payments.empty and found.double_counted_t == 0


def test_own_certificates_only(run: pm.Run) -> None:
    """B owes 0.5 x 800 = 400: 100 bundled, 200 of its sun; 100 lack at 70 where none are bought."""
    plan = {"obligations": {"B": 0.5}, "tradable": False, "shortfall_price": 70}
    found = pm.claims(run, plan)
    row = found.obligations.iloc[0]
    assert row[["local_mwh", "bought_mwh", "short_mwh", "cost"]].tolist() == pytest.approx(
        [200, 0, 100, 7000]
    )
    assert found.proven and balances(found.payments)["public funds"] == pytest.approx(7000)
    assert pm.claims(run, {**plan, "tradable": True}).obligations["short_mwh"].sum() == 0


def test_an_obligation_above_what_exists(run: pm.Run) -> None:
    """0.5 of 2000 MWh are 1000: 100 bundled, 900 to retire, 600 of 700 unclaimed."""
    said = refused(run, obligations=0.5)
    assert "900 MWh are to be retired" in said and "600 of 700 MWh issued" in said
    assert "300 lack" in said and "shortfall_price" in said


def test_double_registration(run: pm.Run) -> None:
    """Wind has 250 a month: 50 bundled, 200 and 25 registered."""
    said = refused(
        run,
        registrations=[
            {"of": "wind", "use": "retire", "share": 0.8},
            {"of": "renewable", "use": "convert", "share": 0.1, "to": "energy_use_rights"},
        ],
    )
    assert "1 fault" in said and "double registration: wind: 25 MWh of 2022-01" in said
    for part in ("250 issued, 275 registered", "50 green_certificates bundled by load B",
                 "200 green_certificates voluntary by voluntary buyers",
                 "25 energy_use_rights by wind", "1 more months"):  # fmt: skip
        assert part in said
    to = {"carbon_market": 0.7, "energy_use_rights": 0.5}
    both = {
        "registrations": [
            {"of": "sun", "use": "convert", "share": share, "to": name}
            for name, share in to.items()
        ]
    }
    assert "20 MWh of 2022-01" in refused(run, **both)
    # 0.2 of 200 MWh in two claims, 0.4 t each.
    twice = pm.double_counted(run, both)
    assert twice["double_mwh"].sum() == pytest.approx(40)
    assert twice["double_t"].sum() == pytest.approx(16)


def test_what_would_be_counted_twice_without_the_ledger(run: pm.Run) -> None:
    """B takes all 100 of the sun a month for its obligation, and half of them are converted too.

    It owes 0.5 x 800 = 400, 100 bundled; with the ledger the sun gives 100 and wind 200. Without,
    100 of its 200 are in two claims, 40 t.
    """
    plan = {
        "registrations": [
            {"of": "sun", "use": "convert", "share": 0.5, "to": "energy_use_rights"}
        ],
        "obligations": {"B": 0.5},
    }  # fmt: skip
    found = pm.claims(run, plan)
    assert found.proven and found.double_counted_t == pytest.approx(40)
    assert found.obligations["bought_mwh"].tolist() == pytest.approx([200])


def test_tonnes(run: pm.Run) -> None:
    """The margin of A is 0.9, of B 0.4; a tenth of 790 t may be offset, 100 MWh of wind are 90."""
    assert operating_margin(run).to_dict() == pytest.approx({"A": 0.9, "B": 0.4})
    wind = [{"of": "wind", "use": "convert", "share": 0.2}]
    said = refused(run, registrations=wind)
    assert "90 t of offsets, and at most 79 t" in said and "10 % of 790 t" in said
    said = refused(run, registrations=wind, credited=0.95)
    assert "95 t are credited for 100 MWh that avoid 90 t" in said and "2 faults" in said
    found = pm.claims(run, {"registrations": wind, "credited": 0.5})
    assert found.proven and found.offsets["credited_t"].sum() == pytest.approx(50)
    # One more MWh of load is coal's in A, gas's in B.
    for rule, expected in (("marginal", 20 * 0.4), ({"B": 0.3}, 20 * 0.3), (0.2, 20 * 0.2)):
        sun = [{"of": "sun", "use": "convert", "share": 0.1}]
        found = pm.claims(run, {"registrations": sun, "avoided": rule})
        assert found.offsets["credited_t"].sum() == pytest.approx(expected)


def test_what_a_plan_may_not_ask_for(run: pm.Run) -> None:
    convert = {"use": "convert", "share": 0.1}
    said = refused(
        run,
        registrations=[
            {"of": "wnd", **convert}, {"of": "river", **convert},
            {"of": "sun", **convert, "to": "energy_use_right"},
            {"of": "sun", **convert, "to": "green_certificates"},
        ],
        obligations={"C": 0.1}, avoided={"A": 0.9, "all": 1},
    )  # fmt: skip
    for part in ("6 faults", "did you mean 'wind'?", "'river' is issued no certificates",
                 "did you mean 'energy_use_rights'?", "use: retire", "unknown province 'C'",
                 "unknown province 'all'"):  # fmt: skip
        assert part in said
    assert "began in 2017, the year is 2016" in refused(run, year=2016)
    heat = {"instrument": "heat", "launch_year": 2020, "unit": "GJ"}
    to_heat = {"registrations": [{"of": "sun", **convert, "to": "heat"}], "instruments": [heat]}
    assert "unknown basis 'power supply 2023'" in refused(run, year=2023, **to_heat)
    found = pm.claims(run, {**to_heat, "bases": ["calorific value"]})
    assert found.converted["amount"].sum() == pytest.approx(20 * 3.6)
    said = refused(
        run,
        registrations=[{"of": "sun", "use": "retire"}, {"of": "sun", "use": "bank", "share": 2}],
        obligation=1,
    )
    for part in ("3 faults", "give one of share, mwh", "less than or equal to 1", "'obligations'"):
        assert part in said


def test_without_offsets_nothing_is_converted(run: pm.Run) -> None:
    bare = pm.Run(run.case, pm.regime("full_market"), 0.0, run.outcome)
    plan = {"registrations": [{"of": "sun", "use": "convert", "share": 0.1}]}
    assert "takes no offsets" in refused(bare, **plan)
    assert pm.claims(bare, {}).proven
    # Where allowances are cheaper than offsets units buy none.
    cheap = pm.Run(run.case, run.regime.at(30.0), 30.0, run.outcome)
    found = pm.claims(cheap, plan)
    assert found.proven and found.offsets["held_t"].sum() == pytest.approx(8)
    assert "8 of 8 t of offsets are held" in found.notes[0]
    # Under a cap what is avoided is emitted elsewhere.
    rule = {"rule": "CarbonCap", "allocation": "auction", "cap": 790, "price": 60}
    rule["offsets"] = {"limit": 0.1, "price": 40}
    capped = pm.Run(run.case, pm.regime({**REGIME, "carbon": rule}), 60.0, run.outcome)
    found = pm.claims(capped, plan)
    assert found.proven and "emissions are capped" in found.notes[0]


def test_a_certificate_is_paid_what_it_is_offered_for(run: pm.Run) -> None:
    """Wind offers a certificate at 15, the sun at 12: A pays 0.1 x 1200 x 15, B 80 x 12."""
    part = {"rule": "Participation", "certificate": {"wind": 15, "solar@B": 12}}
    regime = pm.regime({"name": "part", "extends": "full_market", "renewables": part})
    found = pm.claims(pm.Run(run.case, regime, 0.0, run.outcome), {"obligations": 0.1})
    assert found.proven and found.obligations["cost"].tolist() == pytest.approx([1800, 960])
    assert balances(found.payments)[["wind", "sun"]].tolist() == pytest.approx([1800, 960])
    found = pm.claims(found.run, {"obligations": 0.1, "certificate_price": 0})
    assert found.payments.empty


def test_what_an_obligation_of_the_regime_took_is_claimed(run: pm.Run) -> None:
    rule = {"rule": "Obligation", "name": "rps", "kind": "at_least", "counts": "output",
            "carriers": "solar", "share": 0.1}  # fmt: skip
    regime = pm.regime({"name": "rps", "extends": "full_market", "obligation": rule})
    said = refused(pm.Run(run.case, regime, 0.0, run.outcome))
    assert "Obligation 'rps': takes certificates of sun (200 MWh) already" in said


def test_a_contract_of_what_is_issued_nothing(run: pm.Run) -> None:
    book = [{"name": "dam", "kind": "green_power", "seller": "river", "buyer": "users@B",
             "share": 0.5}]  # fmt: skip
    regime = pm.regime({**REGIME, "contract": {"rule": "Contracts", "book": book}})
    wet = pm.Run(run.case, regime, 60.0, run.outcome)
    assert "delivers 100 certificates of river" in refused(wet)
    assert pm.claims(wet, {"hydro": True}).proven


@given(
    shares=st.lists(st.floats(0, 0.5), min_size=3, max_size=3),
    obligations=st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)),
    tradable=st.booleans(),
)
def test_each_mwh_is_claimed_once(
    run: pm.Run, shares: list[float], obligations: tuple[float, float], tradable: bool
) -> None:
    to = [("retire", {}), ("convert", {"to": "energy_use_rights"}), ("bank", {})]
    plan = {
        "registrations": [
            {"of": "renewable", "use": use, "share": share, **more}
            for share, (use, more) in zip(shares, to, strict=True)
        ],
        "obligations": dict(zip("AB", obligations, strict=True)),
        "tradable": tradable, "shortfall_price": 1.0,
    }  # fmt: skip
    if sum(shares) + 0.2 > 1:  # a fifth of wind is bundled
        assert "double registration: wind" in refused(run, **plan)
        assert pm.double_counted(run, plan)["double_mwh"].sum() > 0
        return
    found = pm.claims(run, plan)
    assert found.proven, found.proof()
    columns = ["retired_mwh", "banked_mwh", "converted_mwh"]
    assert found.balance[columns].sum(axis=1).to_numpy() == pytest.approx(
        found.balance["issued_mwh"].to_numpy()
    )
    unclaimed = found.banked.loc[found.banked["by"] == found.banked["plant"], "mwh"].sum()
    if tradable and found.obligations["short_mwh"].sum() > 1e-3:
        assert unclaimed == pytest.approx(shares[2] * 700, abs=1e-6)  # nothing is left


@pytest.fixture(scope="module")
def sound(run: pm.Run) -> pm.Claims:
    wind = {"of": "wind", "use": "convert", "share": 0.1}
    return pm.claims(run, {"registrations": [wind], "obligations": {"A": 0.1}})


@pytest.mark.parametrize(
    ("table", "column", "checks"),
    [
        (
            "claims",
            "first_mwh",
            {"MWh in two claims", "intervals, energy of claims: largest difference"},
        ),
        ("claims", "mwh", {"issued, retired + banked + converted"}),
        ("issued", "issued_mwh", {"issued, generated"}),
        ("offsets", "credited_t", {"credited, in the claims", "credited, avoided"}),
        ("obligations", "short_mwh", {"obligations, met + short"}),
    ],
)
def test_the_proof_fails(sound: pm.Claims, table: str, column: str, checks: set[str]) -> None:
    changed = getattr(sound, table).copy()
    row = changed.index[changed["first_mwh"] > 0][0] if column == "first_mwh" else changed.index[0]
    changed.loc[row, column] += -0.01 if column == "first_mwh" else 0.01
    broken = replace(sound, **{table: changed})
    proof = broken.proof().set_index("check")["holds"]
    assert not broken.proven and checks <= set(proof.index[~proof])


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        "registrations: [{of: wind, use: retire, share: 0.5, by: data centre, price: 20}]\n"
        "obligations: {South: 0.1}\ncertificate_price: 30\n"
    )
    two = str(NETWORKS / "two_province")
    arguments = ("claims", two, "--regime", "full_market", "--plan", "plan.yaml")
    done = inside(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80 and " NO" not in done.stdout
    folder = tmp_path / "results" / "two_province-claims"
    balance = pd.read_parquet(folder / "balance.parquet").iloc[0]
    assert balance["issued_mwh"] == pytest.approx(6000)
    # South serves 12 x (900 + 1400) MWh, of which a tenth is bought in North.
    assert balance["retired_mwh"] == pytest.approx(3000 + 2760)
    assert pd.read_csv(folder / "proof.csv")["holds"].all()
    (tmp_path / "plan.yaml").write_text("obligation: 0.1\n")
    done = inside(*arguments[:3], "ful_market", *arguments[4:], cwd=tmp_path)
    assert done.returncode == 2 and "did you mean 'full_market'?" in done.stderr
    assert "did you mean 'obligations'?" in done.stderr


def test_tables_of_claims_are_audited(run: pm.Run) -> None:
    """Clean tables add up; a number that is altered in one of them contradicts another."""
    plan = {"registrations": [{"of": "wind", "use": "convert", "share": 0.1}],
            "obligations": 0.2, "certificate_price": 30}  # fmt: skip
    found = pm.claims(run, plan)
    record = {"double_counted_t": found.double_counted_t}

    def said(tables: dict[str, pd.DataFrame]) -> set[str]:
        report = AuditReport()
        check_studies(report, tables, record)
        return {item.table for item in report.findings}

    assert said(found.tables) == set()
    for name, column in (("issued", "issued_mwh"), ("claims", "last_mwh"), ("claims", "mwh"),
                         ("balance", "banked_mwh"), ("offsets", "credited_t"),
                         ("offsets", "avoided_t"), ("obligations", "local_mwh"),
                         ("payments", "amount")):  # fmt: skip
        table = found.tables[name].copy()
        table.loc[table[column].idxmax(), column] *= 1.001
        assert said({**found.tables, name: table}), (name, column)
    # The same MWh claimed twice, in tables that agree on the sums.
    twice = found.tables["claims"].copy()
    twice.loc[twice.index[-1], ["first_mwh", "last_mwh"]] -= 1.0
    assert said({**found.tables, "claims": twice}) == {"claims"}
