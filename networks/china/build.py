"""Build the provincial network of China, reference year 2022, from the tables beside this file.

    python networks/china/build.py [--out FILE]

Seeded and offline: the same tables give the same network. README.md says what each figure is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
import pypsa

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import demand  # noqa: E402
import fleets  # noqa: E402
import weather  # noqa: E402
from reading import Tables, read, snapshots  # noqa: E402

PEAK_HOURS = range(8, 22)


def add_buses(n: pypsa.Network, t: Tables) -> None:
    """Carriers and the 32 buses."""
    c = t.carriers
    n.add(
        "Carrier",
        c.index,
        co2_emissions=c.co2_t_per_mwh_thermal,
        nice_name=c.nice_name,
        color=c.color,
    )
    b = t.buses
    n.add("Bus", b.index, x=b.lon_deg, y=b.lat_deg, v_nom=500.0, carrier="AC")
    n.buses["province"] = n.buses.index
    n.buses["region"] = b.region
    n.buses["name_zh"] = b.name_zh


def add_loads(n: pypsa.Network, t: Tables) -> None:
    """One industrial and commercial load per bus, MW; tariffs in CNY/MWh without VAT."""
    p_set = demand.loads(t, n.snapshots).add_suffix(" load")
    n.add("Load", p_set.columns, bus=[str(c).removesuffix(" load") for c in p_set], p_set=p_set)
    network = t.tariff("transmission_distribution") + t.tariff("surcharge")
    retail = t.tariff("coal_benchmark") * t.cal("market_factor") + network
    n.loads["tariff"] = n.loads.bus.map(retail).round(2)
    n.loads["network_charge"] = n.loads.bus.map(network).round(2)
    n.loads["user_class"] = "industrial_commercial"


def add_generators(n: pypsa.Network, t: Tables) -> None:
    """All generators with their hourly series."""
    gens = fleets.generators(t)
    goal = weather.targets(t)
    ror, inflow = fleets.water(t, n.snapshots)
    wind, solar = weather.wind(t, n.snapshots, goal), weather.solar(t, n.snapshots, goal)
    series = pd.concat([wind, solar], axis=1)
    series.columns = series.columns.map(" ".join)
    series = pd.concat([series, ror.add_suffix(" run of river")], axis=1)
    floor = fleets.must_run(t, n.snapshots, gens)
    standard = ["bus", "carrier", "p_nom", "marginal_cost", "efficiency", "start_up_cost"]
    own = ["units", "min_stable_pu", "emission_rate", "tariff"]
    own += ["benchmark", "benchmark_class", "own_use"]
    n.add(
        "Generator",
        gens.index,
        **{k: gens[k] for k in standard},
        p_max_pu=gens.p_max_pu,
        p_min_pu=gens.p_min_pu,
    )
    n.generators[own] = gens[own]
    n.generators_t.p_max_pu = series[[g for g in gens.index if g in series]]
    n.generators_t.p_min_pu = floor
    s = fleets.storage(t)
    n.add("StorageUnit", s.index, **{k: s[k] for k in s.columns if k != "tariff"})
    n.storage_units["tariff"] = s.tariff
    n.storage_units_t.inflow = inflow.add_suffix(" reservoir hydro")


def add_links(n: pypsa.Network, t: Tables) -> None:
    """Directed corridors; a two-way corridor is two links."""
    c = t.table("corridors")
    back = c[c.two_way == 1].rename(columns={"bus0": "bus1", "bus1": "bus0"})
    back["link"] += " (reverse)"
    c = pd.concat([c, back], ignore_index=True).set_index("link")
    n.add(
        "Link",
        c.index,
        bus0=c.bus0,
        bus1=c.bus1,
        carrier=c.carrier,
        p_nom=c.p_nom_mw.astype(float),
        efficiency=(1 - c.loss_pct / 100).round(5),
        length=c.length_km.astype(float),
        marginal_cost=0.0,
        p_min_pu=0.0,
    )
    fee = c.fee_cny_per_mwh_incl_vat / (1 + t.cal("vat_power"))
    n.links["wheeling_fee"] = fee.reindex(n.links.index).round(2)


def add_schedule(n: pypsa.Network, file: Path) -> None:
    """Fill `links_t.p_set` (MW) from a framework schedule with columns link, month, block
    (peak or offpeak) and p_set_mw. Peak is 08:00 to 22:00 Beijing time, every day."""
    rows = pd.read_csv(file)
    unknown = sorted(set(rows.link) - set(n.links.index))
    if unknown:
        raise ValueError(f"{file}: unknown links {unknown}")
    block = pd.Series(n.snapshots.hour).isin(PEAK_HOURS).map({True: "peak", False: "offpeak"})
    key = pd.MultiIndex.from_arrays([n.snapshots.month, block])
    wide = rows.pivot(index=["month", "block"], columns="link", values="p_set_mw").reindex(key)
    if wide.isna().any().any():
        gaps = sorted(wide.columns[wide.isna().any()])
        raise ValueError(f"{file}: months or blocks are missing for {gaps}")
    wide.index = n.snapshots
    n.links_t.p_set = wide


OWN = {
    "load.csv": ("loads_t", "p_set"),
    "availability.csv": ("generators_t", "p_max_pu"),
    "must_run.csv": ("generators_t", "p_min_pu"),
    "inflow.csv": ("storage_units_t", "inflow"),
}


def add_own_profiles(n: pypsa.Network, folder: Path) -> None:
    """Replace series by those of the user: files named as in OWN with a first column `snapshot`,
    8760 rows and one column per component to replace (MW, or MW per MW of capacity)."""
    for name, (component, attribute) in OWN.items():
        if not (folder / name).exists():
            continue
        mine = pd.read_csv(folder / name, index_col="snapshot", parse_dates=True)
        known = getattr(n, component.removesuffix("_t")).index
        unknown = sorted(set(mine.columns) - set(known))
        if unknown:
            raise ValueError(f"{folder / name}: unknown components {unknown}")
        if not mine.index.equals(n.snapshots) or mine.isna().any().any():
            raise ValueError(f"{folder / name}: needs the 8760 hours of 2022 without gaps")
        series = getattr(n, component)[attribute].drop(columns=mine.columns, errors="ignore")
        getattr(n, component)[attribute] = series.join(mine)


def build(tables: Path = HERE / "tables") -> pypsa.Network:
    """The network of one folder of tables."""
    t = read(tables)
    n = pypsa.Network(name="China provinces 2022")
    n.set_snapshots(snapshots())
    add_buses(n, t)
    add_loads(n, t)
    add_generators(n, t)
    add_links(n, t)
    add_own_profiles(n, Path(tables) / "own")
    schedule = Path(tables) / "framework_schedule.csv"
    if schedule.exists():
        add_schedule(n, schedule)
    return n


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "china.nc")
    out = parser.parse_args().out
    save(build(), out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def save(n: pypsa.Network, file: Path) -> None:
    """Write the network as compressed netCDF. Series pass through single precision first: the
    file is half as long and no value moves by more than one part in ten million."""
    n = n.copy()
    for component in (n.loads_t, n.generators_t, n.storage_units_t, n.links_t):
        for name, series in component.items():
            if not series.empty:
                component[name] = series.astype("float32").astype("float64")
    n.export_to_netcdf(str(file), compression={"zlib": True, "complevel": 9})


if __name__ == "__main__":
    main()
