"""Generators and storage units: costs, emissions, tariffs, must-run.

Everything is per MWh of gross generation and without VAT; see README.md for the basis.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from reading import MONTHS, Tables, random_numbers, scale_to_monthly_mean, smooth_months
from weather import field, red

THERMAL = ("coal", "coal CHP", "gas", "gas CHP")
KCAL_MJ = 4.1868e-3


def coal(t: Tables) -> pd.DataFrame:
    """Coal fleets with heat rate, fuel cost (CNY/MWh), emission rate and benchmark (t/MWh)."""
    f = t.table("coal_fleets")
    price = t.table("fuel_prices").query("fuel == 'coal'").set_index("bus").price
    net_mj = f.heat_rate_raw_mj_per_kwh_net * t.cal("heat_rate_factor")
    gross_mj = net_mj * (1 - t.cal("own_use_coal"))
    per_mj = price / (1 + t.cal("vat_power")) / (t.cal("coal_reference_kcal") * KCAL_MJ * 1000)
    fuel = gross_mj * 1000 * f.bus.map(per_mj)
    out = _frame(t, f, f.fleet, f.carrier, f.mean_mw)
    out["marginal_cost"] = fuel + f.carrier.map(lambda c: t.tech(c, "vom"))
    out["efficiency"] = 3.6 / gross_mj
    out["units"] = f.units
    out["emission_rate"] = gross_mj * t.cal("coal_co2") / 1000
    out["benchmark"] = f.benchmark_t_per_mwh_net * (1 - t.cal("own_use_coal"))
    out["benchmark_class"], out["own_use"] = f.benchmark_class, t.cal("own_use_coal")
    out["tariff"] = f.bus.map(t.tariff("coal_benchmark"))
    return _commitment(t, out)


def gas(t: Tables) -> pd.DataFrame:
    """Gas fleets, heat-bound and other."""
    f = t.table("capacity").query("carrier in ['gas', 'gas CHP']").reset_index(drop=True)
    price = t.table("fuel_prices").query("fuel == 'gas'").set_index("bus").price
    eff = f.carrier.map(lambda c: t.tech(c, "efficiency"))
    per_mj = price / (1 + t.cal("vat_gas")) / t.cal("gas_lhv")
    out = _frame(t, f, f.carrier, f.carrier, f.mean_mw)
    vom = f.carrier.map(lambda c: t.tech(c, "vom"))
    out["marginal_cost"] = f.bus.map(per_mj) * 3600 / eff + vom
    out["efficiency"] = eff
    out["emission_rate"] = 3.6 / eff * t.cal("gas_co2") / 1000
    out["benchmark"] = t.cal("gas_benchmark_net") * (1 - t.cal("own_use_gas"))
    out["benchmark_class"], out["own_use"] = "gas", t.cal("own_use_gas")
    out["tariff"] = f.bus.map(t.tariff("gas"))
    return _commitment(t, out)


def _frame(
    t: Tables, f: pd.DataFrame, label: pd.Series, carrier: pd.Series, mw: pd.Series
) -> pd.DataFrame:
    """The columns common to all generators, indexed as the rows of `f`."""
    out = pd.DataFrame({"name": f.bus + " " + label, "bus": f.bus, "carrier": carrier})
    out["p_nom"] = mw
    known = t.technology.index
    sizes = {c: t.tech(c, "unit_size") for c in carrier.unique() if (c, "unit_size") in known}
    out["units"] = (mw / carrier.map(sizes)).round().clip(lower=1) if sizes else 1.0
    out[["marginal_cost", "start_up_cost", "tariff"]] = 0.0
    out[["min_stable_pu", "emission_rate", "benchmark", "own_use"]] = 0.0
    out["benchmark_class"] = ""
    out["efficiency"] = 1.0
    out["p_max_pu"], out["p_min_pu"] = 1.0, 0.0
    return out


def _commitment(t: Tables, out: pd.DataFrame) -> pd.DataFrame:
    """Technical minimum, start cost of one unit (CNY) and static availability."""
    out["min_stable_pu"] = out.carrier.map(lambda c: t.tech(c, "min_stable_pu"))
    size = out.p_nom / out.units
    out["start_up_cost"] = out.carrier.map(lambda c: t.tech(c, "start_cost")) * size
    out["p_max_pu"] = out.carrier.map(lambda c: t.tech(c, "p_max_pu"))
    return out


def others(t: Tables) -> pd.DataFrame:
    """Nuclear, biomass, other thermal, wind, solar and run-of-river, static columns."""
    f = t.table("capacity").query("carrier not in ['gas', 'gas CHP', 'pumped hydro']")
    h = t.table("hydro").query("run_of_river_mw > 0")
    ror = pd.DataFrame({"bus": h.bus, "carrier": "run of river", "mean_mw": h.run_of_river_mw})
    f = pd.concat([f[["bus", "carrier", "mean_mw"]], ror], ignore_index=True)
    out = _frame(t, f, f.carrier, f.carrier, f.mean_mw)
    out["marginal_cost"] = f.carrier.map(lambda c: t.tech(c, "marginal_cost"))
    item = {"nuclear": "nuclear", "biomass": "biomass", "run of river": "hydro"}
    for i, row in out.iterrows():
        out.loc[i, "tariff"] = t.tariff(item.get(row.carrier, "coal_benchmark"))[row.bus]
        if row.carrier in ("biomass", "other thermal"):
            level = t.tech(row.carrier, "full_load_hours") / 8760
            out.loc[i, "p_max_pu"] = level
            out.loc[i, "p_min_pu"] = level * t.tech(row.carrier, "must_take_share")
        if row.carrier == "nuclear":
            out.loc[i, "p_max_pu"] = t.tech("nuclear", "p_max_pu")
            out.loc[i, "p_min_pu"] = t.tech("nuclear", "p_min_pu")
        if row.carrier in ("nuclear", "biomass", "other thermal"):
            out.loc[i, "efficiency"] = t.tech(row.carrier, "efficiency")
    return out


def generators(t: Tables) -> pd.DataFrame:
    """All generators, static columns, indexed by name and rounded."""
    out = pd.concat([coal(t), gas(t), others(t)], ignore_index=True).set_index("name")
    digits = {"p_nom": 1, "marginal_cost": 2, "start_up_cost": 0, "tariff": 2}
    small = ["efficiency", "emission_rate", "benchmark", "p_max_pu", "p_min_pu"]
    out = out.round({**digits, **dict.fromkeys(small, 4)})
    out["units"] = out.units.astype(float)
    return out


def must_run(t: Tables, index: pd.DatetimeIndex, gens: pd.DataFrame) -> pd.DataFrame:
    """Hourly minimum output of heat-bound and contract-bound fleets, share of p_nom."""
    rules = t.table("must_run").set_index(["bus", "carrier"])
    day = index.strftime("%m-%d").to_numpy()
    hour = index.hour.to_numpy()
    out = {}
    for name, row in gens.iterrows():
        if (row.bus, row.carrier) not in rules.index:
            continue
        r = rules.loc[(row.bus, row.carrier)]
        cold = np.zeros(len(index), dtype=bool)
        if isinstance(r.season_start, str) and r.season_start:
            cold = (day >= r.season_start) | (day <= r.season_end)
        level = np.where(cold, r.in_season_pu, r.off_season_pu)
        if r.hours != "all":
            first, last = (int(x) for x in r.hours.split("-"))
            level = np.where((hour >= first) & (hour < last), level, 0.0)
        out[name] = pd.Series(level, index=index)
    return pd.DataFrame(out)


def hydro_monthly_mw(t: Tables) -> pd.DataFrame:
    """Mean natural output of conventional hydro by bus (rows) and month, MW per MW installed."""
    h = t.table("hydro").set_index("bus")
    days = np.array([pd.Period(f"2022-{m:02d}").days_in_month for m in range(1, 13)])
    mw = h[MONTHS].to_numpy() * (h.energy_twh.to_numpy() * 1e6)[:, None] / (days * 24)
    pu = mw / (h.run_of_river_mw + h.reservoir_mw).to_numpy()[:, None]
    return pd.DataFrame(pu, index=h.index, columns=range(1, 13))


def water(
    t: Tables, index: pd.DatetimeIndex, year: int = 0, monthly: pd.DataFrame | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Hourly run-of-river availability (1) and reservoir inflow (MW), columns by bus, with the
    monthly means of `monthly`, by default those of a mean year."""
    h = t.table("hydro").set_index("bus")
    monthly = hydro_monthly_mw(t) if monthly is None else monthly
    rng = random_numbers(4, year)
    noise = red(field(t, rng, len(index) // 24 + 60, 600.0), 8.0)[60:]
    wet = pd.DataFrame(np.exp(0.08 * np.repeat(noise, 24, axis=0)), index, t.buses.index)
    ror, inflow = {}, {}
    for bus in h.index:
        raw = smooth_months(monthly.loc[bus], index) * wet[bus]
        pu = scale_to_monthly_mean(raw, monthly.loc[bus], cap=1.0)
        if h.run_of_river_mw[bus] > 0:
            ror[str(bus)] = pu.round(4)
        if h.reservoir_mw[bus] > 0:
            inflow[str(bus)] = (pu * h.reservoir_mw[bus]).round(1)
    return pd.DataFrame(ror), pd.DataFrame(inflow)


def storage(t: Tables) -> pd.DataFrame:
    """Reservoirs and pumped storage, static columns, indexed by name."""
    h = t.table("hydro").query("reservoir_mw > 0")
    res = pd.DataFrame({"bus": h.bus, "carrier": "reservoir hydro", "p_nom": h.reservoir_mw})
    res["max_hours"], res["p_min_pu"] = h.max_hours.astype(float), 0.0
    res["efficiency_store"], res["efficiency_dispatch"] = 1.0, 1.0
    f = t.table("capacity").query("carrier == 'pumped hydro'")
    phs = pd.DataFrame({"bus": f.bus, "carrier": "pumped hydro", "p_nom": f.mean_mw})
    phs["max_hours"], phs["p_min_pu"] = t.tech("pumped hydro", "max_hours"), -1.0
    one_way = t.tech("pumped hydro", "round_trip") ** 0.5
    phs["efficiency_store"], phs["efficiency_dispatch"] = one_way, one_way
    out = pd.concat([res, phs], ignore_index=True)
    out["marginal_cost"] = out.carrier.map(lambda c: t.tech(c, "marginal_cost"))
    tariff = {"reservoir hydro": t.tariff("hydro"), "pumped hydro": t.tariff("coal_benchmark")}
    out["tariff"] = [float(tariff[c][b]) for c, b in zip(out.carrier, out.bus, strict=True)]
    out["cyclic_state_of_charge"] = True
    out.index = pd.Index(out.bus + " " + out.carrier, name="name")
    return out.round({"p_nom": 1, "tariff": 2, "efficiency_store": 4, "efficiency_dispatch": 4})
