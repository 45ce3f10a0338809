"""The China network: what the builder makes, what the file holds, what the tables say."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pypsa
import pytest
import yaml

from powermkt.inputs.classes import benchmark_sets, class_benchmarks

pytest.importorskip("pvlib")

FOLDER = Path(__file__).resolve().parents[2] / "networks" / "china"
TABLES = FOLDER / "tables"
UNIT = 1e-4  # profiles are rounded to four decimals
MW = 0.1  # loads and inflow are rounded to 0.1 MW
WIND = ("onshore wind", "offshore wind")
SOLAR = ("solar utility", "solar distributed")


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    """networks/china/build.py as a module."""
    spec = importlib.util.spec_from_file_location("china_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stored() -> pypsa.Network:
    return pypsa.Network(str(FOLDER / "china.nc"))


@pytest.fixture(scope="module")
def built(builder: ModuleType) -> pypsa.Network:
    return builder.build()


@pytest.fixture(scope="module")
def goals(builder: ModuleType) -> dict[tuple[str, str], pd.Series]:
    return builder.weather.targets(builder.read(TABLES))


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(TABLES / f"{name}.csv")


COMPONENTS = ("buses", "carriers", "loads", "generators", "storage_units", "links")


@pytest.mark.slow
@pytest.mark.parametrize("component", COMPONENTS)
def test_file_holds_the_static_tables_of_the_builder(
    built: pypsa.Network, stored: pypsa.Network, component: str
) -> None:
    a, b = getattr(built, component), getattr(stored, component)
    a, b = a.sort_index(), b.sort_index()
    assert list(a.index) == list(b.index)
    assert set(a.columns) == set(b.columns)
    for column in a.columns:
        if pd.api.types.is_numeric_dtype(a[column]):
            pd.testing.assert_series_equal(a[column], b[column], rtol=0, atol=0, check_dtype=False)
        else:
            assert a[column].astype(str).tolist() == b[column].astype(str).tolist(), column


@pytest.mark.slow
@pytest.mark.parametrize(
    ("component", "attribute", "unit"),
    [
        ("loads_t", "p_set", MW),
        ("generators_t", "p_max_pu", UNIT),
        ("generators_t", "p_min_pu", UNIT),
        ("storage_units_t", "inflow", MW),
    ],
)
def test_file_holds_the_series_of_the_builder(
    built: pypsa.Network, stored: pypsa.Network, component: str, attribute: str, unit: float
) -> None:
    a = getattr(built, component)[attribute]
    b = getattr(stored, component)[attribute]
    assert sorted(a.columns) == sorted(b.columns)
    gap = (a - b[a.columns]).abs().to_numpy()
    # A value on a rounding edge may fall to the other side on another processor.
    assert (gap > unit / 2).mean() < 1e-4
    assert gap.max() < 1.01 * unit


@pytest.mark.slow
def test_links_hold_the_schedule_if_there_is_one(
    built: pypsa.Network, stored: pypsa.Network
) -> None:
    a, b = built.links_t.p_set, stored.links_t.p_set
    assert (TABLES / "framework_schedule.csv").exists() == (not a.empty)
    assert sorted(a.columns) == sorted(b.columns)
    if not a.empty:
        assert (a - b[a.columns]).abs().to_numpy().max() < MW


def test_file_is_small_and_clean(stored: pypsa.Network) -> None:
    assert (FOLDER / "china.nc").stat().st_size < 10e6
    stored.consistency_check(strict="all")


def test_buses(stored: pypsa.Network) -> None:
    assert len(stored.buses) == 32
    assert {"Mengxi", "Mengdong"} <= set(stored.buses.index)
    assert "InnerMongolia" not in stored.buses.index
    assert set(stored.buses.region) == {
        "North",
        "Northeast",
        "East",
        "Central",
        "Southwest",
        "Northwest",
        "South",
    }
    assert (stored.buses.carrier == "AC").all()
    assert len(stored.snapshots) == 8760
    assert (stored.snapshot_weightings == 1).all().all()


def test_nothing_is_missing(stored: pypsa.Network) -> None:
    for component in ("loads_t", "generators_t", "storage_units_t", "links_t"):
        for attribute, series in getattr(stored, component).items():
            assert not series.isna().any().any(), f"{component}.{attribute}"
    own = ["units", "min_stable_pu", "start_up_cost", "emission_rate", "benchmark", "tariff"]
    assert not stored.generators[["p_nom", "marginal_cost", "efficiency", *own]].isna().any().any()
    assert not stored.links[["wheeling_fee", "efficiency", "length"]].isna().any().any()
    assert not stored.loads[["tariff", "network_charge"]].isna().any().any()
    assert not stored.storage_units.tariff.isna().any()
    for component in ("generators", "storage_units", "links"):
        assert (getattr(stored, component).p_nom > 0).all()


def test_classes_give_the_benchmarks_of_2022(stored: pypsa.Network) -> None:
    """Both are rounded to four decimals; every fleet that emits is in a class of each set."""
    g = stored.generators
    for name, values in benchmark_sets().items():
        found, faults = class_benchmarks(g, values, "china")
        assert not faults
        if name == "china_2022":
            np.testing.assert_allclose(found, g.benchmark, rtol=0, atol=1.5e-4)
    assert (g.own_use[g.benchmark > 0] > 0).all()


def test_load_energy_of_every_province_and_month(stored: pypsa.Network) -> None:
    load = stored.loads_t.p_set.rename(columns=stored.loads.bus)
    have = load.groupby(load.index.month).sum() / 1e3
    want = table("demand_monthly").pivot(index="month", columns="bus", values="energy_gwh")
    np.testing.assert_allclose(have[want.columns], want, rtol=1e-5)
    assert load.sum().sum() / 1e6 == pytest.approx(8637, abs=5)


def test_coincident_peak_is_plausible(stored: pypsa.Network) -> None:
    """1290 GW were dispatched in August 2022; the load here holds own use and losses as well."""
    total = stored.loads_t.p_set.sum(axis=1)
    assert 1250e3 < total.max() < 1420e3
    assert total.idxmax().month in (7, 8)
    assert 0.45 < total.min() / total.max() < 0.6


def test_spring_festival_dips(stored: pypsa.Network) -> None:
    total = stored.loads_t.p_set.sum(axis=1).resample("D").mean()
    assert total["2022-02-02"] < 0.9 * total["2022-01-12"]
    assert total["2022-02-02"] < 0.9 * total["2022-02-23"]


@pytest.mark.slow
def test_monthly_means_of_wind_and_solar(
    stored: pypsa.Network, goals: dict[tuple[str, str], pd.Series]
) -> None:
    p = stored.generators_t.p_max_pu
    means = p.groupby(p.index.month).mean()
    for (bus, carrier), goal in goals.items():
        np.testing.assert_allclose(means[f"{bus} {carrier}"], goal, atol=UNIT / 2)
    names = {f"{bus} {carrier}" for bus, carrier in goals}
    have = stored.generators[stored.generators.carrier.isin(WIND + SOLAR)].index
    assert names == set(have)


def test_wind_and_solar_energy_before_curtailment(stored: pypsa.Network) -> None:
    g = stored.generators
    energy = (stored.generators_t.p_max_pu * g.p_nom).sum() / 1e6
    wind = energy[g.index[g.carrier.isin(WIND)]].sum()
    solar = energy[g.index[g.carrier.isin(SOLAR)]].sum()
    assert wind == pytest.approx(762.4 / 0.97, rel=0.02)
    assert solar == pytest.approx(427.0 / 0.98, rel=0.02)


def test_wind_behaves_as_wind(stored: pypsa.Network) -> None:
    g = stored.generators
    p = stored.generators_t.p_max_pu[g.index[g.carrier.isin(WIND)]]
    lag = p.apply(lambda s: s.autocorr(1))
    assert lag.between(0.94, 0.985).all()
    assert (p.std() / p.mean()).between(0.6, 1.0).all()
    assert (p.std() / p.mean()).mean() == pytest.approx(0.8, abs=0.06)
    assert p.to_numpy().min() >= 0
    assert p.to_numpy().max() <= 1
    corr = p.corr()
    near = corr.loc["Jiangsu onshore wind", "Anhui onshore wind"]
    far = corr.loc["Jiangsu onshore wind", "Xinjiang onshore wind"]
    assert near > 0.3
    assert abs(far) < 0.2


def test_sun_is_dark_at_night_and_later_in_the_west(stored: pypsa.Network) -> None:
    p = stored.generators_t.p_max_pu
    g = stored.generators
    sun = p[g.index[g.carrier.isin(SOLAR)]]
    assert sun[(sun.index.hour < 4) | (sun.index.hour > 22)].to_numpy().max() == 0
    day = sun.groupby(sun.index.hour).mean()
    centre = (day.mul(day.index + 0.5, axis=0)).sum() / day.sum()
    gap = centre["Xinjiang solar utility"] - centre["Shandong solar utility"]
    assert 1.5 < gap < 2.6
    assert sun.to_numpy().max() <= 1


def test_water_energy(stored: pypsa.Network) -> None:
    """Conventional hydro of all plants: 1352 TWh less the output of pumped storage."""
    g = stored.generators
    names = g.index[g.carrier == "run of river"]
    ror = (stored.generators_t.p_max_pu[names] * g.p_nom[names]).sum().sum() / 1e6
    inflow = stored.storage_units_t.inflow.sum().sum() / 1e6
    want = table("hydro").energy_twh.sum()
    assert ror + inflow == pytest.approx(want, rel=2e-3)
    assert want == pytest.approx(1304, rel=0.01)


def test_capacity_by_carrier(stored: pypsa.Network) -> None:
    gw = stored.generators.groupby("carrier").p_nom.sum() / 1e3
    assert gw["coal"] + gw["coal CHP"] == pytest.approx(1116.6, rel=0.002)
    assert gw["gas"] + gw["gas CHP"] == pytest.approx(111.9, rel=0.005)
    assert gw["nuclear"] == pytest.approx(54.86, rel=0.002)
    assert gw["onshore wind"] + gw["offshore wind"] == pytest.approx(0.94 * 365.44, rel=0.002)
    assert gw["solar utility"] + gw["solar distributed"] == pytest.approx(0.84 * 392.6, rel=0.002)
    capacity = table("capacity").groupby("carrier").mean_mw.sum() / 1e3
    for carrier in ("biomass", "other thermal", "nuclear", "onshore wind"):
        assert gw[carrier] == pytest.approx(capacity[carrier], rel=1e-3)
    year_end = table("coal_fleets").year_end_mw.sum() / 1e3
    assert year_end == pytest.approx(1124.27, rel=1e-4)


def test_bounds_of_output_are_consistent(stored: pypsa.Network) -> None:
    low = stored.get_switchable_as_dense("Generator", "p_min_pu")
    high = stored.get_switchable_as_dense("Generator", "p_max_pu")
    assert (low <= high + 1e-9).all().all()
    assert low.to_numpy().min() >= 0
    assert not stored.generators.committable.any()


def test_fleets(stored: pypsa.Network) -> None:
    g = stored.generators
    coal = g[g.carrier.isin(["coal", "coal CHP"])]
    assert len(coal) <= 150
    assert (g.units >= 1).all()
    commits = g.carrier.isin(["coal", "coal CHP", "gas", "gas CHP"])
    assert (g.min_stable_pu[commits] > 0).all()
    assert (g.min_stable_pu[~commits] == 0).all()
    per_mw = coal.start_up_cost * coal.units / coal.p_nom
    assert per_mw.between(754, 756).all()
    # gross emission rate and efficiency say the same
    np.testing.assert_allclose(coal.emission_rate, 0.34056 / coal.efficiency, rtol=1e-3)
    assert coal.emission_rate.between(0.65, 1.1).all()


def test_net_coal_rate_at_equal_hours(stored: pypsa.Network) -> None:
    """At equal hours the fleet burns more than 301.5 gce per net kWh: dispatch prefers the better.

    301.5 is what the calibration regime dispatches (a slow test); 6 % own use.
    """
    g = stored.generators
    coal = g[g.carrier.isin(["coal", "coal CHP"])]
    mj = 3.6 / coal.efficiency / 0.94
    assert 301.5 < np.average(mj / 29.307e-3, weights=coal.p_nom) < 330


def test_links(stored: pypsa.Network) -> None:
    links = stored.links
    assert (links.p_min_pu == 0).all()
    assert (links.marginal_cost == 0).all()
    assert links.carrier.isin(["AC", "DC"]).all()
    assert links.efficiency.between(0.85, 1).all()
    for name in links.index[links.index.str.endswith(" (reverse)")]:
        there = links.loc[name.removesuffix(" (reverse)")]
        assert (there.bus0, there.bus1) == (links.bus1[name], links.bus0[name])
    assert "Baihetan-Zhejiang" not in links.index
    reached = set(links.bus0) | set(links.bus1)
    assert reached == set(stored.buses.index)


def test_schedule_fills_the_links(builder: ModuleType, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    shutil.copytree(TABLES, tables)
    rows = [
        (link, month, block, 100.0 * month + (50.0 if block == "peak" else 0.0))
        for link in ("Hami-Zhengzhou", "Deyang-Baoji (reverse)")
        for month in range(1, 13)
        for block in ("peak", "offpeak")
    ]
    schedule = pd.DataFrame(rows, columns=["link", "month", "block", "p_set_mw"])
    schedule.to_csv(tables / "framework_schedule.csv", index=False)
    n = _skeleton(builder, tables)
    builder.add_schedule(n, tables / "framework_schedule.csv")
    flow = n.links_t.p_set
    assert sorted(flow.columns) == ["Deyang-Baoji (reverse)", "Hami-Zhengzhou"]
    assert flow.loc["2022-03-05 07:00", "Hami-Zhengzhou"] == 300
    assert flow.loc["2022-03-05 08:00", "Hami-Zhengzhou"] == 350
    assert flow.loc["2022-03-05 21:00", "Hami-Zhengzhou"] == 350
    assert flow.loc["2022-03-05 22:00", "Hami-Zhengzhou"] == 300
    schedule.iloc[1:].to_csv(tables / "framework_schedule.csv", index=False)
    with pytest.raises(ValueError, match="missing"):
        builder.add_schedule(n, tables / "framework_schedule.csv")
    schedule.assign(link="Nowhere").to_csv(tables / "framework_schedule.csv", index=False)
    with pytest.raises(ValueError, match="unknown links"):
        builder.add_schedule(n, tables / "framework_schedule.csv")


@pytest.mark.slow
def test_build_reads_the_schedule(builder: ModuleType, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    shutil.copytree(TABLES, tables)
    pd.DataFrame(
        [("Hami-Zhengzhou", m, b, 10.0) for m in range(1, 13) for b in ("peak", "offpeak")],
        columns=["link", "month", "block", "p_set_mw"],
    ).to_csv(tables / "framework_schedule.csv", index=False)
    assert (builder.build(tables).links_t.p_set["Hami-Zhengzhou"] == 10).all()


def test_own_profiles_replace_synthetic_ones(builder: ModuleType, tmp_path: Path) -> None:
    n = _skeleton(builder, TABLES)
    n.add("Generator", "Tibet onshore wind", bus="Tibet", p_nom=30.0)
    mine = pd.DataFrame({"Tibet onshore wind": 0.5}, index=n.snapshots)
    mine.to_csv(tmp_path / "availability.csv", index_label="snapshot")
    builder.add_own_profiles(n, tmp_path)
    assert (n.generators_t.p_max_pu["Tibet onshore wind"] == 0.5).all()
    mine.rename(columns=str.upper).to_csv(tmp_path / "availability.csv", index_label="snapshot")
    with pytest.raises(ValueError, match="unknown components"):
        builder.add_own_profiles(n, tmp_path)


def _skeleton(builder: ModuleType, tables: Path) -> pypsa.Network:
    """Buses and links only."""
    t = builder.read(tables)
    n = pypsa.Network()
    n.set_snapshots(builder.snapshots())
    builder.add_buses(n, t)
    builder.add_links(n, t)
    return n


@pytest.mark.parametrize(
    "file", [*sorted(TABLES.glob("*.csv")), FOLDER / "observed_2022.csv"], ids=lambda p: p.stem
)
def test_every_row_has_source_and_quality(file: Path) -> None:
    rows = pd.read_csv(file)
    allowed = {"sourced", "sourced (derived)", "estimated", "recalled", "model input"}
    assert rows.source.notna().all()
    assert (rows.source.str.len() > 3).all()
    assert set(rows.quality) <= allowed


def test_observed_totals() -> None:
    o = pd.read_csv(FOLDER / "observed_2022.csv")
    assert set(o.quantity) == {
        "generation_twh",
        "capacity_gw",
        "utilisation_hours",
        "curtailment_pct",
        "coal_rate_gce_per_kwh_net",
        "peak_load_gw",
        "consumption_twh",
    }
    chosen = o[o.comparable].groupby(["quantity", "carrier"]).size()
    assert (chosen == 1).all()
    hydro = o[(o.quantity == "generation_twh") & (o.carrier == "hydro")]
    assert len(hydro) == 2


def test_finance_of_the_market_file_is_that_of_its_table() -> None:
    stated = yaml.safe_load((FOLDER / "market.yaml").read_text())["finance"]
    table = pd.read_csv(TABLES / "finance.csv").set_index(["carrier", "parameter"])["value"]
    assert table.to_dict() == {
        (carrier, key): value for carrier, item in stated.items() for key, value in item.items()
    }
