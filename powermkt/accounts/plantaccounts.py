"""What plant sells, receives, bears and costs in a year: the account that returns are read from."""

from __future__ import annotations

import pandas as pd

from powermkt.accounts.revenue import net_by_product
from powermkt.common.values import HOURS_A_YEAR
from powermkt.dispatch.outcome import Outcome
from powermkt.errors import Fault, InputError
from powermkt.inputs.case import Case
from powermkt.inputs.finance import missing, plant_finance
from powermkt.rules import obligation
from powermkt.rules.deals import CERTIFICATES

KINDS = ["energy_revenue", "carbon_revenue", "certificate_revenue", "outside_energy"]
_ENERGY = ("energy", "guaranteed purchase")  # the latter lifts the price of what is sold
_CARBON = ("offsets", "specified import", "origin sold")  # beside what begins with allowance


def plant_accounts(
    case: Case, outcome: Outcome, entries: pd.DataFrame, accounts: pd.DataFrame
) -> pd.DataFrame:
    """What each generator, storage unit and store sells, receives, bears and costs in a year.

    Parameters
    ----------
    case : Case
    outcome : Outcome
    entries : DataFrame
        The ledger of a run.
    accounts : DataFrame
        What it and the resource cost come to (`parties.accounts`).

    Returns
    -------
    DataFrame [generator, storage unit, store]
        Columns province, place (the same), carrier, capacity_mw (stores: 0), energy_mwh (sold; of
        storage what it discharges), revenue and its parts energy_revenue, carbon_revenue,
        certificate_revenue and outside_energy, variable_cost, fixed_om, cash_flow [a year of 8,760
        h, MWh and money], investment [money], lifetime [a], discount_rate [1/a], lacking (what
        nobody states).

    Raises
    ------
    InputError
        As `stated`.
    """
    n = case._n
    columns = ["province", "carrier", "p_nom"]
    stores = n.stores[["carrier"]].assign(
        province=n.stores["bus"].map(case.provinces), p_nom=0.0 * n.stores["e_nom"]
    )
    table = pd.concat([case.generators[columns], case.storage_units[columns], stores[columns]])
    table = table.rename(columns={"p_nom": "capacity_mw"}).astype({"capacity_mw": float})
    a_year = HOURS_A_YEAR / float(case.weights.sum())
    output = pd.concat([outcome.dispatch, outcome.storage], axis=1).clip(lower=0.0)
    table["energy_mwh"] = a_year * output.mul(case.weights, axis="index").sum()[table.index]
    net = net_by_product(entries)
    kind = net["service"].map(_kind)
    for name in KINDS:
        received = net[kind == name].groupby("name")["amount"].sum()
        table[name] = a_year * received.reindex(table.index).fillna(0.0)
    table["revenue"] = table[KINDS].sum(axis=1)
    table["variable_cost"] = a_year * accounts["resource_cost"].reindex(table.index).fillna(0.0)
    finance = stated(case).loc[table.index].rename(columns={"capex": "investment"})
    table = table.join(finance)
    table["cash_flow"] = table["revenue"] - table["variable_cost"] - table["fixed_om"].fillna(0.0)
    lacking = missing(finance.rename(columns={"investment": "capex"}))
    return table.assign(place=table["province"], lacking=lacking)


def stated(case: Case) -> pd.DataFrame:
    """What plant costs, as `finance.plant_finance`.

    Raises
    ------
    InputError
        If there is no plant of which capex, lifetime and discount rate are stated, naming what
        each carrier lacks.
    """
    n = case._n
    finance = plant_finance(n, case.market)
    lacking = missing(finance)
    if not (lacking == "").any():
        carriers = pd.concat([n.generators["carrier"], n.storage_units["carrier"]])
        remedy = (
            "write `CARRIER: {capex: money/kW, fixed_om: money/kW a year, lifetime: years, "
            "discount_rate: share}`, or give plant overnight_cost, lifetime and discount_rate"
        )
        raise InputError(
            Fault(
                "market.yaml: finance",
                f"nothing states {what} of {', '.join(carriers[same.index].unique())}",
                remedy,
            )
            for what, same in lacking[carriers.index].groupby(lacking, sort=False)
        )
    return finance


def _kind(service: str) -> str:
    if service in _ENERGY:
        return "energy_revenue"
    if service == CERTIFICATES or service.startswith(obligation.CERTIFICATES):
        return "certificate_revenue"
    paid_for = ("allowance ", f"{obligation.CARBON}{obligation.PERMITS}")
    carbon = service.startswith(paid_for) or service in _CARBON
    return "carbon_revenue" if carbon else "outside_energy"
