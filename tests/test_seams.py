"""A year of weeks hangs together by the levels of its reservoirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

import powermkt as pm
from powermkt.analysis.clearall import clear_all
from powermkt.inputs.levels import Seams
from powermkt.system.horizon import Horizon, every_week, with_horizon
from powermkt.system.reach import reachable_plan, reaches


@toys.copied
def dry_and_wet(**dam: object) -> pypsa.Network:
    """Two weeks in steps of 12 h: load 50; coal at 10, then 30; inflow 10 in the first week."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=28, freq="12h"))
    n.snapshot_weightings.loc[:, :] = 12.0
    first = np.arange(28) < 14
    n.add("Carrier", ["coal", "hydro"])
    n.add("Bus", "A")
    n.add("Load", "load", bus="A", p_set=50)
    n.add(
        "Generator", "coal", bus="A", carrier="coal", p_nom=100,
        marginal_cost=np.where(first, 10.0, 30.0),
    )  # fmt: skip
    n.add(
        "StorageUnit", "dam", carrier="hydro", p_nom=20, max_hours=200, p_min_pu=0,
        inflow=np.where(first, 10.0, 0.0),
        **({"bus": "A", "cyclic_state_of_charge": True} | dam),
    )  # fmt: skip
    return n


def blocky(seed: int, block: int, efficiency: float = 1.0) -> pypsa.Network:
    """Two provinces, two weeks, data constant over blocks of some steps, one reservoir each."""
    rng = np.random.default_rng(seed)
    steps = 84  # of four hours
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=steps, freq="4h"))
    n.snapshot_weightings.loc[:, :] = 4.0
    n.add("Carrier", ["coal", "gas", "hydro"])

    def series(low: float, high: float) -> np.ndarray:
        return np.repeat(rng.uniform(low, high, -(-steps // block)), block)[:steps]

    for bus in "AB":
        n.add("Bus", bus)
        n.add("Load", f"{bus} load", bus=bus, p_set=series(50, 150))
        n.add(
            "Generator", f"{bus} coal", bus=bus, carrier="coal", p_nom=90,
            marginal_cost=series(10, 40),
        )  # fmt: skip
        n.add("Generator", f"{bus} gas", bus=bus, carrier="gas", p_nom=200, marginal_cost=60)
        n.add(
            "StorageUnit", f"{bus} dam", bus=bus, carrier="hydro", p_nom=30, max_hours=100,
            p_min_pu=-1.0 if bus == "A" else 0.0, efficiency_store=efficiency,
            efficiency_dispatch=efficiency, inflow=series(0, 20), cyclic_state_of_charge=True,
        )  # fmt: skip
    n.add("Link", "A-B", bus0="A", bus1="B", p_nom=30, efficiency=0.95)
    n.add("Link", "B-A", bus0="B", bus1="A", p_nom=30, efficiency=0.95)
    return n


@pytest.mark.slow
def test_water_waits_for_the_dear_week() -> None:
    """All 10 x 168 = 1,680 MWh wait for the second week, where they save 30 each.

    168 x 50 x 10 + (168 x 50 - 1,680) x 30 = 84,000 + 201,600 = 285,600.
    """
    run = pm.clear(pm.Case(dry_and_wet()), "full_market", year=True)
    assert run.objective == pytest.approx(285_600, rel=1e-5)
    seams = run.case.seams
    assert seams is not None
    stored = seams.end["dam"] - seams.start["dam"]
    assert stored.tolist() == pytest.approx([1_680, -1_680], abs=0.1)
    assert seams.value.loc["week 01", "dam"] == pytest.approx(30, abs=1e-3)
    level = run.outcome.state_of_charge["dam"]
    assert level.iloc[[13, 27]].tolist() == pytest.approx(seams.end["dam"].tolist(), abs=1e-4)


def test_water_sent_away_is_worth_what_the_fee_leaves() -> None:
    """The dam stands in a province without load and its water costs 5 to send: 30 - 5 = 25."""
    n = dry_and_wet(bus="D")
    n.add("Bus", "D")
    n.add("Link", "D-A", bus0="D", bus1="A", p_nom=100)
    n.links["wheeling_fee"] = 5.0
    seams = with_horizon(pm.Case(n), Horizon(year=True)).seams
    assert seams is not None
    assert seams.value.loc["week 01", "dam"] == pytest.approx(25, abs=1e-3)


@pytest.mark.slow
def test_levels_given_at_seams_hold() -> None:
    """500 MWh at the seam, none at either end: 1,180 are used at 10 and 500 at 30.

    (8,400 - 1,180) x 10 + (8,400 - 500) x 30 = 72,200 + 237,000 = 309,200.
    """
    case = every_week(pm.Case(dry_and_wet()))
    levels = pd.DataFrame({"dam": [0.0, 500.0]}, index=list(case.windows))
    case = case.with_seams(Seams(levels, levels.iloc[::-1].set_axis(levels.index), levels))
    (run,), _ = clear_all(case, [("full_market", 0.0)])
    assert run.objective == pytest.approx(309_200)
    level = run.outcome.state_of_charge["dam"].iloc[[13, 27]]
    assert level.tolist() == pytest.approx([500, 0], abs=1e-6)


@pytest.mark.slow
def test_storage_below_the_threshold_repeats_weekly() -> None:
    """The same water used week by week: (8,400 - 1,680) x 10 + 8,400 x 30 = 319,200."""
    case = pm.Case(dry_and_wet(), pm.Market.model_validate({"seams": {"min_hours": 201}}))
    run = pm.clear(case, "full_market", year=True)
    assert run.case.seams is None
    assert run.objective == pytest.approx(319_200)


@pytest.mark.slow
def test_open_ended_storage_begins_with_its_level_and_may_end_empty() -> None:
    """With 1,000 MWh at first, 2,680 are used at 30 in the second week; none need be left.

    84,000 + (8,400 - 2,680) x 30 = 255,600. One window of both weeks gives the same.
    """
    dam = {"cyclic_state_of_charge": False, "state_of_charge_initial": 1_000.0}
    case = pm.Case(dry_and_wet(**dam))
    assert pm.clear(case, "full_market").objective == pytest.approx(255_600)
    run = pm.clear(case, "full_market", year=True)
    assert run.objective == pytest.approx(255_600, rel=1e-5)
    seams = run.case.seams
    assert seams is not None and seams.start["dam"].iloc[0] == 1_000
    assert np.isnan(seams.end["dam"].iloc[-1])


def test_what_still_couples_weeks_is_refused() -> None:
    n = dry_and_wet(cyclic_state_of_charge=False)
    with pytest.raises(pm.InputError, match=r"storage_units\.cyclic_state_of_charge"):
        with_horizon(pm.Case(n), Horizon(weeks=1))
    n.storage_units_t["state_of_charge_set"] = pd.DataFrame({"dam": 5.0}, index=n.snapshots)
    with pytest.raises(pm.InputError, match=r"storage_units\.cyclic_state_of_charge"):
        with_horizon(pm.Case(n), Horizon(year=True))
    n = dry_and_wet()
    n.add("Store", "tank", bus="A", e_nom=5)
    with pytest.raises(pm.InputError, match=r"stores\.e_cyclic"):
        with_horizon(pm.Case(n), Horizon(year=True))


@pytest.mark.slow
def test_weeks_on_an_exact_plan_are_the_optimum_of_the_whole() -> None:
    """Where data are constant within blocks, the coarse programme is the hourly one."""
    case = pm.Case(blocky(2, block=3))
    whole = pm.clear(case, "full_market").objective
    apart = pm.clear(case, "full_market", year=True).objective
    assert apart == pytest.approx(whole, rel=1e-5)


@pytest.mark.slow
def test_a_plan_restricts_and_keeps_the_water() -> None:
    """Weeks cost no less than the whole; inflow - spill - drawn + stored = 0 over the horizon."""
    case = pm.Case(blocky(7, block=2, efficiency=0.9))
    whole = pm.clear(case, "full_market").objective
    run = pm.clear(case, "full_market", year=True)
    assert whole * (1 - 1e-6) <= run.objective <= 1.05 * whole
    net = run.storage
    gained = case.dense("StorageUnit", "inflow") - run.outcome.spill
    gained = gained - net.clip(lower=0) / 0.9 - net.clip(upper=0) * 0.9
    assert np.allclose(4 * gained.sum(), 0, atol=1e-3)


@toys.copied
def flat_unit(hours: int) -> pypsa.Network:
    n = pypsa.Network()
    n.set_snapshots(range(hours))
    n.add("Bus", "A")
    n.add(
        "StorageUnit", "dam", bus="A", p_nom=10, p_max_pu=np.zeros(hours), inflow=np.zeros(hours),
        efficiency_store=0.9, efficiency_dispatch=0.8,
    )  # fmt: skip
    return n


def unit(rng: np.random.Generator, hours: int) -> pypsa.Network:
    n = flat_unit(hours)
    n.snapshot_weightings["stores"] = rng.choice([1.0, 3.0])
    n.storage_units["max_hours"] = rng.choice([2.0, 20.0])
    n.storage_units["p_min_pu"] = rng.choice([-1.0, 0.0])
    n.storage_units_t["p_max_pu"]["dam"] = rng.uniform(0, 1, hours)
    n.storage_units_t["inflow"]["dam"] = rng.choice([0.0, 1.0]) * rng.uniform(0, 5, hours)
    n.storage_units["standing_loss"] = rng.choice([0.0, 0.02, 1.0])
    return n


def path(
    n: pypsa.Network, first: float | None, fixed: dict[int, float], aim: float = 0.0
) -> tuple[bool, float]:
    """Look for charging, discharging, spill and levels with some levels fixed; `aim` the last."""
    hours, dam = len(n.snapshots), n.storage_units.loc["dam"]
    h = float(n.snapshot_weightings["stores"].iloc[0])
    inflow = n.storage_units_t["inflow"].get("dam", pd.Series(0.0, n.snapshots)).to_numpy()
    keep = (1 - dam["standing_loss"]) ** h
    eye, back = np.eye(hours), np.roll(np.eye(hours), -1, axis=1)
    rhs = inflow * h
    if first is not None:
        back[0] = 0.0
        rhs[0] += keep * first
    rows = np.hstack([eye - keep * back, -0.9 * h * eye, h / 0.8 * eye, h * eye])
    levels = [(fixed.get(t, 0.0), fixed.get(t, 10 * dam["max_hours"])) for t in range(hours)]
    bounds = [
        *levels,
        *[(0, -10 * dam["p_min_pu"])] * hours,
        *[(0, 10 * p) for p in n.storage_units_t["p_max_pu"]["dam"]],
        *[(0, x) for x in inflow],
    ]
    cost = np.zeros(4 * hours)
    cost[hours - 1] = -aim
    found = linprog(cost, A_eq=rows, b_eq=rhs, bounds=bounds)
    return found.status == 0, float(found.x[hours - 1]) if found.status == 0 else np.nan


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.booleans())
def test_any_plan_is_moved_to_one_that_a_unit_can_follow(seed: int, cyclic: bool) -> None:
    """Arbitrary levels in, a path of charging, discharging and spill through the result exists."""
    rng = np.random.default_rng(seed)
    n = unit(rng, 12)
    spans = [n.snapshots[i : i + 4] for i in (0, 4, 8)]
    full = 10 * n.storage_units.loc["dam", "max_hours"]
    wanted, initial = rng.uniform(-0.2, 1.2, (4, 1)) * full, rng.uniform(0, 1, 1) * full
    plan = reachable_plan(wanted, reaches(n, pd.Index(["dam"]), spans), np.array([cyclic]), initial)
    assert plan[0] == pytest.approx(plan[-1] if cyclic else initial, rel=1e-9)
    assert path(n, float(plan[0, 0]), {3 + 4 * i: float(plan[i + 1, 0]) for i in range(3)})[0]


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_reach_is_tight(seed: int) -> None:
    """The highest and lowest reachable levels are those of a linear programme."""
    rng = np.random.default_rng(seed)
    n = unit(rng, 8)
    (reach,) = reaches(n, pd.Index(["dam"]), [n.snapshots])
    start = rng.uniform(0, 1) * 10 * n.storage_units.loc["dam", "max_hours"]
    for wanted, aim in ((1e9, 1.0), (-1e9, -1.0)):
        reached = reach.clip(np.array([wanted]), np.array([start]))[0]
        assert reached == pytest.approx(path(n, start, {}, aim)[1], rel=1e-4, abs=1e-3)


def test_networks_without_long_storage_are_cut_as_ever() -> None:
    case = pm.Case(toys.random_network(3, hours=336))
    cut = with_horizon(case, Horizon(year=True))
    assert cut.seams is None and list(cut.windows) == list(every_week(case).windows)
    assert cut.window("week 02").network().storage_units["cyclic_state_of_charge"].all()


@pytest.mark.slow
def test_a_window_is_the_network_at_its_snapshots() -> None:
    """Every table and weighting as PyPSA's own, slower way gives them."""
    n = toys.random_network(5, hours=336)
    n.add("StorageUnit", "dam", bus="P0", carrier="PHS", inflow=np.arange(336.0), max_hours=5)
    n.storage_units["cyclic_state_of_charge"] = True
    n.snapshot_weightings["objective"] = n.snapshot_weightings["generators"] = 2.0
    case = every_week(pm.Case(n))
    part, wanted = case.window("week 02").network(), case.network()
    wanted = wanted.copy(snapshots=case.windows["week 02"])
    assert part.snapshots.equals(wanted.snapshots) and len(part.snapshots) == 168
    pd.testing.assert_frame_equal(
        part.snapshot_weightings, wanted.snapshot_weightings, check_freq=False
    )
    for kind in wanted.all_components:
        ours, theirs = part.components[kind], wanted.components[kind]
        if len(theirs.static):
            pd.testing.assert_frame_equal(ours.static, theirs.static)
        assert set(ours.dynamic) == set(theirs.dynamic)
        for attribute, frame in theirs.dynamic.items():
            pd.testing.assert_frame_equal(ours.dynamic[attribute], frame, check_freq=False)
