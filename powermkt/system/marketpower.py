"""A screen for market power: concentration, and whom a province cannot do without.

The residual supply index of an owner says how much of demand the others could serve,

    RSI_i = (supply - Q_i) / (demand + reserve),

with Q_i what owner i has available in a province and snapshot; below 1 the owner is pivotal:
without it demand is not met, whatever the price (Sheffrin 2002; it screens offers in the spot rules
of Chinese provinces). Supply is what all generators and storage units of the province have
available, plus what links and lines from other provinces may bring into it at their ratings.
Imports belong to nobody: an owner on both sides of a border is weaker here than in truth, and
whether the neighbours have energy to spare is not asked. Storage counts with its power, not with
what it has in store.
`by="market"` takes all provinces as one, without any limit between them.
"""

from __future__ import annotations

import re
from typing import Literal

import pandas as pd

from powermkt.inputs.case import Case

Area = Literal["province", "market"]
MARKET = "all"

_ENDLESS_MW = 1e9  # what stands for capacity without end

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "province": ("", "province, or `all` for the whole market"),
    "snapshot": ("", ""),
    "demand_mw": ("MW", "load"),
    "supply_mw": ("MW", "available capacity of generators and storage in the province"),
    "imports_mw": ("MW", "ratings of links and lines into it"),
    "hhi": ("1", "sum over owners of squared shares of supply_mw in per cent, 0 to 10,000"),
    "owner": ("", "the owner with most capacity available"),
    "rsi": ("1", "its residual supply index"),
    "pivotal": ("", "whether that is below 1"),
}


def owners(case: Case) -> pd.Series:
    """Owner of each generator and storage unit: column `owner`, by default its own name."""
    found = []
    for table in (case._n.generators, case._n.storage_units):
        own = pd.Series(table.index, table.index, dtype=object)
        given = table["owner"].astype(object) if "owner" in table else own
        found.append(given.where(given.notna() & (given != ""), own).astype(str))
    return pd.concat(found)


def available_capacity(case: Case, by: Area = "province") -> pd.DataFrame:
    """What each owner has available, [snapshot x (province, owner)] in MW."""
    rating = case.dense("StorageUnit", "p_max_pu") * case._n.storage_units["p_nom"]
    capacity = pd.concat([case.availability, rating], axis=1).clip(lower=0.0, upper=_ENDLESS_MW)
    province = pd.concat([case.generators["province"], case.storage_units["province"]])
    names = capacity.columns
    keys = [_area(province, by)[names].to_numpy(), owners(case)[names].to_numpy()]
    total = capacity.T.groupby(keys).sum().T
    total.columns = total.columns.set_names(["province", "owner"])
    return total


def demand(case: Case, by: Area = "province") -> pd.DataFrame:
    """Load, [snapshot x province] in MW; what loads generate is taken off it."""
    load = case.dense("Load", "p_set")
    area = _area(case.loads["province"], by)
    return load.T.groupby(area).sum().T.clip(lower=0.0)


def import_capability(case: Case) -> pd.DataFrame:
    """What links, lines and transformers may bring into each province, [snapshot x province] in MW.

    At their ratings, behind their losses.
    """
    n, province = case._n, case.provinces
    total = pd.DataFrame(0.0, index=case.snapshots, columns=pd.Index(province.unique()))

    def add(ends: pd.Series, others: pd.Series, rating: pd.DataFrame) -> None:
        into, out_of = ends.map(province), others.map(province)
        outside = into.index[into.notna() & (into != out_of)]
        if outside.empty:
            return
        brought = rating[outside].clip(lower=0.0, upper=_ENDLESS_MW)
        by_province = brought.T.groupby(into[outside]).sum().T
        total.loc[:, by_province.columns] += by_province

    links = n.links
    forward = case.dense("Link", "p_max_pu") * links["p_nom"]
    for column in links.columns[links.columns.str.fullmatch(r"bus[1-9]\d*")]:
        port = re.sub("^bus", "", str(column))
        efficiency = case.dense("Link", "efficiency" if port == "1" else f"efficiency{port}")
        add(links[column], links["bus0"], forward * efficiency)
    add(links["bus0"], links["bus1"], -case.dense("Link", "p_min_pu") * links["p_nom"])
    for component, table in (("Line", n.lines), ("Transformer", n.transformers)):
        rating = case.dense(component, "s_max_pu") * table["s_nom"]
        add(table["bus1"], table["bus0"], rating)
        add(table["bus0"], table["bus1"], rating)
    return total


def residual_supply(
    case: Case, by: Area = "province", reserve: pd.DataFrame | float = 0.0
) -> pd.DataFrame:
    """RSI of every owner, [snapshot x (province, owner)]; infinite where nothing is demanded.

    Parameters
    ----------
    case : Case
    by : {"province", "market"}
    reserve : DataFrame [snapshot x province] or float, MW
        What is to be held beyond demand.
    """
    capacity = available_capacity(case, by)
    area = capacity.columns.get_level_values("province")
    others = _supply(case, capacity, by)[area].set_axis(capacity.columns, axis="columns") - capacity
    needed = _needed(case, by, reserve).reindex(columns=area, fill_value=0.0)
    return _over(others, needed.set_axis(capacity.columns, axis="columns"))


def market_power(
    case: Case, by: Area = "province", reserve: pd.DataFrame | float = 0.0
) -> pd.DataFrame:
    """Return the screen of every province and snapshot with demand or supply; rows by `COLUMNS`.

    Parameters as in `residual_supply`. Where nobody has any capacity, `hhi` is empty, `owner` too,
    and `rsi` is that of the imports.
    """
    capacity = available_capacity(case, by)
    supply = capacity.T.groupby(level="province").sum().T
    load = demand(case, by)
    areas = sorted({*supply.columns, *load.columns})
    own = supply.reindex(columns=areas, fill_value=0.0)
    everything = _supply(case, capacity, by).reindex(columns=areas, fill_value=0.0)
    needed = _needed(case, by, reserve).reindex(columns=areas, fill_value=0.0)
    parts = []
    for name in areas:
        known = name in supply.columns
        held = capacity[name] if known else pd.DataFrame({"": own[name]})
        share = held.div(own[name].where(own[name] > 0), axis="index")
        most = held.max(axis=1)
        residual = (everything[name] - most).to_frame(name)
        rsi = _over(residual, needed[[name]])[name]
        parts.append(
            pd.DataFrame(
                {
                    "province": name,
                    "snapshot": case.snapshots,
                    "demand_mw": load.get(name, 0.0),
                    "supply_mw": own[name],
                    "imports_mw": everything[name] - own[name],
                    "hhi": (100.0 * share).pow(2).sum(axis=1, min_count=1),
                    "owner": held.idxmax(axis=1).where(most > 0, ""),
                    "rsi": rsi,
                    "pivotal": (rsi < 1) & (most > 0),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    return table[(table["demand_mw"] > 0) | (table["supply_mw"] > 0)].reset_index(drop=True)


def _area(province: pd.Series, by: Area) -> pd.Series:
    return province if by == "province" else pd.Series(MARKET, index=province.index)


def _supply(case: Case, capacity: pd.DataFrame, by: Area) -> pd.DataFrame:
    """Available capacity and imports, [snapshot x province] in MW."""
    own: pd.DataFrame = capacity.T.groupby(level="province").sum().T
    return own if by == "market" else own.add(import_capability(case), fill_value=0.0)


def _needed(case: Case, by: Area, reserve: pd.DataFrame | float) -> pd.DataFrame:
    load = demand(case, by)
    if isinstance(reserve, pd.DataFrame):
        return load.add(reserve, fill_value=0.0)
    return load + reserve


def _over(part: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Ratio, infinite where there is nothing to divide by."""
    return (part / whole.where(whole > 0)).fillna(float("inf"))
