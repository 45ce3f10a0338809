"""Representative weeks keep annual energies; every week covers every hour."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pypsa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import powermkt as pm
from powermkt.system.horizon import every_week, representative_weeks, scaled_to_mean


def year(hours: int = 8760) -> pypsa.Network:
    rng = np.random.default_rng(7)
    n = pypsa.Network()
    n.set_snapshots(pd.date_range("2022-01-01", periods=hours, freq="h"))
    n.add("Carrier", ["coal", "onshore wind", "hydro"])
    n.add("Bus", "A")
    t = np.arange(hours)
    n.add(
        "Load", "l", bus="A", p_set=100 + 20 * np.sin(t / 24 * 2 * np.pi) + rng.normal(0, 5, hours)
    )
    n.add(
        "Generator",
        "coal",
        bus="A",
        p_nom=200,
        carrier="coal",
        marginal_cost=30,
        p_min_pu=np.where(t < 1800, 0.2, 0.0),
    )
    n.add(
        "Generator",
        "wind",
        bus="A",
        p_nom=50,
        carrier="onshore wind",
        p_max_pu=np.clip(rng.normal(0.4, 0.4, hours), 0, 1),
    )
    n.add(
        "StorageUnit",
        "dam",
        bus="A",
        p_nom=20,
        carrier="hydro",
        max_hours=300,
        inflow=rng.uniform(0, 10, hours),
        cyclic_state_of_charge=True,
    )
    return n


@pytest.mark.slow
@pytest.mark.parametrize("weeks", [1, 4, 12])
def test_annual_energies_are_kept(weeks: int) -> None:
    full = pm.Case(year())
    part = representative_weeks(full, weeks)
    assert len(part.windows) == weeks and len(part.snapshots) == 168 * weeks
    assert part.weights.sum() == pytest.approx(8760)
    for component, attribute in (
        ("Load", "p_set"), ("Generator", "p_max_pu"), ("Generator", "p_min_pu"),
        ("StorageUnit", "inflow"),
    ):  # fmt: skip
        whole = full.dense(component, attribute).mul(full.weights, axis="index").sum()
        kept = part.dense(component, attribute).mul(part.weights, axis="index").sum()
        assert np.allclose(whole, kept, rtol=1e-9), attribute
    assert part.dense("Generator", "p_max_pu").max().max() <= 1


def test_every_week_covers_all_hours() -> None:
    case = every_week(pm.Case(year()))
    assert len(case.windows) == 52
    assert sum(map(len, case.windows.values())) == 8760
    assert set(map(len, case.windows.values())) == {168, 192}


@pytest.mark.slow
def test_weeks_and_whole_agree_where_nothing_couples_them() -> None:
    n = year(336)
    n.remove("StorageUnit", "dam")
    case = pm.Case(n)
    whole, weekly = pm.clear(case, "full_market"), pm.clear(case, "full_market", year=True)
    assert len(weekly.case.windows) == 2
    assert weekly.objective == pytest.approx(whole.objective, rel=1e-9)
    pd.testing.assert_frame_equal(weekly.prices, whole.prices, check_freq=False)


def test_too_few_snapshots_and_irregular_times_are_refused() -> None:
    with pytest.raises(pm.InputError, match="do not hold 4 weeks"):
        pm.clear(pm.Case(year(200)), "full_market", weeks=4)
    n = year(400)
    n.set_snapshots(n.snapshots.delete(7))
    with pytest.raises(pm.InputError, match="equally spaced"):
        pm.clear(pm.Case(n), "full_market", weeks=1)


@given(st.integers(0, 1000), st.floats(0.05, 0.95))
def test_scaling_meets_the_mean_below_the_ceiling(seed: int, mean: float) -> None:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.uniform(0, 1, 168), "b": 0.0})
    scaled = scaled_to_mean(frame, pd.Series({"a": mean, "b": mean}), 1.0)
    assert np.allclose(scaled.mean(), mean, rtol=1e-9)
    assert scaled.to_numpy().max() <= 1 + 1e-12
