"""Windfall: what plant gains by the rise of prices beyond its carbon cost, and by free allowances.

Of a unit with output q under a carbon price, emission rate e and free allowances A,

    windfall = sum over hours of w q (dP - e dtau) + dtau A,

where dP is the change of the price it is paid and dtau that of the carbon price. It is no profit:
output is held, so that dispatch, starts and services play no part.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from powermkt.pairs import against_lowest
from powermkt.run import Run

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", "where the plant is"),
    "carrier": ("", "its carrier"),
    "plant": ("", "generator, storage unit or store"),
    "energy_mwh": ("MWh", "net output"),
    "price_gain": ("money", "output times the change of the price it is paid"),
    "carbon_cost": (
        "money",
        "emissions times the carbon price, whether or not allowances are free",
    ),
    "free_allowances": ("money", "allowances given out for nothing times the carbon price"),
    "windfall": ("money", "price_gain - carbon_cost + free_allowances"),
    "per_mwh": ("money/MWh", "windfall over net output; empty without any"),
}
_MONEY = ["energy_mwh", "price_gain", "carbon_cost", "free_allowances", "windfall"]


def windfall_of(runs: Sequence[Run]) -> pd.DataFrame:
    """Windfall of all plant against the run of its regime at the lowest carbon price.

    Parameters
    ----------
    runs : sequence of Run
        On the same case; regimes with one carbon price only give no rows.

    Returns
    -------
    DataFrame
        Columns as in `COLUMNS`. Where the lowest price is not 0, carbon cost and allowances are
        those of the difference.
    """
    rows = [_windfall(base, run) for base, run in against_lowest(runs)]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=list(COLUMNS))


def by_carrier(table: pd.DataFrame) -> pd.DataFrame:
    """Sum a table of windfalls over provinces and plant, and over all plant (carrier `all`)."""
    keys = ["regime", "carbon_price"]
    everything = pd.concat([table, table.assign(carrier="all")])
    total = everything.groupby([*keys, "carrier"], as_index=False, sort=False)[_MONEY].sum()
    return table[keys].drop_duplicates().merge(_per_mwh(total), on=keys)  # in the order of the runs


def _windfall(base: Run, run: Run) -> pd.DataFrame:
    case, hours = run.case, run.case.weights
    plant = pd.concat([case.generators, case.storage_units, _stores(run)])[["province", "carrier"]]
    energy, gain = pd.Series(0.0, plant.index), pd.Series(0.0, plant.index)
    for now, then in zip(run.sales, base.sales, strict=True):
        sold = now.quantity[plant.index].mul(hours, axis="index")
        energy += sold.sum()
        gain += (sold * (now.price - then.price)[plant.index]).sum()
    keys = ["generator", "period"]
    account = run.compliance.set_index(keys)
    before = base.compliance.set_index(keys)[["price", "offset_cost"]]
    step = account[["price", "offset_cost"]] - before.reindex(account.index).fillna(0.0)
    owed = account["emissions_t"] - account["waived_t"] - account["offsets_t"]
    cost, free = (
        money.groupby("generator").sum().reindex(plant.index, fill_value=0.0)
        for money in (
            step["price"] * owed + step["offset_cost"],
            step["price"] * account["allocation_t"],
        )
    )
    table = plant.rename_axis("plant").reset_index()
    for name, value in zip(_MONEY, (energy, gain, cost, free, gain - cost + free), strict=True):
        table[name] = value.to_numpy()
    table = table.assign(regime=run.regime.name, carbon_price=run.carbon_price)
    return _per_mwh(table)[list(COLUMNS)]


def _per_mwh(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        per_mwh=table["windfall"] / table["energy_mwh"].where(table["energy_mwh"] > 0)
    )


def _stores(run: Run) -> pd.DataFrame:
    stores = run.case._n.stores
    return stores[["carrier"]].assign(province=stores["bus"].map(run.case.provinces))
