"""Obligations over all windows: their prices against one programme, and who pays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_cap import regime as capped
from test_cap import two_buses
from toys import one_bus

import powermkt as pm
from powermkt.accounts.plantaccounts import _kind
from powermkt.analysis.certificates import issued
from powermkt.analysis.remedyduals import unread
from powermkt.common.ledger import balances
from powermkt.engine.mixing import Window
from powermkt.engine.obliged import gap_of_added
from powermkt.rules import MeritOrder, Obligation


def obliged(*rules: dict[str, Any]) -> pm.Regime:
    """Full market without a carbon price, with obligations."""
    base = pm.regime("full_market").rules[:3]
    return pm.Regime("obliged", (*base, *(Obligation(**rule) for rule in rules)))


@pytest.fixture(scope="module")
def case() -> pm.Case:
    n = two_buses()
    return pm.Case(n, windows={"a": n.snapshots[:3], "b": n.snapshots[3:]})


@pytest.mark.slow
def test_a_cap_has_the_price_of_the_carbon_cap(case: pm.Case) -> None:
    found = pm.clear(case, obliged({"name": "co2", "target": 2200.0}))
    other = pm.clear(case, capped(cap=2200.0, allocation="auction"))
    assert found.obliged is not None
    row = found.obliged.table.iloc[0]
    assert row["price"] == pytest.approx(other.carbon_price, rel=1e-6)
    assert row["reached"] == pytest.approx(2200.0)
    assert found.objective == pytest.approx(other.objective, rel=1e-9)
    # No prices of obligations are in what is minimised, whatever was tried.
    assert found.outcome.minimised == pytest.approx(found.objective)
    pd.testing.assert_frame_equal(found.prices, other.prices, rtol=1e-6)


@pytest.mark.slow
def test_several_at_once_equal_one_programme(case: pm.Case) -> None:
    """Two windows by column generation; PyPSA's own model of all hours with three more rows."""
    run = pm.clear(
        case,
        obliged(
            {"name": "co2", "target": 2200.0},
            {"name": "gas", "kind": "at_least", "counts": "output", "carriers": "gas",
             "target": 1700.0, "unit": "MWh"},
            {"name": "coal", "counts": {"coal": 0.3, "lignite": 0.4}, "unit": "tce",
             "target": {"A": 250.0, "B": 300.0}, "tradable": False},
        ),
    )  # fmt: skip
    n = two_buses()
    n.optimize.create_model(include_objective_constant=False)
    energy = n.model.variables["Generator-p"] * 2.0  # snapshots of 2 h
    kind, bus = n.generators["carrier"], n.generators["bus"]

    def row(rates: dict[str, float], where: str = "AB") -> Any:
        rate = kind.map(rates).fillna(0.0).where([b in where for b in bus], 0.0)
        return (energy * rate.to_xarray()).sum()

    rows = {
        "co2": row({"coal": 0.9, "lignite": 1.1, "gas": 0.4}) <= 2200.0,
        "gas": row({"gas": 1.0}) >= 1700.0,
        "coal@A": row({"coal": 0.3, "lignite": 0.4}, "A") <= 250.0,
        "coal@B": row({"coal": 0.3, "lignite": 0.4}, "B") <= 300.0,
    }
    for name, constraint in rows.items():
        n.model.add_constraints(constraint, name=name)
    n.optimize.solve_model(solver_name="highs", solver_options={"output_flag": False})
    assert run.objective == pytest.approx(n.objective, rel=1e-6)
    assert run.obliged is not None
    table = run.obliged.table.set_index("line")
    for name in rows:
        dual = abs(float(n.model.constraints[name].dual))
        assert table.loc[name, "price"] == pytest.approx(dual, rel=1e-5, abs=1e-3), name


def test_where_the_search_begins_is_no_part_of_what_it_finds(case: pm.Case) -> None:
    """A window's own targets, from the dispatch at no price and from that at other prices."""
    regime = obliged(
        {"name": "co2", "target": 1100.0, "shortfall_price": 90.0},
        {"name": "gas", "kind": "at_least", "counts": "output", "carriers": "gas",
         "target": 850.0, "unit": "MWh", "shortfall_price": 70.0},
    )  # fmt: skip
    sign, penalty = np.array([1.0, -1.0]), np.array([90.0, 70.0])
    window = Window(case.window("a"), regime)
    _, free, _ = window.ask(np.zeros(2))
    target = np.array([0.8 * free[0], free[1] + 100.0])
    met = []
    for prices in ([0.0, 0.0], [15.0, 3.0], [90.0, 70.0]):
        window.ask(sign * np.array(prices))
        own, sums, answer = (
            window.ask_alone(sign, target, penalty, np.array(prices)) or pytest.fail()
        )
        met.append([*own, *sums, answer.cost])
    assert min(met[0][:2]) > 0  # both bind
    np.testing.assert_allclose(met[1:], [met[0]] * 2, rtol=1e-6)


def one_window() -> pm.Case:
    """Load 60 and 90: wind has 25 in each hour, coal at 300, gas at 500."""
    return pm.Case(one_bus([60.0, 90.0]))


@pytest.mark.slow
def test_what_is_short_is_paid_at_its_price_and_users_bear_it() -> None:
    """60 % of 150 MWh are obliged, wind has 50: 40 are short at 20; certificates sell at 20."""
    rps = {"name": "rps", "kind": "at_least", "counts": "output", "carriers": "renewable",
           "share": 0.6, "unit": "MWh"}  # fmt: skip
    run = pm.clear(one_window(), obliged({**rps, "shortfall_price": 20.0}))
    assert run.obliged is not None and run.obliged.gap < 1e-9
    row = run.obliged.table.iloc[0]
    assert (row["price"], row["shortfall"]) == (pytest.approx(20), pytest.approx(40))
    assert run.obliged.gap <= 1e-6
    net = balances(run.ledger)
    # Wind 50 MWh at the price of 300 and a certificate of 20; public funds 40 x 20.
    assert net["wind"] == pytest.approx(50 * 320)
    assert net["public funds"] == pytest.approx(800)
    assert net["load"] == pytest.approx(-(150 * 300 + 1000 + 800))
    assert net.get("certificates rps", 0.0) == pytest.approx(0, abs=1e-6)
    assert run.summary()["retail_price"] == pytest.approx((150 * 300 + 1800) / 150)
    assert any("40 MWh are short" in note for note in run.notes)
    with pytest.raises(pm.ClearingError, match=r"rps: 50 MWh is what can be reached, at least 90"):
        pm.clear(one_window(), obliged(rps))


@pytest.mark.slow
def test_targets_of_a_country() -> None:
    """Coal gives 100 of 150 MWh, 90 t; 1e8 h each: 5 t less are 10 MWh of gas at 200 / 0.5 a t."""
    case = pm.Case(one_bus([60.0, 90.0], weight=1e8))
    run = pm.clear(case, obliged({"name": "co2", "target": 8.5e9}))
    assert run.obliged is not None and run.obliged.gap <= 1e-6
    assert run.obliged.prices["co2"] == pytest.approx(400)
    assert run.emissions == pytest.approx(8.5e9) and run.dispatch["gas"].sum() == pytest.approx(10)


@pytest.mark.slow
def test_units_offer_at_the_price_that_is_found() -> None:
    """85 t: coal gives 90 MWh, gas 10; coal offers 300 and 0.9 permits at 400."""
    n = one_bus([60.0, 90.0])
    n.generators.loc["coal", "committable"] = True
    regime = obliged({"name": "co2", "target": 85.0})
    relaxed = MeritOrder(units={"relaxed": True})  # type: ignore[arg-type]
    run = pm.clear(pm.Case(n), pm.Regime("relaxed", (relaxed, *regime.rules[1:])))
    assert run.outcome.offered_cost["coal"].sum() == pytest.approx(90 * (300 + 0.9 * 400))


@pytest.mark.slow
def test_a_permit_of_less_than_1_is_settled() -> None:
    """Gas at 300.25: 5 t less than 90 are 10 MWh of gas, at 0.25 / 0.5 = 0.5 a t: 85 t x 0.5."""
    n = one_bus([60.0, 90.0])
    n.generators.loc["gas", "marginal_cost"] = 300.25
    run = pm.clear(pm.Case(n), obliged({"name": "co2", "target": 85.0}))
    assert run.obliged is not None and run.obliged.prices["co2"] == pytest.approx(0.5)
    assert balances(run.ledger)["public funds"] == pytest.approx(42.5)


@pytest.mark.slow
def test_what_does_not_bind_has_no_price_and_changes_nothing() -> None:
    case = one_window()
    free = pm.clear(case, "full_market")
    run = pm.clear(case, obliged({"name": "co2", "target": 1e6}))
    assert run.obliged is not None and run.obliged.prices == {"co2": 0.0}
    assert "obligations that do not bind: co2" in run.notes
    pd.testing.assert_frame_equal(run.dispatch, free.dispatch)
    assert run.summary()["consumer_payment"] == pytest.approx(free.summary()["consumer_payment"])


@pytest.mark.slow
def test_trade_between_provinces_never_costs_more(case: pm.Case) -> None:
    """Emissions of A and B to fall by 20 % each, or by as much together."""
    free = pm.clear(case, "full_market")
    rate = free.outcome.emissions(case).mul(case.weights, axis="index").sum()
    target = (0.8 * rate.groupby(case.generators["province"]).sum()).to_dict()
    own, joint = (
        pm.clear(case, obliged({"name": "co2", "target": target, "tradable": tradable}))
        for tradable in (False, True)
    )
    assert free.objective < joint.objective <= own.objective + 1e-6
    assert own.obliged is not None and len(own.obliged.prices) == 2
    for run in (own, joint):
        assert run.emissions <= sum(target.values()) * (1 + 1e-9)


def test_bad_obligations_are_told_at_once(case: pm.Case) -> None:
    with pytest.raises(pm.InputError) as told:
        pm.clear(case, obliged({"name": "x", "carriers": "gass", "target": 1.0},
                               {"name": "y", "target": {"C": 1.0}, "provinces": "Q"}))  # fmt: skip
    for text in ("'gass'", "'C'", "'Q'"):
        assert text in str(told.value)
    for bad in ({}, {"target": 1.0, "share": 0.1, "counts": "output"}, {"share": 0.1},
                {"target": 1.0, "tradable": False}, {"target": {}}):  # fmt: skip
        with pytest.raises(ValueError, match=r"target|share"):
            Obligation(name="x", **bad)  # type: ignore[arg-type]
    with pytest.raises(pm.InputError, match="stands twice"):
        pm.clear(case, obliged({"name": "x", "target": 1.0}, {"name": "x", "target": 2.0}))
    # Names of lines are told apart too, and all regimes are looked at before one is cleared.
    lines = {"name": "y", "target": {"A": 1.0}, "tradable": False}, {"name": "y@A", "target": 1.0}
    first = obliged({"name": "x", "target": 1.0}, {"name": "x", "target": 2.0})
    with pytest.raises(pm.InputError, match="2 faults") as told:
        pm.compare(case, [first, replace(obliged(*lines), name="other")], [0.0])
    assert "'y@A' stands twice" in str(told.value)


def test_a_province_without_load_owes_nothing_by_share() -> None:
    n = one_bus([60.0, 90.0])
    n.add("Bus", "B", carrier="AC")
    n.add("Generator", "far", bus="B", carrier="gas", p_nom=10)
    rule = Obligation(name="x", counts="output", share={"A": 0.1, "B": 0.1}, tradable=False)
    assert rule.targets(pm.Case(n)).to_dict() == pytest.approx({"x@A": 15, "x@B": 0})


def test_a_certificate_is_sold_once() -> None:
    """Wind would be paid by the obligation and by who values or buys its certificates beside it."""
    book = [{"name": "park", "kind": "green_power", "seller": "wind", "buyer": "load",
             "share": 0.5, "premium": 20}]  # fmt: skip
    rps = {"rule": "Obligation", "name": "rps", "kind": "at_least", "counts": "output",
           "carriers": "renewable", "share": 0.1}  # fmt: skip
    for beside in (
        {"renewables": {"rule": "Participation", "certificate": 15}},
        {"contract": {"rule": "Contracts", "book": book}},
    ):
        content = {"name": "twice", "extends": "full_market", **beside}
        for rule, count in ((rps, 1), ({**rps, "carriers": "gas"}, 0)):
            faults = pm.regime({**content, "obligation": rule}).faults(one_window())
            assert ["wind are sold by" in fault.what for fault in faults] == [True] * count


def test_what_reads_one_programme_says_so(case: pm.Case) -> None:
    regime = obliged({"name": "co2", "target": 2200.0})
    with pytest.raises(pm.InputError, match="none has a staircase of its own"):
        pm.switching_points(case, regime, 100.0)
    assert "obligations" in unread(case, regime, None)


def test_receipts_of_obligations_in_the_accounts_of_plant() -> None:
    names = ["certificates rps", "carbon permits co2", "permits coal"]
    found = ["certificate_revenue", "carbon_revenue", "outside_energy"]
    assert [_kind(name) for name in names] == found


@pytest.mark.slow
def test_pumped_water_is_no_output() -> None:
    """A river of 40 MWh that also pumps 25, of which 20 come back, counts what flowed in: 40."""
    n = one_bus([20.0, 90.0])
    n.generators.loc["wind", "p_nom"] = 50.0
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [1.0, 0.0]}, index=n.snapshots)
    n.add("Carrier", "hydro")
    inflow = pd.Series([0.0, 40.0], index=n.snapshots)
    n.add("StorageUnit", "lake", bus="A", p_nom=60, max_hours=2.0, carrier="hydro", inflow=inflow,
          p_min_pu=-0.5, efficiency_store=0.8)  # fmt: skip
    case = pm.Case(n)
    run = pm.clear(case, "full_market")
    assert run.outcome.storage["lake"].tolist() == pytest.approx([-25, 60])
    rule = Obligation(name="water", counts="output", carriers="hydro", target=1.0)
    assert rule.sums(case, run.outcome).tolist() == pytest.approx([60 - 0.8 * 25])
    assert issued(run, hydro=True)["issued_mwh"]["lake"].sum() == pytest.approx(60 - 0.8 * 25)
    assert np.isfinite(run.objective)
    credited = Obligation(counts={"coal": 1.0, "hydro": -0.9}, target=1.0)
    assert credited.largest_credit(case) == 0.9  # which bounds the price, so that it dumps nothing


def test_gap_of_added_where_nothing_binds() -> None:
    # A cost of 1e9 that no obligation adds to, and what rounding leaves of it: no gap.
    assert gap_of_added(1e9 + 1e-6, 1e9, 1e9) == 0.0
    assert gap_of_added(1e9, 1e9 + 1e-3, 1e9) == 0.0
    # 1000 added, 1 of them not known; nothing added, and a gap all the same.
    assert gap_of_added(1e6, 1e6 - 1, 1e6 - 1000) == pytest.approx(1e-3)
    assert 1.0 < gap_of_added(1e6, 1e6 - 1, 1e6) < 1e7
