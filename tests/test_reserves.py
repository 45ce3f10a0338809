"""Reserve products: cases that clear by hand, the arithmetic beside them."""

from __future__ import annotations

import pandas as pd
import pytest
from reserve_toys import awards_of, case_with, price_of, spinning, toy

import powermkt as pm
from powermkt.common.ledger import balances


@pytest.mark.slow
def test_lost_opportunity_cost_is_in_the_price_of_the_reserve() -> None:
    # Only coal may hold 30 MW: it gives 70, gas 80. One more MW of reserve moves a MWh from coal
    # to gas: 50 - 20 = 30. Energy stays at gas: 50.
    run = pm.clear(case_with(toy(), {"spin": spinning(30, carriers=["coal"])}), "full_market")
    assert run.dispatch.loc[0].to_dict() == pytest.approx({"coal": 70, "gas": 80})
    assert awards_of(run) == {("spin", "coal"): pytest.approx(30)}
    assert price_of(run, "spin") == pytest.approx(30)
    assert run.prices.loc[0, "A"] == pytest.approx(50)
    assert run.objective == pytest.approx(70 * 20 + 80 * 50)
    # Paid 30 x 30 = 900, and charged to the load.
    assert run.summary()["reserve_cost"] == pytest.approx(900)
    assert balances(run.ledger)["load"] == pytest.approx(-(150 * 50 + 900))
    assert balances(run.ledger).sum() == pytest.approx(0)
    assert run.announced.retail.loc[0, "load"] == pytest.approx(50 + 900 / 150)


def test_a_shortage_is_in_the_price_of_energy() -> None:
    # 200 MW for 190 MW of load and 30 MW of reserve: 20 are short. One more MWh of load takes one
    # more MW from the reserve: 50 + 300.
    run = pm.clear(case_with(toy(190), {"spin": spinning(30, shortage=300)}), "full_market")
    assert run.prices.loc[0, "A"] == pytest.approx(350)
    assert price_of(run, "spin") == pytest.approx(300)
    assert run.reserve_prices["short_mw"].tolist() == pytest.approx([20])
    assert run.objective == pytest.approx(100 * 20 + 90 * 50 + 20 * 300)
    assert run.summary()["reserve_short_mwh"] == pytest.approx(20)


@pytest.mark.slow
def test_a_ladder_of_shortages_is_climbed_step_by_step() -> None:
    steps = [{"mw": 5, "price": 100}, {"mw": 5, "price": 200}, {"price": 900}]
    run = pm.clear(case_with(toy(182), {"spin": spinning(25, shortage=steps)}), "full_market")
    assert price_of(run, "spin") == pytest.approx(200)  # 7 MW short: in the second step
    assert run.objective == pytest.approx(100 * 20 + 82 * 50 + 5 * 100 + 2 * 200)


@pytest.mark.slow
def test_nested_zones_add_their_duals() -> None:
    # A: coal, B: gas, linked without limit; 10 MW in A within 40 MW in all. Gas asks 4, coal 9 for
    # a MW. Coal has nothing to spare unless it leaves 30 money/MWh (gas is marginal).
    n = toy()
    n.add("Bus", "B")
    n.generators.loc["gas", "bus"] = "B"
    n.add("Link", "tie", bus0="A", bus1="B", p_nom=500, p_min_pu=-1)
    product = {
        "kind": "spinning",
        "requirements": [{"zone": "A", "mw": 10}, {"mw": 40}],
        "offer": {"coal": 9, "gas": 4},
    }
    run = pm.clear(case_with(n, {"spin": product}), "full_market")
    # Coal holds 10 and gives 90, gas gives 60 and holds 30: all 40 for 4; one more in A instead of
    # in B costs 9 + 30 - 4 = 35 more.
    assert awards_of(run) == {
        ("spin", "coal"): pytest.approx(10),
        ("spin", "gas"): pytest.approx(30),
    }
    assert price_of(run, "spin", "all") == pytest.approx(4)
    assert price_of(run, "spin", "A") == pytest.approx(4 + 35)
    paid = run.ledger[run.ledger["product"] == "reserve spin"].set_index("payee")["amount"]
    assert paid.to_dict() == pytest.approx({"coal": 390, "gas": 120})


@pytest.mark.slow
def test_storage_gives_what_it_can_sustain() -> None:
    n = toy(100)
    n.add("StorageUnit", "battery", bus="A", carrier="battery", p_nom=50, max_hours=1,
          state_of_charge_initial=20, efficiency_dispatch=0.9)  # fmt: skip
    # 20 MWh give 18 MWh, for half an hour 36 MW; 4 MW are short. As energy they would save 18 x 20
    # = 360 of coal, as a reserve they save 36 x 15 = 540: the battery stands still.
    products = {"spin": spinning(40, carriers=["battery"], sustain_hours=0.5, shortage=15)}
    run = pm.clear(case_with(n, products), "full_market")
    assert awards_of(run) == {("spin", "battery"): pytest.approx(36)}
    assert run.reserve_prices["short_mw"].iloc[0] == pytest.approx(4)
    assert run.storage.loc[0, "battery"] == pytest.approx(0)


@pytest.mark.slow
def test_a_requirement_of_zero_is_no_product() -> None:
    without = pm.clear(pm.Case(toy()), "full_market")
    run = pm.clear(case_with(toy(), {"spin": spinning(0)}), "full_market")
    assert run.reserves.empty and run.reserve_prices.empty
    pd.testing.assert_frame_equal(run.dispatch, without.dispatch, check_exact=True)
    pd.testing.assert_frame_equal(run.prices, without.prices, check_exact=True)
    assert run.objective == without.objective
