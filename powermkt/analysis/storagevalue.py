"""What storage earns under a regime, and the most that it could at the regime's prices."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from powermkt.accounts.revenue import net_by_product
from powermkt.analysis.arbitrage import KIND, StorageKind, arbitrage
from powermkt.common.values import HOURS_A_YEAR
from powermkt.inputs.case import Case
from powermkt.run import Run

ENERGY = ("energy", "guaranteed purchase")  # the latter lifts the price of what is sold
# column -> (unit, meaning)
STORAGE: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", "where the storage is"),
    "carrier": ("", "its carrier"),
    "capacity_mw": ("MW", "of storage units; of stores 0"),
    "sold_mwh": ("MWh/a", "discharged"),
    "bought_mwh": ("MWh/a", "charged"),
    "conversion_losses_mwh": ("MWh/a", "lost on the way in and on the way out"),
    "sold_for": ("money/a", "received for energy in hours of net discharging"),
    "bought_for": ("money/a", "paid for energy in hours of net charging"),
    "energy_revenue": ("money/a", "net receipts for energy in the ledger"),
    "service_revenue": ("money/a", "net receipts for everything else in it"),
    "revenue": ("money/a", "both"),
    "variable_cost": ("money/a", "resource cost it bears"),
    "per_mw": ("money/(MW a)", "revenue less variable cost over capacity; empty without any"),
}
ARBITRAGE: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "side": ("", "grid: at what generation is paid; user: at what users pay, charges included"),
    "province": ("", "where the storage is"),
    "carrier": ("", "of storage in the network, or the name of a kind that is valued everywhere"),
    "weight": ("MW", "what means over units go by: capacity; of a kind, and of users, mean load"),
    "hours": ("h", "energy over power"),
    "round_trip_efficiency": ("1", "energy given over energy taken"),
    "per_mw": ("money/(MW a)", "most that a price taker could earn, less its own variable cost"),
    "sold_mwh": ("MWh/(MW a)", "discharged for it"),
    "bought_mwh": ("MWh/(MW a)", "charged for it"),
    "sold_at": ("money/MWh", "mean price of what is discharged"),
    "bought_at": ("money/MWh", "mean price of what is charged"),
}
SIDES = ("grid", "user")


def rechargeable(case: Case) -> pd.Index:
    """Storage units that can be charged from the grid: reservoirs without pumps cannot."""
    table = case._n.storage_units
    lowest = case.dense("StorageUnit", "p_min_pu").min()[table.index]
    kept = case.dense("StorageUnit", "efficiency_store").max()[table.index]
    able = (lowest < 0) & (kept > 0) & (table["p_nom"] > 0) & (table["max_hours"] > 0)
    return table.index[able]


def storage_account(run: Run) -> pd.DataFrame:
    """What storage sells, buys, loses and receives in a year, by province and carrier.

    Energy is what the ledger has for it; services are all other payments to and from storage.

    Parameters
    ----------
    run : Run

    Returns
    -------
    DataFrame
        Columns as in `STORAGE`; no rows where no storage can be charged.
    """
    case, n = run.case, run.case._n
    units = rechargeable(case)
    names = units.append(n.stores.index)
    a_year = HOURS_A_YEAR / float(case.weights.sum())
    store, give = (
        case.dense("StorageUnit", f"efficiency_{way}")[units].reindex(columns=names, fill_value=1.0)
        for way in ("store", "dispatch")
    )
    net = run.storage[names].mul(a_year * case.weights, axis="index")
    out, into = net.clip(lower=0.0), -net.clip(upper=0.0)
    money = 0.0 * net
    for sale in run.sales:
        paid = sale.quantity[names] * sale.price[names]
        money += paid.mul(a_year * case.weights, axis="index")
    booked = net_by_product(run.ledger)
    booked = booked[booked["name"].isin(names)]
    energy = booked["service"].isin(ENERGY)
    receipts = [
        a_year * part.groupby("name")["amount"].sum().reindex(names, fill_value=0.0)
        for part in (booked[energy], booked[~energy])
    ]
    lost = into * (1 - store) + out * (1 / give - 1)
    table = pd.DataFrame(
        {
            "capacity_mw": n.storage_units["p_nom"].reindex(names).fillna(0.0),
            "sold_mwh": out.sum(),
            "bought_mwh": into.sum(),
            "conversion_losses_mwh": lost.sum(),
            "sold_for": money.where(net > 0, 0.0).sum(),
            "bought_for": -money.where(net <= 0, 0.0).sum(),
            "energy_revenue": receipts[0],
            "service_revenue": receipts[1],
            "revenue": receipts[0] + receipts[1],
            "variable_cost": a_year * run.accounts["resource_cost"].reindex(names).fillna(0.0),
        },
        index=names,
    )
    places = pd.concat([n.storage_units[["bus", "carrier"]], n.stores[["bus", "carrier"]]])
    keys = [places.loc[names, "bus"].map(case.provinces), places.loc[names, "carrier"]]
    found = table.groupby([key.to_numpy() for key in keys]).sum()
    found = found.rename_axis(["province", "carrier"]).reset_index()
    left = found["revenue"] - found["variable_cost"]
    per_mw = left / found["capacity_mw"].where(found["capacity_mw"] > 0)
    found = found.assign(regime=run.regime.name, carbon_price=run.carbon_price, per_mw=per_mw)
    return found[list(STORAGE)]


def arbitrage_value(run: Run, kinds: Mapping[str, StorageKind] | None = None) -> pd.DataFrame:
    """The most that one more MW of storage could earn at the prices of a regime.

    On the side of the grid it buys and sells at what generation is paid: the settlement price of
    its bus (of the last settlement of a day), or the wholesale price of the province where prices
    are not locational. On the side of the user it buys at the retail price of a load and saves that
    price where it gives energy; charges per MWh are then borne on losses. `arbitrage` has the
    programme.

    Parameters
    ----------
    run : Run
    kinds : mapping of str to StorageKind, optional
        Valued beside the storage of the network, at every bus with load.

    Returns
    -------
    DataFrame
        Columns as in `ARBITRAGE`: means over the units of a carrier in a province by capacity, of
        kinds over loads by energy.
    """
    prices, units = _priced(run, kinds or {})
    if units.empty:
        return pd.DataFrame(columns=list(ARBITRAGE))
    case = run.case
    elapsed = case._n.snapshot_weightings["stores"]
    found = arbitrage(prices, units[KIND], case.weights, elapsed, case.windows)
    a_year = HOURS_A_YEAR / float(case.weights.sum())
    kept = units["efficiency_store"] * units["efficiency_dispatch"]
    found = (a_year * found).assign(hours=units["hours"], round_trip_efficiency=kept)
    keys = ["side", "province", "carrier"]
    part = units["weight"] / units.groupby(keys)["weight"].transform("sum")
    mean = found.mul(part, axis="index").groupby([units[key] for key in keys], sort=False).sum()
    weight = units.groupby(keys, sort=False)["weight"].sum()
    table = mean.join(weight).rename(columns={"value": "per_mw"}).reset_index()
    for way in ("sold", "bought"):
        energy = table[f"{way}_mwh"]
        table[f"{way}_at"] = table[f"{way}_for"] / energy.where(energy > 0)
    table = table.assign(regime=run.regime.name, carbon_price=run.carbon_price)
    return table[list(ARBITRAGE)]


def _priced(run: Run, kinds: Mapping[str, StorageKind]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prices [snapshot x unit] and what each unit is, on both sides."""
    case, n, announced = run.case, run.case._n, run.announced
    if run.regime.pricing.locational:
        at_bus = announced.nodal
    else:
        at_bus = announced.wholesale[case.provinces].set_axis(case.provinces.index, axis="columns")
    table = n.storage_units.loc[rechargeable(case), ["bus", "carrier"]]
    table["weight"] = n.storage_units["p_nom"]
    table["hours"] = n.storage_units["max_hours"]
    table["charging"] = -case.dense("StorageUnit", "p_min_pu").min()
    for name in KIND[2:]:  # of what changes in time the mean
        table[name] = case.dense("StorageUnit", name).mean()
    # Loads that give energy, or take none, pay for nothing that storage could save.
    used = case.dense("Load", "p_set").mul(case.weights, axis="index").sum()
    mean = used[used > 0] / float(case.weights.sum())
    loads = case.loads.loc[mean.index, ["bus"]].assign(weight=mean)
    places = [table]
    places += [loads.assign(carrier=name, **kind.row()) for name, kind in kinds.items()]
    grid = pd.concat(places)
    users = [
        loads.assign(carrier=carrier, **typical)
        for carrier, typical in {
            **_typical(table),
            **{k: v.row() for k, v in kinds.items()},
        }.items()
    ]
    parts = []
    for side, units in zip(
        SIDES, (grid, pd.concat(users) if users else grid.iloc[:0]), strict=True
    ):
        frame = announced.retail[units.index] if side == "user" else at_bus[units["bus"]]
        parts.append((frame, units.assign(side=side, province=units["bus"].map(case.provinces))))
    number = pd.RangeIndex(sum(len(units) for _, units in parts))
    frames = pd.concat([frame for frame, _ in parts], axis=1).set_axis(number, axis="columns")
    return frames, pd.concat([units for _, units in parts]).set_axis(number, axis="index")


def _typical(units: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The mean unit of each carrier by capacity, as rows of kinds."""
    part = units["weight"] / units.groupby("carrier")["weight"].transform("sum")
    mean = units[KIND].mul(part, axis="index").groupby(units["carrier"]).sum()
    return {str(carrier): dict(row) for carrier, row in mean.iterrows()}
