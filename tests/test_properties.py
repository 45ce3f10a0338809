"""What must hold on any network: invariance, conservation, order of costs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import one_bus, random_case, random_network, weigh

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.rules import (
    BenchmarkTariff,
    CarbonPrice,
    Coupled,
    EqualShares,
    LocationalPrice,
    MeritOrder,
    ProvinceFirst,
    Scheduled,
)

SEEDS = st.integers(0, 10_000)
REGIMES = ["fixed_tariff", "priority_dispatch", "full_market", "joint_dispatch"]


@given(SEEDS, st.floats(1, 500))
def test_fixed_tariff_does_not_see_a_carbon_price(seed: int, tau: float) -> None:
    case = random_case(seed)
    free, priced = (pm.clear(case, "fixed_tariff", price) for price in (0.0, tau))
    pd.testing.assert_frame_equal(free.dispatch, priced.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(free.prices, priced.prices, check_exact=True)
    bills = [run.ledger[run.ledger["product"] == "retail energy"] for run in (free, priced)]
    pd.testing.assert_frame_equal(*bills, check_exact=True)
    assert free.summary()["retail_price"] == priced.summary()["retail_price"]


@given(SEEDS)
def test_order_of_costs_where_feasible_sets_are_nested(seed: int) -> None:
    """Joint <= barrier <= equal shares: each adds constraints to the same least-cost problem.

    No wheeling fees and one commitment rule, so that all minimise the same cost.
    """
    case = random_case(seed)
    pricing = BenchmarkTariff()
    cost = [
        pm.clear(case, pm.Regime("r", rules)).objective
        for rules in (
            (MeritOrder(commitment="fixed"), Coupled(), pricing),
            (MeritOrder(commitment="fixed"), ProvinceFirst(hurdle_rate=float("inf")), pricing),
            (EqualShares(commitment="fixed"), Scheduled(), pricing),
        )
    ]
    assert cost[0] <= cost[1] * (1 + 1e-9)
    assert cost[1] <= cost[2] * (1 + 1e-9)


@given(SEEDS, st.sampled_from(REGIMES))
def test_energy_balances_at_every_bus_and_hour(seed: int, regime: str) -> None:
    case = random_case(seed)
    run = pm.clear(case, regime, 60.0)
    n = case.network()
    net = -run.outcome.served(case).T.groupby(n.loads["bus"]).sum().T
    net += run.dispatch.T.groupby(n.generators["bus"]).sum().T
    net += run.storage.T.groupby(n.storage_units["bus"]).sum().T
    flows = run.flows[n.links.index]
    net = net.sub(flows.T.groupby(n.links["bus0"]).sum().T, fill_value=0)
    received = flows * n.links["efficiency"]
    net = net.add(received.T.groupby(n.links["bus1"]).sum().T, fill_value=0)
    assert np.abs(net.to_numpy()).max() < 1e-5


@given(SEEDS, st.sampled_from(REGIMES), st.sampled_from([0.0, 80.0]))
def test_ledger_sums_to_zero_and_the_market_operator_keeps_nothing(
    seed: int, regime: str, tau: float
) -> None:
    case = random_case(seed)
    run = pm.clear(case, regime, tau)
    net = balances(run.ledger)
    turnover = run.ledger["amount"].abs().sum()
    assert abs(net.sum()) < 1e-9 * turnover
    if regime == "full_market":
        # Load payment - generation revenue = congestion rent, computed from flows and prices.
        assert abs(net["market operator"]) < 1e-6 * turnover
        assert run.summary()["congestion_rent"] >= -1e-6 * turnover
    # Money by hand: what users pay is price x load, from the tables and not the ledger.
    paid = (run.outcome.served(case) * run.announced.retail).mul(case.weights, axis="index")
    assert run.summary()["consumer_payment"] == pytest.approx(paid.to_numpy().sum())


@given(SEEDS)
def test_zero_carbon_price_is_no_carbon_rule(seed: int) -> None:
    case = random_case(seed)
    with_rule = pm.clear(case, "full_market", 0.0)
    without = pm.clear(case, pm.Regime("bare", (MeritOrder(), Coupled(), LocationalPrice())))
    pd.testing.assert_frame_equal(with_rule.dispatch, without.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(with_rule.prices, without.prices, check_exact=True)
    pd.testing.assert_frame_equal(with_rule.ledger, without.ledger, check_exact=True)


@given(SEEDS, st.floats(5, 200))
def test_envelope_and_monotony_of_a_carbon_price_in_offers(seed: int, tau: float) -> None:
    """Cost rises, emissions fall, and cost2 - cost1 lies between tau1 and tau2 x abatement."""
    case = random_case(seed)
    rules = (MeritOrder(), Coupled(), LocationalPrice(), CarbonPrice(allocation="auction"))
    low, high = (pm.clear(case, pm.Regime("a", rules), price) for price in (tau / 2, tau))
    abated = low.emissions - high.emissions
    extra = high.objective - low.objective
    slack = 1e-7 * low.objective
    assert abated >= -1e-6 * low.emissions
    assert tau / 2 * abated - slack <= extra <= tau * abated + slack


@pytest.mark.slow
@given(SEEDS, st.sampled_from(["auction", "lump_sum"]))
def test_lump_sum_moves_profits_only(seed: int, allocation: str) -> None:
    case = random_case(seed)
    runs = [
        pm.clear(
            case,
            pm.Regime("r", (MeritOrder(), Coupled(), LocationalPrice(), CarbonPrice(
                allocation=kind))),
            60.0,
        )
        for kind in ("auction", allocation)
    ]  # fmt: skip
    pd.testing.assert_frame_equal(runs[0].dispatch, runs[1].dispatch, check_exact=True)
    pd.testing.assert_frame_equal(runs[0].prices, runs[1].prices, check_exact=True)
    # Half the capacity at the emission rate, all hours: what is given is what profits gain.
    table = case.generators
    given_t = (0.5 * table["p_nom"] * table["emission_rate"]).sum() * case.weights.sum()
    gain = runs[1].summary()["producer_surplus"] - runs[0].summary()["producer_surplus"]
    expected = 60.0 * given_t if allocation == "lump_sum" else 0.0
    assert gain == pytest.approx(expected, rel=1e-9, abs=1e-3)


@pytest.mark.slow
@given(SEEDS)
def test_marginal_emission_is_the_effect_of_one_more_mwh(seed: int) -> None:
    """The rate read from the basis against a second clearing with a little more load."""
    n = random_network(seed, hours=4)
    case = pm.Case(n)
    run = pm.clear(case, "full_market")
    hour, bus, step = case.snapshots[1], "P0", 1e-3
    n.loads_t["p_set"].loc[hour, "P0 load"] += step
    more = pm.clear(pm.Case(n), "full_market")
    per_mwh = step * case.weights.loc[hour]
    rate = run.outcome.marginal_emission.loc[hour, bus]
    assert (more.emissions - run.emissions) / per_mwh == pytest.approx(rate, abs=2e-3)
    price = run.outcome.cost_price.loc[hour, bus]
    assert (more.objective - run.objective) / per_mwh == pytest.approx(price, abs=0.5)


@given(SEEDS, st.sampled_from(REGIMES))
def test_the_network_in_hand_is_not_changed(seed: int, regime: str) -> None:
    n = random_network(seed)
    before = n.export_to_netcdf()
    pm.clear(pm.Case(n), regime, 60.0)
    assert before.equals(n.export_to_netcdf())


@pytest.mark.slow
@given(SEEDS, st.sampled_from(REGIMES), st.floats(0.5, 8))
def test_weights_scale_totals_and_leave_prices(seed: int, regime: str, weight: float) -> None:
    n = random_network(seed)
    weigh(n, 1.0)
    single = pm.clear(pm.Case(n), regime, 60.0)
    # Starts stand for weight / stores hours, so both are scaled alike: no storage in between.
    weigh(n, weight)
    scaled = pm.clear(pm.Case(n), regime, 60.0)
    assert scaled.objective == pytest.approx(weight * single.objective, rel=1e-6)
    assert scaled.summary()["wholesale_price"] == pytest.approx(
        single.summary()["wholesale_price"], rel=1e-6
    )


@pytest.mark.parametrize("regime", ["joint_dispatch", "full_market"])
def test_no_free_energy_is_sent_round_in_circles(regime: str) -> None:
    """Two links of 90 %, wind 200 MW at A, loads 50 and 30 MW: 50 + 30 / 0.9 = 83.33 MWh are used.

    Sent on and back again, 100 MW would take 10 MWh more, and 90 MW another 9, at no cost.
    """
    n = one_bus([50.0])
    n.add("Bus", "B", carrier="AC")
    n.add("Load", "load of B", bus="B", p_set=30.0)
    n.generators.loc["wind", ["p_nom", "p_max_pu"]] = 200.0, 1.0
    for name, ends in {"on": ("A", "B"), "back": ("B", "A")}.items():
        n.add("Link", name, bus0=ends[0], bus1=ends[1], p_nom=100.0, efficiency=0.9)
    run = pm.clear(pm.Case(n), pm.regime(regime))
    assert run.flows["back"].item() == pytest.approx(0.0, abs=1e-6)
    assert run.dispatch["wind"].item() == pytest.approx(50 + 30 / 0.9)
    assert run.curtailment["curtailment_mwh"].sum() == pytest.approx(200 - 50 - 30 / 0.9)


def test_no_free_energy_is_lost_in_a_battery_of_links() -> None:
    """Wind 200 MW, load 50 MW: a charger and a discharger of 80 % would lose up to 36 MW more."""
    n = one_bus([50.0])
    n.generators.loc["wind", ["p_nom", "p_max_pu"]] = 200.0, 1.0
    n.add("Bus", "B", carrier="battery")
    n.add("Carrier", "battery")
    for name, ends in {"charge": ("A", "B"), "discharge": ("B", "A")}.items():
        n.add("Link", name, bus0=ends[0], bus1=ends[1], p_nom=100.0, efficiency=0.8)
    n.add("Store", "battery", bus="B", carrier="battery", e_nom=100.0, e_cyclic=True)
    run = pm.clear(pm.Case(n), "full_market")
    assert run.dispatch["wind"].item() == pytest.approx(50.0)
