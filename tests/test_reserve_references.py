"""Energy and reserves against what others computed: an AEMO example, MATPOWER's zonal reserves."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
from reserve_toys import awards_of, case_with, price_of

import powermkt as pm
from powermkt.inputs.market import Market

TRAPEZIUM = {"enablement_min": 50, "low_break": 65, "high_break": 95, "enablement_max": 110}


def national_electricity_market() -> pm.Case:
    """Two units of 110 MW for 195 MW and two raise services of 10 MW each.

    An example of nempy (BSD-3), whose figures follow the AEMO guide "FCAS Model in NEMDE", 6.2-6.3.
    """
    n = pypsa.Network()
    n.add("Bus", "NSW")
    n.add("Load", "demand", bus="NSW", p_set=195)
    n.add("Generator", ["A", "B"], bus="NSW", p_nom=110, marginal_cost=[50, 60])
    six_seconds = {
        "kind": "spinning",
        "requirements": [{"mw": 10}],
        "offer": {"A": 35, "B": 20},
        "shapes": {
            "A": {"max": 10, "enablement_min": 70, "low_break": 80, "high_break": 100,
                  "enablement_max": 110},
            "B": {"max": 15, **TRAPEZIUM},
        },
    }  # fmt: skip
    regulation = {
        "kind": "regulation_up",
        "requirements": [{"mw": 10}],
        "providers": ["B"],
        "offer": 30,
        "shapes": {"B": {"max": 15, **TRAPEZIUM}},
    }
    case = case_with(n, {"raise_6s": six_seconds, "raise_reg": regulation})
    blocks = {"generator": ["A", "B"], "quantity_mw": [100, 110], "price": [50, 60]}
    return case.with_offers(pd.DataFrame(blocks))


@pytest.mark.slow
def test_services_with_trapeziums_as_in_the_national_electricity_market() -> None:
    # B's upper slope is (110 - 95) / 15 = 1: 95 + 5 + 10 = 110. A MWh more comes from B, whose 6 s
    # award then moves to A: 60 - 20 + 35 = 75. Regulation takes room from the 6 s award of B:
    # 30 - 20 + 35 = 45. No price is an offer.
    run = pm.clear(national_electricity_market(), "full_market")
    assert run.dispatch.iloc[0].to_dict() == pytest.approx({"A": 100, "B": 95})
    assert awards_of(run) == pytest.approx(
        {("raise_6s", "A"): 5, ("raise_6s", "B"): 5, ("raise_reg", "B"): 10}
    )
    assert run.prices.iloc[0]["NSW"] == pytest.approx(75, abs=1e-6)
    assert price_of(run, "raise_6s") == pytest.approx(35, abs=1e-6)
    assert price_of(run, "raise_reg") == pytest.approx(45, abs=1e-6)


@pytest.mark.slow
def test_a_unit_outside_its_trapezium_gives_energy_but_no_service() -> None:
    # At 40 MW of load the cheap unit runs below its enablement minimum of 50. It is not forced up,
    # and the service is short at 5 rather than that.
    n = pypsa.Network()
    n.add("Bus", "A")
    n.add("Load", "load", bus="A", p_set=40)
    n.add("Generator", "unit", bus="A", p_nom=110, marginal_cost=10)
    shapes = {"unit": {"max": 15, **TRAPEZIUM}}
    product = {"kind": "spinning", "requirements": [{"mw": 10}], "shapes": shapes, "shortage": 5}
    run = pm.clear(case_with(n, {"raise": product}), "full_market")
    assert run.dispatch.iloc[0]["unit"] == pytest.approx(40)
    assert run.reserves.empty
    assert run.reserve_prices["short_mw"].iloc[0] == pytest.approx(10)


@pytest.mark.slow
def test_zonal_reserves_as_matpower_clears_them() -> None:
    # MATPOWER 8, most/examples/ex_case3a.m, runopf_w_res: three buses, quadratic costs 0.1 p^2,
    # 150 MW of reserve at 1, 3 and 5 $/MW from units that may hold 100, 100 and 200.
    n = pypsa.Network()
    n.add("Bus", ["1", "2", "3"], v_nom=1.0)
    n.add("Load", "load", bus="3", p_set=450)
    n.add("Generator", ["g1", "g2", "g3"], bus=["1", "1", "2"], p_nom=[200, 200, 500],
          marginal_cost_quadratic=0.1)  # fmt: skip
    ends = {"1-2": ("1", "2", 300), "1-3": ("1", "3", 240), "2-3": ("2", "3", 300)}
    for name, (bus0, bus1, limit) in ends.items():
        n.add("Line", name, bus0=bus0, bus1=bus1, x=0.01 / 100, s_nom=limit)
    product = {
        "kind": "spinning",
        "requirements": [{"mw": 150}],
        "offer": {"g1": 1, "g2": 3, "g3": 5},
        "shapes": {"g1": {"max": 100}, "g2": {"max": 100}, "g3": {"max": 200}},
    }
    services = {"services": {"products": {"reserve": product}}, "value_of_lost_load": 1000}
    run = pm.clear(pm.Case(n, Market.model_validate(services)), "full_market")
    awards = {"g1": 70, "g2": 60, "g3": 20}
    assert awards_of(run) == pytest.approx(
        {("reserve", k): mw for k, mw in awards.items()}, abs=0.01
    )
    assert price_of(run, "reserve") == pytest.approx(5, abs=1e-3)
    assert run.prices.iloc[0].to_dict() == pytest.approx({"1": 30, "2": 36, "3": 42}, abs=1e-3)
    # Its objective is -442,760: 450 MW of load worth 1,000 each, energy at 6,890, reserve at 350.
    held = 70 * 1 + 60 * 3 + 20 * 5
    assert run.objective + held == pytest.approx(450_000 - 442_760, rel=1e-6)
