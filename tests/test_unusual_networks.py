"""Networks as users have them: names used twice, inactive parts, lines, stores, odd components."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from toys import one_bus, random_network, weigh

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.rules import BenchmarkTariff, Coupled, LocationalPrice, MeritOrder, PriorityOrder


def settled(run: pm.Run) -> pd.Series:
    """Row of a market run whose operator must keep nothing and whose money must add up."""
    row = run.summary()
    net = balances(run.ledger)
    turnover = run.ledger["amount"].abs().sum()
    assert abs(net.get("market operator", 0.0)) <= 1e-6 * turnover
    fees = run.ledger[run.ledger["product"].isin(["wheeling", "network charge"])]["amount"].sum()
    shed = (run.case.market.value_of_lost_load or 0) * row["load_shed_mwh"]
    # What users pay ends up with plant, networks, fuel and the carbon fund.
    assert row["consumer_payment"] == pytest.approx(
        row["producer_surplus"] + row["cost"] - shed + row["congestion_rent"]
        + row["carbon_revenue"] + fees, rel=1e-9,
    )  # fmt: skip
    return row


def everything() -> pypsa.Network:
    """Lines in a mesh, a transformer, links with two outlets, a store, names used twice."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=6, freq="h"))
    weigh(n, 2.0)
    n.add("Carrier", ["coal", "onshore wind", "AC"])
    n.add("Bus", list("ABC"), v_nom=220.0, carrier="AC")
    n.add("Bus", ["heat", "loose"], carrier="AC")
    for i, (a, b) in enumerate([("A", "B"), ("B", "C"), ("A", "C")]):
        n.add("Line", str(i), bus0=a, bus1=b, x=10.0 + i, r=0.1, s_nom=60.0)
    n.add("Transformer", "1", bus0="A", bus1="B", x=0.2, s_nom=40.0)
    n.add(
        "Link",
        "1",
        bus0="A",
        bus1="C",
        bus2="heat",
        efficiency=0.5,
        efficiency2=0.4,
        p_nom=30.0,
        marginal_cost=3.0,
    )
    n.add("Generator", "A", bus="A", carrier="coal", p_nom=300, marginal_cost=200.0)
    n.add("Generator", "C", bus="C", carrier="coal", p_nom=300, marginal_cost=400.0)
    n.add("Generator", "boiler", bus="heat", carrier="coal", p_nom=50, marginal_cost=300.0)
    n.add(
        "Generator",
        "wind",
        bus="B",
        carrier="onshore wind",
        p_nom=100,
        p_max_pu=[0.1, 0.9, 0.4, 0.0, 1.0, 0.3],
    )
    n.add("StorageUnit", "A", bus="B", p_nom=20, max_hours=3, cyclic_state_of_charge=True)
    n.add("Store", "A", bus="C", e_nom=50, e_cyclic=True)
    n.add("Load", "A", bus="A", p_set=[50.0, 60, 70, 80, 60, 50])
    n.add("Load", "C", bus="C", p_set=[150.0, 160, 170, 180, 160, 150])
    n.add("Load", "rooftop", bus="C", p_set=[0.0, -20, -30, -20, 0, 0])
    n.add("Load", "heat", bus="heat", p_set=10.0)
    n.generators["emission_rate"] = [0.9, 1.0, 0.3, 0.0]
    return n


@pytest.mark.slow
def test_everything_at_once_settles_and_equals_pypsa() -> None:
    n = everything()
    run = pm.clear(pm.Case(n), "full_market", 0.0)
    settled(run)
    settled(pm.clear(pm.Case(n), "full_market_auction", 50.0))
    assert "Transformer 1" in run.flows and "Line 1" in run.flows
    n.remove("Bus", "loose")
    n.optimize(include_objective_constant=False, log_to_console=False)
    assert run.objective == pytest.approx(n.objective, rel=1e-9)
    assert np.allclose(run.prices, n.buses_t["marginal_price"][run.prices.columns], atol=1e-4)


@pytest.mark.slow
def test_inactive_parts_play_no_part() -> None:
    n = everything()
    n.loads.loc["A", "active"] = False
    n.generators.loc["wind", "active"] = False
    n.lines.loc["2", "active"] = False
    n.storage_units["active"] = False
    run = pm.clear(pm.Case(n), "full_market")
    settled(run)
    assert "wind" not in run.dispatch and "2" not in run.flows


@pytest.mark.parametrize("regime", pm.presets())
def test_every_preset_clears_a_network_without_coal(regime: str) -> None:
    n = one_bus([50.0, 60.0])
    n.remove("Generator", "coal")
    case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"]})
    run = pm.clear(case, regime, 60.0)
    assert run.objective == pytest.approx((25 + 35) * 500)


def test_what_is_no_case_is_told() -> None:
    n = one_bus([50.0])
    for wrong in (n, "networks/two_province"):
        with pytest.raises(pm.InputError, match=r"case: is of type .*, not Case -> pm.Case"):
            pm.clear(wrong, "full_market")
        with pytest.raises(pm.InputError, match=r"case: is of type .*, not Case -> pm.Case"):
            pm.compare(wrong)
    with pytest.raises(pm.InputError, match="network: is of type str, not Network"):
        pm.Case("networks/two_province")
    with pytest.raises(pm.InputError, match=r"market: value_of_lost_lode.*did you mean"):
        pm.Case(n, {"value_of_lost_lode": 9000})


def test_one_regime_and_one_price_need_no_list() -> None:
    result = pm.compare(pm.Case(one_bus([50.0]), {"currency": "EUR"}), "full_market", 60)
    assert result.table[["regime", "carbon_price"]].to_numpy().tolist() == [["full_market", 60.0]]
    with pytest.raises(pm.InputError, match="one price passes nothing through"):
        pm.pass_through_study(pm.Case(one_bus([50.0])), ["full_market"], [60.0])


def test_a_network_just_solved_is_taken_as_it_is() -> None:
    """`n.optimize` leaves its model in the network, and PyPSA copies no network with one."""
    n = one_bus([50.0])
    n.optimize(include_objective_constant=False, log_to_console=False)
    market = {"mapping": {"capacities": "optimal"}}
    for case in (pm.Case(n), pm.Case(n, market)):
        assert pm.clear(case, "full_market").objective == pytest.approx(n.objective)
    assert n.model.solver_model is not None


@pytest.mark.parametrize(("component", "sign"), [("generators", -1.0), ("loads", 1.0)])
def test_turned_signs_are_refused(component: str, sign: float) -> None:
    n = one_bus([50.0])
    getattr(n, component)["sign"] = sign
    with pytest.raises(pm.InputError, match=f"{component}.sign"):
        pm.Case(n)


@pytest.mark.parametrize(
    ("component", "column", "value"),
    [
        ("generators", "marginal_cost", np.inf),
        ("generators", "emission_rate", np.inf),
        ("generators", "min_stable_pu", 1.5),
        ("loads", "p_set", np.inf),
        ("generators", "p_max_pu", np.inf),
    ],
)
def test_numbers_out_of_range_are_refused(component: str, column: str, value: float) -> None:
    n = one_bus([50.0])
    n.loads["p_set"] = 50.0
    n.loads_t["p_set"] = n.loads_t["p_set"].drop(columns="load")
    n.generators_t["p_max_pu"] = n.generators_t["p_max_pu"].iloc[:, :0]
    getattr(n, component)[column] = value
    with pytest.raises(pm.InputError, match=f"{component}.{column}"):
        pm.Case(n)


def test_wheeling_fee_on_a_link_that_runs_both_ways_is_refused() -> None:
    n = random_network(2)
    n.links["wheeling_fee"] = 10.0
    n.links["p_min_pu"] = -1.0
    with pytest.raises(pm.InputError, match="wheeling_fee"):
        pm.Case(n)


def two_buses(branch: str) -> pypsa.Network:
    """A sends 20 MW to B, where 10 MW must run; the branch points the other way."""
    n = one_bus([20.0, 20.0])
    n.remove("Generator", ["gas", "wind"])
    n.add("Bus", "B", carrier="AC")
    n.add("Load", "b load", bus="B", p_set=30.0)
    n.add("Generator", "b", bus="B", p_nom=100, marginal_cost=900, carrier="gas", tariff=600.0)
    n.generators["tariff"] = [400.0, 600.0]
    n.generators["p_min_pu"] = [0.0, 0.1]
    n.generators["emission_rate"] = 0.5
    n.generators["benchmark"] = 0.5
    if branch == "Link":
        n.add("Link", "t", bus0="B", bus1="A", p_nom=50, p_min_pu=-1.0)
    else:
        n.add("Line", "t", bus0="B", bus1="A", s_nom=50, x=0.1)
    return n


@pytest.mark.parametrize("branch", ["Link", "Line"])
def test_exchange_under_tariffs_is_paid_to_the_sender(branch: str) -> None:
    """20 MW for two hours from A at A's tariff of 400, not B's of 600: 16,000 to A's company."""
    regime = pm.Regime("r", (MeritOrder(), Coupled(), BenchmarkTariff()))
    ledger = pm.clear(pm.Case(two_buses(branch)), regime).ledger
    rows = ledger[ledger["product"] == "interprovincial energy"]
    assert rows[["payer", "payee", "quantity", "price"]].to_numpy().tolist() == [
        ["grid company B", "grid company A", 40.0, 400.0]
    ]


def test_weights_of_a_ranking_enter_no_price() -> None:
    """Wind above load is curtailed: the price is 0 and not minus the weight."""
    n = one_bus([10.0])
    regime = pm.Regime("hybrid", (PriorityOrder(), Coupled(), LocationalPrice()))
    run = pm.clear(pm.Case(n), regime)
    assert run.prices.iloc[0, 0] == pytest.approx(0)
    settled(run)


def test_priced_excess_has_a_taker() -> None:
    """Must-run 70 against 50: 20 MW to be taken at 100 money/MWh, which the units pay."""
    n = one_bus([50.0])
    n.generators.loc["coal", "p_min_pu"] = 0.7
    case = pm.Case(n, pm.Market(price_of_excess=100.0))
    run = pm.clear(case, "full_market")
    assert run.prices.iloc[0, 0] == pytest.approx(-100)
    net = balances(run.ledger)
    assert net["excess generation"] == pytest.approx(20 * 100)
    assert net["market operator"] == pytest.approx(0, abs=1e-6)
    with pytest.raises(pm.InputError, match="price_of_excess"):
        pm.clear(case, "priority_dispatch")


def test_shedding_spares_negative_loads() -> None:
    n = one_bus([250.0])
    n.add("Load", "rooftop", bus="A", p_set=-10.0)
    run = pm.clear(pm.Case(n, pm.Market(value_of_lost_load=9_000)), "full_market")
    served = run.outcome.served(run.case).iloc[0]
    assert served.tolist() == pytest.approx([235.0, -10.0])
    settled(run)


@pytest.mark.parametrize("what", ["cap", "e_sum_max", "storage"])
def test_what_couples_weeks_is_refused_in_weeks(what: str) -> None:
    n = one_bus([50.0] * 336)
    if what == "cap":
        n.add("GlobalConstraint", "co2", sense="<=", constant=1e3)
    elif what == "e_sum_max":
        n.generators.loc["coal", "e_sum_max"] = 1e3
    else:
        n.add("StorageUnit", "s", bus="A", p_nom=10, max_hours=2, state_of_charge_initial=5)
    # In a year of weeks, open-ended storage units follow a plan.
    horizon = {"weeks": 1} if what == "storage" else {"year": True}
    with pytest.raises(pm.InputError, match="each week anew"):
        pm.clear(pm.Case(n), "full_market", **horizon)


def test_a_carbon_price_in_the_regime_counts() -> None:
    rule = pm.rules.CarbonPrice(price=60.0, allocation="auction")
    regime = pm.Regime("r", (MeritOrder(), Coupled(), LocationalPrice(), rule))
    run = pm.clear(pm.Case(one_bus([60.0])), regime)
    assert run.carbon_price == 60
    assert run.prices.iloc[0, 0] == pytest.approx(300 + 0.9 * 60)
    with pytest.raises(pm.InputError, match="stands twice"):
        pm.Regime("two", (*regime.rules, rule))


def test_schedule_with_gaps_is_refused() -> None:
    case = pm.Case(random_network(3))
    assert case.schedule is not None
    with pytest.raises(pm.InputError, match="no value in 4 snapshots"):
        case.with_schedule(case.schedule.iloc[:8])


@pytest.mark.parametrize(
    "snapshots",
    [
        pd.period_range("2022-01-03", periods=2, freq="h"),
        pd.Index([1, "b"], dtype=object),
        pd.timedelta_range("0h", periods=2, freq="h"),
    ],
    ids=["periods", "objects", "durations"],
)
def test_snapshots_of_any_kind_are_cleared(snapshots: pd.Index) -> None:
    n = pypsa.Network()
    n.set_snapshots(snapshots)
    n.add("Carrier", "coal")
    n.add("Bus", "A")
    n.add("Load", "l", bus="A", p_set=10.0)
    n.add("Generator", "g", bus="A", carrier="coal", p_nom=20, marginal_cost=15.0)
    assert pm.clear(pm.Case(n), "full_market").objective == pytest.approx(2 * 10 * 15)
