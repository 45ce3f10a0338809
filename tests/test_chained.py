"""Weeks one after another hand on storage levels and what is online."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys

import powermkt as pm
from powermkt.dispatch.costs import resource_cost
from powermkt.dispatch.cutting import cut_back
from powermkt.dispatch.outcome import Outcome, join
from powermkt.engine.chained import clear_chained
from powermkt.system.horizon import Horizon, every_week, with_horizon


@toys.copied
def steps(count: int) -> pypsa.Network:
    """An empty bus over some steps of 12 h."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=count, freq="12h"))
    n.snapshot_weightings.loc[:, :] = 12.0
    n.add("Carrier", ["coal", "oil", "PHS"])
    n.add("Bus", "A")
    return n


@toys.copied
def fleet(load: list[float], start_cost: float = 0.0, **columns: float) -> pypsa.Network:
    n = steps(len(load))
    n.add(
        "Generator", "coal", bus="A", carrier="coal", p_nom=100, marginal_cost=10, units=4,
        min_stable_pu=0.5, start_up_cost=start_cost * 25, **columns,
    )  # fmt: skip
    n.add("Generator", "oil", bus="A", carrier="oil", p_nom=100, marginal_cost=50)
    n.generators["units"] = n.generators["units"].fillna(1.0)
    n.generators["min_stable_pu"] = n.generators["min_stable_pu"].fillna(0.0)
    n.add("Load", "load", bus="A", p_set=load)
    return n


@toys.copied
def stored(load: list[float], **unit: float) -> pypsa.Network:
    """Coal 50 MW at 10, oil at 50, storage of 600 MWh and 25 MW without losses."""
    n = steps(len(load))
    n.add("Generator", "coal", bus="A", carrier="coal", p_nom=50, marginal_cost=10)
    n.add("Generator", "oil", bus="A", carrier="oil", p_nom=100, marginal_cost=50)
    n.add("Load", "load", bus="A", p_set=load)
    n.add(
        "StorageUnit", "store", bus="A", carrier="PHS", p_nom=25, max_hours=24,
        cyclic_state_of_charge=True, **unit,
    )  # fmt: skip
    return n


MARKET = pm.regime("full_market")


def chain(n: pypsa.Network, look_ahead: float) -> tuple[pm.Case, list[Outcome]]:
    case = with_horizon(pm.Case(n), Horizon(year=True, look_ahead=look_ahead))
    return case, list(clear_chained(case, MARKET))


@pytest.mark.slow
def test_what_is_online_pays_no_start_in_the_next_week() -> None:
    """Load 40 for a week, then 80: 80 MW online at starts of 60 money/MW.

    Coal saves 40 a MWh for a week of 168 h, so 40 MW start once in the second week: 40 x 60 =
    2,400, beside 168 x (40 + 80) x 10 = 201,600. Began the second week from nothing, 80 MW would
    start; did it repeat itself, none.
    """
    _, (first, second) = chain(fleet([40.0] * 14 + [80.0] * 14, start_cost=60.0), 0)
    assert first.commitment_cost["coal"] == pytest.approx(0)
    assert second.commitment_cost["coal"] == pytest.approx(2_400)
    assert second.started["coal"].iloc[0] == pytest.approx(40)
    assert first.cost + second.cost == pytest.approx(204_000)


@pytest.mark.slow
def test_minimum_down_time_counts_what_stood_before() -> None:
    """Load 80 for a week, then 20 and 80 again: what stops in the dip must be off for 3 steps.

    80 MW are online before the seam (no-load cost lets no more be), at most 40 in the dip. Until
    three steps after the seam 80 + starts <= 100: 20 MW start, 60 are online for the next two
    steps, where oil gives 20 each; then what stopped may start again.
    """
    load = [80.0] * 14 + [20.0] + [80.0] * 13
    _, (_, second) = chain(fleet(load, min_down_time=3, stand_by_cost=25.0), 0)
    oil = second.dispatch["oil"].tolist()
    assert oil == pytest.approx([0, 20, 20] + [0] * 11, abs=1e-6)


@pytest.mark.slow
def test_look_ahead_fills_the_storage_for_what_comes() -> None:
    """Load 40 for a week, 75 in its next day: 25 MW x 24 h are missing of coal's 50 MW.

    Seen 24 h ahead, 600 MWh are stored from coal at 10. Unseen they cost 50: after its first week
    storage is wherever, as nothing is gained, and has to come back. Then load 40 again: the
    storage returns to its first level by the end of the horizon.
    """
    load = [40.0] * 14 + [75.0] * 2 + [40.0] * 12
    case, (first, second) = chain(stored(load), 24)
    energy = 12 * sum(load)
    assert first.cost + second.cost == pytest.approx(energy * 10)
    assert second.dispatch["oil"].sum() == pytest.approx(0, abs=1e-6)
    assert first.state_of_charge["store"].iloc[-1] == pytest.approx(600)
    whole = pm.clear(pm.Case(stored(load)), "full_market")
    assert first.cost + second.cost == pytest.approx(whole.objective)
    assert len(join([first, second]).dispatch) == len(case.snapshots)


@pytest.mark.slow
@pytest.mark.parametrize("look_ahead", [0.0, 36.0])
def test_the_year_closes(look_ahead: float) -> None:
    """Charged less drawn is zero over the horizon, also if it is taken up after the first week."""
    rng = np.random.default_rng(4)
    n = stored(rng.uniform(20, 80, 28).tolist(), efficiency_store=0.9, efficiency_dispatch=0.9)
    n.add("Store", "tank", bus="A", e_nom=100, e_cyclic=True)
    case, outcomes = chain(n, look_ahead)
    out = join(outcomes)
    assert out.storage["tank"].abs().sum() > 10
    assert out.storage["tank"].sum() == pytest.approx(0, abs=1e-3)
    assert (-12 * out.storage["tank"]).tolist()[1:] == pytest.approx(
        out.state_of_charge["tank"].diff().tolist()[1:], abs=1e-6
    )
    net = out.storage["store"]
    kept = -net.clip(upper=0) * 0.9 - net.clip(lower=0) / 0.9
    assert kept.abs().sum() > 10
    assert 12 * kept.sum() == pytest.approx(0, abs=1e-3)
    (again,) = clear_chained(case, MARKET, outcomes[:1])
    assert again.cost == pytest.approx(outcomes[1].cost)


@pytest.mark.slow
def test_seeing_the_whole_horizon_gives_its_optimum() -> None:
    """The first week is that of the whole; the last then saves at most starts into the next year.

    Its 6 fleets of 4 units start for at most 20,000 a unit.
    """
    n = toys.random_network(8, hours=336, provinces=2)
    case = every_week(pm.Case(n))
    case.look_ahead = 336.0
    outcomes = list(clear_chained(case, MARKET))
    whole = pm.clear(pm.Case(n), MARKET)
    week = case.windows["week 01"]
    pd.testing.assert_frame_equal(outcomes[0].dispatch, whole.dispatch.loc[week], rtol=1e-6)
    assert outcomes[0].cost == pytest.approx(cut_back(whole.case, whole.outcome, week).cost)
    saved = whole.objective - sum(item.cost for item in outcomes)
    assert -1e-6 * whole.objective <= saved <= 6 * 4 * 2e4


@pytest.mark.slow
def test_cost_from_quantities_is_that_of_the_programme() -> None:
    """All that PyPSA prices: fuel, links, storage, stores, spill, levels; starts; shed; excess."""
    n = toys.random_network(9)
    n.snapshot_weightings = n.snapshot_weightings.astype(float) * 0 + 1.5
    n.links["marginal_cost"] = 3.0
    n.storage_units["marginal_cost"] = 1.0
    n.storage_units["marginal_cost_storage"] = 0.1
    n.add(
        "StorageUnit", "dam", bus="P0", carrier="PHS", p_nom=10, max_hours=1, inflow=30.0,
        spill_cost=2.0, cyclic_state_of_charge=True, p_min_pu=0,
    )  # fmt: skip
    n.add("Store", "tank", bus="P1", e_nom=50, e_cyclic=True, marginal_cost_storage=0.2)
    n.loads_t["p_set"].iloc[3] *= 10
    n.generators.loc["P0 coal 0", "stand_by_cost"] = 100.0
    market = pm.Market(value_of_lost_load=9_000, price_of_excess=800)
    run = pm.clear(pm.Case(n, market), MARKET)
    assert run.outcome.shed.to_numpy().sum() > 1 and run.outcome.spill.to_numpy().sum() > 1
    assert run.outcome.commitment_cost.sum() > 1
    assert resource_cost(run.case, run.outcome) == pytest.approx(run.objective, rel=1e-9)


@pytest.mark.slow
def test_reservoirs_follow_their_plan_in_a_chain() -> None:
    """Water for the second week is kept for it, with a look-ahead that ends within that week."""
    n = steps(28)
    first = np.arange(28) < 14
    n.add("Load", "load", bus="A", p_set=50)
    cost = np.where(first, 10.0, 30.0)
    n.add("Generator", "coal", bus="A", carrier="coal", p_nom=100, marginal_cost=cost)
    n.add(
        "StorageUnit", "dam", bus="A", carrier="PHS", p_nom=20, max_hours=200, p_min_pu=0,
        inflow=np.where(first, 10.0, 0.0), cyclic_state_of_charge=True,
    )  # fmt: skip
    result = pm.compare(pm.Case(n), [MARKET], [0.0], year=True, look_ahead=48)
    (run,) = result.runs
    assert run.objective == pytest.approx(285_600, rel=1e-5)
    assert run.case.seams is not None
    plan = result.tables["seams"].set_index("window")
    assert plan["end_mwh"].iloc[0] - plan["start_mwh"].iloc[0] == pytest.approx(1_680, abs=0.1)
    assert plan["value"].iloc[0] == pytest.approx(30, abs=1e-3)
    closing = run.outcome.state_of_charge["dam"].iloc[-1]
    assert closing == pytest.approx(run.case.seams.start["dam"].iloc[0], abs=1e-3)


def test_a_look_ahead_needs_weeks_in_a_row() -> None:
    case = pm.Case(fleet([50.0] * 14))
    with pytest.raises(pm.InputError, match="nothing in a row"):
        pm.clear(case, MARKET, look_ahead=24)
    with pytest.raises(pm.InputError, match="no ranges"):
        pm.clear(case, MARKET, year=True, look_ahead=24, ranges=True)
    with pytest.raises(pm.InputError, match="is no time"):
        pm.compare(case, [MARKET], [0.0], year=True, look_ahead=-1)


@pytest.mark.slow
def test_a_level_fixed_for_a_day_changes_at_midnight() -> None:
    """Off on the first day, 90 of 100 MW on the second, though output may rise by 30 an hour."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=48, freq="h"))
    n.add("Carrier", ["coal", "gas"])
    n.add("Bus", "A")
    n.add("Generator", "coal", bus="A", carrier="coal", p_nom=100, marginal_cost=50,
          min_stable_pu=0.5, ramp_limit_up=0.3, ramp_limit_down=0.3)  # fmt: skip
    n.add("Generator", "gas", bus="A", carrier="gas", p_nom=100, marginal_cost=10)
    n.generators["min_stable_pu"] = [0.5, 0.0]
    n.add("Load", "load", bus="A", p_set=[60.0] * 24 + [190.0] * 24)
    fixed = {"rule": "MeritOrder", "commitment": "fixed"}
    regime = pm.regime({"name": "fixed", "extends": "full_market", "dispatch": fixed})
    run = pm.clear(pm.Case(n), regime, days=2)
    assert run.dispatch["coal"].tolist() == pytest.approx([0.0] * 24 + [90.0] * 24)
