"""Users who react to prices: elastic and shiftable demand under each kind of regime. By hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
import yaml
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.dispatch.costs import RESPONSE, resource_cost, resource_costs
from powermkt.dispatch.packing import canonical
from powermkt.methods.elasticity import blocks
from powermkt.rules import ElasticDemand, RetailTariff, ShiftableDemand

MARKET = (pm.rules.MeritOrder(), pm.rules.Coupled(), pm.rules.LocationalPrice())
TARIFF = (pm.rules.MeritOrder(), pm.rules.Coupled(), pm.rules.BenchmarkTariff())


@toys.copied
def plant(load: tuple[float, ...] = (100.0, 250.0), weight: float = 1.0) -> pypsa.Network:
    """200 MW at 20 and 300 MW at 100 money/MWh; users pay a tariff of 50."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=len(load), freq="h"))
    toys.weigh(n, weight)
    n.add("Bus", "A")
    n.add("Carrier", ["coal", "gas"])
    coal = {"bus": "A", "carrier": "coal", "p_nom": 200.0, "marginal_cost": 20.0}
    gas = {"bus": "A", "carrier": "gas", "p_nom": 300.0, "marginal_cost": 100.0}
    toys.add_rows(n, "Generator", {"coal": coal, "gas": gas})
    n.add("Load", "load", bus="A", p_set=np.array(load), tariff=50.0)
    return n


def regime(*rules: pm.rules.Rule, among: tuple[pm.rules.Rule, ...] = MARKET) -> pm.Regime:
    return pm.Regime("r", (*among, *rules))


@pytest.fixture(scope="module")
def case() -> pm.Case:
    return pm.Case(plant())


@pytest.fixture(scope="module")
def rigid(case: pm.Case) -> pm.Run:
    return pm.clear(case, regime())


def adds_up(run: pm.Run) -> None:
    """Payments sum to zero, costs to the objective, and energy is neither made nor lost."""
    case, outcome = run.case, run.outcome
    scale = max(float(run.ledger["amount"].abs().sum()), 1.0)
    assert abs(balances(run.ledger).sum()) < 1e-9 * scale
    assert resource_cost(case, outcome) == pytest.approx(run.objective, rel=1e-9)
    assert run.accounts["resource_cost"].sum() == pytest.approx(run.objective, rel=1e-9)
    assert run.accounts["welfare"].sum() == pytest.approx(-run.objective, rel=1e-9)
    links = outcome.flows[case.corridors.index]
    lost = (links * (1 - case.corridors["efficiency"])).sum(axis=1)
    supplied = outcome.dispatch.sum(axis=1) + outcome.storage.sum(axis=1) - lost
    np.testing.assert_allclose(outcome.served(case).sum(axis=1), supplied, atol=1e-5)


def test_energy_moves_to_the_cheap_hour(case: pm.Case, rigid: pm.Run) -> None:
    # 10 MW from 100 to 20 money/MWh: 800. At 60 money/MWh moved, 200 are left.
    limit = 10.0 / 100.0  # of 100 MW in the first hour; in the second 25 MW could go
    moved = pm.clear(case, regime(ShiftableDemand(share=limit, window=2)))
    assert rigid.objective - moved.objective == pytest.approx(800.0)
    np.testing.assert_allclose(moved.outcome.shifted["load"], [10.0, -10.0], atol=1e-9)
    dear = pm.clear(case, regime(ShiftableDemand(share=limit, window=2, cost=60.0)))
    assert rigid.objective - dear.objective == pytest.approx(200.0)
    for run in (moved, dear):
        adds_up(run)
    table = moved.demand
    assert list(table) == [
        "snapshot", "load", "reference_mw", "served_mw", "elastic_mw", "shifted_mw"
    ]  # fmt: skip
    assert table["served_mw"].tolist() == pytest.approx([110.0, 240.0])
    assert moved.network.loads_t["p"]["load"].tolist() == pytest.approx([110.0, 240.0])
    # Users pay 110 x 20 + 240 x 100 in the place of 100 x 20 + 250 x 100.
    paid = [run.summary()["consumer_payment"] for run in (rigid, moved)]
    assert paid == pytest.approx([27_000.0, 26_200.0])


# A linear curve of elasticity -0.1 from 0.5 to 3 times 50 money/MWh in two blocks a side: demand is
# 1.05 at 25 and 0.8 at 150. Blocks given up are worth, at their middles 0.85 and 0.95,
# 50 (1 + 0.15 / 0.1) = 125 and 75; blocks added, at 1.0125 and 1.0375, 43.75 and 31.25.
CURVE = ElasticDemand(elasticity=-0.1, curve="linear", price_range=(0.5, 3.0), blocks=2)


def test_blocks_are_taken_up_to_the_price(case: pm.Case, rigid: pm.Run) -> None:
    table = blocks(-0.1, "linear", (0.5, 3.0), 2)
    np.testing.assert_allclose(50 * table["value"], [125.0, 75.0, 43.75, 31.25])
    np.testing.assert_allclose(table["width"], [0.1, 0.1, 0.025, 0.025])
    # At 20 both are added: 5 of 100 MW. At 100 the one worth 75 is given up: 25 of 250 MW.
    run = pm.clear(case, regime(CURVE))
    np.testing.assert_allclose(run.outcome.elastic["load"], [5.0, -25.0], atol=1e-9)
    # 105 x 20 + 200 x 20 + 25 x 100 + 25 x 75 - 2.5 x (43.75 + 31.25)
    assert run.objective == pytest.approx(2_100 + 4_000 + 2_500 + 1_875 - 187.5)
    costs = resource_costs(case, run.outcome).set_index("kind")["cost"]
    assert costs[RESPONSE] == pytest.approx(1_875 - 187.5)
    adds_up(run)
    # Users gain 187.5 - 5 x 20 in the first hour, 25 x (100 - 75) in the second.
    gain = [item.accounts.loc["load", "welfare"] for item in (rigid, run)]
    assert gain[1] - gain[0] == pytest.approx(87.5 + 625.0)


def test_charges_are_part_of_the_price_users_see() -> None:
    n = plant()
    n.loads["network_charge"] = 30.0
    wide = RetailTariff(contract_share=0.0, surcharge=10.0)
    at_60 = CURVE.model_copy(update={"reference_price": 60.0})
    # Blocks are worth 150, 90 given up and 52.5, 37.5 added. At 20 + 30 + 10 nothing is added, with
    # only one of the charges the first would be; at 100 + 30 + 10 what is worth 90 is given up.
    run = pm.clear(pm.Case(n), regime(at_60, wide))
    np.testing.assert_allclose(run.outcome.elastic["load"], [0.0, -25.0], atol=1e-9)
    adds_up(run)


def test_areas_under_curves_are_exact() -> None:
    # Constant elasticity -0.5: q = x**-0.5 from x = 4 (q = 0.5) to x = 1: the area under q**-2 is
    # 1 / 0.5 - 1 = 1. Elasticity -1: ln 2 for x = 2.
    cut = blocks(-0.5, "constant_elasticity", (1.0, 4.0), 7)
    assert (cut["sign"] == -1).all()
    assert (cut["width"] * cut["value"]).sum() == pytest.approx(1.0)
    unit = blocks(-1.0, "constant_elasticity", (1.0, 2.0), 3)
    assert (unit["width"] * unit["value"]).sum() == pytest.approx(np.log(2.0))
    both = blocks(-0.2, "constant_elasticity", (0.2, 5.0), 5)
    assert (both["value"].diff().dropna() < 0).all() and len(both) == 10
    assert (both["value"] > 1).tolist() == (both["sign"] < 0).tolist()


def test_a_flat_tariff_is_not_reacted_to(case: pm.Case) -> None:
    rules = (ShiftableDemand(window=2, share=0.3), ElasticDemand(elasticity=-0.5))
    flat, still = regime(*rules, among=TARIFF), regime(among=TARIFF)
    assert flat.clearing_key == still.clearing_key and flat.structure == still.structure
    runs = [pm.clear(case, item) for item in (flat, still)]
    pd.testing.assert_frame_equal(runs[0].dispatch, runs[1].dispatch, check_exact=True)
    pd.testing.assert_frame_equal(runs[0].ledger, runs[1].ledger, check_exact=True)
    assert not runs[0].demand[["elastic_mw", "shifted_mw"]].to_numpy().any()
    purchase = (pm.rules.PriorityOrder(), pm.rules.Coupled(), pm.rules.GuaranteedPurchase())
    contracts = (*MARKET, RetailTariff())  # all energy under contract
    for among in (purchase, contracts):
        assert regime(*rules, among=among).clearing_key == regime(among=among).clearing_key
    assert regime(*rules).clearing_key != regime().clearing_key


def test_only_users_whose_price_moves_react() -> None:
    n = plant((100.0, 250.0))
    n.remove("Load", "load")
    kinds = ["industrial_commercial", "energy_intensive", "residential_agricultural"]
    n.add("Load", kinds, bus="A", tariff=50.0)
    n.loads["user_class"] = kinds
    n.loads_t["p_set"] = pd.DataFrame({k: [50.0, 100.0] for k in kinds}, n.snapshots)
    retail = RetailTariff(contract_share=0.5, agency_share=0.2, contract_price="carbon")
    rule = ShiftableDemand(window=2, share=0.2)
    shares = {k: retail.hourly_share(k) for k in kinds}
    assert shares == pytest.approx(dict(zip(kinds, (0.4, 0.5, 0.0), strict=True)))
    case = pm.Case(n)
    run = pm.clear(case, regime(retail, rule))
    # Of 50 MW in the cheap hour at most 0.2 x 0.4, 0.2 x 0.5 and nothing.
    shifted = run.outcome.shifted
    assert shifted[kinds[0]].tolist() == pytest.approx([4.0, -4.0])
    assert shifted[kinds[1]].tolist() == pytest.approx([5.0, -5.0])
    assert kinds[2] not in shifted
    adds_up(run)
    # Who is outside the lists does not react.
    few = rule.model_copy(update={"user_classes": kinds[:1], "provinces": ["A"]})
    (alone,) = (item for item in regime(retail, few).rules if isinstance(item, ShiftableDemand))
    assert list(alone.reference(case)) == kinds[:1]


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_energy_is_conserved_in_every_window(count: int) -> None:
    # Blocks of 5 hours, windows of 2: each block has windows of 2, 2 and 1 hours.
    load = (250.0, 100.0, 120.0, 260.0, 280.0, 90.0, 300.0, 250.0, 150.0, 270.0)[: 5 * count]
    n = plant(load, weight=3.0)
    each = {f"block {k}": n.snapshots[5 * k : 5 * k + 5] for k in range(count)}
    case = pm.Case(n, windows=each)
    run = pm.clear(case, regime(ShiftableDemand(window=2, share=0.2), CURVE))
    moved = run.outcome.shifted["load"].to_numpy()
    parts = np.split(moved, [2, 4, 5, 7, 9][: 5 * count // 2])
    np.testing.assert_allclose([part.sum() for part in parts], 0.0, atol=1e-6)
    assert np.abs(moved).max() > 1.0
    assert (np.abs(moved) <= 0.2 * case.dense("Load", "p_set")["load"] + 1e-9).all()
    adds_up(run)
    kept = canonical(run.outcome)
    pd.testing.assert_frame_equal(kept.demanded(case), run.outcome.demanded(case))


@pytest.mark.slow
def test_shed_load_and_load_given_up_do_not_add_up_to_more_than_all() -> None:
    # 100 MW of coal for 130 and 130 MW at two buses: 0.2 of load is given up at up to 150, and the
    # rest is shed at 1000.
    n = plant((130.0,))
    n.remove("Generator", "gas")
    n.generators["p_nom"] = 100.0
    n.add("Bus", "B")
    n.add("Load", "other", bus="B", p_set=130.0, tariff=50.0)
    n.add("Link", "tie", bus0="A", bus1="B", p_nom=500.0, p_min_pu=-1.0)
    run = pm.clear(pm.Case(n, pm.Market(value_of_lost_load=1000.0)), regime(CURVE))
    assert run.outcome.elastic.sum(axis=1).tolist() == pytest.approx([-52.0])
    assert run.outcome.shed.to_numpy().sum() == pytest.approx(260 - 52 - 100)
    assert (run.outcome.served(run.case) >= -1e-9).all(axis=None)
    adds_up(run)


@given(seed=st.integers(0, 20))
@pytest.mark.slow
def test_welfare_never_falls_when_demand_reacts(seed: int) -> None:
    case = toys.random_case(seed, hours=6, provinces=2)
    rules = (
        ShiftableDemand(window=3, share=0.1, cost=5.0, provinces=["P0"]),
        ElasticDemand(elasticity=-0.2, share=0.5, blocks=3),
    )
    before, after = (pm.clear(case, regime(*extra)) for extra in ((), rules))
    assert after.outcome.minimised <= before.outcome.minimised + 1e-6 * before.objective
    assert after.objective <= before.objective * (1 + 1e-9)  # no fees and no charges here
    moved = after.outcome.shifted["P0 load"]
    np.testing.assert_allclose([moved[:3].sum(), moved[3:].sum()], 0.0, atol=1e-6)
    adds_up(after)


@pytest.mark.slow
def test_a_day_settled_twice_keeps_what_users_planned() -> None:
    n = plant((100.0, 250.0))
    expected = {"loads_t.p_set": pd.DataFrame({"load": [100.0, 240.0]}, n.snapshots)}
    case = pm.Case(n, forecast=expected)
    twice = pm.rules.TwoSettlement(interval=2)
    run = pm.clear(case, regime(twice, ShiftableDemand(share=0.1, window=2), CURVE))
    # A day ahead 240 MW: 10 move, 24 are given up and 5 added; in real time 10 MW more are used.
    np.testing.assert_allclose(run.outcome.served(case)["load"], [115.0, 216.0], atol=1e-6)
    ahead = run.day_ahead
    assert ahead is not None
    np.testing.assert_allclose(ahead.outcome.served(ahead.case)["load"], [115.0, 206.0], atol=1e-6)
    adds_up(run)


def test_everything_that_is_wrong_is_told_at_once(case: pm.Case) -> None:
    rules = (
        ElasticDemand(elasticity=0.3, share=1.5, reference_price=-1.0, price_range=(2.0, 3.0)),
        ShiftableDemand(window=48, share=-0.1, cost=-2.0, loads=["laod"], provinces=["B"]),
    )
    with pytest.raises(pm.InputError) as caught:
        pm.clear(case, regime(*rules))
    said = str(caught.value)
    for part in (
        "ElasticDemand.elasticity: 0.3", "ElasticDemand.share: 1.5", "ElasticDemand.price_range",
        "ElasticDemand.reference_price", "ShiftableDemand.window: 48 h are longer than 'all'",
        "ShiftableDemand.share: -0.1", "ShiftableDemand.cost", "did you mean 'load'", "unknown 'B'",
    ):  # fmt: skip
        assert part in said, part
    assert len(caught.value.faults) == 9
    for wrong, part in (
        ((ShiftableDemand(share=0.9, window=2), CURVE), "more than all of load"),
        ((ElasticDemand(elasticity=-0.1, price_range=(0.5, 1e3)),), "more than unserved load"),
        ((CURVE, CURVE), "stands twice"),
        ((ShiftableDemand(share=0.1, window=2, user_classes=["energy_intensive"]),), "no load"),
    ):
        with pytest.raises(pm.InputError, match=part):
            pm.clear(case, regime(*wrong))
    chain = in_a_chain(pm.Case(plant((100.0,) * 6)))
    with pytest.raises(pm.InputError, match="no whole number"):
        pm.clear(chain, regime(ShiftableDemand(share=0.1, window=2)))


def in_a_chain(case: pm.Case) -> pm.Case:
    """The case in two blocks of 3 hours that see an hour of what follows."""
    index = case.snapshots
    part = case._with(case.network(), {"a": index[:3], "b": index[3:]})
    part.look_ahead = 1.0
    return part


def test_rules_are_read_from_yaml() -> None:
    said = {
        "extends": "full_market",
        "demand": [
            {"rule": "ElasticDemand", "elasticity": -0.1, "price_range": [0.5, 2.0]},
            {"rule": "ShiftableDemand", "share": 0.1, "window": 12, "provinces": ["North"]},
        ],
    }
    found = pm.regime(said)
    assert [type(rule) for rule in found.rules if rule.role == "demand"] == [
        ElasticDemand, ShiftableDemand
    ]  # fmt: skip
    again = pm.regime(yaml.safe_load(found.to_yaml()))
    assert again.clearing_key == found.clearing_key
    assert replace(found, name="x").clearing_key == found.clearing_key


@pytest.mark.slow
@pytest.mark.parametrize("name", ["interprovincial_spot", "provincial_market", "reform_2025"])
def test_presets_add_up(two_province: pm.Case, name: str) -> None:
    found = pm.regime(name)
    rules = (
        ShiftableDemand(share=0.1, cost=5.0), ElasticDemand(elasticity=-0.1, share=0.5)
    )  # fmt: skip
    before, after = (
        pm.clear(two_province, replace(found, rules=(*found.rules, *extra)))
        for extra in ((), rules)
    )
    assert after.outcome.minimised < before.outcome.minimised
    assert after.summary()["curtailment_mwh"] < before.summary()["curtailment_mwh"]
    np.testing.assert_allclose(after.outcome.shifted.sum(), 0.0, atol=1e-6)
    adds_up(after)
    row = after.summary()
    served = after.outcome.served(two_province).mul(two_province.weights, axis="index")
    bill = (served * after.announced.retail).to_numpy().sum()
    assert row["consumer_payment"] == pytest.approx(bill)
