"""Units on or off: commitment, prices with it fixed, extended prices, uplift. Arithmetic shown."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.common.ledger import balances
from powermkt.inputs.market import Market

EXACT = {"rule": "MeritOrder", "units": {"gap": 0}}
MARKET = pm.regime({"name": "market", "extends": "full_market", "dispatch": EXACT})
EXTENDED = pm.regime(
    {"name": "extended", "extends": "full_market", "dispatch": EXACT,
     "pricing": {"rule": "ExtendedLocationalPrice"}}
)  # fmt: skip


def coal_and_turbine(load: list[float], weight: float = 1.0) -> pypsa.Network:
    """Plant with a load, each snapshot `weight` hours of money and energy."""
    n = plant()
    n.set_snapshots(pd.date_range("2022-01-03", periods=len(load), freq="h"))
    toys.weigh(n, weight)
    n.loads_t["p_set"]["load"] = np.array(load, dtype=float)
    return n


@toys.copied
def plant() -> pypsa.Network:
    """Coal 100 MW at 20, on; a turbine of 40 to 50 MW at 60, no load 40, start 100, off; oil 90."""
    n = pypsa.Network()
    n.add("Carrier", ["coal", "gas"])
    n.add("Bus", "A")
    n.add(
        "Generator", "coal", bus="A", carrier="coal", p_nom=100, p_min_pu=0.5, committable=True,
        marginal_cost=20, start_up_cost=500, min_up_time=4, up_time_before=4,
    )  # fmt: skip
    n.add(
        "Generator", "turbine", bus="A", carrier="gas", p_nom=50, p_min_pu=0.8, committable=True,
        marginal_cost=60, stand_by_cost=40, start_up_cost=100, min_up_time=1, down_time_before=5,
        up_time_before=0,
    )  # fmt: skip
    n.add("Generator", "oil", bus="A", carrier="gas", p_nom=100, marginal_cost=90)
    n.add("Load", "load", bus="A", p_set=[0.0])
    return n


@pytest.mark.slow
def test_prices_are_those_with_the_commitment_fixed_not_the_zeros_of_the_mixed_programme() -> None:
    """At 110 oil is cheaper than a start: 100*20 + 10*90 = 2,900 against 70*20 + 2,540 = 3,940.

    At 145 the turbine is: 100*20 + 45*60 + 40 + 100 = 4,840 against 100*20 + 45*90 = 6,050.
    """
    run = pm.clear(pm.Case(coal_and_turbine([90, 110, 145])), MARKET)
    assert run.outcome.status["turbine"].tolist() == [0, 0, 1]
    assert run.dispatch.loc[run.dispatch.index[2]].tolist() == pytest.approx([100, 45, 0])
    assert run.prices["A"].tolist() == pytest.approx([20, 90, 60])
    # 90*20, 100*20 + 10*90, 100*20 + 45*60 + 40 + 100
    assert run.objective == pytest.approx(1800 + 2900 + 4840)
    n = coal_and_turbine([90, 110, 145])
    n.optimize(solver_name="highs", solver_options={"output_flag": False}, log_to_console=False)
    assert run.objective == pytest.approx(n.objective)
    assert run.outcome.search.iloc[0][["gap", "complete"]].tolist() == [0, 1]


@pytest.mark.slow
def test_extended_prices_carry_start_and_no_load_of_fast_units() -> None:
    """Load 130, oil at 200: the turbine at its minimum 40, coal 90. LMP 20, extended LMP

    60 + (40 + 100) / 50 = 62.8. As offered the turbine costs 40*60 + 40 + 100 = 2,540; uplift is
    2,540 - 40*20 = 1,740 at LMP and 2,540 - 40*62.8 = 28 at extended LMP.
    """
    n = coal_and_turbine([130])
    n.generators.loc["oil", "marginal_cost"] = 200
    case = pm.Case(n)
    for regime, price, uplift in ((MARKET, 20.0, 1740.0), (EXTENDED, 62.8, 28.0)):
        run = pm.clear(case, regime)
        assert run.dispatch.iloc[0].tolist() == pytest.approx([90, 40, 0])
        assert run.prices.iloc[0, 0] == pytest.approx(price)
        table = run.uplift.set_index("unit")
        assert table["offered_cost"].tolist() == pytest.approx([1800, 2540])
        assert table["uplift"].tolist() == pytest.approx([0, uplift])
        assert run.summary()["uplift"] == pytest.approx(uplift)
        assert run.summary()["retail_price"] == pytest.approx(price + uplift / 130)
        assert balances(run.ledger)["turbine"] == pytest.approx(2540)
        assert balances(run.ledger)["market operator"] == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
def test_who_is_fast_is_said_by_minimum_up_time_or_by_column() -> None:
    n = coal_and_turbine([130])
    n.generators.loc["oil", "marginal_cost"] = 200
    n.generators["fast_start"] = [False, False, False]
    assert pm.clear(pm.Case(n), EXTENDED).prices.iloc[0, 0] == pytest.approx(20)
    n.generators["fast_start"] = [False, True, False]
    n.generators.loc["turbine", "min_up_time"] = 4
    # start spread over four hours: 60 + (40 + 100/4) / 50
    assert pm.clear(pm.Case(n), EXTENDED).prices.iloc[0, 0] == pytest.approx(61.3)


@pytest.mark.slow
@pytest.mark.parametrize("regime", [MARKET, EXTENDED], ids=["lmp", "extended"])
def test_a_snapshot_that_stands_for_three_hours_has_three_starts(regime: pm.Regime) -> None:
    load = [90.0, 145.0, 110.0, 145.0]
    once = pm.clear(pm.Case(coal_and_turbine(load)), regime)
    thrice = pm.clear(pm.Case(coal_and_turbine(load, weight=3.0)), regime)
    assert thrice.objective == pytest.approx(3 * once.objective)
    pd.testing.assert_frame_equal(thrice.prices, once.prices)
    pd.testing.assert_frame_equal(thrice.outcome.status, once.outcome.status)
    assert thrice.uplift["uplift"].tolist() == pytest.approx((3 * once.uplift["uplift"]).tolist())


@pytest.mark.slow
def test_a_unit_started_in_one_day_stays_on_in_the_next_as_long_as_it_must() -> None:
    """Needed in the last hour of the first day, minimum up time 4: on in hours 0 to 2 of the next.

    Without memory it would be off there, and with an initial status for each day anew, too.
    """
    load = np.full(48, 60.0)
    load[23] = 160.0
    n = coal_and_turbine(load.tolist())
    n.generators.loc["turbine", ["min_up_time", "p_min_pu"]] = [4, 0.2]
    run = pm.clear(pm.Case(n), MARKET, days=2)
    on = run.outcome.status["turbine"].to_numpy()
    assert on[:23].sum() == 0 and on[23:27].tolist() == [1, 1, 1, 1] and on[27:].sum() == 0
    assert len(run.outcome.search) == 2
    seen = pm.clear(pm.Case(n), MARKET, days=2, look_ahead=24)
    assert seen.objective <= run.objective + 1e-6


@pytest.mark.slow
def test_a_relaxed_commitment_is_labelled() -> None:
    relaxed = {"rule": "MeritOrder", "units": {"relaxed": True}}
    regime = pm.regime({"name": "relaxed", "extends": "full_market", "dispatch": relaxed})
    case = pm.Case(coal_and_turbine([90, 130, 145]))
    run = pm.clear(case, regime)
    assert "relaxed commitment" in run.outcome.notes[0]
    assert run.objective < pm.clear(case, MARKET).objective
    assert run.outcome.search.empty


@toys.copied
def many_units(hours: int = 24) -> pypsa.Network:
    """40 units that are nearly alike: no search proves an optimum in a moment."""
    rng = np.random.default_rng(3)
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=hours, freq="h"))
    n.add("Carrier", "gas")
    n.add("Bus", "A")
    names = [f"unit {i}" for i in range(40)]
    n.add(
        "Generator", names, bus="A", carrier="gas", p_nom=rng.uniform(90, 110, 40), p_min_pu=0.45,
        committable=True, marginal_cost=rng.uniform(29, 31, 40), min_up_time=6, min_down_time=5,
        start_up_cost=rng.uniform(900, 1100, 40), stand_by_cost=rng.uniform(300, 330, 40),
    )  # fmt: skip
    n.add("Load", "load", bus="A", p_set=2000 + 900 * np.sin(np.arange(hours) / 4))
    return n


@pytest.mark.slow
def test_a_time_limit_ends_in_an_error_or_with_the_incumbent_and_its_gap() -> None:
    case = pm.Case(many_units(), Market(value_of_lost_load=9000))
    limit = {"gap": 0, "time_limit": 2.0}
    said = {"name": "market", "extends": "full_market"}
    with pytest.raises(pm.ClearingError, match=r"with a gap of .* by `units.accept_incumbent`"):
        pm.clear(case, pm.regime({**said, "dispatch": {"rule": "MeritOrder", "units": limit}}))
    limit["accept_incumbent"] = True
    run = pm.clear(case, pm.regime({**said, "dispatch": {"rule": "MeritOrder", "units": limit}}))
    found = run.outcome.search.iloc[0]
    assert found["complete"] == 0 and found["gap"] > 0
    assert found["bound"] < found["objective"] == pytest.approx(run.objective)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_uplift_makes_whole_and_prices_support_what_is_not_integral(seed: int) -> None:
    """Nobody loses on a day, the ledger balances, and given what is on, outputs follow prices.

    A unit that is on and free to move gains nothing by moving: output strictly between its limits
    has price = cost, at the minimum price <= cost, at the maximum price >= cost.
    """
    rng = np.random.default_rng(seed)
    n = many_units(hours=4)
    n.remove("Generator", [f"unit {i}" for i in range(6, 40)])
    n.generators["marginal_cost"] = rng.uniform(20, 60, 6)
    n.generators[["min_up_time", "min_down_time"]] = 1
    n.loads_t["p_set"] = pd.DataFrame({"load": rng.uniform(120, 520, 4)}, index=n.snapshots)
    run = pm.clear(pm.Case(n), MARKET)
    net, out = balances(run.ledger), run.outcome
    assert net.sum() == pytest.approx(0, abs=1e-6)
    assert net["market operator"] == pytest.approx(0, abs=1e-6)
    cost = out.offered_cost.sum()
    assert (net.reindex(cost.index).fillna(0.0) >= cost - 1e-6).all()
    table = run.uplift
    assert (table["uplift"] >= table["offered_cost"] - table["revenue"] - 1e-6).all()
    price = run.prices["A"].to_numpy()[:, None]
    g, on = run.dispatch.to_numpy(), out.status.to_numpy() > 0.5
    low, high = 0.45 * n.generators["p_nom"].to_numpy(), n.generators["p_nom"].to_numpy()
    gain = price - n.generators["marginal_cost"].to_numpy()
    assert (gain[on & (g > low + 1e-6)] >= -1e-6).all()
    assert (gain[on & (g < high - 1e-6)] <= 1e-6).all()


@pytest.mark.slow
def test_marginal_emissions_go_with_the_price_that_is_paid() -> None:
    """Turbine (e 0.5) sets the extended price, coal (0.9) the other: a price of 10 adds 5 and 9."""
    n = coal_and_turbine([130.0])
    n.remove("Generator", "oil")
    n.generators["emission_rate"] = [0.9, 0.5]
    for regime, rate in ((MARKET, 0.9), (EXTENDED, 0.5)):
        table = pm.compare(pm.Case(n), [regime], [0, 10]).pass_through
        assert table["price_change"].tolist() == pytest.approx([10 * rate] * 2)
        assert table["pass_through_marginal"].tolist() == pytest.approx([1.0] * 2)


@pytest.mark.slow
def test_uplift_of_a_day_without_load_is_paid_on_the_others() -> None:
    load = [90.0] * 24 + [0.0] * 24
    n = coal_and_turbine(load)
    n.generators.loc["coal", ["stand_by_cost", "p_min_pu", "min_up_time"]] = [10, 0.0, 48]
    run = pm.clear(pm.Case(n), MARKET)
    net = balances(run.ledger)
    assert run.uplift["uplift"].sum() > 200
    assert net["market operator"] == pytest.approx(0, abs=1e-6)


# ---- ladders of cost -------------------------------------------------------------------------


def curve(n: pypsa.Network, name: str, x: list[float], price: list[float]) -> None:
    """Give a generator a piecewise marginal cost."""
    frame = pd.DataFrame({(name, "p_pu"): x, (name, "marginal_cost"): price})
    frame.columns = frame.columns.set_names(["name", "attribute"])
    frame = frame.rename_axis(index="breakpoint")
    n.c.generators.piecewise["marginal_cost"] = frame


def test_a_convex_cost_is_filled_step_by_step_as_pypsa_does() -> None:
    """100 MW: free up to 20 (no load pays), 30 up to 60, 50 up to 100. Load 80, oil at 90.

    40*30 + 20*50 = 2,200; price 50.
    """
    n = coal_and_turbine([80.0, 55.0])
    n.remove("Generator", ["coal", "turbine"])
    n.add("Generator", "steps", bus="A", carrier="coal", p_nom=100, p_min_pu=0.2)
    curve(n, "steps", [0.2, 0.6, 1.0], [0.0, 30.0, 50.0])
    run = pm.clear(pm.Case(n), MARKET)
    assert run.prices["A"].tolist() == pytest.approx([50, 30])
    assert run.objective == pytest.approx(2200 + 35 * 30)
    n.optimize(solver_name="highs", solver_options={"output_flag": False}, log_to_console=False)
    assert run.objective == pytest.approx(n.objective)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_committed_units_with_curves_cost_what_pypsa_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = many_units(hours=4)
    n.remove("Generator", [f"unit {i}" for i in range(4, 40)])
    n.generators[["min_up_time", "min_down_time"]] = 1
    n.loads_t["p_set"] = pd.DataFrame({"load": rng.uniform(120, 350, 4)}, index=n.snapshots)
    parts = []
    for name in n.generators.index:
        x = [0.45, *np.sort(rng.uniform(0.5, 0.95, 2)), 1.0]
        price = [0.0, *np.sort(rng.uniform(20, 60, 3))]
        parts.append(pd.DataFrame({(name, "p_pu"): x, (name, "marginal_cost"): price}))
    frame = pd.concat(parts, axis=1)
    frame.columns = frame.columns.set_names(["name", "attribute"])
    frame = frame.rename_axis(index="breakpoint")
    n.c.generators.piecewise["marginal_cost"] = frame
    run = pm.clear(pm.Case(n), MARKET)
    options = {"output_flag": False, "mip_rel_gap": 0.0}
    n.optimize(solver_name="highs", solver_options=options, log_to_console=False)
    assert run.objective == pytest.approx(n.objective, rel=1e-6)
    assert run.outcome.offered_cost.to_numpy().sum() == pytest.approx(run.objective)


# ---- bad input -------------------------------------------------------------------------------


def test_every_fault_of_units_and_curves_is_told_at_once() -> None:
    n = coal_and_turbine([90.0])
    n.generators.loc["coal", ["p_min_pu", "p_init"]] = [1.2, 300.0]
    n.generators.loc["turbine", "p_init"] = 45.0
    n.generators["min_stable_pu"] = [0.0, 0.4, 0.0]
    n.add("Generator", "twice", bus="A", carrier="gas", p_nom=10, committable=True,
          up_time_before=3, down_time_before=2, min_stable_pu=0.0)  # fmt: skip
    curve(n, "oil", [0.0, 0.5, 1.0], [0.0, 90.0, 80.0])
    with pytest.raises(pm.InputError) as caught:
        pm.Case(n, name="net")
    told = str(caught.value)
    for part in (
        "net: generators.p_min_pu: minimum above the largest p_max_pu: coal",
        "net: generators.p_init: output before the start of a unit that was off: turbine",
        "net: generators.p_init: outside p_min_pu .. p_max_pu of a unit that was on: coal",
        "net: generators.min_stable_pu: a fleet and a committable unit at once: turbine",
        "net: generators.up_time_before, down_time_before: on and off before the start: twice",
        "net: generators.marginal_cost (piecewise): prices fall with output for oil",
    ):
        assert part in told, told
