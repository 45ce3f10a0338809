"""What plant earns from energy and from each service, and what one more MW of flexibility would."""

from __future__ import annotations

import pandas as pd

from powermkt.common.values import HOURS_A_YEAR
from powermkt.inputs.case import Case
from powermkt.rules.ancillary import Procurement
from powermkt.rules.base import Cleared

REVENUE = ["province", "carrier", "service", "capacity_mw", "amount", "per_mw_year"]
VALUE = ["province", "direction", "value"]
_STAGES = r"^(?:day-ahead|real-time) "


def revenue(case: Case, entries: pd.DataFrame) -> pd.DataFrame:
    """Net receipts of generators and storage by province, carrier and ledger product.

    Parameters
    ----------
    case : Case
    entries : DataFrame
        The ledger of a run.

    Returns
    -------
    DataFrame
        Columns province, carrier, service (a product of the ledger, both settlements of a day
        together; charges are negative; energy wherever there is capacity), capacity_mw (of all
        plant of the carrier there), amount [money of the horizon], per_mw_year [money per MW and
        year of 8,760 h].
    """
    storage = case.storage_units
    stores = case._n.stores[["bus", "carrier"]].assign(
        province=case._n.stores["bus"].map(case.provinces), p_nom=case._n.stores["e_nom"] * 0.0
    )
    columns = ["province", "carrier", "p_nom"]
    plant = pd.concat([case.generators[columns], storage[columns], stores[columns]])
    net = net_by_product(entries)
    net = net[net["name"].isin(plant.index)]
    for column in ("province", "carrier"):
        net[column] = net["name"].map(plant[column])
    capacity = plant.groupby(["province", "carrier"])["p_nom"].sum().rename("capacity_mw")
    idle = capacity[capacity > 0].index.to_frame(index=False).assign(service="energy", amount=0.0)
    keys = ["province", "carrier", "service"]
    found = pd.concat([net, idle]).groupby(keys, as_index=False)["amount"].sum()
    found = found.join(capacity, on=["province", "carrier"])
    years = float(case.weights.sum()) / HOURS_A_YEAR
    per_mw = found["amount"] / found["capacity_mw"].where(found["capacity_mw"] > 0) / years
    return found.assign(per_mw_year=per_mw)[REVENUE]


def net_by_product(entries: pd.DataFrame) -> pd.DataFrame:
    """Net receipts of every party by product: name, product, service, amount [money].

    The service is the product without the settlement of the day that it is of.
    """
    received = entries.groupby(["payee", "product"])["amount"].sum()
    paid = entries.groupby(["payer", "product"])["amount"].sum()
    sides = [side.rename_axis(["name", "product"]) for side in (received, paid)]
    net = sides[0].sub(sides[1], fill_value=0.0).rename("amount").reset_index()
    return net.assign(service=net["product"].astype(str).str.replace(_STAGES, "", regex=True))


def by_carrier(table: pd.DataFrame, hours: float) -> pd.DataFrame:
    """Sum a table of revenue over provinces.

    Parameters
    ----------
    table : DataFrame
        As of `revenue`, with regime and carbon_price where it is stacked.
    hours : float
        Of the horizon [h].
    """
    kept = [column for column in ("regime", "carbon_price") if column in table]
    places = table.drop_duplicates([*kept, "province", "carrier"])
    capacity = places.groupby([*kept, "carrier"])["capacity_mw"].sum()
    keys = [*kept, "carrier", "service"]
    found = table.groupby(keys, as_index=False, sort=False)["amount"].sum()
    found = found.join(capacity, on=[*kept, "carrier"])
    per_mw = found["amount"] / found["capacity_mw"].where(found["capacity_mw"] > 0)
    return found.assign(per_mw_year=per_mw * HOURS_A_YEAR / hours)


def flexibility_value(procurement: Procurement | None, cleared: Cleared) -> pd.DataFrame:
    """What one more MW that can provide every product earns a year, by province.

    In each snapshot it is sold as the dearest product of a direction, at the best price that the
    regime pays in the province; it gives no energy.

    Returns
    -------
    DataFrame
        Columns province, direction (up, down), value [money per MW and year of 8,760 h].
    """
    case = cleared.case
    prices = {} if procurement is None else procurement.bus_prices(cleared)
    products = case.market.services.products
    hours = case.weights * (HOURS_A_YEAR / float(case.weights.sum()))
    rows = []
    for province in pd.unique(case.provinces) if prices else ():
        buses = case.provinces.index[case.provinces == province]
        for direction in ("up", "down"):
            sold = [
                frame.reindex(columns=buses, fill_value=0.0)
                for name, frame in prices.items()
                if products[name].direction == direction
            ]
            best = pd.concat(sold, axis=1).max(axis=1) if sold else 0.0 * hours
            rows.append((province, direction, float((best * hours).sum())))
    return pd.DataFrame(rows, columns=VALUE)
