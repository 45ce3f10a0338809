"""Responsibility of a run, who pays by which principle, the study and its command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from shell import inside
from toys import add_rows, one_bus, random_case

import powermkt as pm
from powermkt.analysis.overview import overview
from powermkt.analysis.responsibility import Responsibility
from powermkt.auditing.studycheck import check_studies
from powermkt.common.findings import AuditReport
from powermkt.report import report_of
from powermkt.studies.comparison import Comparison
from powermkt.studies.tracestudy import TraceStudy, read_charge

TWO = Path(__file__).parents[1] / "networks" / "two_province"


def balanced(found: Responsibility) -> None:
    """Production is consumption, excess and what is stored, in every hour and by origin."""
    made, used = found.production.sum(axis=1), found.consumption.sum(axis=1)
    kept = found.excess.sum(axis=1) + found.stored.sum(axis=1)
    assert np.allclose(made, used + kept, rtol=1e-9, atol=1e-9 * made.max())
    weights = found.run.case.weights
    origin = found.production.mul(weights, axis="index").sum()
    assert np.allclose(found.transfers.sum(axis=1) + found.unconsumed, origin, rtol=1e-9)
    assert found.table.iloc[-1]["production_t"] == pytest.approx(found.run.emissions, rel=1e-9)


@pytest.fixture(scope="module")
def market(two_province: pm.Case) -> Responsibility:
    return pm.responsibility(pm.clear(two_province, "full_market", carbon_price=60.0))


def test_two_provinces(market: Responsibility) -> None:
    """North sends 300 MW. By night 437.5 t/h of 800 MW, by day 780 t/h of 1,100 MW.

    South takes 12 x 300 (437.5 / 800 + 780 / 1100) = 4,521.48 t of 14,610, and emits 16,200.
    """
    moved = 3600 * (437.5 / 800 + 780 / 1100)
    table = market.table.set_index("province")
    assert table["production_t"].tolist() == pytest.approx([14_610, 16_200, 30_810])
    assert table["net_import_t"].tolist() == pytest.approx([-moved, moved, 0], abs=1e-6)
    assert market.transfers.loc["North", "South"] == pytest.approx(moved)
    assert table.loc["South", "consumption_factor"] == pytest.approx((16_200 + moved) / 27_600)
    # One more MWh by day: gas 0.38 in South and N2 in North; by night wind, and S1 at 0.82.
    assert table.loc["South", "marginal_factor"] == pytest.approx(
        (0.82 * 900 + 0.38 * 1400) / 2300
    )  # fmt: skip
    # Of the wind, 300 of 800 MW by night and 200 of 1,100 by day go south with 300 MW.
    mix = market.mix.set_index(["province", "carrier"])["mwh"]
    assert mix["South", "onshore wind"] == pytest.approx(12 * 300 * (300 / 800 + 200 / 1100))
    balanced(market)


def test_principles_share_one_sum(market: Responsibility) -> None:
    """60 CNY/t: North pays 876,600 as producer; South 60 (16,200 + 4,521.48) as consumer."""
    table = pm.pay_by_principle(market).set_index("province")
    whole = table.loc["all", ["producer", "consumer", "shared"]].tolist()
    assert whole == pytest.approx([60 * 30_810] * 3, rel=1e-12)
    assert table.loc["North", "producer"] == pytest.approx(876_600)
    moved = market.transfers.loc["North", "South"]
    assert table.loc["South", "consumer"] == pytest.approx(60 * (16_200 + moved))
    assert table.loc["South", "shared"] == pytest.approx(60 * (16_200 + moved / 2))
    assert table.loc["South", "producer_per_mwh"] == pytest.approx(60 * 16_200 / 27_600)
    assert table["shared_per_head"].isna().all()
    third = pm.pay_by_principle(market, 100.0, share=1 / 3).set_index("province")
    assert third.loc["North", "shared"] == pytest.approx(100 * (14_610 - moved / 3))
    with pytest.raises(pm.InputError, match=r"(?s)carbon_price.*share"):
        pm.pay_by_principle(market, -1.0, share=2.0)


def test_heads_and_tiers(two_province: pm.Case, market: Responsibility) -> None:
    """South: 20,721.48 t in a day for 2,000 heads of whom a day is 1 / 365 of a year each."""
    persons = {"North": 1000.0, "South": 2000.0}

    def counted(persons: dict[str, float]) -> Responsibility:
        data = two_province.market.model_copy(update={"population": persons})
        case = two_province.with_market(data)
        run = pm.Run(case, market.run.regime, 60.0, market.run.outcome)
        return replace(market, run=run)

    found = counted(persons)
    emitted = market.table.set_index("province")["consumption_t"]
    each = pm.pay_by_principle(found).set_index("province")
    a_head = emitted["South"] * 365 / 2000
    assert each.loc["South", "consumer_per_head"] == pytest.approx(60 * a_head)
    assert each.loc["all", "producer_per_head"] == pytest.approx(60 * 30_810 * 365 / 3000)
    # 10 money on what is above 1,000 t a head and year, 30 above 3,000: both provinces exceed that.
    tiers = [{"above": 1000, "rate": 10}, {"above": 3000, "rate": 30}]
    charge = pm.TieredCharge(basis="head", tiers=tiers)
    paid = pm.charge_consumers(found, charge).set_index("payer")
    due = (2000 * 10 + (a_head - 3000) * 30) * 2000 / 365
    assert paid.loc["users of South", "amount"] == pytest.approx(due)
    assert set(paid["payee"]) == {"carbon fund"}
    per_mwh = pm.TieredCharge(tiers=[{"above": 0.7, "rate": 100}])
    paid = pm.charge_consumers(found, per_mwh).set_index("payer")
    # North is at 0.647 t/MWh, below the tier.
    assert paid["amount"].tolist() == pytest.approx([0, 100 * (emitted["South"] - 0.7 * 27_600)])
    with pytest.raises(pm.InputError, match="population of North"):
        pm.charge_consumers(counted({"South": 2000.0}), charge)
    with pytest.raises(pm.InputError, match="did you mean 'South'"):
        pm.pay_by_principle(counted({"Sout": 2000.0}))


@pytest.mark.slow
def test_ring_with_losses_and_pumped_storage() -> None:
    found = pm.responsibility(pm.clear(random_case(3), "full_market"))
    assert (found.run.storage < -1).to_numpy().any()
    balanced(found)
    assert found.unconsumed.abs().max() < 1e-9  # storage repeats itself
    # Losses are in the mix: as much is generated as is used and lost.
    assert found.energy.to_numpy().sum() == pytest.approx(found.generated.to_numpy().sum())


def odd() -> pm.Case:
    """Two provinces with three buses, a line, lossy links to a store, and what is unusual.

    In hour 0 must-run coal exceeds all use: 20 MW of excess. In hour 3 load is unserved. A boiler
    takes 10 MW in every hour, a load below 0 gives 5.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=4, freq="h"))
    n.add("Carrier", ["coal", "gas", "AC", "electric boiler", "battery"])
    n.add("Bus", ["A", "A2", "B", "S"], province=["A", "A", "B", "B"], carrier="AC")
    coal = {"bus": "A", "carrier": "coal", "p_nom": 200.0, "p_min_pu": 0.5, "emission_rate": 0.9,
            "marginal_cost": 300.0}  # fmt: skip
    gas = {"bus": "B", "carrier": "gas", "p_nom": 60.0, "emission_rate": 0.4,
           "marginal_cost": 500.0, "efficiency": 1.0}  # fmt: skip
    boiler = {"bus": "B", "carrier": "electric boiler", "p_nom": 10.0, "p_min_pu": -1.0,
              "p_max_pu": -1.0, "emission_rate": 0.0}  # fmt: skip
    add_rows(n, "Generator", {"coal": coal, "gas": gas, "boiler": boiler})
    load = {"bus": "B", "p_set": np.array([50.0, 150, 220, 340])}
    add_rows(n, "Load", {"B load": load, "A2 load": {"bus": "A2", "p_set": np.full(4, -5.0)}})
    n.add("Line", ["A-A2", "A2-B", "A-B"], bus0=["A", "B", "A"], bus1=["A2", "A2", "B"], x=0.1,
          s_nom=500.0)  # fmt: skip
    ends = {"charger": {"bus0": "B", "bus1": "S"}, "discharger": {"bus0": "S", "bus1": "B"}}
    add_rows(n, "Link", {k: {**v, "p_nom": 25.0, "efficiency": 0.8} for k, v in ends.items()})
    n.add("Store", "battery", bus="S", carrier="battery", e_nom=60.0, e_cyclic=True)
    return pm.Case(n, pm.Market(value_of_lost_load=3000, price_of_excess=1000))


@pytest.mark.slow
def test_what_is_unusual_is_accounted_for() -> None:
    found = pm.responsibility(pm.clear(odd(), "full_market"))
    out = found.run.outcome
    assert out.excess.to_numpy().sum() > 1 and out.shed.to_numpy().sum() > 1
    balanced(found)
    # Served load and the boiler, not what is unserved, excess or in store.
    used = [50, 150, 220, 340 - out.shed.iloc[3].sum()]
    assert np.allclose(found.used["B"], np.array(used) + 10)
    assert (found.used["A"] == 0).all() and (found.consumption["A"] == 0).all()
    excess = found.table.set_index("province").loc["all", "excess_t"]
    assert 0 < excess == pytest.approx(found.unconsumed.sum())
    assert set(found.mix["carrier"]) >= {"coal", "gas", "negative load"}
    whole = pm.pay_by_principle(found, 50.0).set_index("province").loc["all"]
    assert whole["consumer"] == pytest.approx(whole["producer"], rel=1e-9)
    # On a page: what the store gives back, too.
    hours = overview(found.run.case, [found.run])["hours"]
    assert hours["battery"].sum() == pytest.approx(0.8 * 50)


@pytest.mark.slow
def test_levels_handed_on_through_a_year_of_weeks() -> None:
    """Two weeks, one storage on the plan of the year, one that closes each week.

    As what two weeks come to that are repeated forty times, traced by themselves.
    """
    rng = np.random.default_rng(0)
    n = one_bus(list(rng.uniform(40, 180, 28)))
    n.set_snapshots(pd.date_range("2022-01-03", periods=28, freq="12h"))
    n.snapshot_weightings.loc[:, :] = 12.0
    n.loads_t["p_set"]["load"] = rng.uniform(40, 180, 28)
    n.generators.loc["wind", "p_nom"] = 200.0
    n.generators_t.p_max_pu["wind"] = rng.uniform(0, 1, 28)
    n.add("Carrier", ["PHS", "battery"])
    n.add(
        "StorageUnit", ["long", "short"], bus="A", carrier=["PHS", "battery"], p_nom=[30.0, 20],
        max_hours=[100.0, 4], efficiency_store=0.9, efficiency_dispatch=0.9,
        cyclic_state_of_charge=True,
    )  # fmt: skip
    found = pm.responsibility(pm.clear(pm.Case(n), "full_market", year=True, workers=1))
    run = found.run
    assert len(run.case.windows) == 2 and list(run.case.seams.start.columns) == ["long"]
    balanced(found)
    net = run.storage.to_numpy()
    used = found.used.to_numpy() + (-net).clip(min=0).sum(axis=1, keepdims=True)
    made = used - net.clip(min=0).sum(axis=1, keepdims=True)
    rate = found.production.to_numpy() / made
    level = run.outcome.state_of_charge.clip(lower=0) / 12  # 12 h are one of `trace`
    flows = [(-net).clip(min=0), net.clip(min=0), level]
    storage = pm.StorageFlows([0, 0], *(np.tile(t, (40, 1)) for t in flows), 0.9, cyclic=False)
    many = pm.trace(*(np.tile(t, (40, 1)) for t in (made, rate)), [[0.0]], np.tile(
        found.used.to_numpy(), (40, 1)), storage=storage)  # fmt: skip
    assert many.intensity[-28:] == pytest.approx(found.intensity.to_numpy(), rel=1e-6)


@pytest.mark.slow
def test_study(market: Responsibility, tmp_path: Path) -> None:
    """Differences are against the first regime: here one with half of what North sends."""
    half = replace(market, run=replace(market.run, regime=replace(market.run.regime, name="half")))
    half = replace(half, transfers=market.transfers * np.array([[1, 0.5], [1, 1]]))
    study = TraceStudy(Comparison(market.run.case, [market.run, half.run]), [market, half])
    moved = study.transfers.set_index(["regime", "origin", "consumer"]).sort_index()
    sent = market.transfers.loc["North", "South"]
    assert moved.loc[("half", "North", "South"), "change_t"] == pytest.approx(-sent / 2)
    assert (moved.loc["full_market", "change_t"] == 0).all()
    one = TraceStudy(Comparison(market.run.case, [market.run]), [market])
    for each, wrong in ((one, set()), (study, {"carbon_transfers", "carbon_principles"})):
        tables = {
            "responsibility": each.responsibility, "carbon_transfers": each.transfers,
            "carbon_mix": each.mix, "carbon_principles": each.principles,
            "carbon_hourly": each.hourly,
        }  # fmt: skip
        report = AuditReport()
        check_studies(report, tables, {"consumers_share": each.share})
        assert {item.table for item in report.findings} == wrong
        assert all("half" in item.row for item in report.findings)
    study.to_parquet(tmp_path / "found")
    page = (tmp_path / "found" / "trace.html").read_text(encoding="utf-8")
    assert "sankey" in page and "full_market: 4.5 kt between provinces" in page
    hourly = pd.read_parquet(tmp_path / "found" / "carbon_hourly.parquet")
    assert len(hourly) == 2 * 24 * 2
    assert hourly["consumption_t"].sum() == pytest.approx(2 * 30_810)
    assert {"headline", "dispatch", "payments"} <= set(report_of(tmp_path / "found").sections)


@pytest.mark.slow
def test_command(tmp_path: Path) -> None:
    regimes = ("--regime", "fixed_tariff", "--regime", "full_market")
    charge = tmp_path / "charge.yaml"
    charge.write_text("tiers: [{above: 0.5, rate: 80}]\n", encoding="utf-8")
    more = ("--charge", str(charge), "--out", "found", "--quiet", "--workers", "1")
    done = inside("trace", str(TWO), *regimes, *more, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    for text in ("full_market at 60", "who pays", "charge on consumption"):
        assert text in done.stdout
    moved = pd.read_parquet(tmp_path / "found" / "carbon_transfers.parquet")
    moved = moved.set_index(["regime", "origin", "consumer"])
    change = moved.loc[("full_market", "North", "South")]
    first = moved.loc[("fixed_tariff", "North", "South"), "emissions_t"]
    assert change["change_t"] == pytest.approx(change["emissions_t"] - first)
    page = (tmp_path / "found" / "trace.html").read_text(encoding="utf-8")
    assert "sankey" in page and "kt between provinces" in page
    assert json.loads((tmp_path / "found" / "record.json").read_text())["consumers_share"] == 0.5


def test_carriers_without_emission_rates(two_province: pm.Case) -> None:
    n = two_province.network()
    n.generators.loc[["N1", "wind"], "emission_rate"] = np.nan
    with pytest.raises(pm.InputError) as told:
        pm.trace_regimes(pm.Case(n, two_province.market), share=2.0)
    where = [fault.where.rpartition(" ")[2] for fault in told.value.faults]
    assert where == ["'coal'", "share"]


def test_faults_at_once(two_province: pm.Case, tmp_path: Path) -> None:
    with pytest.raises(pm.InputError) as told:
        pm.trace_regimes(
            two_province, ["full_markt"], share=1.5, charge={"basis": "heads", "tiers": []}
        )
    assert len(told.value.faults) == 4
    with pytest.raises(pm.InputError, match="population of North, South"):
        pm.trace_regimes(two_province, charge={"basis": "head", "tiers": [{"rate": 1}]})
    path = tmp_path / "charge.yaml"
    path.write_text("tiers: [{above: 2, rate: 1}, {above: 1, rate: 2}]\n", encoding="utf-8")
    with pytest.raises(pm.InputError, match="must rise"):
        read_charge(path)
