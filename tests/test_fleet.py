"""Fleet commitment on cases that can be counted."""

from __future__ import annotations

import pandas as pd
import pypsa
import pytest
from toys import copied

import powermkt as pm


@copied
def fleet(load: list[float], **columns: object) -> pypsa.Network:
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=len(load), freq="h"))
    n.add("Carrier", ["coal", "oil"])
    n.add("Bus", "A")
    n.add(
        "Generator",
        "coal",
        bus="A",
        carrier="coal",
        p_nom=100,
        marginal_cost=10,
        units=4,
        min_stable_pu=0.5,
        **columns,
    )
    n.add("Generator", "oil", bus="A", carrier="oil", p_nom=100, marginal_cost=50)
    n.generators["units"] = n.generators["units"].fillna(1.0)
    n.generators["min_stable_pu"] = n.generators["min_stable_pu"].fillna(0.0)
    n.add("Load", "load", bus="A", p_set=load)
    return n


def test_starts_are_paid() -> None:
    """Load 20 / 80: online 40 covers 20 at the minimum and 40; starting 40 more costs.

    One unit of 25 MW starts at 500: 20 money/MW. Coal saves 40 money/MWh against oil, so that
    all 40 MW more are started (20 < 40): online 40 then 80, and 40 then 80 again as the window
    repeats. Cost (20 + 80) x 10 + 40 x 20 = 1,800.
    """
    run = pm.clear(pm.Case(fleet([20.0, 80.0], start_up_cost=500.0)), "full_market")
    assert run.objective == pytest.approx(1_800)
    assert run.outcome.online["coal"].tolist() == pytest.approx([40, 80])
    assert run.outcome.started["coal"].tolist() == pytest.approx([0, 40])
    assert run.outcome.commitment_cost["coal"] == pytest.approx(800)


def test_starts_fall_in_the_hour_of_the_rise() -> None:
    """Online 40, 40, 80, 60 or more: 40 MW start in the third hour and none in another."""
    run = pm.clear(pm.Case(fleet([20.0, 20.0, 80.0, 60.0], start_up_cost=500.0)), "full_market")
    assert run.outcome.started["coal"].tolist() == pytest.approx([0, 0, 40, 0], abs=1e-6)


def test_dear_starts_leave_the_peak_to_oil() -> None:
    """At 60 money/MW a start saves 40: online stays 40. Cost 20 x 10 + 40 x 10 + 40 x 50."""
    run = pm.clear(pm.Case(fleet([20.0, 80.0], start_up_cost=1_500.0)), "full_market")
    assert run.objective == pytest.approx(200 + 400 + 2_000)


def test_starts_recur_with_the_days_a_window_stands_for() -> None:
    """The same day standing for ten costs ten times as much, starts included."""
    n = fleet([20.0, 80.0], start_up_cost=500.0)
    for column in ("objective", "generators"):
        n.snapshot_weightings[column] = 10.0
    run = pm.clear(pm.Case(n), "full_market")
    assert run.objective == pytest.approx(18_000)
    assert run.prices["A"].tolist() == pytest.approx([-30, 30])


def test_prices_of_fleets_are_convex_duals() -> None:
    """One more MWh by night lets 2 MW be online, so that 2 MW fewer start: 10 x 1 + ... by hand.

    With online y1 = 2 d1 and y2 = d2, cost 10 (d1 + d2) + 20 (d2 - 2 d1): prices -30 and 30.
    """
    run = pm.clear(pm.Case(fleet([20.0, 80.0], start_up_cost=500.0)), "full_market")
    assert run.prices["A"].tolist() == pytest.approx([-30, 30])


def test_no_load_cost() -> None:
    """Four units at 100 money/h: 4 money per MW online. Load 80: 80 x 10 + 80 x 4."""
    run = pm.clear(pm.Case(fleet([80.0, 80.0], stand_by_cost=100.0)), "full_market")
    assert run.objective == pytest.approx(2 * (800 + 320))


def test_minimum_up_time() -> None:
    """What starts for a peak must stay three hours at half load or more.

    Load 10 10 80 10 10 10, starts free. After the peak at most 10 / 0.5 = 20 MW can be online, and
    as much may have started for it, beside 20 MW that were on before: 40 coal and 40 oil.
    """
    load = [10.0, 10.0, 80.0, 10.0, 10.0, 10.0]
    free = pm.clear(pm.Case(fleet(load)), "full_market")
    assert free.objective == pytest.approx(10 * sum(load))
    bound = pm.clear(pm.Case(fleet(load, min_up_time=3)), "full_market")
    assert bound.dispatch["oil"].max() == pytest.approx(40)
    assert bound.objective == pytest.approx(10 * (sum(load) - 40) + 50 * 40)


def test_minimum_down_time() -> None:
    """Capacity that stops for one hour of low load must have been off for three.

    Load 80 20 80 80: online 80, then at most 40, then 80 again needs 40 MW started that were off
    for three hours: y_(t-3) + starts of three hours <= 100, so 40 started and 60 online before.
    """
    load = [80.0, 20.0, 80.0, 80.0]
    bound = pm.clear(pm.Case(fleet(load, min_down_time=3)), "full_market")
    online, started = bound.outcome.online["coal"], bound.outcome.started["coal"]
    for t in range(4):
        recent = sum(started.iloc[(t - k) % 4] for k in range(3))
        assert online.iloc[(t - 3) % 4] + recent <= 100 + 1e-6
    assert bound.objective > 10 * sum(load) + 1


def test_ramps_act_on_what_is_online() -> None:
    """Load 40 then 80, ramp 0.1/h, minimum 0.5: 80 MW online at 40 rise by 8; 20 MW start at 10.

    Coal reaches 58 (that is the most: each MW online before adds 0.1, each held back 0.5, and
    output 40 lets at most 80 be online, at least 40: 40 x 0.1 + 60 x 0.5 = 34 beats 18, so 40 are
    online at full output and 60 start: 74); oil gives 6.
    """
    run = pm.clear(pm.Case(fleet([40.0, 80.0], ramp_limit_up=0.1)), "full_market")
    assert run.outcome.online["coal"].iloc[0] == pytest.approx(40)
    assert run.dispatch["coal"].tolist() == pytest.approx([40, 74])
    assert run.dispatch["oil"].iloc[1] == pytest.approx(6)


@pytest.mark.parametrize("commitment", ["fixed", "all"])
def test_commitment_for_the_window(commitment: str) -> None:
    """Fixed: one level; all: 100 MW on, output at least 50."""
    n = fleet([60.0, 100.0])
    rules = (pm.rules.MeritOrder(commitment=commitment), pm.rules.Coupled())
    run = pm.clear(pm.Case(n), pm.Regime("r", (*rules, pm.rules.LocationalPrice())))
    assert run.dispatch["coal"].min() >= 50 - 1e-6
    if commitment == "fixed":
        online = run.outcome.online["coal"]
        assert (online == online.iloc[0]).all()
