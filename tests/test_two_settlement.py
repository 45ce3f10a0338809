"""A day ahead and real time: quantities, prices, deviations, penalties. Arithmetic shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.common.ledger import balances


def expected(n: pypsa.Network, **series: list[float]) -> dict[str, pd.DataFrame]:
    """Forecasts of wind and load."""
    names = {"wind": "generators_t.p_max_pu", "load": "loads_t.p_set"}
    return {names[k]: pd.DataFrame({k: v}, index=n.snapshots) for k, v in series.items()}


@pytest.mark.slow
def test_deviations_settle_at_real_time_prices() -> None:
    """Coal 100 MW at 300, gas at 500, wind. Forecast wind 25, load 120: coal 95, price 300.

    Real time wind 5, load 120: coal 100, gas 15, price 500. Wind earns 25*300 - 20*500 = -2,500,
    coal 95*300 + 5*500 = 31,000, gas 15*500 = 7,500; the load pays 120*300 = 36,000.
    """
    n = toys.one_bus([120.0])
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [0.1]}, index=n.snapshots)
    case = pm.Case(n, forecast=expected(n, wind=[0.5]))
    run = pm.clear(case, "two_settlement")
    assert run.day_ahead is not None
    assert run.day_ahead.dispatch.iloc[0].tolist() == pytest.approx([95, 0, 25])
    assert run.dispatch.iloc[0].tolist() == pytest.approx([100, 15, 5])
    assert (run.day_ahead.prices.iloc[0, 0], run.prices.iloc[0, 0]) == pytest.approx((300, 500))
    net = balances(run.ledger)
    assert net[["wind", "coal", "gas", "load"]].tolist() == pytest.approx(
        [-2500, 31000, 7500, -36000]
    )
    assert net["market operator"] == pytest.approx(0, abs=1e-6)
    assert run.summary()["wholesale_price"] == pytest.approx(300)  # no deviation of load
    assert run.objective == pytest.approx(100 * 300 + 15 * 500)


@pytest.mark.slow
def test_the_formula_with_a_load_that_errs() -> None:
    """Load 100 day ahead at 300, 95 in real time at 300: pays 100*300 - 5*300; mean 300."""
    n = toys.one_bus([95.0])
    run = pm.clear(pm.Case(n, forecast=expected(n, load=[100.0])), "two_settlement")
    assert balances(run.ledger)["load"] == pytest.approx(-95 * 300)
    table = run.ledger.set_index(["payer", "product"])["quantity"]
    assert table["load", "day-ahead energy"] == pytest.approx(100)
    assert table["load", "real-time energy"] == pytest.approx(-5)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6))
def test_a_right_forecast_leaves_no_deviation(seed: int) -> None:
    """With the whole window in sight, real time repeats the day ahead, and pays nothing more."""
    n = toys.random_network(seed, hours=3, provinces=2)
    case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"].copy()})
    whole = pm.regime(
        {"name": "two", "extends": "two_settlement",
         "settlement": {"rule": "TwoSettlement", "look_ahead": 24}}
    )  # fmt: skip
    once, twice = pm.clear(case, "full_market"), pm.clear(case, whole)
    assert twice.objective == pytest.approx(once.objective, rel=1e-6)
    net = balances(twice.ledger)
    assert net.sum() == pytest.approx(0, abs=1e-3)
    assert net["market operator"] == pytest.approx(0, abs=1e-3)
    day_ahead = twice.day_ahead
    assert day_ahead is not None
    assert day_ahead.objective == pytest.approx(once.objective, rel=1e-9)
    # deviations of storage and of generators in ties may be there; their money adds up per hour
    real = twice.ledger[twice.ledger["product"] == "real-time energy"]
    assert abs(balances(real).sum()) < 1e-6


@pytest.mark.slow
def test_slow_units_stay_fast_units_are_called_in_real_time() -> None:
    """Forecast 60, real 140 in the second hour: coal 100 full, a turbine (start 100) before oil."""
    from test_units import coal_and_turbine

    n = coal_and_turbine([60.0, 145.0])
    case = pm.Case(n, forecast=expected(n, load=[60.0, 60.0]))
    run = pm.clear(case, "two_settlement")
    assert run.day_ahead is not None
    assert run.day_ahead.outcome.status["turbine"].tolist() == [0, 0]
    assert run.outcome.status["turbine"].tolist() == [0, 1]
    none = {"rule": "TwoSettlement", "fast_start_hours": 0.5}
    slow = pm.regime({"name": "slow", "extends": "two_settlement", "settlement": none})
    run = pm.clear(case, slow)
    assert run.outcome.status["turbine"].tolist() == [0, 0]
    assert run.dispatch["oil"].tolist() == pytest.approx([0, 45])


@pytest.mark.slow
def test_what_it_needs_and_what_is_wrong_with_forecasts(tmp_path: Path) -> None:
    n = toys.one_bus([100.0, 90.0])
    with pytest.raises(pm.InputError, match="the network has no forecasts"):
        pm.clear(pm.Case(n), "two_settlement")
    with pytest.raises(pm.InputError, match="price by LocationalPrice"):
        pm.regime({"name": "x", "extends": "fixed_tariff",
                   "settlement": {"rule": "TwoSettlement"}})  # fmt: skip
    wrong = {
        "loads_t.p_set": pd.DataFrame({"lod": [1.0]}, index=n.snapshots[:1]),
        "generators_t.p_max_pu": pd.DataFrame({"wind": [np.nan, 0.5]}, index=n.snapshots),
        "generators_t.p": pd.DataFrame(index=n.snapshots),
    }
    with pytest.raises(pm.InputError) as caught:
        pm.Case(n, forecast=wrong, name="net")
    for part in ("its 1 times do not match the 2 snapshots", "unknown: lod", "no finite number for",
                 "forecast generators_t.p: no such forecast"):  # fmt: skip
        assert part in str(caught.value)
    n.export_to_netcdf(str(tmp_path / "net.nc"))
    (tmp_path / "forecast").mkdir()
    frame = pd.DataFrame({"load": [110.0, 80.0]}, index=n.snapshots)
    frame.to_csv(tmp_path / "forecast" / "loads-p_set.csv")
    case = pm.read(tmp_path)
    run = pm.clear(case, "two_settlement")
    assert run.day_ahead is not None
    assert run.day_ahead.dispatch.sum(axis=1).tolist() == pytest.approx([110, 80])
    frame.iloc[:1].to_csv(tmp_path / "forecast" / "loads-p_set.csv")
    with pytest.raises(pm.InputError, match="do not match the 2 snapshots"):
        pm.read(tmp_path)


@pytest.mark.long
def test_days_in_a_row_each_settled_twice() -> None:
    load = np.linspace(60, 140, 8)
    n = toys.one_bus(load.tolist())
    n.set_snapshots(pd.date_range("2022-01-03", periods=8, freq="6h"))
    n.snapshot_weightings.loc[:, :] = 6.0
    n.loads_t["p_set"] = pd.DataFrame({"load": load}, index=n.snapshots)
    n.add("StorageUnit", "battery", bus="A", p_nom=10, max_hours=12, cyclic_state_of_charge=True)
    forecast = {"loads_t.p_set": pd.DataFrame({"load": np.linspace(70, 120, 8)}, n.snapshots)}
    twice = pm.regime(
        {"name": "six hours", "extends": "two_settlement",
         "settlement": {"rule": "TwoSettlement", "interval": 6, "look_ahead": 6}}
    )  # fmt: skip
    run = pm.clear(pm.Case(n, forecast=forecast), twice, days=2, look_ahead=12)
    assert len(run.dispatch) == 8 and run.day_ahead is not None
    assert len(run.day_ahead.dispatch) == 8
    net = balances(run.ledger)
    assert net["market operator"] == pytest.approx(0, abs=1e-4)
    balance = run.dispatch.sum(axis=1) + run.storage.sum(axis=1)
    assert balance.tolist() == pytest.approx(load.tolist())


# ---- what one interval hands on to the next --------------------------------------------------


@pytest.mark.long
def test_ramps_lead_from_interval_to_interval_and_from_day_to_day() -> None:
    """Coal 100 MW may rise by 10 an hour; load 20, 80, 80, 20: coal 20, 30, 40, 20 less gas.

    Known in advance it would rise before; here 10 at a time: at 300 and 500 a MWh,
    20 + 30 + 40 + 20 = 110 MWh of coal and 90 of gas: 33,000 + 45,000 = 78,000.
    """
    for kind in ("plain", "fleet"):
        n = toys.one_bus([20.0, 80.0, 80.0, 20.0])
        n.generators.loc["wind", "p_nom"] = 0.0
        n.generators["ramp_limit_up"] = [0.1, np.nan, np.nan]
        if kind == "fleet":
            n.generators["min_stable_pu"] = [0.1, 0.0, 0.0]
        case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"].copy()})
        run = pm.clear(case, "two_settlement")
        assert run.day_ahead is not None
        assert run.day_ahead.objective == pytest.approx(78_000), kind
        assert run.objective == pytest.approx(78_000), kind
    n = toys.one_bus([20.0] * 24 + [80.0] * 24)
    n.generators.loc["wind", "p_nom"] = 0.0
    n.generators["ramp_limit_up"] = [0.1, np.nan, np.nan]
    run = pm.clear(pm.Case(n), "full_market", days=2)
    assert run.dispatch["coal"].iloc[23:31].tolist() == pytest.approx(
        [20, 30, 40, 50, 60, 70, 80, 80]
    )


@pytest.mark.slow
def test_a_unit_that_was_off_for_ever_may_start() -> None:
    from test_units import coal_and_turbine

    n = coal_and_turbine([90.0, 145.0, 145.0, 90.0])
    turbine = ["up_time_before", "down_time_before", "min_down_time"]
    n.generators.loc["turbine", turbine] = [0, 0, 4]
    case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"].copy()})
    run = pm.clear(case, "two_settlement")
    assert run.outcome.status["turbine"].tolist() == [0, 1, 1, 0]


@pytest.mark.long
def test_a_start_is_spread_over_intervals_too() -> None:
    """Start 100 over four quarters of an hour: 60 + (40 + 100) / 50 = 62.8 in each."""
    from test_units import coal_and_turbine

    n = coal_and_turbine([90.0, 90.0, 145.0, 145.0, 145.0, 145.0, 145.0], weight=0.25)
    n.snapshot_weightings["stores"] = 0.25
    n.set_snapshots(pd.date_range("2022-01-03", periods=7, freq="15min"))
    n.loads_t["p_set"] = pd.DataFrame(
        {"load": [90.0, 90.0, 145.0, 145.0, 145.0, 145.0, 145.0]}, index=n.snapshots
    )
    n.snapshot_weightings.loc[:, :] = 0.25
    n.generators.loc["turbine", "min_up_time"] = 4
    n.remove("Generator", "oil")
    regime = pm.regime(
        {"name": "x", "extends": "two_settlement",
         "pricing": {"rule": "ExtendedLocationalPrice"},
         "settlement": {"rule": "TwoSettlement", "interval": 0.25, "look_ahead": 1}}
    )  # fmt: skip
    case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"].copy()})
    run = pm.clear(case, regime)
    assert run.prices["A"].tolist()[2:6] == pytest.approx([62.8] * 4)


@pytest.mark.slow
def test_a_unit_that_fails_in_real_time_is_off_and_named() -> None:
    """Coal was committed and is gone from the second hour on: oil serves 90 at 90 a MWh."""
    from test_units import coal_and_turbine

    n = coal_and_turbine([90.0, 90.0, 90.0])
    n.generators.loc["oil", "p_nom"] = 200.0
    n.generators_t["p_max_pu"] = pd.DataFrame({"coal": [1.0, 0.0, 0.3]}, index=n.snapshots)
    forecast = {"generators_t.p_max_pu": pd.DataFrame({"coal": [1.0, 1, 1]}, index=n.snapshots)}
    run = pm.clear(pm.Case(n, forecast=forecast), "two_settlement")
    assert run.outcome.status["coal"].tolist() == [1, 0, 0]
    assert "not as committed since they could not run: coal" in run.outcome.notes[-1]


def test_sums_over_all_hours_are_refused() -> None:
    n = toys.one_bus([50.0] * 48)
    n.generators.loc["coal", "e_sum_max"] = 1000.0
    with pytest.raises(pm.InputError, match=r"e_sum_max, e_sum_min: coal: .* each day anew"):
        pm.clear(pm.Case(n), "full_market", days=2)
    case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"].copy()})
    with pytest.raises(pm.InputError, match="each interval of real time anew"):
        pm.clear(case, "two_settlement")


@pytest.mark.long
def test_a_minimum_up_time_is_counted_on_from_interval_to_interval() -> None:
    """Started in the last hour of the first day, on for six hours in both settlements."""
    from test_units import coal_and_turbine

    load = [90.0] * 23 + [145.0] + [90.0] * 24
    n = coal_and_turbine(load)
    n.remove("Generator", "oil")
    n.generators.loc["turbine", "min_up_time"] = 6
    n.generators["fast_start"] = [False, True]
    case = pm.Case(n, forecast={"loads_t.p_set": n.loads_t["p_set"].copy()})
    run = pm.clear(case, "two_settlement", days=2)
    assert run.day_ahead is not None
    for outcome in (run.outcome, run.day_ahead.outcome):
        assert outcome.status["turbine"].iloc[23:30].tolist() == [1, 1, 1, 1, 1, 1, 0]


@pytest.mark.slow
def test_a_unit_that_loses_capacity_faster_than_it_ramps_goes_on() -> None:
    """Coal at 90 may fall by 10 an hour; half of it is lost in the second hour."""
    from test_units import coal_and_turbine

    n = coal_and_turbine([90.0, 90.0, 90.0])
    n.generators.loc["coal", ["ramp_limit_down", "p_min_pu"]] = [0.1, 0.3]
    n.generators_t["p_max_pu"] = pd.DataFrame({"coal": [1.0, 0.5, 0.5]}, index=n.snapshots)
    forecast = {"generators_t.p_max_pu": pd.DataFrame({"coal": [1.0, 1, 1]}, index=n.snapshots)}
    run = pm.clear(pm.Case(n, forecast=forecast), "two_settlement")
    assert run.dispatch["coal"].tolist() == pytest.approx([90, 50, 50])


@pytest.mark.slow
def test_a_fleet_whose_level_falls_is_not_held_by_its_output() -> None:
    """Load 100 where 50 was forecast: the fleet's level falls as planned, its output with it."""
    n = toys.one_bus([50.0, 100.0, 50.0, 50.0])
    n.generators.loc["wind", "p_nom"] = 0.0
    n.generators["min_stable_pu"] = [0.4, 0.0, 0.0]
    n.generators["ramp_limit_down"] = [0.3, np.nan, np.nan]
    n.generators.loc["coal", "min_up_time"] = 2
    load = pd.DataFrame({"load": [50.0, 60.0, 20.0, 20.0]}, index=n.snapshots)
    case = pm.Case(n, forecast={"loads_t.p_set": load})
    run = pm.clear(case, "two_settlement")
    assert run.dispatch.sum(axis=1).tolist() == pytest.approx([50, 100, 50, 50])
