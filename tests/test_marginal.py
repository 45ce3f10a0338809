"""What gives one more MWh of load: against solving again with a little more load."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reserve_toys import case_with, spinning, toy
from toys import add_rows, one_bus, random_case, random_network, weigh

import powermkt as pm

MORE_MW = 0.1


def two_buses() -> pypsa.Network:
    """Coal that ramps slowly and wind at A, gas and a store with losses at B, a lossy link."""
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=6, freq="h"))
    weigh(n, 2.0)
    n.add("Carrier", ["coal", "gas", "onshore wind", "PHS", "AC"])
    n.add("Bus", ["A", "B"], carrier="AC")
    add_rows(n, "Generator", {
        "coal": {"bus": "A", "carrier": "coal", "p_nom": 100.0, "marginal_cost": 300.0,
                 "emission_rate": 0.9, "ramp_limit_up": 0.15, "ramp_limit_down": 0.15},
        "wind": {"bus": "A", "carrier": "onshore wind", "p_nom": 60.0,
                 "p_max_pu": np.array([0.9, 0.7, 0.5, 0.2, 0.1, 0.6])},
        "gas": {"bus": "B", "carrier": "gas", "p_nom": 100.0, "marginal_cost": 500.0,
                "emission_rate": 0.4},
    })  # fmt: skip
    n.add("StorageUnit", "store", bus="B", carrier="PHS", p_nom=8.0, max_hours=3.0,
          efficiency_store=0.9, efficiency_dispatch=0.9, cyclic_state_of_charge=True)  # fmt: skip
    n.add("Link", "AB", bus0="A", bus1="B", carrier="AC", p_nom=45.0, efficiency=0.95)
    n.add("Load", ["a", "b"], bus=["A", "B"])
    n.loads_t["p_set"] = pd.DataFrame(
        {"a": [30.0, 35, 50, 70, 75, 40], "b": [40.0, 42, 55, 60, 65, 45]}, index=n.snapshots
    )
    return n


def by_carrier(run: pm.Run) -> pd.Series:
    """Energy that each carrier gave, less what its storage took [MWh]."""
    case = run.case
    output = pd.concat([run.dispatch, run.storage], axis=1).mul(case.weights, axis="index").sum()
    carrier = pd.concat([case.generators["carrier"], case.storage_units["carrier"]])
    return output.groupby(carrier).sum()


def response(base: pm.Run, n: pypsa.Network, load: str, hour: int) -> tuple[pd.Series, float]:
    """What a little more load in one hour changes: MWh by carrier, t; per MWh. Solved again."""
    n.loads_t["p_set"].loc[n.snapshots[hour], load] += MORE_MW
    run = pm.clear(pm.Case(n), base.regime, base.carbon_price)
    energy = MORE_MW * base.case.weights.iloc[hour]
    return (by_carrier(run) - by_carrier(base)) / energy, (run.emissions - base.emissions) / energy


def test_mix_is_what_more_load_brings_with_storage_losses_and_ramps() -> None:
    base = pm.clear(pm.Case(two_buses()), "full_market", margins=True)
    mixes = set()
    for bus, hour in (("A", 1), ("B", 1), ("B", 3), ("B", 4)):
        assert base.price_unique[bus].iloc[hour]
        brought, emitted = response(base, two_buses(), bus.lower(), hour)
        mix = base.marginal_mix[bus].iloc[hour]
        assert mix[brought.index].to_numpy() == pytest.approx(brought.to_numpy(), abs=1e-6)
        assert mix.drop(brought.index).abs().max() < 1e-9  # nothing is shed or in excess
        assert base.outcome.marginal_emission[bus].iloc[hour] == pytest.approx(emitted, abs=1e-6)
        mixes.add(tuple(mix.round(6)))
    assert len(mixes) > 2  # the hours differ


def test_emissions_are_those_of_the_mix() -> None:
    """Each carrier has one emission rate here."""
    run = pm.clear(pm.Case(two_buses()), "full_market", margins=True)
    for bus in ("A", "B"):
        mix = run.marginal_mix[bus]
        emission = 0.9 * mix["coal"] + 0.4 * mix["gas"]
        assert emission.to_numpy() == pytest.approx(run.outcome.marginal_emission[bus].to_numpy())


@given(seed=st.integers(0, 10**6), bus=st.sampled_from(["P0", "P1"]), hour=st.integers(0, 5))
def test_mix_is_what_more_load_brings(seed: int, bus: str, hour: int) -> None:
    """Fleets with starts, storage, lossy links, weights other than 1."""
    base = pm.clear(random_case(seed, 6, 2), "full_market", 40.0, margins=True)
    n = random_network(seed, 6, 2)
    assume(base.price_unique[bus].iloc[hour])
    brought, emitted = response(base, n, f"{bus} load", hour)
    mix = base.marginal_mix[bus].iloc[hour]
    assert mix[brought.index].to_numpy() == pytest.approx(brought.to_numpy(), abs=1e-5)
    assert base.outcome.marginal_emission[bus].iloc[hour] == pytest.approx(emitted, abs=1e-5)


def test_sum_of_the_mix_is_the_load_and_what_the_link_loses() -> None:
    """Coal at A serves B over a link that loses 5 %: 1 MWh takes 1 / 0.95 of coal."""
    n = two_buses()
    n.generators.loc["coal", ["ramp_limit_up", "ramp_limit_down"]] = np.nan
    n.generators.loc["coal", "p_nom"] = 300.0
    n.links.loc["AB", "p_nom"] = 300.0
    mix = pm.clear(pm.Case(n), "full_market", margins=True).marginal_mix
    hour = n.snapshots[4]  # little wind
    assert mix["A"].loc[hour, "coal"] == pytest.approx(1)
    assert mix["B"].loc[hour, "coal"] == pytest.approx(1 / 0.95)
    assert mix["B"].loc[hour].sum() == pytest.approx(1 / 0.95)


def test_unserved_load_excess_and_spill_are_named() -> None:
    """Load 260 above 225 MW of plant; must-run 50 above a load of 20; a full lake that spills."""
    n = one_bus([260.0, 20.0, 150.0])
    n.generators_t["p_min_pu"] = pd.DataFrame({"coal": [0.0, 0.5, 0.0]}, n.snapshots)
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [0.5, 0.0, 0.5]}, n.snapshots)
    market = pm.Market(value_of_lost_load=9000, price_of_excess=100)
    mix = pm.clear(pm.Case(n, market), "full_market", margins=True).marginal_mix["A"]
    most = mix.idxmax(axis=1).tolist()
    assert most == ["unserved load", "less excess", "gas"]
    assert mix.max(axis=1).tolist() == pytest.approx([1, 1, 1])
    n = one_bus([30.0])
    n.add("Carrier", "lake")
    n.add("StorageUnit", "lake", bus="A", carrier="lake", p_nom=50, max_hours=1, inflow=40,
          cyclic_state_of_charge=True)  # fmt: skip
    n.generators.loc["wind", "p_nom"] = 0.0
    mix = pm.clear(pm.Case(n), "full_market", margins=True).marginal_mix["A"]
    assert mix["lake"].tolist() == pytest.approx([1])


def test_windows_stores_and_steps_keep_the_mix(tmp_path: Path) -> None:
    """Windows are joined, stored cells come back; without asking there is no mix."""
    n = one_bus([60.0, 150.0, 60.0, 150.0])
    windows = {"early": n.snapshots[:2], "late": n.snapshots[2:]}
    case = pm.Case(n, windows=windows)
    run = pm.clear(case, "full_market", margins=True, store=tmp_path)
    assert run.marginal_mix["A"].idxmax(axis=1).tolist() == ["coal", "gas"] * 2
    again = pm.clear(case, "full_market", margins=True, store=tmp_path)
    pd.testing.assert_frame_equal(again.marginal_mix, run.marginal_mix)
    assert pm.clear(case, "full_market", store=tmp_path).marginal_mix.empty
    twice = pm.clear(pm.Case(n), "two_settlement", margins=True)
    assert twice.marginal_mix["A"].idxmax(axis=1).tolist() == ["coal", "gas"] * 2
    chained = pm.clear(pm.Case(n), "full_market", year=True, look_ahead=1, margins=True)
    assert chained.marginal_mix["A"].idxmax(axis=1).tolist() == ["coal", "gas"] * 2
    after = pm.regime({"name": "after", "extends": "full_market", "ancillary": "Sequential"})
    reserves = pm.clear(case_with(toy(80.0), {"spin": spinning(10.0)}), after, margins=True)
    assert reserves.marginal_mix["A"].iloc[0].to_dict() == pytest.approx(
        {"coal": 1, "gas": 0, "less excess": 0, "unserved load": 0}
    )
