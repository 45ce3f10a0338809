"""Reserves where things meet: windows, two settlements, minima, shapes, nested zones, chains."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
from reserve_toys import awards_of, case_with, price_of, spinning, toy

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market


def windy(first: list[float]) -> pypsa.Network:
    """Two days of two snapshots; wind is available at the first and the second share."""
    n = toy(100, hours=4)
    n.set_snapshots(pd.date_range("2022-01-03", periods=4, freq="12h"))
    n.snapshot_weightings.loc[:, :] = 12.0
    n.add("Generator", "wind", bus="A", carrier="wind", p_nom=50)
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": first}, index=n.snapshots)
    return n


WINDY = {"r": spinning(0, carriers=["coal"]) | {"requirements": [{"renewable_share": 0.5}]}}


@pytest.mark.slow
@pytest.mark.parametrize("shares", [[0.5, 0.6, 0, 0], [0, 0, 0.5, 0.6]])
def test_a_window_that_requires_nothing_joins_one_that_does(shares: list[float]) -> None:
    run = pm.clear(case_with(windy(shares), WINDY), "full_market", start="2022-01-03", days=2)
    held = run.reserves.groupby("snapshot")["reserve_mw"].sum()
    assert sorted(held) == pytest.approx([0.5 * 0.5 * 50, 0.5 * 0.6 * 50])
    assert len(run.reserve_prices) == 4
    assert balances(run.ledger).sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("expected", "actual"), [(0.5, 0.0), (0.0, 0.5)])
def test_two_settlements_of_which_one_holds_reserves(expected: float, actual: float) -> None:
    n = windy([actual] * 4)
    forecast = {"generators_t.p_max_pu": pd.DataFrame({"wind": [expected] * 4}, n.snapshots)}
    services = {"products": WINDY | {"r": WINDY["r"] | {"offer": 7}}}
    market = Market.model_validate({"value_of_lost_load": 5000, "services": services})
    run = pm.clear(pm.Case(n, market, forecast=forecast), "two_settlement")
    amounts = run.ledger.groupby("product")["amount"].sum()
    # 12.5 MW are held for 48 h: on the forecast at its price, or in real time. Prices are 7 where
    # coal has room, 30 + 7 where gas is on the margin. What is not needed any more is sold at 0.
    stage = "day-ahead" if expected else "real-time"
    assert amounts[f"{stage} reserve r"] > 0
    assert balances(run.ledger)["ancillary services"] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_a_fleet_does_not_fall_below_what_it_must_run() -> None:
    # 100 MW on for heat at 50: 60 - 50 = 10 MW down, though the minimum of what is on is 30.
    n = toy(60)
    n.generators["min_stable_pu"] = [0.3, 0.0]
    n.generators["p_min_pu"] = [0.5, 0.0]
    down = {"kind": "regulation_down", "requirements": [{"mw": 30}], "carriers": ["coal"],
            "shortage": 500}  # fmt: skip
    for regime in ("full_market", "provincial_market", "fixed_tariff"):
        run = pm.clear(case_with(n, {"down": down}), regime)
        assert awards_of(run) == {("down", "coal"): pytest.approx(10, abs=1e-4)}, regime
        assert run.reserve_prices["short_mw"].iloc[0] == pytest.approx(20, abs=1e-4)


def test_one_trapezium_holds_for_all_that_a_quality_serves() -> None:
    products = {
        "reg": {"kind": "regulation_up", "requirements": [{"mw": 20}], "carriers": ["gas"],
                "shapes": {"gas": {"max": 20}}, "shortage": 400},
        "spin": spinning(20, carriers=["coal"], substitutes=["reg"], shortage=90),
    }  # fmt: skip
    run = pm.clear(case_with(toy(100), products), "full_market")
    # Gas gives 20 MW in all; coal keeps 20 MW back for 30 money/MWh each rather than lack them.
    assert awards_of(run) == pytest.approx({("reg", "gas"): 20, ("spin", "coal"): 20})


def test_reserves_fail_before_load_where_zones_nest() -> None:
    # 190 MW of load and 30 MW for each of two requirements, 200 MW in all: 20 MW are short twice,
    # at a quarter of 5,000 each, and nobody is cut off.
    products = {"r": spinning(0) | {"requirements": [{"mw": 30}, {"zone": "A", "mw": 30}]}}
    run = pm.clear(case_with(toy(190), products), "full_market")
    assert run.outcome.shed.to_numpy().sum() == pytest.approx(0, abs=1e-6)
    assert run.reserve_prices["short_mw"].tolist() == pytest.approx([20, 20])
    assert run.prices.iloc[0]["A"] == pytest.approx(50 + 2 * 1250)


@pytest.mark.slow
def test_ramps_are_seen_across_the_end_of_a_window() -> None:
    n = toy(100, hours=4)
    n.set_snapshots(pd.date_range("2022-01-03", periods=4, freq="12h"))
    n.snapshot_weightings.loc[:, :] = 12.0
    n.loads_t["p_set"] = pd.DataFrame({"load": [90.0, 110, 140, 145]}, index=n.snapshots)
    products = {"ramp": {"kind": "ramp_up", "requirements": [{"net_load_ramp": 1}]}}
    run = pm.clear(case_with(n, products), "full_market", start="2022-01-03", days=2)
    assert run.reserve_prices["required_mw"].tolist() == pytest.approx([20, 30, 5, 0])
    held = run.reserves.groupby("snapshot")["reserve_mw"].sum()
    assert held.tolist() == pytest.approx([20, 30, 5])


@pytest.mark.slow
def test_what_stands_in_does_so_through_others_too() -> None:
    # Regulation (gas, free) stands in for spinning, spinning for slow: gas serves slow, for 0.
    products = {
        "reg": {"kind": "regulation_up", "requirements": [{"mw": 1}], "carriers": ["gas"]},
        "spin": spinning(1, carriers=["coal"], substitutes=["reg"]),
        "slow": spinning(10, carriers=["coal"], substitutes=["spin"]),
    }
    run = pm.clear(case_with(toy(100), products), "full_market")
    assert awards_of(run)["slow", "gas"] == pytest.approx(10)
    assert price_of(run, "slow") == pytest.approx(0)


@pytest.mark.slow
def test_rules_of_a_better_product_that_ask_for_less_count() -> None:
    # 5 MWh last 1 h for 5 MW of spinning, and a quarter of an hour for 20 MW of regulation.
    n = toy(100)
    n.add("StorageUnit", "battery", bus="A", carrier="battery", p_nom=20, max_hours=1,
          state_of_charge_initial=5)  # fmt: skip
    products = {
        "reg": {"kind": "regulation_up", "requirements": [{"mw": 0}], "carriers": ["battery"],
                "sustain_hours": 0.25},
        "spin": spinning(20, carriers=["battery"], substitutes=["reg"], shortage=9),
    }  # fmt: skip
    run = pm.clear(case_with(n, products), "full_market")
    assert run.reserve_prices["short_mw"].iloc[0] == pytest.approx(0, abs=1e-4)


def test_storage_that_falls_less_keeps_more() -> None:
    # A reservoir of 40 MWh, full but for 9 MWh, gives 30 MW at 0.9: held back it keeps 30 / 0.9.
    n = toy(100)
    n.add("StorageUnit", "hydro", bus="A", carrier="battery", p_nom=40, max_hours=1,
          p_min_pu=0.0, state_of_charge_initial=40, efficiency_dispatch=0.9)  # fmt: skip
    n.generators["p_nom"] = [70, 100]
    down = {"kind": "regulation_down", "requirements": [{"mw": 30}], "carriers": ["battery"],
            "shortage": 3}  # fmt: skip
    run = pm.clear(case_with(n, {"down": down}), "full_market")
    given = run.storage.iloc[0]["hydro"]
    held = awards_of(run)["down", "hydro"]
    assert held <= given + 1e-4
    left = 40 - given / 0.9
    assert left + held / 0.9 <= 40 + 1e-4


@pytest.mark.slow
def test_after_energy_what_is_lost_is_what_would_have_been_paid() -> None:
    # Energy is capped at 30: coal at 20 forgoes 10, not the 30 that gas costs more.
    capped = {"rule": "LocationalPrice", "cap": 30}
    regime = pm.regime({"name": "c", "extends": "provincial_market", "pricing": capped})
    run = pm.clear(case_with(toy(), {"spin": spinning(30, carriers=["coal"])}), regime)
    assert price_of(run, "spin") == pytest.approx(10)


def test_names_that_look_alike_are_told_apart() -> None:
    requirements = [{"mw": 5}, {"mw": 10}, {"zone": "all (2)", "mw": 3}]
    products = {"a": spinning(0) | {"requirements": requirements},
                "a' in 'b": spinning(4)}  # fmt: skip
    run = pm.clear(case_with(toy(100), products, zones={"all (2)": ["A"]}), "full_market")
    table = run.reserve_prices[run.reserve_prices["product"] == "a"]
    found = table.set_index("zone")["required_mw"].to_dict()
    assert found == {"all": 5, "all (3)": 10, "all (2)": 3}


def test_shapes_that_mean_nothing_are_refused() -> None:
    n = toy()
    n.add("StorageUnit", "battery", bus="A", carrier="battery", p_nom=20, max_hours=1)
    shapes = {"gas": {"max": 3}, "battery": {"max": 20, "enablement_min": 10, "low_break": 10}}
    product = spinning(5, carriers=["coal", "battery"], shapes=shapes)
    with pytest.raises(pm.InputError) as error:
        case_with(n, {"spin": product})
    assert "is no provider" in str(error.value) and "no trapezium" in str(error.value)


@pytest.mark.slow
def test_no_more_is_held_by_order_than_is_asked_for() -> None:
    # Awards cost nothing, and half of all that is available is free: only 30 MW are held and paid.
    product = spinning(30, regulated_price=4, carriers=["coal", "gas"])
    for regime in ("fixed_tariff", "priority_dispatch"):
        run = pm.clear(case_with(toy(60), {"spin": product}), regime)
        assert run.reserves["reserve_mw"].sum() == pytest.approx(30)
        assert run.summary()["reserve_cost"] == pytest.approx(120)
