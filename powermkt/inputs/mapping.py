"""What a network calls what powermkt needs: carriers, columns, capacities.

A `mapping` in `market.yaml` lets a network of another project be read as it is. It fills what is
empty: what a network states in powermkt's own columns stays.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pypsa

from powermkt.common.tables import copied
from powermkt.errors import Fault, name_list, nearest
from powermkt.inputs.check import OWN, static
from powermkt.inputs.market import Mapping, Market

_TEXTS = {
    "buses": ("province", "zone"),
    "generators": ("benchmark_class", "owner"),
    "storage_units": ("owner",),
    "loads": ("user_class",),
}
_PLACED = ("generators", "storage_units", "links", "stores")  # whose carriers say what they are
_NOMINAL = {
    "generators": "p_nom", "storage_units": "p_nom", "links": "p_nom", "processes": "p_nom",
    "stores": "e_nom", "lines": "s_nom", "transformers": "s_nom",
}  # fmt: skip


def mapped(
    network: pypsa.Network, market: Market, where: str
) -> tuple[pypsa.Network, Market, list[Fault]]:
    """Return a network as powermkt calls things, and the market data without its mapping.

    Parameters
    ----------
    network : pypsa.Network
        Never changed; the same one comes back where there is nothing to map.
    market : Market
        Whose `mapping` is done.
    where : str
        Name of the network in messages.

    Returns
    -------
    pypsa.Network
        With capacities fixed, carriers dropped and renamed, then columns filled. A generator
        whose carrier is renamed keeps the emission rate that its own carrier gave it.
    Market
    list of Fault
        Names that match nothing, capacities that were never found, carriers that cannot be one.
    """
    plan = market.mapping
    if plan is None:
        return network, market, []
    n = copied(network)
    faults = [*_unknown(n, plan, where), *_fix_capacities(n, plan, where)]
    for name in plan.drop:
        for table in _PLACED:
            rows = static(n, table)
            n.remove(n.components[table].name, rows.index[rows["carrier"] == name])
    if plan.global_constraints == "drop":
        n.remove("GlobalConstraint", n.global_constraints.index)
    rates = _emission_rates(n, plan)
    faults += _rename_carriers(n, plan, where)
    for name, value in plan.columns.items():
        table, _, column = name.partition(".")
        if column in OWN.get(table, ()) or column in _TEXTS.get(table, ()):
            _fill(n, table, column, value)
    if len(rates):
        filled = _own(n.generators, "emission_rate", number=True)
        filled.loc[rates.index] = filled[rates.index].fillna(rates)
        n.generators["emission_rate"] = filled
    return n, market.model_copy(update={"mapping": None}), faults


def _unknown(n: pypsa.Network, plan: Mapping, where: str) -> Iterator[Fault]:
    """Name what is mapped and is not there, and what is mapped to nothing."""
    known = [f"{table}.{column}" for columns in (OWN, _TEXTS) for table in columns
             for column in columns[table]]  # fmt: skip
    carriers = {str(item) for table in _PLACED for item in static(n, table)["carrier"]} - {""}
    for name in [*plan.carriers, *plan.drop]:
        if name not in carriers:
            yield Fault("market.yaml: mapping", f"unknown carrier {name!r}",
                        nearest(name, carriers))  # fmt: skip
    renamed = {plan.carriers.get(name, name) for name in carriers} | {"default"}
    for name, value in plan.columns.items():
        place, (table, _, _) = f"market.yaml: mapping.columns.{name}", name.partition(".")
        if name not in known:
            yield Fault(place, "is no column of powermkt's own", nearest(name, known))
        elif isinstance(value, str) and value not in static(n, table):
            yield Fault(place, f"{where} has no column {value!r} in {table}",
                        nearest(value, static(n, table).columns))  # fmt: skip
        elif isinstance(value, dict) and "carrier" not in static(n, table):
            yield Fault(place, f"{table} have no carrier", "name a column")
        elif isinstance(value, dict) and table != "loads":
            for carrier in value:
                if carrier not in renamed:
                    yield Fault(place, f"unknown carrier {carrier!r}", nearest(carrier, renamed))


def _fix_capacities(n: pypsa.Network, plan: Mapping, where: str) -> Iterator[Fault]:
    """Take capacities as given, or as an expansion found them."""
    if plan.capacities is None:
        return
    for name, nominal in _NOMINAL.items():
        table = static(n, name)
        free = table[f"{nominal}_extendable"].astype(bool)
        if plan.capacities == "optimal" and free.any():
            found = pd.to_numeric(table.loc[free, f"{nominal}_opt"], errors="coerce")
            if not n.is_solved:
                yield Fault(f"{where}: {name}.{nominal}_opt", "the network was never solved",
                            "solve it, or state `capacities: given`")  # fmt: skip
                continue
            table.loc[free, nominal] = found.clip(lower=0)  # an optimum may be a trace below 0
        table[f"{nominal}_extendable"] = False


def _emission_rates(n: pypsa.Network, plan: Mapping) -> pd.Series:
    """Emission rate that a carrier gives the generators whose carrier is renamed [t/MWh]."""
    g = n.generators[n.generators["carrier"].isin(plan.carriers)]
    if g.empty or "co2_emissions" not in n.carriers:
        return pd.Series(dtype=float)
    fuel = g["carrier"].map(n.carriers["co2_emissions"]).fillna(0.0)
    return (fuel / g["efficiency"].replace(0, np.nan)).fillna(0.0)


def _rename_carriers(n: pypsa.Network, plan: Mapping, where: str) -> Iterator[Fault]:
    """Rename carriers of plant, links and storage; those of buses stay."""
    names = plan.carriers
    content = n.carriers.get("co2_emissions", pd.Series(0.0, n.carriers.index))
    counted = n.global_constraints["type"].isin(["primary_energy", ""]).any()
    for name in dict.fromkeys(names.values()):
        sources = [source for source in names if names[source] == name]
        members = content.reindex([*sources, *([name] if name in content.index else [])])
        values = members.dropna().unique()
        if counted and len(values) > 1:
            yield Fault("market.yaml: mapping.carriers", f"{name_list(sources)} of different "
                        f"co2_emissions become {name!r}, and {where} limits their sum",
                        "keep them apart, or state `global_constraints: drop`")  # fmt: skip
        if name not in n.carriers.index:
            n.add("Carrier", name, co2_emissions=values[0] if len(values) == 1 else 0.0)
    for table in _PLACED:
        rows = static(n, table)
        rows["carrier"] = rows["carrier"].replace(names)


def _fill(
    n: pypsa.Network, table: str, column: str, value: str | float | dict[str, str | float]
) -> None:
    """Fill what is empty in one of powermkt's own columns."""
    rows = static(n, table)
    own = _own(rows, column, number=column in OWN.get(table, ()))
    if isinstance(value, str):
        if value not in rows:
            return
        given = rows[value].astype(object).replace("", np.nan)
    elif isinstance(value, dict):
        if "carrier" not in rows:
            return
        given = rows["carrier"].map(value).fillna(value.get("default", np.nan))
    else:
        given = pd.Series(value, rows.index)
    rows[column] = own.where(own.notna(), given)


def _own(rows: pd.DataFrame, column: str, number: bool) -> pd.Series:
    """One of powermkt's own columns, NaN where it is empty or absent."""
    if column not in rows:
        return pd.Series(np.nan, rows.index, dtype=float if number else object)
    return rows[column].astype(object).replace("", np.nan)
