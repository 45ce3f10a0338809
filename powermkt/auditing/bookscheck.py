"""Whether money and carbon add up: a ledger and accounts against quantities and prices."""

from __future__ import annotations

import pandas as pd

from powermkt.common.findings import AuditReport, Finding, number, sums
from powermkt.dispatch.costs import resource_cost
from powermkt.dispatch.outcome import Outcome
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case
from powermkt.rules import LocationalPrice
from powermkt.rules.base import MARKET, SAVERS, Prices

_SHARE = 1e-9  # of the money that is added up
_COST = 1e-6  # of resource cost: small steps of curved costs, storage that does both at once
_PLAIN = {"dispatch", "trade", "pricing", "carbon"}  # roles that leave payments for energy alone


def audit_ledger(report: AuditReport, entries: pd.DataFrame, where: str) -> None:
    """Check a ledger by itself: numbers, two sides, quantity times price.

    Parameters
    ----------
    report : AuditReport
    entries : DataFrame
        Columns as `ledger.COLUMNS`.
    where : str
        Key of the run.
    """
    for _, row in entries[entries["payer"] == entries["payee"]].iterrows():
        report.add([Finding("ledger", f"{where}, {_entry(row)}", "payer and payee are one")])
    priced = entries[entries["price"].notna()]
    come = priced["quantity"] * priced["price"]
    off = (come - priced["amount"]).abs() > _SHARE * priced["amount"].abs() + 1e-9
    report.add(
        (
            Finding("ledger", f"{where}, {_entry(row)}", "quantity x price is the amount",
                    number(row["amount"]), number(row["quantity"] * row["price"]), "amount")
            for _, row in priced[off].iterrows()
        ),
        "ledger entries", len(entries),
    )  # fmt: skip
    lacking = entries[~entries["amount"].abs().lt(float("inf"))]
    for _, row in lacking.iterrows():
        report.add([Finding("ledger", f"{where}, {_entry(row)}", "amount is no number")])


def _entry(row: pd.Series) -> str:
    return f"{row['payer']} to {row['payee']}, {row['product']}, {row['period']}"


def audit_books(
    report: AuditReport, case: Case, outcome: Outcome, regime: Regime, prices: Prices,
    entries: pd.DataFrame, accounts: pd.DataFrame, where: str,
) -> None:  # fmt: skip
    """Check payments of a run against quantities and prices, accounts against both.

    Parameters
    ----------
    report : AuditReport
    case : Case
    outcome : Outcome
    regime : Regime
    prices : Prices
        What the regime announced.
    entries : DataFrame
        The ledger.
    accounts : DataFrame
        As `parties.accounts`.
    where : str
        Key of the run.
    """
    audit_ledger(report, entries, where)
    turnover = float(entries["amount"].abs().sum())
    received = entries.groupby("payee")["amount"].sum()
    paid = entries.groupby("payer")["amount"].sum()
    net = received.sub(paid, fill_value=0.0)
    report.add(
        sums("accounts", accounts["receipts"], net, _SHARE, f"net receipts of the ledger ({where})",
             turnover, "receipts"),
        "accounts of parties", len(accounts),
    )  # fmt: skip
    whole = accounts["receipts"].sum()
    report.add(
        sums("accounts", {where: float(whole)}, {where: 0.0}, _SHARE, "receipts sum to zero",
             turnover),
        "sums of money", 1,
    )  # fmt: skip
    if MARKET in net.index:
        report.add(
            sums("ledger", {f"{where}, {MARKET}": net[MARKET]}, {}, _SHARE,
                 "the market operator keeps nothing", turnover),
            "sums of money", 1,
        )  # fmt: skip
    own = accounts[accounts["group"] != SAVERS] if "group" in accounts else accounts
    borne = float(own["resource_cost"].sum())
    cost = resource_cost(case, outcome)
    if regime.savings is None:
        report.add(
            sums("accounts", {where: borne}, {where: outcome.cost}, _SHARE,
                 "resource cost of all parties", abs(outcome.cost)),
            "sums of money", 1,
        )  # fmt: skip
    report.add(
        sums("evidence: cost", {where: outcome.cost}, {where: cost}, _COST,
             "resource cost from quantities", None),
        "sums of money", 1,
    )  # fmt: skip
    _energy(report, case, outcome, regime, prices, entries, where)


def _energy(
    report: AuditReport, case: Case, outcome: Outcome, regime: Regime, prices: Prices,
    entries: pd.DataFrame, where: str,
) -> None:  # fmt: skip
    """Plant is paid the price of its bus for what it gave, where nothing else is agreed."""
    roles = {rule.role for rule in regime.rules}
    plain = type(regime.pricing) is LocationalPrice and roles <= _PLAIN
    if not plain or regime.tiers is not None or outcome.day_ahead is not None:
        return
    bus = pd.concat([case.generators["bus"], case.storage_units["bus"], case._n.stores["bus"]])
    given = pd.concat([outcome.dispatch, outcome.storage], axis=1)[bus.index]
    at = prices.nodal[bus].set_axis(bus.index, axis="columns")
    worth = (given * at).mul(case.weights, axis="index").sum()
    energy = entries[entries["product"] == "energy"]
    plant = energy[energy["payee"].isin(bus.index) | energy["payer"].isin(bus.index)]
    got = (
        plant.groupby("payee")["amount"]
        .sum()
        .sub(plant.groupby("payer")["amount"].sum(), fill_value=0.0)
    )
    report.add(
        sums("ledger", got[got.index.isin(bus.index)], worth, _SHARE,
             f"output x price of the bus ({where})", float(worth.abs().sum()), "amount"),
        "payments for energy", len(worth),
    )  # fmt: skip


def audit_carbon(
    report: AuditReport, case: Case, outcome: Outcome, generation: pd.DataFrame,
    compliance: pd.DataFrame, where: str,
) -> None:  # fmt: skip
    """Check emissions against output and rates, and allowance accounts against emissions.

    Parameters
    ----------
    report : AuditReport
    case : Case
    outcome : Outcome
    generation : DataFrame
        As `metrics.generation`.
    compliance : DataFrame
        As `compliance.COLUMNS`.
    where : str
        Key of the run.
    """
    g = case.generators
    energy = outcome.dispatch.mul(case.weights, axis="index").sum()
    emitted = energy * g["emission_rate"]
    scale = float(emitted.abs().sum())
    by_kind = emitted.groupby([g["province"], g["carrier"]]).sum()
    stated = generation.set_index(["province", "carrier"])["emissions_t"]
    report.add(
        sums("generation", stated, by_kind, _SHARE, f"output x emission rate ({where})", scale,
             "emissions_t"),
        "sums of carbon", len(stated),
    )  # fmt: skip
    if len(compliance):
        of_units = compliance.groupby("generator")["emissions_t"].sum()
        report.add(
            sums("compliance", of_units, emitted[of_units.index], _SHARE,
                 f"output x emission rate ({where})", scale, "emissions_t"),
            "sums of carbon", len(of_units),
        )  # fmt: skip
        audit_allowances(report, compliance, where)


def audit_allowances(report: AuditReport, compliance: pd.DataFrame, where: str) -> None:
    """Check that what units emit is covered by what they were given, drew, bought and offset."""
    c = compliance
    need = c["emissions_t"] - c["waived_t"] - c["offsets_t"] - c["allocation_t"]
    cover = c["drawn_t"] + c["deficit_t"] - c["surplus_t"]
    bought = c["bought_from_units_t"] + c["bought_from_fund_t"]
    sold = c["sold_to_units_t"] + c["sold_to_fund_t"]
    scale = float(c[["emissions_t", "allocation_t"]].abs().sum().sum())
    row = c["generator"].astype(str) + ", " + c["period"].astype(str) + f" ({where})"
    for what, stored, expected in (
        ("need is met from the bank, by purchase, or is surplus", cover, need),
        ("deficit is bought", bought, c["deficit_t"]),
        ("surplus is banked or sold", sold + c["banked_t"], c["surplus_t"]),
        ("bought less sold, at the price", c["allowance_cost"], (bought - sold) * c["price"]),
    ):
        size = scale * max(1.0, float(c["price"].abs().max())) if "price" in what else scale
        report.add(
            sums("compliance", stored.set_axis(row), expected.set_axis(row), _SHARE, what, size),
            "allowance accounts", len(c),
        )  # fmt: skip
    for period, part in c.groupby("period"):
        traded = {f"{where}, {period}": float(part["bought_from_units_t"].sum())}
        given = {f"{where}, {period}": float(part["sold_to_units_t"].sum())}
        report.add(
            sums("compliance", traded, given, _SHARE, "units sell what units buy", scale),
            "sums of carbon", 1,
        )  # fmt: skip
