"""Independent references: PyPSA's own optimum, and MATPOWER's five-bus DC power flow."""

from __future__ import annotations

import numpy as np
import pypsa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import random_network

import powermkt as pm


def plain(seed: int) -> pypsa.Network:
    """A random network without fleets, which PyPSA does not know."""
    n = random_network(seed)
    n.generators["min_stable_pu"] = 0.0
    n.generators["start_up_cost"] = 0.0
    return n


@pytest.mark.slow
@given(st.integers(0, 10_000))
def test_full_market_is_pypsas_optimum(seed: int) -> None:
    n = plain(seed)
    run = pm.clear(pm.Case(n), "full_market")
    n.links_t["p_set"] = n.links_t["p_set"].iloc[:, :0]
    n.optimize(include_objective_constant=False, log_to_console=False)
    assert run.objective == pytest.approx(n.objective, rel=1e-6)
    oracle = n.buses_t["marginal_price"]
    # Where prices are unique both agree; at a kink either end is right.
    near = np.isclose(run.prices, oracle[run.prices.columns], atol=1e-4)
    assert near.mean() > 0.9
    assert oracle.shape == run.prices.shape
    # Complementary slackness certifies ours everywhere: a unit below its limit would not gain by
    # running more, one above its minimum not by running less.
    g, output = n.generators, run.dispatch
    margin = run.prices[g["bus"]].set_axis(g.index, axis="columns") - g["marginal_cost"]
    high = n.get_switchable_as_dense("Generator", "p_max_pu") * g["p_nom"]
    assert (margin.where(output < high - 1e-5, 0.0) <= 1e-4).all().all()
    assert (margin.where(output > 1e-5, 0.0) >= -1e-4).all().all()


def five_bus() -> pypsa.Network:
    """The PJM five-bus case (Li and Bo 2010, doi:10.1109/TPWRS.2009.2035507), as in MATPOWER.

    Reactances per unit on 100 MVA; with v_nom = 10 kV one per unit is one ohm.
    """
    n = pypsa.Network()
    n.set_snapshots(["now"])
    n.add("Carrier", ["AC", "unit"])
    n.add("Bus", list("12345"), v_nom=10.0, carrier="AC")
    n.add("Load", ["l2", "l3", "l4"], bus=["2", "3", "4"], p_set=[300.0, 300.0, 400.0])
    units = [("1", 40, 14), ("1", 170, 15), ("3", 520, 30), ("4", 200, 40), ("5", 600, 10)]
    for i, (bus, p_nom, cost) in enumerate(units):
        n.add("Generator", f"g{i}", bus=bus, p_nom=p_nom, marginal_cost=cost, carrier="unit")
    lines = [
        ("1", "2", 0.0281, 400), ("1", "4", 0.0304, 1e4), ("1", "5", 0.0064, 1e4),
        ("2", "3", 0.0108, 1e4), ("3", "4", 0.0297, 1e4), ("4", "5", 0.0297, 240),
    ]  # fmt: skip
    for a, b, x, s_nom in lines:
        n.add("Line", f"{a}-{b}", bus0=a, bus1=b, x=x, s_nom=s_nom)
    return n


def test_five_bus_dc_case() -> None:
    """MATPOWER rundcopf: 17,479.8969; 16.977 / 26.384 / 30 / 39.943 / 10."""
    run = pm.clear(pm.Case(five_bus()), "full_market")
    assert run.objective == pytest.approx(17_479.896925381, rel=1e-9)
    expected = [16.97748, 26.38446, 30.0, 39.94274, 10.0]
    assert np.allclose(run.prices.iloc[0], expected, atol=5e-4)
    row = run.summary()
    by_hand = (run.prices.iloc[0][["2", "3", "4"]] * [300, 300, 400]).sum()
    assert row["consumer_payment"] == pytest.approx(by_hand)
    assert row["congestion_rent"] > 0


def test_every_bus_has_a_price_where_pypsa_splits_the_balance() -> None:
    """PyPSA keeps buses with more than 30 attachments in a constraint of their own."""
    n = pypsa.Network()
    n.set_snapshots(range(2))
    n.add("Carrier", "coal")
    n.add("Bus", ["big", "small"])
    n.add(
        "Generator",
        [f"g{i}" for i in range(40)],
        bus="big",
        p_nom=10,
        carrier="coal",
        marginal_cost=np.arange(40.0) + 1,
    )
    n.add("Generator", "s", bus="small", p_nom=10, marginal_cost=7.0, carrier="coal")
    n.add("Load", ["a", "b"], bus=["big", "small"], p_set=[95.0, 5.0])
    prices = pm.clear(pm.Case(n), "full_market").prices
    assert np.allclose(prices, [[10.0, 7.0]] * 2)
