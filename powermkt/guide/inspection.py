"""What a case holds, and what is assumed where it is silent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from powermkt.engine.regime import presets, regime
from powermkt.inputs.case import Case
from powermkt.system.horizon import Horizon, cut


@dataclass(frozen=True)
class Inspection:
    """What `powermkt check` finds in a case without faults.

    Attributes
    ----------
    counts : Series
        Number of buses, provinces, loads, ... and hours by name.
    carriers : DataFrame
        By carrier: generators, storage (numbers), capacity_mw, units, fleets, role (wind, solar,
        hydro, quota, heat), emission_rate (mean by capacity) [t/MWh].
    assumed : DataFrame
        By attribute or key of `market.yaml`: missing, of (numbers), assumed (text).
    regimes : DataFrame
        By preset: lacks (text, empty where it can be cleared).
    """

    counts: pd.Series
    carriers: pd.DataFrame
    assumed: pd.DataFrame
    regimes: pd.DataFrame


def inspect_case(case: Case) -> Inspection:
    """Count what a case holds, and name what is assumed where it states nothing."""
    lacking = {name: "; ".join(map(str, regime(name).faults(case))) for name in presets()}
    return Inspection(
        _counts(case),
        _carriers(case),
        pd.DataFrame(_assumed(case), columns=["what", "missing", "of", "assumed"]),
        pd.DataFrame({"regime": list(lacking), "lacks": list(lacking.values())}),
    )


def _counts(case: Case) -> pd.Series:
    n, g, part = case.network(), case.generators, cut(case, Horizon())
    fleets = g["min_stable_pu"] > 0
    return pd.Series({
        "buses": len(n.buses),
        "provinces": case.provinces.nunique(),
        "loads": len(n.loads),
        "generators": len(g),
        "fleets": int(fleets.sum()),
        "units in fleets": round(g.loc[fleets, "units"].sum(), 6),
        "units that are on or off": int(g["committable"].sum()),
        "storage units": len(n.storage_units),
        "stores": len(n.stores),
        "links": len(n.links),
        "links between provinces": len(case.corridors),
        "lines and transformers": len(n.lines) + len(n.transformers),
        "snapshots": len(case.snapshots),
        "hours they stand for": float(case.weights.sum()),
        "snapshots cleared by default": len(part.snapshots),
        "windows they are cleared in": len(part.windows),
    })  # fmt: skip


def _carriers(case: Case) -> pd.DataFrame:
    g, storage, said = case.generators, case.storage_units, case.carriers
    rows = []
    for carrier in pd.unique(pd.concat([g["carrier"], storage["carrier"]])):
        own, stored = g[g["carrier"] == carrier], storage[storage["carrier"] == carrier]
        roles = [role for role in type(said).model_fields if carrier in (getattr(said, role) or [])]
        capacity = own["p_nom"].clip(upper=1e9)
        weights = capacity if capacity.sum() > 0 else capacity + 1.0
        rate = np.average(own["emission_rate"], weights=weights) if len(own) else np.nan
        rows.append((
            str(carrier), len(own), len(stored), own["p_nom"].sum() + stored["p_nom"].sum(),
            own["units"].sum() + len(stored), int((own["min_stable_pu"] > 0).sum()),
            ", ".join(roles), rate,
        ))  # fmt: skip
    names = ["carrier", "generators", "storage", "capacity_mw", "units", "fleets", "role",
             "emission_rate"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def _assumed(case: Case) -> Iterator[tuple[str, int, int, str]]:
    n, market, money = case.network(), case.market, case.market.currency
    fossil = case.generators["emission_rate"] > 0
    renewable = case.generators["carrier"].isin(case.carriers.renewable)
    tariff = f"{case.default_tariff:,.1f} {money}/MWh, the mean marginal cost of other plant"
    for table, column, where, what in (
        ("buses", "province", None, "every bus is a province"),
        ("generators", "emission_rate", ~renewable, "co2_emissions of the carrier / efficiency"),
        ("generators", "benchmark", fossil, "0: no free allowances by output"),
        ("generators", "tariff", None, tariff),
        ("generators", "min_stable_pu", fossil, "0: no fleet, output from 0"),
        ("storage_units", "tariff", None, "that of generators; without inflow 0"),
        ("loads", "tariff", None, "the same mean and the network charge"),
        ("loads", "network_charge", None, f"0 {money}/MWh"),
        ("loads", "user_class", None, "industrial_commercial"),
    ):
        rows = getattr(n, table)
        if where is not None:
            rows = rows[where.reindex(rows.index, fill_value=False)]
        stated = rows[column].replace("", np.nan).count() if column in rows else 0
        if missing := len(rows) - int(stated):
            yield f"{table}.{column}", missing, len(rows), what
    corridors = len(case.corridors)
    fees = int((case.corridors["wheeling_fee"] == 0).sum())
    planned = 0 if case.schedule is None else len(case.schedule.columns)
    if fees:
        yield "links.wheeling_fee", fees, corridors, f"0 {money}/MWh"
    if planned < corridors:
        what = "none: `powermkt plan` derives one"
        yield "links_t.p_set", corridors - planned, corridors, what
    silent = case.generators[(case.generators["emission_rate"] == 0) & ~renewable]
    burning = silent[silent["carrier"].isin(case.carriers.quota or [])]
    if len(burning):
        what = "no CO2, though the carrier is one of `quota`"
        yield "emissions", len(burning), len(case.generators), what
    for key, what in (
        ("value_of_lost_load", "unserved load is an error"),
        ("price_of_excess", "output that nobody can use is an error"),
        ("finance", "no returns on investment"),
    ):
        if not getattr(market, key):
            yield f"market.yaml: {key}", 1, 1, what
    if not market.services.products:
        yield "market.yaml: services", 1, 1, "no reserves"
    if not market.quota.load_factor:
        yield "market.yaml: quota.load_factor", 1, 1, "planned hours are found by least cost"
