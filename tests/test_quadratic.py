"""Quadratic costs: equal incremental cost by hand, and PyPSA's own quadratic programme."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import weigh

import powermkt as pm
from benchmarks.stock import SOLVER
from powermkt.analysis.clearall import clear_all
from powermkt.dispatch import quadratic
from powermkt.inputs.curves import drop_quadratic, mean_costs
from powermkt.rules import MeritOrder


def two_units(load: list[float], weight: float = 1.0) -> pypsa.Network:
    """Unit b of 20 p + 0.01 p**2 and unit a of 10 p + 0.02 p**2, 1000 MW each, one load.

    At a price x between 20 and 40, b gives (x - 20) / 0.02 and a (x - 10) / 0.04.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=len(load), freq="h"))
    weigh(n, weight)
    n.add("Carrier", ["coal", "AC"])
    n.add("Bus", "A", carrier="AC")
    n.add(
        "Generator", ["b", "a"], bus="A", carrier="coal", p_nom=1000.0, marginal_cost=[20.0, 10.0],
        marginal_cost_quadratic=[0.01, 0.02], emission_rate=[0.9, 0.4],
    )  # fmt: skip
    n.add("Load", "load", bus="A", p_set=load)
    return n


def money(n: pypsa.Network, dispatch: pd.DataFrame) -> float:
    """Cost of what generators do, c p + q p**2."""
    c, q = (
        n.get_switchable_as_dense("Generator", name)[dispatch.columns]
        for name in ("marginal_cost", "marginal_cost_quadratic")
    )
    hourly = (c * dispatch + q * dispatch**2).sum(axis=1)
    return float((hourly * n.snapshot_weightings["objective"]).sum())


@pytest.mark.parametrize("weight", [1.0, 2.5])
def test_two_units_have_equal_incremental_cost(weight: float) -> None:
    """900 MW: 75 x - 1250 = 900; 200 MW: a alone, up to 250 MW; 1900 MW: b at its top."""
    n = two_units([900.0, 200.0, 1900.0], weight)
    run = pm.clear(pm.Case(n), "full_market")
    x = 2150 / 75
    outputs = [[(x - 20) / 0.02, (x - 10) / 0.04], [0, 200], [1000, 900]]
    assert np.allclose(run.dispatch[["b", "a"]], outputs, atol=2e-3)
    assert np.allclose(run.prices["A"], [x, 18, 46], atol=1e-4)
    assert run.price_unique.to_numpy().all()
    assert run.objective == pytest.approx(money(n, pd.DataFrame(
        outputs, n.snapshots, ["b", "a"])), rel=1e-9)  # fmt: skip
    assert run.objective == pytest.approx(money(n, run.dispatch), rel=1e-9)
    assert run.outcome.notes == []


@pytest.mark.slow
def test_a_carbon_price_shifts_the_curves() -> None:
    """At 10 money/t b begins at 29, a at 14: 75 x - 1450 - 350 = 900."""
    run = pm.clear(pm.Case(two_units([900.0])), "full_market_auction", 10.0)
    x = 2700 / 75
    assert np.allclose(run.dispatch[["b", "a"]], [[(x - 29) / 0.02, (x - 14) / 0.04]], atol=2e-3)
    assert run.prices["A"].iloc[0] == pytest.approx(x, abs=1e-4)
    # One MWh more: b gives 2/3 of it.
    rate = run.outcome.marginal_emission["A"].iloc[0]
    assert rate in (pytest.approx(0.9), pytest.approx(0.4))  # one step is marginal: b's or a's
    resource = money(two_units([900.0]), run.dispatch)
    assert run.objective == pytest.approx(resource, rel=1e-9)


@pytest.mark.slow
def test_a_load_that_answers_prices_is_a_generator_below_zero() -> None:
    """Supply (x - 20) / 0.2, use (50 - x) / 0.2 of at most 100 MW, 40 MW fixed: x = 39."""
    n = two_units([40.0], 2.0)
    n.generators["marginal_cost"] = [20.0, 50.0]
    n.generators["marginal_cost_quadratic"] = 0.1
    n.generators["p_nom"] = [200.0, 100.0]
    n.generators["p_min_pu"], n.generators["p_max_pu"] = [0.0, -1.0], [1.0, 0.0]
    run = pm.clear(pm.Case(n), "full_market")
    assert np.allclose(run.dispatch[["b", "a"]], [[95, -55]], atol=2e-3)
    assert run.prices["A"].iloc[0] == pytest.approx(39, abs=1e-4)
    assert run.objective == pytest.approx(money(n, run.dispatch), rel=1e-9)


@pytest.mark.slow
def test_a_curve_may_change_in_time_and_be_flat() -> None:
    n = two_units([900.0, 900.0])
    n.generators_t["marginal_cost_quadratic"] = pd.DataFrame({"b": [0.01, 0.0]}, n.snapshots)
    run = pm.clear(pm.Case(n), "full_market")
    assert np.allclose(run.prices["A"], [2150 / 75, 20], atol=1e-4)
    assert np.allclose(run.dispatch.iloc[1][["b", "a"]], [650, 250], atol=2e-3)


@pytest.mark.slow
def test_a_step_left_is_laid_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """From any output the ladders find the optimum; that HiGHS gave none is said."""
    case = pm.Case(two_units([900.0, 200.0, 1900.0]))
    expected = pm.clear(case, "full_market")
    monkeypatch.setattr(quadratic, "solve_quadratic", lambda *_: None)
    run = pm.clear(case, "full_market")
    assert np.allclose(run.dispatch, expected.dispatch, atol=5e-3)
    assert np.allclose(run.prices, expected.prices, atol=1e-4)
    assert run.objective == pytest.approx(expected.objective, rel=1e-9)
    assert "quadratic" in run.outcome.notes[0]
    monkeypatch.setattr(quadratic, "_ROUNDS", 1)
    with pytest.raises(pm.ClearingError, match="still moved after 1 rounds"):
        pm.clear(case, "full_market")


@pytest.mark.slow
def test_a_sweep_gives_what_single_runs_give() -> None:
    case = pm.Case(two_units([900.0, 200.0, 1900.0]))
    runs, _ = clear_all(case, [("full_market_auction", price) for price in (0.0, 5.0, 10.0)])
    for run in runs[1:]:
        alone = pm.clear(case, "full_market_auction", run.carbon_price)
        pd.testing.assert_frame_equal(run.prices, alone.prices, check_exact=True)
        pd.testing.assert_frame_equal(run.dispatch, alone.dispatch, check_exact=True)


@pytest.mark.slow
def test_units_are_committed_beside_curves() -> None:
    """A unit at 28 of 300 to 400 MW, 4000 a start: it pays at 1900 MW, not at 900 MW.

    With 400 MW of it 75 x - 1250 = 1500, b gives 2500/3 and a 2000/3 MW for 1000 and 900 MW. They
    save 6389 + 9644 money of its 11200 + 4000. With 300 MW at 900 MW they save 8000 of its 8400.
    """
    n = two_units([900.0, 1900.0])
    n.add("Generator", "unit", bus="A", carrier="coal", p_nom=400.0, p_min_pu=0.75,
          marginal_cost=28.0, committable=True, start_up_cost=4000.0, up_time_before=0,
          down_time_before=1, emission_rate=0.0)  # fmt: skip
    exact = {"extends": "full_market", "dispatch": {"rule": "MeritOrder", "units": {"gap": 0.0}}}
    run = pm.clear(pm.Case(n), pm.regime(exact))
    assert run.outcome.status["unit"].round().tolist() == [0, 1]
    outputs = [2500 / 3, 2000 / 3, 400]
    assert np.allclose(run.dispatch.iloc[1][["b", "a", "unit"]], outputs, atol=2e-3)
    assert run.prices["A"].iloc[1] == pytest.approx(2750 / 75, abs=1e-4)
    assert run.objective == pytest.approx(money(n, run.dispatch) + 4000, rel=1e-9)
    assert any("equal steps" in note for note in run.outcome.notes)


def test_mean_cost_at_full_output_stands_for_a_curve_where_one_number_is_asked_for() -> None:
    """Tariffs and mark-ups: 20 + 0.01 x 1000 and 10 + 0.02 x 1000."""
    case = pm.Case(two_units([900.0]))
    assert mean_costs(case.network()).iloc[0].tolist() == [30.0, 30.0]
    assert case.default_tariff == 30.0
    n = case.network()
    drop_quadratic(n, mean_costs(n))  # for the plan of a year
    assert n.get_switchable_as_dense("Generator", "marginal_cost").iloc[0].tolist() == [30.0, 30.0]
    assert not n.generators["marginal_cost_quadratic"].any()
    (adder,) = MeritOrder(mark_up=0.1).offer(case).values()
    assert np.allclose(adder, 3.0)


def random_curves(seed: int) -> pypsa.Network:
    """Four buses in a ring of lines, curves on most generators, storage, elastic load, weights."""
    rng = np.random.default_rng(seed)
    n = two_units([1.0] * 4, float(rng.choice([1.0, 3.5])))
    n.remove("Generator", ["b", "a"])
    n.remove("Load", "load")
    n.remove("Bus", "A")
    buses = [f"B{i}" for i in range(4)]
    n.add("Bus", buses, carrier="AC", v_nom=220.0)
    names = [f"{bus} {j}" for bus in buses for j in (2, 1, 0)]
    load = pd.DataFrame(rng.uniform(50, 150, (4, 4)), n.snapshots, buses)
    n.add("Load", buses, suffix=" load", bus=buses, p_set=load.add_suffix(" load"))
    n.add(
        "Generator", names, bus=np.repeat(buses, 3), carrier="coal", p_nom=rng.uniform(60, 150, 12),
        marginal_cost=rng.uniform(10, 60, 12), p_min_pu=rng.choice([0.0, 0.2], 12),
        marginal_cost_quadratic=rng.choice([0.0, 1.0], 12) * 10 ** rng.uniform(-4, 0, 12),
    )  # fmt: skip
    n.add("Line", [f"line {i}" for i in range(4)], bus0=buses, bus1=np.roll(buses, -1),
          x=rng.uniform(5, 15, 4), r=0.1, s_nom=rng.uniform(10, 60, 4))  # fmt: skip
    n.add("Generator", "elastic", bus="B0", carrier="coal", p_nom=50.0, p_min_pu=-1.0, p_max_pu=0.0,
          marginal_cost=60.0, marginal_cost_quadratic=0.2)  # fmt: skip
    n.add("StorageUnit", "store", bus="B1", p_nom=40.0, max_hours=3, efficiency_store=0.9,
          cyclic_state_of_charge=True)  # fmt: skip
    return n


@pytest.mark.slow
@settings(max_examples=2)
@given(st.integers(0, 10_000))
def test_objective_is_that_of_pypsas_quadratic_programme(seed: int) -> None:
    n = random_curves(seed)
    run = pm.clear(pm.Case(n), "full_market")
    n.optimize(include_objective_constant=False, log_to_console=False, solver_options=SOLVER)
    assert run.objective == pytest.approx(n.objective, rel=1e-6)
    assert run.objective == pytest.approx(
        money(n, run.dispatch), rel=1e-9
    )  # storage and lines cost nothing
    # PyPSA's prices carry what HiGHS adds to make a quadratic programme regular.
    unique = run.price_unique.to_numpy()
    apart = np.abs(run.prices - n.buses_t["marginal_price"][run.prices.columns]).to_numpy()
    assert apart[unique].max(initial=0.0) < 2e-3


@pytest.mark.parametrize(
    ("table", "column", "value", "word"),
    [
        ("generators", "committable", True, "use piecewise marginal_cost"),
        ("generators", "p_nom", np.inf, "finite p_nom"),
        ("generators", "marginal_cost_quadratic", np.inf, "finite number"),
        ("generators", "marginal_cost_quadratic", -0.1, "negative"),
        ("links", "marginal_cost_quadratic", 0.1, "only generators"),
    ],
)
def test_what_cannot_be_cleared_is_said(table: str, column: str, value: float, word: str) -> None:
    n = two_units([900.0])
    n.add("Bus", "B", carrier="AC")
    n.add("Link", "a", bus0="A", bus1="B", p_nom=1.0)
    getattr(n, table).loc["a", column] = value
    with pytest.raises(pm.InputError, match=word):
        pm.Case(n)


def test_a_curve_has_one_form() -> None:
    n = two_units([900.0])
    n.add("Generator", "c", bus="A", carrier="coal", p_nom=10.0,
          marginal_cost={0.0: 0.0, 1.0: 20.0})  # fmt: skip
    pm.Case(n)
    n.generators.loc["c", "marginal_cost_quadratic"] = 0.1
    with pytest.raises(pm.InputError, match="give one of them"):
        pm.Case(n)


@pytest.mark.slow
def test_offers_for_a_curve_are_refused() -> None:
    offers = pd.DataFrame({"generator": ["b"], "quantity_mw": [900.0], "price": [25.0]})
    case = pm.Case(two_units([900.0]), offers=offers)
    with pytest.raises(pm.InputError, match="piecewise"):
        pm.clear(case, "full_market")


@pytest.mark.slow
def test_steps_belong_to_their_generator_whatever_the_order_of_names() -> None:
    """Two ladders, "b" before "a": 20 then 40 up to 100 MW each against 10 then 50."""
    n = two_units([120.0])
    n.remove("Generator", ["b", "a"])
    for name, low, high in (("b", 20.0, 40.0), ("a", 10.0, 50.0)):
        n.add("Generator", name, bus="A", carrier="coal", p_nom=100.0,
              marginal_cost={0.0: 0.0, 0.5: low, 1.0: high})  # fmt: skip
    run = pm.clear(pm.Case(n), "full_market")
    assert np.allclose(run.dispatch[["b", "a"]], [[70, 50]])
    assert run.objective == pytest.approx(50 * 20 + 20 * 40 + 50 * 10)
