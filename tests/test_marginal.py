"""What gives one more MWh of load: against solving again with a little more load."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from reserve_toys import case_with, spinning, toy
from toys import add_rows, one_bus, random_case, random_network, weigh

import powermkt as pm
from powermkt.dispatch.packing import pack, unpack

MORE_MW = 0.1
MARKET = "full_market"
# Where a little more is asked for, each in a copy of the system of its own; the last copy has wide
# ties and plant.
POINTS = [("A", 1), ("B", 1), ("B", 3), ("B", 4)]
BASE, WIDE = 0, len(POINTS) + 1


@pytest.fixture(scope="module")
def copies() -> pm.Run:
    """Copies of two buses side by side: coal that ramps slowly and wind at A, gas and a store
    with losses at B, a link that loses 5 %. Nothing joins them, so each clears for itself.
    """
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-03", periods=6, freq="h"))
    weigh(n, 2.0)
    n.add("Carrier", ["coal", "gas", "onshore wind", "PHS", "AC"])
    rows: dict[str, dict[str, dict[str, object]]] = {
        kind: {} for kind in ("Bus", "Generator", "StorageUnit", "Link", "Load")
    }
    for k in range(WIDE + 1):
        a, b, wide = f"A{k}", f"B{k}", k == WIDE
        rows["Bus"] |= {a: {"carrier": "AC"}, b: {"carrier": "AC"}}
        rows["Generator"] |= {
            f"coal {k}": {
                "bus": a, "carrier": "coal", "p_nom": 300.0 if wide else 100.0,
                "marginal_cost": 300.0, "emission_rate": 0.9, "p_max_pu": 1.0,
                "ramp_limit_up": 1.0 if wide else 0.15, "ramp_limit_down": 1.0 if wide else 0.15,
            },
            f"wind {k}": {
                "bus": a, "carrier": "onshore wind", "p_nom": 60.0, "marginal_cost": 0.0,
                "p_max_pu": np.array([0.9, 0.7, 0.5, 0.2, 0.1, 0.6]), "emission_rate": 0.0,
                "ramp_limit_up": np.nan, "ramp_limit_down": np.nan,
            },
            f"gas {k}": {
                "bus": b, "carrier": "gas", "p_nom": 100.0, "marginal_cost": 500.0,
                "emission_rate": 0.4, "p_max_pu": 1.0, "ramp_limit_up": np.nan,
                "ramp_limit_down": np.nan,
            },
        }  # fmt: skip
        rows["StorageUnit"][f"store {k}"] = {
            "bus": b, "carrier": "PHS", "p_nom": 8.0, "max_hours": 3.0, "efficiency_store": 0.9,
            "efficiency_dispatch": 0.9, "cyclic_state_of_charge": True,
        }  # fmt: skip
        rows["Link"][f"AB {k}"] = {
            "bus0": a, "bus1": b, "carrier": "AC", "p_nom": 300.0 if wide else 45.0,
            "efficiency": 0.95,
        }  # fmt: skip
        load = {
            "A": np.array([30.0, 35, 50, 70, 75, 40]),
            "B": np.array([40.0, 42, 55, 60, 65, 45]),
        }
        if BASE < k < WIDE:
            bus, hour = POINTS[k - 1]
            load[bus][hour] += MORE_MW
        rows["Load"] |= {bus + str(k): {"bus": bus + str(k), "p_set": load[bus]} for bus in load}
    for kind, table in rows.items():
        add_rows(n, kind, table)
    return pm.clear(pm.Case(n), MARKET, margins=True)


def by_carrier(run: pm.Run, members: str = "") -> pd.Series:
    """Energy that each carrier gave, less what its storage took [MWh]."""
    case = run.case
    output = pd.concat([run.dispatch, run.storage], axis=1).mul(case.weights, axis="index").sum()
    carrier = pd.concat([case.generators["carrier"], case.storage_units["carrier"]])
    return output[output.index.str.endswith(members)].groupby(carrier).sum()


def test_mix_is_what_more_load_brings_with_storage_losses_and_ramps(copies: pm.Run) -> None:
    base, mixes = by_carrier(copies, f" {BASE}"), set()
    for k, (bus, hour) in enumerate(POINTS, start=1):
        place = f"{bus}{BASE}"
        assert copies.price_unique[place].iloc[hour]
        brought = (by_carrier(copies, f" {k}") - base) / (MORE_MW * 2.0)
        mix = copies.marginal_mix[place].iloc[hour]
        assert mix[brought.index].to_numpy() == pytest.approx(brought.to_numpy(), abs=1e-6)
        assert mix.drop(brought.index).abs().max() < 1e-9  # nothing is shed or in excess
        emitted = 0.9 * brought["coal"] + 0.4 * brought["gas"]
        emission = copies.outcome.marginal_emission[place].iloc[hour]
        assert emission == pytest.approx(emitted, abs=1e-6)
        mixes.add(tuple(mix.round(6)))
    assert len(mixes) > 2  # the hours differ


def test_emissions_are_those_of_the_mix(copies: pm.Run) -> None:
    """Each carrier has one emission rate here."""
    for bus, found in copies.outcome.marginal_emission.items():
        mix = copies.marginal_mix[bus]
        emission = 0.9 * mix["coal"] + 0.4 * mix["gas"]
        assert emission.to_numpy() == pytest.approx(found.to_numpy())


def test_sum_of_the_mix_is_the_load_and_what_the_link_loses(copies: pm.Run) -> None:
    """Where ties and plant are wide coal serves B over the link: 1 MWh takes 1 / 0.95."""
    near, far = (copies.marginal_mix[f"{bus}{WIDE}"].iloc[4] for bus in ("A", "B"))
    assert near["coal"] == pytest.approx(1) and near.sum() == pytest.approx(1)
    assert far["coal"] == pytest.approx(1 / 0.95) and far.sum() == pytest.approx(1 / 0.95)


@pytest.mark.slow
@given(seed=st.integers(0, 10**6), bus=st.sampled_from(["P0", "P1"]), hour=st.integers(0, 3))
def test_mix_is_what_more_load_brings(seed: int, bus: str, hour: int) -> None:
    """Solved again: fleets with starts, storage, lossy links, weights other than 1."""
    base = pm.clear(random_case(seed, 4, 2), MARKET, 40.0, margins=True)
    assume(base.price_unique[bus].iloc[hour])
    n = random_network(seed, 4, 2)
    n.loads_t["p_set"].loc[n.snapshots[hour], f"{bus} load"] += MORE_MW
    run = pm.clear(pm.Case(n), MARKET, 40.0)
    energy = MORE_MW * base.case.weights.iloc[hour]
    brought = (by_carrier(run) - by_carrier(base)) / energy
    mix = base.marginal_mix[bus].iloc[hour]
    assert mix[brought.index].to_numpy() == pytest.approx(brought.to_numpy(), abs=1e-5)
    emission = base.outcome.marginal_emission[bus].iloc[hour]
    assert emission == pytest.approx((run.emissions - base.emissions) / energy, abs=1e-5)


@pytest.mark.slow
def test_unserved_load_excess_and_spill_are_named() -> None:
    """Load 260 above 225 MW of plant; must-run 50 above a load of 20; a full lake that spills."""
    n = one_bus([260.0, 20.0, 150.0])
    n.generators_t["p_min_pu"] = pd.DataFrame({"coal": [0.0, 0.5, 0.0]}, n.snapshots)
    n.generators_t["p_max_pu"] = pd.DataFrame({"wind": [0.5, 0.0, 0.5]}, n.snapshots)
    n.add("Carrier", "lake")
    n.add("Bus", "B", carrier="AC")
    n.add("Load", "village", bus="B", p_set=30.0)
    n.add("StorageUnit", "lake", bus="B", carrier="lake", p_nom=50, max_hours=1, inflow=40,
          cyclic_state_of_charge=True)  # fmt: skip
    market = pm.Market(value_of_lost_load=9000, price_of_excess=100)
    mix = pm.clear(pm.Case(n, market), MARKET, margins=True).marginal_mix
    assert mix["A"].idxmax(axis=1).tolist() == ["unserved load", "less excess", "gas"]
    assert mix["B"].idxmax(axis=1).tolist() == ["lake"] * 3
    assert np.allclose(mix.T.groupby(level="bus").max(), 1)
    assert np.allclose(mix.T.groupby(level="bus").sum(), 1)


@pytest.mark.slow
def test_windows_bytes_and_steps_keep_the_mix() -> None:
    n = one_bus([60.0, 150.0])
    windows = {"early": n.snapshots[:1], "late": n.snapshots[1:]}
    run = pm.clear(pm.Case(n, windows=windows), MARKET, margins=True)
    assert run.marginal_mix["A"].idxmax(axis=1).tolist() == ["coal", "gas"]
    pd.testing.assert_frame_equal(unpack(pack(run.outcome)).marginal_mix, run.marginal_mix)
    forecast = {"loads_t.p_set": n.loads_t["p_set"] * 0.9}
    twice = pm.clear(pm.Case(n, forecast=forecast), "two_settlement", margins=True)
    assert twice.marginal_mix["A"].idxmax(axis=1).tolist() == ["coal", "gas"]
    chained = pm.clear(pm.Case(n), MARKET, year=True, look_ahead=1, margins=True)
    assert chained.marginal_mix["A"].idxmax(axis=1).tolist() == ["coal", "gas"]
    after = pm.regime({"name": "after", "extends": MARKET, "ancillary": "Sequential"})
    reserves = pm.clear(case_with(toy(80.0), {"spin": spinning(10.0)}), after, margins=True)
    assert reserves.marginal_mix["A"].iloc[0].to_dict() == pytest.approx(
        {"coal": 1, "gas": 0, "less excess": 0, "unserved load": 0}
    )


@pytest.mark.slow
def test_mix_goes_with_the_run_for_prices() -> None:
    """Gas at its minimum of 50 beside coal at 70: coal gives one more MWh. In the run for prices
    gas may be on in part, so coal gives 100 and gas sets price, emissions and mix.
    """
    n = one_bus([120.0])
    n.generators.loc["gas", ["committable", "p_min_pu"]] = [True, 0.5]
    n.generators.loc["wind", "p_nom"] = 0.0
    extended = {"name": "extended", "extends": MARKET, "pricing": "ExtendedLocationalPrice"}
    run = pm.clear(pm.Case(n), pm.regime(extended), margins=True)
    assert run.dispatch[["coal", "gas"]].iloc[0].tolist() == pytest.approx([70, 50])
    assert run.prices["A"].iloc[0] == pytest.approx(500)
    assert run.outcome.marginal_emission["A"].iloc[0] == pytest.approx(0.4)
    assert run.marginal_mix["A"][["coal", "gas"]].iloc[0].tolist() == pytest.approx([0, 1])
