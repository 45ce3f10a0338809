"""Held levels, the canonical optimum and the live solver: small, exact, the same from anywhere."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_stock import Rows, certify
from toys import one_bus, random_case, random_network

import powermkt as pm
from powermkt.dispatch import clearing
from powermkt.dispatch.programme import Programme
from powermkt.engine.regime import regime
from powermkt.engine.window import clear_window
from powermkt.methods import solver
from powermkt.system.fleet import HELD, add_fleets
from powermkt.system.slack import add_slack

HOURS = 36


@cache
def days(seed: int, start_cost: float, floor: bool = False) -> pm.Case:
    """A random network with a daily wave of load, so that some fleets cycle and others do not."""
    n = random_network(seed, HOURS)
    wave = 1 + 0.5 * np.sin(np.arange(HOURS) / 24 * 2 * np.pi)
    n.loads_t["p_set"] = n.loads_t["p_set"].mul(wave, axis="index")
    rng = np.random.default_rng(seed)
    coal = n.generators.index[n.generators["carrier"] == "coal"]
    n.generators.loc[coal, "start_up_cost"] = start_cost * rng.uniform(0.5, 1.5, len(coal))
    if floor:  # must-run by day only: the level has a floor that comes and goes
        for name in coal[::3]:
            n.generators_t["p_min_pu"][name] = np.where(np.arange(HOURS) % 24 < 12, 0.3, 0.0)
    return pm.Case(n)


@given(st.integers(0, 1000), st.sampled_from([0.0, 2e4, 6e4, 1e5, 2e5]), st.booleans())
@pytest.mark.slow
def test_holding_levels_changes_no_optimum(seed: int, start_cost: float, floor: bool) -> None:
    """Same objective, and duals of every row, those left out included, that prove the optimum."""
    case = days(seed, start_cost, floor)
    n = case.network()
    add_slack(n, case)
    m = n.optimize.create_model(include_objective_constant=False)
    add_fleets(m, case, "hourly")
    whole, lean = Programme(m), Programme(m, HELD)
    found = [
        p.solve(p.cost, p.lower, p.upper, {"offer": p.cost}, canonical=p is lean)
        for p in (whole, lean)
    ]
    costs = [whole.cost @ point.columns for point in found]
    assert costs[1] == pytest.approx(costs[0], rel=1e-9)
    rows = Rows(m)
    certify(rows, rows.ours(lean, found[1]), found[1].columns)


@pytest.mark.slow
def test_levels_are_held_and_released() -> None:
    """Dear starts: all are held; cheap ones: some must be released. Both ways are exercised."""
    held = []
    for start_cost in (2e6, 1e5):
        case = days(3, start_cost)
        programme = clearing.Builder(case).programme(
            [rule.constrain for rule in regime("full_market").rules]
        )
        programme.solve(programme.cost, programme.lower, programme.upper, {})
        held.append(programme.search.present.held)
    assert held[0].all()
    assert 0 < held[1].sum() < len(held[1])


@pytest.mark.slow
@given(st.integers(0, 1000), st.sampled_from([2e4, 1e5]))
def test_a_sweep_and_a_single_run_find_the_same(seed: int, start_cost: float) -> None:
    case = days(seed, start_cost)
    market = regime("full_market_auction")
    up = clear_window(case, [market.at(tau) for tau in (0.0, 30.0, 90.0)])
    down = clear_window(case, [market.at(tau) for tau in (200.0, 90.0)])
    (single,) = clear_window(case, [market.at(90.0)])
    for other in (up[-1], down[-1]):
        assert other.cost == pytest.approx(single.cost, rel=1e-9)
        for name in ("dispatch", "storage", "offer_price", "marginal_emission"):
            pd.testing.assert_frame_equal(
                getattr(other, name), getattr(single, name), check_exact=False, rtol=0, atol=1e-6
            )
        assert (other.price_unique == single.price_unique).all().all()


def test_the_price_at_a_kink_is_that_of_the_last_mwh_and_flagged() -> None:
    """Load 125 is coal 100 + wind 25: the next MWh is gas at 500, the last was coal at 300.

    At load 100 coal sets the price alone, at 300.
    """
    run = pm.clear(pm.Case(one_bus([125.0, 100.0])), "full_market")
    assert run.prices["A"].tolist() == pytest.approx([300, 300])
    assert run.price_unique["A"].tolist() == [False, True]
    table = pm.compare(run.case, ["full_market", "fixed_tariff"], [0.0]).prices
    assert table["unique"].tolist() == [False, True, True, True]


@pytest.mark.slow
def test_shifts_survive_limits_that_bind_the_output_itself() -> None:
    """A cap on a unit's output below its level keeps it from being written as level plus more."""
    case = days(5, 2e4)
    programme = clearing.Builder(case).programme(
        [rule.constrain for rule in regime("full_market").rules]
    )
    unit = case.generators.index[0]
    cap = pd.DataFrame(40.0, case.snapshots, [unit])
    lower, upper = programme.bounds([{"Generator-p": (cap * 0, cap)}])
    for canonical in (True, False, True):
        point = programme.solve(programme.cost, lower, upper, {}, canonical=canonical)
        assert programme.values("Generator-p", point)[unit].max() <= 40 + 1e-6
        free = programme.solve(
            programme.cost, programme.lower, programme.upper, {}, canonical=canonical
        )
        assert programme.cost @ free.columns <= programme.cost @ point.columns + 1e-6


@pytest.mark.slow
def test_trouble_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simplex that may not iterate cannot solve; interior point with crossover does."""
    case = days(7, 2e4)
    want = pm.clear(case, "full_market")
    assert want.outcome.notes == []
    monkeypatch.setitem(solver._COLD, "simplex_iteration_limit", 0)
    run = pm.clear(case, "full_market")
    assert "interior point" in " ".join(run.outcome.notes)
    assert run.objective == pytest.approx(want.objective, rel=1e-9)
    pd.testing.assert_frame_equal(run.prices, want.prices, rtol=0, atol=1e-6)


@pytest.mark.slow
def test_a_solution_that_is_not_optimal_is_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_COLD_SECONDS", 0.0)
    with pytest.raises(pm.ClearingError, match="not solved to optimality: kTimeLimit"):
        pm.clear(days(7, 2e4), "full_market")


@pytest.mark.slow
def test_an_option_that_highs_does_not_know_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(solver._OPTIONS, "presolv", "off")
    with pytest.raises(pm.ClearingError, match="presolv"):
        pm.clear(days(7, 2e4), "full_market")


def test_conflicting_bounds_name_component_and_hour() -> None:
    n = one_bus([50.0, 60.0])
    n.generators_t["p_min_pu"]["coal"] = [0.0, 0.9]
    n.generators_t["p_max_pu"]["coal"] = [1.0, 0.5]
    m = n.optimize.create_model(include_objective_constant=False)
    programme = Programme(m)
    with pytest.raises(pm.ClearingError, match=r"Generator-p of coal in 2022-01-03 01:00"):
        programme.solve(programme.cost, programme.lower, programme.upper, {})


@pytest.mark.slow
def test_levels_that_cannot_be_held_are_released() -> None:
    """At night must-run elsewhere leaves no room for the fleet's minimum: holding is infeasible."""
    n = pypsa.Network()
    n.set_snapshots(range(4))
    n.add("Carrier", "coal")
    n.add("Bus", "A")
    n.add("Load", "l", bus="A", p_set=[20.0, 20.0, 100.0, 100.0])
    n.add("Generator", "must", bus="A", carrier="coal", p_nom=20, p_min_pu=1.0, marginal_cost=50.0)
    n.add("Generator", "fleet", bus="A", carrier="coal", p_nom=100, marginal_cost=10.0,
          start_up_cost=100.0)  # fmt: skip
    n.generators["min_stable_pu"] = [0.0, 0.5]
    run = pm.clear(pm.Case(n), "full_market")
    # 80 MW start once a turn: 100 money for 100 MW, so 80; fuel 4 x 20 x 50 + 2 x 80 x 10.
    assert run.objective == pytest.approx(4_000 + 1_600 + 80)


@pytest.mark.parametrize("lost_load", [None, 1e7])
def test_ranges_tell_ties_from_small_differences(lost_load: float | None) -> None:
    """Wind at 0, sun at 0.5, load 20: all sun is curtailed, whatever shedding costs."""
    n = one_bus([20.0] * 3)
    n.add("Carrier", "solar")
    n.add("Generator", "pv", bus="A", p_nom=50, carrier="solar", p_max_pu=0.5, marginal_cost=0.5)
    n.generators["emission_rate"] = n.generators["emission_rate"].fillna(0.0)
    n.generators["benchmark"] = n.generators["benchmark"].fillna(0.0)
    run = pm.clear(pm.Case(n, pm.Market(value_of_lost_load=lost_load)), "full_market", ranges=True)
    found = run.curtailment.set_index("carrier")[["min", "max"]]
    assert found.loc["solar"].tolist() == pytest.approx([75, 75])
    assert found.loc["onshore wind"].tolist() == pytest.approx([15, 15])


@pytest.mark.slow
def test_a_case_cleared_again_goes_on_from_pypsas_rows_and_gives_the_same_bits() -> None:
    """Other rules in between leave nothing in the model that is kept, nor labels."""
    case = random_case(11)
    first = pm.clear(case, "full_market", 60.0)
    kept = clearing._KEPT[case]
    size = kept.nvars, kept.ncons, kept._xCounter, kept._cCounter
    pm.clear(case, "fixed_tariff")
    again = pm.clear(case, "full_market", 60.0)
    new = pm.clear(pm.Case(random_network(11)), "full_market", 60.0)
    assert clearing._KEPT[case] is kept
    assert (kept.nvars, kept.ncons, kept._xCounter, kept._cCounter) == size
    for run in (again, new):
        for name in ("dispatch", "offer_price", "cost_price", "marginal_emission", "storage"):
            ours, theirs = getattr(run.outcome, name), getattr(first.outcome, name)
            pd.testing.assert_frame_equal(ours, theirs, check_exact=True)
        pd.testing.assert_frame_equal(run.ledger, first.ledger, check_exact=True)
