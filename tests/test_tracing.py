"""Carbon-flow tracing of arrays: worked cases, loops, losses, storage, faults."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import numpy as np
import pandas as pd
import pytest
from hypothesis import strategies as st

import powermkt as pm
from benchmarks.tracing import compared
from powermkt.methods.carbonflow import Grid, Stores, follow


def flows(size: int, pairs: dict[tuple[int, int], float]) -> np.ndarray:
    found = np.zeros((size, size))
    for pair, power in pairs.items():
        found[pair] = power
    return found


def test_three_nodes() -> None:
    """A: 600 x 0.9 = 540 t of 1,000 MW. B: (300 x 0.54 + 200) / 500. C: (108 + 181 + 60) / 600."""
    flow = flows(3, {(0, 1): 300, (0, 2): 200, (1, 2): 250})
    found = pm.trace([1000, 200, 150], [0.54, 1.0, 0.4], flow, [500, 250, 600])
    assert found.intensity == pytest.approx([0.54, 0.724, 349 / 600], abs=1e-12)
    assert found.consumption_emissions == pytest.approx([270, 181, 349], abs=1e-9)
    assert found.production_emissions == pytest.approx([540, 200, 60])
    # C takes 200 x 0.54 of A itself, and of B's 500 MW, half of which it takes, 162 / 2 of A.
    assert found.transfers[:, 2] == pytest.approx([108 + 81, 100, 60])


def test_loop() -> None:
    flow = flows(3, {(0, 1): 120, (1, 2): 90, (2, 0): 40})
    found = pm.trace([300, 100, 50], [0.95, 0.0, 0.4], flow, [220, 130, 100])
    assert found.intensity == pytest.approx([0.891833, 0.486454, 0.455578], abs=5e-7)
    assert found.consumption_emissions.sum() == pytest.approx(305, rel=1e-12)


def test_losses_are_the_consumers() -> None:
    """Four nodes with lossy flows: a tonne a MWh makes consumption what was generated for it.

    Node 2 passes on 114 + 60 = 174 in 173 MW. Node 4 holds 115 + 174 = 289 in 283 MW, of which 200
    are used: 289 x 200 / 283. Node 3 the rest: 225 + 289 x 83 / 283. Together 514.
    """
    sent = flows(4, {(0, 1): 60, (0, 2): 225, (0, 3): 115, (1, 3): 173, (3, 2): 83})
    came = flows(4, {(0, 1): 59, (0, 2): 218, (0, 3): 112, (1, 3): 171, (3, 2): 82})
    found = pm.trace([400, 114, 0, 0], np.ones(4), sent, [0, 0, 300, 200], received=came)
    assert found.consumption_emissions[2:] == pytest.approx([309.759717, 204.240283], abs=1e-6)
    # Of the first generator's 400: 115 + 60 of 289 in node 4, 225 + 175 x 83 / 283 in node 3.
    assert found.transfers[0, 2] == pytest.approx(225 + 175 * 83 / 283)


def balanced(seed: int, size: int = 6, hours: int = 3) -> tuple[np.ndarray, ...]:
    """Random meshed flows with loops and losses; where more comes than is used, no generation."""
    rng = np.random.default_rng(seed)
    sent = rng.uniform(0, 100, (hours, size, size)) * (rng.uniform(size=(size, size)) < 0.6)
    sent[:, np.arange(size), np.arange(size)] = 0.0
    came = sent * rng.uniform(0.9, 1.0, (size, size))
    load = rng.uniform(1, 50, (hours, size))
    short = load + sent.sum(axis=2) - came.sum(axis=1)
    load += (-short).clip(min=0)
    return short.clip(min=0), rng.uniform(0, 1, (hours, size)), sent, came, load


@hypothesis.given(st.integers(0, 10**6))
@hypothesis.settings(max_examples=20)
def test_meshed_systems_follow_the_power_series(seed: int) -> None:
    """What leaves a node was generated there, or one branch away, or two, ...: a series."""
    generation, rate, sent, came, load = balanced(seed)
    hypothesis.assume((generation > 0).any(axis=1).all())
    found = pm.trace(generation, rate, sent, load, received=came)
    for t in range(len(load)):
        out = load[t] + sent[t].sum(axis=1)
        share = sent[t].T / out[:, None]  # of what leaves node j, that came from i
        term = generation[t] * rate[t] / out
        total = np.zeros_like(term)
        while term.max() > 1e-15:
            total += term
            term = share @ term
        assert found.intensity[t] == pytest.approx(total, rel=1e-9, abs=1e-12)
    emitted = (generation * rate).sum()
    assert found.consumption_emissions.sum() == pytest.approx(emitted, rel=1e-9)
    assert found.transfers.sum(axis=1) == pytest.approx((generation * rate).sum(axis=0), rel=1e-9)


def test_many_buses_as_few() -> None:
    """A sparse system of many nodes has the numbers of its dense part."""
    generation, rate, sent, came, load = balanced(1)
    few = pm.trace(generation, rate, sent, load, received=came)
    more = 130

    def wide(table: np.ndarray) -> np.ndarray:
        return np.pad(table, [(0, 0), *[(0, more)] * (table.ndim - 1)])

    many = pm.trace(wide(generation), wide(rate), wide(sent), wide(load), received=wide(came))
    assert many.intensity[:, :6] == pytest.approx(few.intensity, rel=1e-12)
    assert np.isnan(many.intensity[:, 6:]).all()


def test_who_only_imports_takes_the_mix_of_its_neighbours() -> None:
    """Z takes 30 of X (a third coal) and 60 of Y (all wind): 10 coal, 20 + 60 wind of 90 MW."""
    columns = pd.MultiIndex.from_tuples([("X", "coal"), ("X", "wind"), ("Y", "wind")])
    generation = pd.DataFrame([[50.0, 100.0, 80.0]], columns=columns)
    flow = pd.DataFrame([[30.0, 60.0]], columns=pd.MultiIndex.from_tuples([("X", "Z"), ("Y", "Z")]))
    load = pd.DataFrame([[120.0, 20.0, 90.0]], columns=["X", "Y", "Z"])
    found = pm.trace(generation, pd.Series({"coal": 0.9, "wind": 0.0}), flow, load)
    assert found.mix.loc[0, "Z"].to_dict() == pytest.approx({"coal": 1 / 9, "wind": 8 / 9})
    assert found.intensity.loc[0, "Z"] == pytest.approx(0.1)
    assert found.transfers.loc["X", "Z"] == pytest.approx(30 / 150 * 45)


THREE_HOURS = pm.StorageFlows(
    [0], np.array([[100.0], [0], [0]]), np.array([[0.0], [40], [32]]),
    np.array([[90.0], [40], [0]]), efficiency_dispatch=0.8,
)  # fmt: skip


def test_storage_carries_its_content() -> None:
    """Charged with 100 MW at 0.5 t/MWh: 50 t in 90 MWh (one in ten is lost on the way in).

    Hour 2 draws 40 / 0.8 = 50 of 90 MWh with 27.78 t, beside 60 MW at 0.5: 57.78 t of 100 MW.
    Hour 3 draws the last 40 MWh with 22.22 t, beside 34 t. All 164 t are consumed.
    """
    found = pm.trace(
        [[200.0], [60], [68]], [0.5], np.zeros((1, 1)), [[100.0]] * 3, storage=THREE_HOURS
    )
    expected = [50, 30 + 50 * 50 / 90, 34 + 50 * 40 / 90]
    assert found.consumption_emissions[:, 0] == pytest.approx(expected)
    assert found.stored == pytest.approx(0, abs=1e-12)


def test_what_storage_keeps_is_told() -> None:
    """An open level of 100 MWh at first: nothing known of it counts, half of the mix is drawn."""
    storage = pm.StorageFlows(
        [0], np.array([[100.0], [0]]), np.array([[0.0], [100]]), np.array([[200.0], [100]]),
        cyclic=False,
    )  # fmt: skip
    found = pm.trace([[200.0], [0]], [1.0], np.zeros((1, 1)), [[100.0]] * 2, storage=storage)
    assert found.consumption_emissions[:, 0] == pytest.approx([100, 50])
    assert found.stored == pytest.approx(50)


def test_cyclic_storage_is_what_many_repetitions_come_to() -> None:
    """Two storages that charge each other's discharge, traced over 1 and over 60 equal days."""
    generation, rate, sent, came, load = balanced(5, size=3, hours=4)
    charge = np.array([[0, 5.0], [8, 0], [0, 0], [0, 4]])
    discharge = np.array([[6.0, 0], [0, 3], [2, 5], [0, 0]])
    level = np.array([[2.0, 10], [10, 7], [8, 2], [8, 5]])  # began at 8 and 5
    node = np.array([0, 2])
    load[:, node] += discharge
    generation[:, node] += charge
    day = pm.StorageFlows([0, 2], charge, discharge, level)
    once = pm.trace(generation, rate, sent, load, received=came, storage=day)

    def days(table: np.ndarray) -> np.ndarray:
        return np.tile(table, (60, *[1] * (table.ndim - 1)))

    long = pm.StorageFlows([0, 2], days(charge), days(discharge), days(level), cyclic=False)
    many = pm.trace(*map(days, (generation, rate, sent, load)), received=days(came), storage=long)
    assert many.intensity[-4:] == pytest.approx(once.intensity, rel=1e-9)
    assert once.stored == pytest.approx(0, abs=1e-9)
    emitted = once.production_emissions.sum()
    assert once.consumption_emissions.sum() == pytest.approx(emitted, rel=1e-9)


def test_windows_that_hand_on_are_one() -> None:
    """Two windows of two hours, levels handed on and closed at the end, as one of four."""
    grid = Grid(np.zeros(0, int), np.zeros(0, int), np.zeros((4, 0)), np.full((4, 1), 100.0),
                np.ones((4, 1), bool))  # fmt: skip
    charge = np.array([[20.0], [0], [30], [0]])
    level = np.array([[30.0], [15], [45], [10]])
    drawn = np.array([[0.0], [15], [0], [35]])
    share = drawn / (level + drawn)
    emitted = np.array([[[90.0]], [[20]], [[50]], [[10]]])
    one = Stores(
        np.array([0]), charge, share, np.zeros((4, 1)), np.array([0]), np.ones(4), [slice(0, 4)],
        np.zeros((1, 1)), np.array([False]), np.array([True]),
    )  # fmt: skip
    two = replace(
        one, windows=[slice(0, 2), slice(2, 4)], opening=np.zeros((2, 1)), handed=np.array([True])
    )

    def traced(stores: Stores) -> np.ndarray:
        return np.concatenate([p.content for p in follow(grid, lambda h: emitted[h], 1, stores)])

    assert traced(two) == pytest.approx(traced(one), rel=1e-12)
    apart = replace(two, handed=np.array([False]))
    assert not np.allclose(traced(apart), traced(one))


def test_faults_of_flows_and_loads() -> None:
    """All of them at once, with places and hours."""
    hours = pd.date_range("2022-01-03", periods=2, freq="h")
    generation = pd.DataFrame({"A": [100.0, 100.0], "B": [0.0, 0.0]}, hours)
    load = pd.DataFrame({"A": [60.0, 100.0], "B": [40.0, 40.0]}, hours)
    pairs = pd.MultiIndex.from_tuples([("A", "B")])
    flow = pd.DataFrame([[40.0], [0.0]], hours, pairs)
    with pytest.raises(pm.InputError, match=r"'B' at 2022-01-03 01:.*40 MW.*nothing comes in"):
        pm.trace(generation, [0.9, 0.0], flow, load)
    with pytest.raises(pm.InputError, match=r"flow\['A', 'B'\].*below 0.*from 'B' to 'A'") as told:
        pm.trace(generation, [0.9, np.nan], -flow, -load)
    said = [fault.where.partition("[")[0] for fault in told.value.faults]
    assert set(said) == {"flow", "emission_rate", "load"}
    with pytest.raises(pm.InputError, match="100 MW come in, 60 MW go out"):
        pm.trace([100.0], [0.9], [[0.0]], [60.0])


def test_carriers_need_emission_rates() -> None:
    columns = pd.MultiIndex.from_tuples([("A", "coal"), ("A", "peat"), ("A", "gas")])
    generation = pd.DataFrame([[1.0, 2.0, 3.0]], columns=columns)
    load = pd.DataFrame([[6.0]], columns=["A"])
    with pytest.raises(pm.InputError) as told:
        pm.trace(generation, pd.Series({"coal": 0.9}), [[0.0]], load)
    where = [fault.where for fault in told.value.faults]
    assert where == ["emission_rate['peat']", "emission_rate['gas']"]
    with pytest.raises(pm.InputError, match="charges and discharges at once"):
        both = replace(THREE_HOURS, discharge=np.array([[10.0], [40], [32]]))
        pm.trace([[190.0], [60], [68]], [0.5], [[0.0]], [[100.0]] * 3, storage=both)


def test_benchmark_agrees_with_its_peer() -> None:
    record = compared(hours=48, provinces=5)
    assert record["rel_diff"] <= 1e-9
    assert record["total_rel_diff"] <= 1e-9


def test_names_and_hours_that_match_nothing() -> None:
    """Neither nodes nor hours are left out or taken by position; a list of loads is as an array."""
    hours = pd.date_range("2022-01-03", periods=2, freq="h")
    generation = pd.DataFrame({"A": [100.0, 200], "B": [0.0, 0]}, hours)
    load = pd.DataFrame({"A": [60.0, 160], "B": [40.0, 40]}, hours)
    flow = pd.DataFrame([[0, 40.0], [0, 0]], ["A", "B"], ["A", "B"])
    one = pm.trace(generation.iloc[0], [0.9, 0.0], flow, [60.0, 40.0])
    assert one.intensity.tolist() == pytest.approx([0.9, 0.9])
    late, wide = load.set_axis(hours + pd.Timedelta("1h")), load.assign(C=5.0)
    with pytest.raises(pm.InputError, match="load: has other hours"):
        pm.trace(generation, [0.9, 0.0], flow, late)
    with pytest.raises(pm.InputError) as told:
        pm.trace(generation, [0.9, 0.0], flow.assign(D=0.0), wide)
    assert {fault.where for fault in told.value.faults} == {"load", "flow"}
    for wrong in ({"efficiency_dispatch": 0.0}, {"efficiency_dispatch": np.nan},
                  {"cyclic": [True, False]}):  # fmt: skip
        with pytest.raises(pm.InputError, match=next(iter(wrong))):
            pm.trace([[200.0], [60], [68]], [0.5], [[0.0]], [[100.0]] * 3,
                     storage=replace(THREE_HOURS, **wrong))  # fmt: skip
