"""Energy, congestion and loss of prices; who pays what; penalties as prices. Arithmetic shown."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market


def two_buses(load: float, efficiency: float = 0.9, limit: float = 200.0) -> pypsa.Network:
    """Coal at 30 in A, gas at 50 in B; a link from A to B; load in A 100."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=1, freq="h"))
    n.add("Carrier", ["coal", "gas"])
    n.add("Bus", ["A", "B"])
    n.add("Generator", "coal", bus="A", carrier="coal", p_nom=500, marginal_cost=30)
    n.add("Generator", "gas", bus="B", carrier="gas", p_nom=500, marginal_cost=50)
    n.add("Link", "AB", bus0="A", bus1="B", p_nom=limit, efficiency=efficiency)
    n.add("Load", "a", bus="A", p_set=100.0)
    n.add("Load", "b", bus="B", p_set=load)
    return n


def parts(run: pm.Run) -> pd.DataFrame:
    return run.price_components.set_index("bus")[["energy", "congestion", "loss"]]


def test_losses_alone_make_the_spread() -> None:
    """Load 100 each: prices 30 and 30/0.9; mean 31.667; loss -1.667 and +1.667; congestion 0."""
    run = pm.clear(pm.Case(two_buses(100.0)), "full_market")
    found = parts(run)
    assert found["energy"].tolist() == pytest.approx([31.6666667] * 2)
    assert found["loss"].tolist() == pytest.approx([-1.6666667, 1.6666667])
    assert found["congestion"].tolist() == pytest.approx([0, 0], abs=1e-9)


def test_congestion_is_the_rest() -> None:
    """The link full: prices 30 and 50, mean 40; loss on the way 0.1*50 = 5: -2.5 and +2.5."""
    run = pm.clear(pm.Case(two_buses(100.0, limit=50.0)), "full_market")
    found = parts(run)
    assert found["loss"].tolist() == pytest.approx([-2.5, 2.5])
    assert found["congestion"].tolist() == pytest.approx([-7.5, 7.5])


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_parts_add_up_and_have_no_mean(seed: int) -> None:
    n = toys.random_network(seed, hours=3)
    run = pm.clear(pm.Case(n), "full_market")
    table = run.price_components
    total = table["energy"] + table["congestion"] + table["loss"]
    assert (total - table["price"]).abs().max() < 1e-9
    load = n.loads_t["p_set"].set_axis(n.loads["bus"], axis="columns")
    for part in ("congestion", "loss"):
        frame = table.pivot(index="snapshot", columns="bus", values=part)
        assert ((frame * load[frame.columns]).sum(axis=1)).abs().max() < 1e-5


def test_users_pay_what_generation_is_paid_on_average() -> None:
    """Coal sells 150 at 30, gas 55 at 50: (4,500 + 2,750) / 205 = 35.3659 for all 200 of load.

    Users pay 7,073.17; generation gets 7,250, the link (full) 50*(0.9*50 - 30) = 750 of rent, so
    the surplus account is short of 926.83.
    """
    uniform = pm.regime(
        {"name": "u", "extends": "full_market",
         "pricing": {"rule": "LocationalPrice", "users_pay": "generation_weighted",
                     "surplus": "surplus fund"}}
    )  # fmt: skip
    run = pm.clear(pm.Case(two_buses(100.0, limit=50.0)), uniform)
    price = (150 * 30 + 55 * 50) / 205
    assert run.summary()["retail_price"] == pytest.approx(price)
    net = balances(run.ledger)
    assert net[["a", "b"]].tolist() == pytest.approx([-100 * price] * 2)
    assert net["surplus fund"] == pytest.approx(200 * price - 7250)
    assert net["market operator"] == pytest.approx(0, abs=1e-9)
    assert "AB" not in net


def test_zones_average_their_buses() -> None:
    n = two_buses(300.0, limit=50.0)
    n.buses["zone"] = "one"
    zonal = {"rule": "LocationalPrice", "scope": "zonal"}
    run = pm.clear(pm.Case(n), pm.regime({"name": "z", "extends": "full_market", "pricing": zonal}))
    assert run.prices.iloc[0].tolist() == pytest.approx([(100 * 30 + 300 * 50) / 400] * 2)


def line(load: float) -> pypsa.Network:
    """Coal at 30 in A; gas of 20 MW at 50 in B; a line of 60 MW."""
    n = two_buses(load)
    n.remove("Link", "AB")
    n.generators.loc["gas", "p_nom"] = 20.0
    n.add("Line", "AB", bus0="A", bus1="B", x=0.1, s_nom=60.0)
    return n


@pytest.mark.slow
def test_the_price_of_a_violated_section_is_its_penalty() -> None:
    """100 MW in B, 20 of gas, 80 over a line of 60. Dispatch exceeds it by 20 at 3,000 a MWh.

    In the run for prices a violation is worth 400: price in B 30 + 400. Resource cost has none.
    """
    market = Market.model_validate(
        {"value_of_lost_load": 9000,
         "penalties": {"dispatch": {"branch": 3000}, "pricing": {"branch": 400}}}
    )  # fmt: skip
    run = pm.clear(pm.Case(line(100.0), market), "full_market")
    assert run.flows["AB"].tolist() == pytest.approx([80])
    assert run.outcome.overload["AB"].tolist() == pytest.approx([20])
    assert run.prices.iloc[0].tolist() == pytest.approx([30, 430])
    assert run.objective == pytest.approx(180 * 30 + 20 * 50)
    assert "AB exceeds its limit in 1 snapshots, by up to 20.0 MW" in run.outcome.notes[0]
    assert balances(run.ledger)["market operator"] == pytest.approx(0, abs=1e-6)
    same = market.model_copy(update={"penalties": market.penalties.model_copy(
        update={"pricing": None})})  # fmt: skip
    run = pm.clear(pm.Case(line(100.0), same), "full_market")
    assert run.prices.iloc[0].tolist() == pytest.approx([30, 3030])


def test_unserved_load_may_set_another_price_than_it_costs() -> None:
    """40 MW unserved at 9,000; in the run for prices 1,500."""
    market = Market.model_validate(
        {"value_of_lost_load": 9000, "penalties": {"pricing": {"unserved": 1500}}}
    )
    run = pm.clear(pm.Case(line(120.0), market), "full_market")
    assert run.outcome.shed["B"].tolist() == pytest.approx([40])
    assert run.prices.iloc[0].tolist() == pytest.approx([30, 1500])
    assert run.objective == pytest.approx(160 * 30 + 20 * 50 + 40 * 9000)
