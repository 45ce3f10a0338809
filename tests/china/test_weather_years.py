"""Weather years of the China network: seeded, of the stated spread, and fit for the network."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import powermkt as pm
from powermkt.system.weather import weather_faults

pytest.importorskip("pvlib")

FOLDER = Path(__file__).resolve().parents[2] / "networks" / "china"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """networks/china/weather_years.py as a module."""
    file = FOLDER / "weather_years.py"
    spec = importlib.util.spec_from_file_location("china_weather_years", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_years_differ_as_stated(maker: ModuleType) -> None:
    """Mean 1 and the stated variation of annual means, over 400 years and all provinces.

    The standard error of a standard deviation over 400 years is 3.5 %.
    """
    t = maker.read(FOLDER / "tables")
    found = [maker.factors(t, year) for year in range(1, 401)]
    for resource in maker.RESOURCES:
        annual = np.array([item[resource].mean(axis=1) for item in found])
        assert annual.mean() == pytest.approx(1, abs=0.01)
        spread = annual.std(axis=0, ddof=1).mean()
        assert spread == pytest.approx(t.cal(f"{resource}_year_cv"), rel=0.05)
        near = list(t.buses.index).index("Jiangsu"), list(t.buses.index).index("Anhui")
        correlation = np.corrcoef(annual.T)
        assert correlation[near] > 0.6
        assert correlation.min() < 0.25


def test_a_year_is_the_same_wherever_it_is_made(maker: ModuleType) -> None:
    """Three numbers of year 3 that never change: to be the same on any machine."""
    t = maker.read(FOLDER / "tables")
    factors = maker.factors(t, 3)
    assert [round(float(factors[name].loc["Gansu", 7]), 6) for name in maker.RESOURCES] == [
        0.935411, 1.022273, 0.847495,
    ]  # fmt: skip
    assert not np.allclose(factors["wind"], maker.factors(t, 4)["wind"])


@pytest.mark.slow
def test_a_year_fits_the_network(maker: ModuleType) -> None:
    case = pm.read(FOLDER)
    t = maker.read(FOLDER / "tables")
    made = maker.weather_year(t, 1)
    year = {name.replace("-", "_t."): frame for name, frame in made.items()}
    assert not weather_faults(case, {"y01": year})
    change = maker.factors(t, 1)
    share, inflow = year["generators_t.p_max_pu"], year["storage_units_t.inflow"]
    own = case.dense("Generator", "p_max_pu")
    assert set(share) == set(case.network().generators_t["p_max_pu"])
    means, before = (
        frame.groupby(frame.index.month).mean() for frame in (share, own[share.columns])
    )
    for name in ("Gansu onshore wind", "Guangdong offshore wind", "Qinghai solar utility"):
        resource = "wind" if "wind" in name else "solar"
        want = before[name] * change[resource].loc[name.split()[0]]
        np.testing.assert_allclose(means[name], want, atol=2e-4)
    water = case.dense("StorageUnit", "inflow")["Hubei reservoir hydro"]
    now = inflow["Hubei reservoir hydro"]
    want = water.groupby(water.index.month).mean() * change["hydro"].loc["Hubei"]
    np.testing.assert_allclose(now.groupby(now.index.month).mean(), want, rtol=1e-3)
    # The hours are others, not those of the network times a factor.
    assert abs(np.corrcoef(share["Gansu onshore wind"], own["Gansu onshore wind"])[0, 1]) < 0.5
    load, base = year["loads_t.p_set"], case.dense("Load", "p_set")
    monthly = (
        pd.concat([load.sum(axis=1), base.sum(axis=1)], axis=1).groupby(load.index.month).sum()
    )
    np.testing.assert_allclose(monthly[0], monthly[1], rtol=1e-4)
    assert (load - base).abs().to_numpy().max() > 100
