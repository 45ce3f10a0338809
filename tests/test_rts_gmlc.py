"""The RTS-GMLC test system against the tables it is read from, and one day of it."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pypsa
import pytest
from conftest import NETWORKS
from toys import one_bus

import powermkt as pm
from powermkt.inputs import rts_gmlc
from powermkt.system.horizon import Horizon, cut
from powermkt.system.ladders import energy_cost

FOLDER = NETWORKS / "rts_gmlc"


def table(name: str) -> pd.DataFrame:
    package = resources.files("dispatches_data.packages.rts_gmlc")
    return pd.read_csv(package / "SourceData" / f"{name}.csv")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def built() -> tuple[pypsa.Network, rts_gmlc.Forecast]:
    return rts_gmlc.build()


@pytest.fixture(scope="module")
def n(built: tuple[pypsa.Network, rts_gmlc.Forecast]) -> pypsa.Network:
    return built[0]


@pytest.fixture(scope="module")
def case() -> pm.Case:
    return pm.read(FOLDER)


@pytest.fixture(scope="module")
def run(case: pm.Case) -> pm.Run:
    dispatch = {"rule": "MeritOrder", "units": {"gap": 0.02}}  # the rest takes minutes
    regime = pm.regime({"extends": "full_market", "dispatch": dispatch})
    return pm.clear(case, regime, start="2020-04-12", days=1)


def test_buses_and_branches(n: pypsa.Network) -> None:
    assert len(n.buses) == 73
    assert n.buses["province"].value_counts().to_dict() == {
        "Area 1": 24,
        "Area 2": 24,
        "Area 3": 25,
    }
    branches = table("branch")
    assert len(n.lines) + len(n.transformers) == len(branches) == 120
    assert n.links.loc["DC1", ["bus0", "bus1", "p_nom", "p_min_pu"]].tolist() == [
        "113", "316", 100.0, -1.0,
    ]  # fmt: skip
    n.calculate_dependent_values()
    rows = branches.set_index("UID")
    susceptance = 1 / (rows["X"] * rows["Tr Ratio"].replace(0, 1)) * 100  # MW/rad
    found = 1 / pd.concat([n.lines["x_pu_eff"], n.transformers["x_pu_eff"]])
    pd.testing.assert_series_equal(found[rows.index], susceptance, check_names=False)
    rating = pd.concat([n.lines["s_nom"], n.transformers["s_nom"]])[rows.index]
    assert (rating == rows["Cont Rating"]).all()


def test_number_and_capacity_by_fuel(n: pypsa.Network) -> None:
    plants = table("gen").query("`Unit Type` != 'SYNC_COND'")
    wanted = plants.groupby("Category")["PMax MW"].agg(["count", "sum"])
    both = pd.concat([n.generators, n.storage_units])[["carrier", "p_nom"]]
    found = both.groupby("carrier")["p_nom"].agg(["count", "sum"])
    pd.testing.assert_frame_equal(found, wanted, check_names=False)
    assert n.generators["committable"].sum() == (plants["Fuel Price $/MMBTU"] > 0).sum() == 73
    assert n.storage_units.loc["313_STORAGE_1", ["p_nom", "max_hours"]].tolist() == [50.0, 3.0]
    round_trip = n.storage_units.eval("efficiency_store * efficiency_dispatch")
    assert round_trip.tolist() == pytest.approx([0.85])


def test_cost_curve_by_hand(case: pm.Case, n: pypsa.Network) -> None:
    # 107_CC_1: 170 .. 355 MW, 3.88722 USD/MMBTU, 7.222 MMBTU/MWh up to 170 MW, then 5.970 to
    # 231.667 MW, 6.892 to 293.333 MW, 7.854 to 355 MW; 118 lb CO2 per MMBTU.
    unit = n.generators.loc["107_CC_1"]
    assert unit["stand_by_cost"] + 170 * 5.970 * 3.88722 == pytest.approx(170 * 7.222 * 3.88722)
    ladder = case.ladders.query("generator == '107_CC_1'")
    assert ladder["width_mw"].tolist() == pytest.approx([170] + [185 / 3] * 3, rel=1e-6)
    steps = [rate * 3.88722 for rate in (5.970, 5.970, 6.892, 7.854)]
    assert ladder["price"].tolist() == pytest.approx(steps)
    heat = 170 * 7.222 + 185 / 3 * (5.970 + 6.892 + 7.854)
    assert unit["emission_rate"] == pytest.approx(heat / 355 * 118 * 0.45359237e-3, rel=1e-6)
    assert unit["start_up_cost"] == pytest.approx(7215.1 * 3.88722)
    assert unit["min_down_time"] == 5  # 4.5 h
    assert unit["ramp_limit_up"] == pytest.approx(4.14 * 60 / 355)
    assert n.generators.loc["101_CT_1", "ramp_limit_up"] == 1.0


def test_every_curve_is_convex(case: pm.Case) -> None:
    rises = case.ladders.groupby("generator")["price"].diff().dropna()
    assert (rises >= 0).all()
    assert case.ladders["generator"].nunique() == 73
    top = case.ladders.groupby("generator")["width_mw"].sum()
    assert np.allclose(top, case.generators.loc[top.index, "p_nom"])


def test_series_are_aligned(built: tuple[pypsa.Network, rts_gmlc.Forecast]) -> None:
    n, forecast = built
    assert set(forecast) == {"generators_t.p_max_pu", "generators_t.p_min_pu", "loads_t.p_set"}
    for key, frame in forecast.items():
        component, _, attribute = key.partition(".")
        actual = getattr(n, component)[attribute]
        assert frame.index.equals(n.snapshots) and actual.index.equals(n.snapshots)
        assert set(frame) == set(actual) and np.isfinite(frame.to_numpy()).all()
        assert np.isfinite(actual.to_numpy()).all()
    series = resources.files("dispatches_data.packages.rts_gmlc") / "timeseries_data_files"
    ahead = pd.read_csv(series / "Load" / "DAY_AHEAD_regional_Load.csv")  # type: ignore[arg-type]
    total = ahead[["1", "2", "3"]].sum(axis=1).to_numpy()
    assert np.allclose(forecast["loads_t.p_set"].sum(axis=1), total)
    real = pd.read_csv(series / "Load" / "REAL_TIME_regional_Load.csv")  # type: ignore[arg-type]
    area = n.buses["province"] == "Area 2"
    row = real.query("Month == 7 and Day == 10 and 193 <= Period <= 204")  # 16:00 .. 16:55
    now = n.loads_t["p_set"].loc["2020-07-10 16:00"]
    assert now[n.loads["bus"].map(area)].sum() == pytest.approx(row["2"].mean())
    assert n.loads_t["p_set"].sum().sum() == pytest.approx(real[["1", "2", "3"]].sum().sum() / 12)
    wind = pd.read_csv(series / "WIND" / "REAL_TIME_wind.csv")  # type: ignore[arg-type]
    share = n.generators_t["p_max_pu"]["122_WIND_1"].loc["2020-07-10 16:00"]
    row = wind.query("Month == 7 and Day == 10 and 193 <= Period <= 204")
    assert share * 713.5 == pytest.approx(row["122_WIND_1"].mean())


def test_what_must_be_taken(case: pm.Case) -> None:
    fixed = case.must_run.columns[(case.must_run > 0).any()]
    assert set(case.generators.loc[fixed, "carrier"]) == {"Hydro", "Solar RTPV"}
    pd.testing.assert_frame_equal(case.must_run[fixed], case.availability[fixed])


def test_the_default_day(case: pm.Case) -> None:
    hours = cut(case, Horizon()).snapshots
    assert (hours[0], len(hours)) == (pd.Timestamp("2020-07-10"), 24)


@pytest.mark.long
def test_one_day_clears(run: pm.Run) -> None:
    outcome, day = run.outcome, run.case
    load = day.dense("Load", "p_set").sum(axis=1)
    supply = outcome.dispatch.sum(axis=1) + outcome.storage.sum(axis=1)
    assert np.allclose(supply, load)
    assert outcome.shed.to_numpy().max() < 1e-6 and outcome.excess.to_numpy().max() < 1e-6
    status = outcome.status
    assert set(np.unique(status)) == {0.0, 1.0}
    g = day.generators.loc[status.columns]
    output = outcome.dispatch[status.columns]
    least = day.dense("Generator", "p_min_pu")[status.columns] * g["p_nom"]
    assert (output >= status * least - 1e-5).all().all()
    assert (output <= status * g["p_nom"] + 1e-5).all().all()
    assert status["121_NUCLEAR_1"].all()
    # Each unit costs what its own curve says.
    cost = energy_cost(day, outcome.dispatch).to_numpy().sum() + outcome.commitment_cost.sum()
    assert cost == pytest.approx(outcome.cost, rel=1e-9)
    assert run.prices.to_numpy().min() > -100 and run.prices.to_numpy().max() < 500
    assert 5 < run.prices.to_numpy().mean() < 60
    assert float(outcome.search["gap"].iloc[0]) <= 0.02


def test_steps_are_matched_by_name() -> None:
    n = one_bus([120.0, 120.0])
    n.remove("Generator", ["coal", "gas", "wind"])
    for name, p_nom, prices in (("zinc", 100.0, [0, 10, 20]), ("alloy", 50.0, [0, 30, 40])):
        curve = pd.DataFrame({"p_pu": [0, 0.5, 1], "marginal_cost": prices})
        n.add("Generator", name, bus="A", carrier="coal", p_nom=p_nom, marginal_cost=curve)
    outcome = pm.clear(pm.Case(n), "full_market").outcome
    assert outcome.dispatch.iloc[0].to_dict() == pytest.approx({"zinc": 100.0, "alloy": 20.0})
    assert outcome.cost == pytest.approx(2 * (50 * 10 + 50 * 20 + 20 * 30))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("dispatches_data")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dispatches_data", None)
    with pytest.raises(pm.InputError) as caught:
        pm.read(FOLDER)
    (fault,) = caught.value.faults
    assert "pip install 'powermkt[rts]'" in str(fault)


def test_a_source_and_a_network_at_once(tmp_path: Path) -> None:
    (tmp_path / "market.yaml").write_text("source: rts_gmlc\n")
    one_bus([50.0]).export_to_netcdf(str(tmp_path / "mine.nc"))
    for path in (tmp_path, tmp_path / "mine.nc"):
        with pytest.raises(pm.InputError, match="keep one of them"):
            pm.read(path)


def test_an_unknown_source(tmp_path: Path) -> None:
    (tmp_path / "market.yaml").write_text("source: rts_96\n")
    with pytest.raises(pm.InputError, match="rts_gmlc"):
        pm.read(tmp_path)
