"""Windfall: what plant gains by the rise of prices beyond its carbon cost, and by free allowances.

Of a unit with output q under a carbon price, emission rate e and free allowances A,

    windfall = sum over hours of w q (dP - e dtau) + dtau A,

where dP is the change of the price it is paid and dtau that of the carbon price; what need not be
covered is left out of e, offsets cost their own price, and sources of specified imports pay for
their emissions and are paid for their origin. It is no profit: output is held at that of the run,
so that dispatch, starts and services play no part.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from powermkt.analysis.pairs import against_lowest, multiple_of
from powermkt.dispatch.compliance import no_account
from powermkt.rules import Cleared, ImportAdjustment
from powermkt.run import Run

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "carbon price tau"),
    "province": ("", "where the plant is"),
    "carrier": ("", "its carrier"),
    "plant": ("", "generator, storage unit or store"),
    "energy_mwh": ("MWh", "net output"),
    "price_gain": (
        "money",
        "output times the change of the price it is paid, of what its origin is paid too",
    ),
    "carbon_cost": (
        "money",
        "emissions times the carbon price, whether or not allowances are free; what offsets meet "
        "at their price",
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
    account = (_carbon(run, run) - _carbon(base, run)).reindex(plant.index, fill_value=0.0)
    cost, free = account["cost"], account["free"]
    for sources in (rule.units for rule in run.regime.rules if isinstance(rule, ImportAdjustment)):
        sold = run.dispatch[sources].mul(hours, axis="index")
        step = _price_of_imports(run) - _price_of_imports(base)
        worth = (run.outcome.import_price - base.outcome.import_price).sum(axis=1)
        rate = case.generators.loc[sources, "emission_rate"]
        cost[sources] += (sold * rate).mul(step, axis="index").sum()
        gain[sources] += sold.mul(worth, axis="index").sum()
    table = plant.rename_axis("plant").reset_index()
    for name, value in zip(_MONEY, (energy, gain, cost, free, gain - cost + free), strict=True):
        table[name] = value.to_numpy()
    table = table.assign(regime=run.regime.name, carbon_price=run.carbon_price)
    return _per_mwh(table)[list(COLUMNS)]


def _carbon(item: Run, run: Run) -> pd.DataFrame:
    """What emissions cost and free allowances are worth at one's carbon price, [generator].

    At the output of `run`, so that between two carbon prices no output moves.
    """
    rule, case = item.regime.carbon, run.case
    cleared = Cleared(case, run.outcome, item.regime.carbon_adder(case))
    account = no_account() if rule is None else rule.account(cleared)
    owed = account["emissions_t"] - account["waived_t"] - account["offsets_t"]
    money = account.assign(
        cost=account["price"] * owed + account["offset_cost"],
        free=account["price"] * account["allocation_t"],
    )
    return money.groupby("generator")[["cost", "free"]].sum()


def _price_of_imports(run: Run) -> pd.Series:
    """Carbon price that imports pay, [snapshot] in money/t: the one of provinces that have one."""
    return run.carbon_price * multiple_of(run).max(axis=1)


def _per_mwh(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(
        per_mwh=table["windfall"] / table["energy_mwh"].where(table["energy_mwh"] > 0)
    )


def _stores(run: Run) -> pd.DataFrame:
    stores = run.case._n.stores
    return stores[["carrier"]].assign(province=stores["bus"].map(run.case.provinces))
