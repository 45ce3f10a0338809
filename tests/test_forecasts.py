"""Forecasts drawn around what happens: how large, how lasting, how alike their errors are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
import toys

import powermkt as pm
from powermkt.commands.session import gather
from powermkt.system.horizon import Horizon, cut

P_MAX, LOAD = "generators_t.p_max_pu", "loads_t.p_set"


def fleet(hours: int = 8000, names: tuple[str, ...] = ("wind a", "wind b")) -> pypsa.Network:
    """Wind at half its capacity, sun by day, and a load."""
    n = toys.one_bus([60.0] * hours)
    n.remove("Generator", "wind")
    n.add("Carrier", "solar")
    for name in names:
        n.add("Generator", name, bus="A", p_nom=20, carrier="onshore wind", p_max_pu=0.5)
    sun = np.clip(np.sin((n.snapshots.hour - 6) / 12 * np.pi), 0, None)
    n.add("Generator", "sun", bus="A", p_nom=10, carrier="solar",
          p_max_pu=pd.Series(0.8 * sun, n.snapshots))  # fmt: skip
    return n


@pytest.fixture(scope="module")
def long() -> pm.Case:
    return pm.Case(fleet())


def test_size_persistence_and_likeness(long: pm.Case) -> None:
    """Errors of 0.05 with 0.9 from hour to hour and 0.5 between plants.

    A mean of 8,000 h has 8,000 (1 - 0.9) / (1 + 0.9) = 421 independent ones: its error is
    0.05 / sqrt(421) = 0.0024; four of them are allowed. A variance and a correlation between plants
    have about 8,000 (1 - 0.81) / (1 + 0.81) = 840: 0.05 sqrt(0.5 / 840) = 0.0012 and
    (1 - 0.25) / sqrt(840) = 0.026. The lag has sqrt((1 - 0.81) / 8,000) = 0.0049.
    """
    drawn = pm.with_forecast_errors(long, 1, {"onshore wind": 0.05, "load": 0.02})
    error = drawn.forecast[P_MAX] - 0.5
    assert list(error.columns) == ["wind a", "wind b"]
    for name in error:
        assert error[name].mean() == pytest.approx(0, abs=4 * 0.0024)
        assert error[name].std() == pytest.approx(0.05, abs=4 * 0.0012)
        assert error[name].autocorr(1) == pytest.approx(0.9, abs=4 * 0.0049)
        assert error[name].autocorr(3) == pytest.approx(0.9**3, abs=0.05)
    assert error.corr().iloc[0, 1] == pytest.approx(0.5, abs=4 * 0.026)
    load = drawn.forecast[LOAD]["load"] / 60 - 1
    assert load.std() == pytest.approx(0.02, abs=4 * 0.0005)
    assert load.corr(error["wind a"]) == pytest.approx(0, abs=4 * 0.035)
    # What happens stays.
    assert drawn.availability.equals(long.availability)
    assert long.forecast == {}


def test_the_same_seed_says_the_same_whatever_else_there_is(long: pm.Case) -> None:
    def wind_a(case: pm.Case, seed: int = 1, **more: float) -> pd.Series:
        std = {"onshore wind": 0.05, **more}
        return pm.with_forecast_errors(case, seed, std).forecast[P_MAX]["wind a"]

    first = wind_a(long)
    # From PCG64 and SHA-256, the same on any machine.
    assert first.iloc[:3].tolist() == pytest.approx(
        [0.45797320294266897, 0.4895984962793855, 0.48410006931753835], abs=1e-12
    )
    assert wind_a(long, load=0.1, solar=0.1).equals(first)
    other = pm.Case(fleet(names=("wind c", "wind b", "wind a")))
    assert wind_a(other).equals(first)
    assert wind_a(pm.Case(fleet(100, ("wind a",)))).equals(first.iloc[:100])
    assert not np.allclose(wind_a(long, seed=2), first)


def test_ends_and_nights(long: pm.Case) -> None:
    drawn = pm.with_forecast_errors(long, 3, {"onshore wind": 0.5, "solar": 0.3, "load": 0.5})
    share, sun = drawn.forecast[P_MAX], long.dense("Generator", "p_max_pu")["sun"]
    assert share.min().min() == 0 and share.max().max() == 1
    assert (share["sun"][sun == 0] == 0).all()
    assert (share["sun"][sun > 0.5] != sun[sun > 0.5]).mean() > 0.99
    assert drawn.forecast[LOAD].min().min() == 0


def test_steps_of_other_lengths_and_gaps() -> None:
    """After h hours 0.9^h is left: 0.53 after 6, nothing after a gap of months."""
    n = fleet(4000)
    n.set_snapshots(pd.date_range("2022-01-01", periods=4000, freq="6h"))
    n.loads_t["p_set"] = pd.DataFrame({"load": 60.0}, index=n.snapshots)
    n.generators_t["p_max_pu"] = pd.DataFrame(index=n.snapshots)
    error = pm.with_forecast_errors(pm.Case(n), 1, {"onshore wind": 0.05}).forecast[P_MAX] - 0.5
    assert error["wind a"].autocorr(1) == pytest.approx(0.9**6, abs=0.05)
    wild = pm.with_forecast_errors(pm.Case(n), 1, {"onshore wind": 0.05}, 0.0).forecast[P_MAX]
    assert wild["wind a"].autocorr(1) == pytest.approx(0, abs=0.05)
    alike = pm.with_forecast_errors(pm.Case(n), 1, {"onshore wind": 0.05}, 0.9, 1.0)
    assert np.allclose(alike.forecast[P_MAX]["wind a"], alike.forecast[P_MAX]["wind b"])


def test_must_run_is_expected_and_other_forecasts_stay() -> None:
    n = fleet(48)
    n.generators.loc["wind a", "p_min_pu"] = 0.45
    known = {
        P_MAX: pd.DataFrame({"coal": 0.9, "wind a": 0.6}, index=n.snapshots),
        "loads_t.p_set": pd.DataFrame({"load": 66.0}, index=n.snapshots),
    }
    case = pm.Case(n, forecast=known)
    share = pm.with_forecast_errors(case, 1, {"onshore wind": 0.3}).forecast[P_MAX]
    assert share["wind a"].min() == 0.45 and (share["coal"] == 0.9).all()
    assert case.forecast[P_MAX]["wind a"].eq(0.6).all()


@pytest.mark.slow
def test_weeks_that_stand_for_the_year_keep_the_errors() -> None:
    """Load of the chosen week is scaled to its season, and the forecast with it."""
    n = fleet(8760)
    n.loads_t["p_set"]["load"] = 60.0 + 20.0 * np.sin(np.arange(8760) / 1000)
    case = pm.with_forecast_errors(pm.Case(n), 1, {"load": 0.01, "onshore wind": 0.02})
    part = cut(case, Horizon(weeks=1))
    error = part.forecast[LOAD]["load"] - part.dense("Load", "p_set")["load"]
    before = case.forecast[LOAD]["load"] - case.dense("Load", "p_set")["load"]
    assert len(error) == 168
    assert error.tolist() == pytest.approx(before[part.snapshots].tolist())


def test_from_files(tmp_path: Path) -> None:
    n = toys.one_bus([100.0, 90.0])
    n.export_to_netcdf(str(tmp_path / "net.nc"))
    text = "forecast_errors: {seed: 5, std: {onshore wind: 0.1, load: 0.02}}\n"
    (tmp_path / "market.yaml").write_text(text)
    case = pm.read(tmp_path)
    drawn = pm.with_forecast_errors(pm.Case(n), 5, {"onshore wind": 0.1, "load": 0.02})
    for name in (P_MAX, LOAD):
        assert np.array_equal(case.forecast[name], drawn.forecast[name])
    assert not np.array_equal(case.forecast[LOAD], case.dense("Load", "p_set"))
    study = tmp_path / "study.yaml"
    study.write_text(text.replace("seed: 5", "seed: 6"))
    given = gather(
        tmp_path, study, ["two_settlement"], [0.0], None, None, Horizon(), tmp_path / "out", ""
    )
    drawn = pm.with_forecast_errors(pm.Case(n), 6, {"onshore wind": 0.1, "load": 0.02})
    assert np.array_equal(given.case.forecast[LOAD], drawn.forecast[LOAD])
    (tmp_path / "forecast").mkdir()
    frame = pd.DataFrame({"load": [110.0, 80.0]}, index=n.snapshots)
    frame.to_csv(tmp_path / "forecast" / "loads-p_set.csv")
    with pytest.raises(pm.InputError, match="forecasts are given, and errors of forecasts as well"):
        pm.read(tmp_path)


def test_what_is_wrong_is_told_at_once(long: pm.Case) -> None:
    with pytest.raises(pm.InputError) as caught:
        pm.with_forecast_errors(long, -1, {"onshore wnd": 0.1, "load": -0.1}, 1.2, float("nan"))
    for part in ("did you mean 'onshore wind'", "std['load']: -0.1", "autocorrelation: 1.2",
                 "correlation: nan", "seed: -1"):  # fmt: skip
        assert part in str(caught.value)
    with pytest.raises(pm.InputError, match="nothing errs"):
        pm.with_forecast_errors(long, 1, {})
