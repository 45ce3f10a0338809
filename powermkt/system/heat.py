"""Heat that plant must run for, and electric boilers that may give it instead.

A boiler is a generator with negative output at the bus of the plant. `generators_t.heat_min_pu`
keeps what the plant must run at while no boiler does; `p_min_pu` is then what is left where all
boilers give all they can.
"""

from __future__ import annotations

import pandas as pd
import pypsa

from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case

BOILER = "electric boiler"  # carrier
_HEAT = "heat_min_pu"


def heat_bound(case: Case) -> pd.DataFrame:
    """Output that plant must give while no boiler runs, [snapshot x generator] in MW."""
    bound = case.must_run.copy()
    kept = case._n.generators_t.get(_HEAT)
    if kept is not None:
        bound[kept.columns] = kept * case._n.generators.loc[kept.columns, "p_nom"]
    return bound


def leave_heat(n: pypsa.Network, names: pd.Index) -> None:
    """Let boilers have no heat to give in the place of these plants."""
    kept = n.generators_t.get(_HEAT)
    if kept is not None:
        n.generators_t[_HEAT] = kept.drop(columns=names, errors="ignore")


def heat_plant(case: Case) -> pd.DataFrame:
    """Rows of `Case.generators` of plant that must run for heat."""
    table = case.generators
    bound = (heat_bound(case) > 0).any()
    return table[table["carrier"].isin(case.carriers.heat or []) & bound]


def heat_of(case: Case, bus: str) -> pd.DataFrame:
    """Must-run of the heat plant at a bus, [snapshot x generator] in MW."""
    plant = heat_plant(case)
    return heat_bound(case)[plant.index[plant["bus"] == bus]]


def boilers(case: Case) -> pd.Series:
    """Bus of each boiler."""
    table = case.generators
    return table.loc[table["carrier"] == BOILER, "bus"]


def boiler_sites(case: Case, province: str) -> pd.Series:
    """Share of each bus with heat plant in the boilers of a province, by its peak of heat [1]."""
    plant = heat_plant(case)
    buses = plant.loc[plant["province"] == province, "bus"].unique()
    peak = pd.Series({bus: heat_of(case, bus).sum(axis=1).max() for bus in buses}, dtype=float)
    return peak / peak.sum()


def with_boilers(case: Case, province: str, mw: float, replaced: float) -> Case:
    """Return a case with electric boilers beside the heat plant of a province.

    Parameters
    ----------
    case : Case
    province : str
    mw : float
        Electric capacity [MW], shared among buses by their peak of heat.
    replaced : float
        By how much the must-run of heat plant falls per MW of boiler that runs [MW/MW].

    Raises
    ------
    InputError
        If there is no heat plant, it has boilers, or its must-run is forecast.
    """
    where = f"electric boilers in {province}"
    sites = boiler_sites(case, province)
    if sites.empty:
        remedy = "name its carriers under `carriers: heat`, and give them p_min_pu"
        raise InputError([Fault(where, "no plant there must run for heat", remedy)])
    if boilers(case).isin(sites.index).any():
        raise InputError([Fault(where, "there are some", "add them all at once")])
    if "generators_t.p_min_pu" in case.forecast:
        what = "forecasts of p_min_pu do not know them"
        raise InputError([Fault(where, what, "leave that forecast away")])
    n = case.network()
    p_min = n.get_switchable_as_dense("Generator", "p_min_pu")
    lowered, kept = [], []
    # Tariffs that are not stated follow the fleet: boilers are no plant to be counted there.
    for name in ("generators", "loads", "storage_units"):
        getattr(n, name)["tariff"] = getattr(case, name)["tariff"]
    for bus, share in sites.items():
        heat = heat_of(case, str(bus))
        total = heat.sum(axis=1)
        served = (replaced * mw * share / total.where(total > 0)).fillna(0.0).clip(upper=1.0)
        kept.append(p_min[heat.columns])
        lowered.append(p_min[heat.columns].mul(1.0 - served, axis="index"))
        most = served * total / (replaced * mw * share)  # more would heat nothing
        n.add(
            "Generator", f"{BOILER} {bus}", bus=bus, carrier=BOILER, p_nom=mw * share,
            p_max_pu=0.0, p_min_pu=-most, marginal_cost=0.0,
        )  # fmt: skip
        n.generators.loc[f"{BOILER} {bus}", "tariff"] = case.default_tariff
    if BOILER not in n.carriers.index:
        n.add("Carrier", BOILER)
    series = n.generators_t
    for name, frames in (("p_min_pu", lowered), (_HEAT, kept)):
        new = pd.concat(frames, axis=1)
        old = series.get(name, pd.DataFrame(index=n.snapshots))
        joined = pd.concat([old.drop(columns=new.columns, errors="ignore"), new], axis=1)
        series[name] = joined.rename_axis(columns="name")
    return case._with(n, case.windows, case.seams)
