"""The allowance account of units: what they must surrender, were given, bank, buy and sell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from powermkt.common.ledger import Ledger
from powermkt.inputs.case import Case
from powermkt.inputs.periods import years_of

# Parties of the ledger that are no component of the network.
CARBON_FUND = "carbon fund"
EXCHANGE = "allowance exchange"
OFFSET_SUPPLIERS = "offset suppliers"

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "generator": ("", "name of the generator"),
    "province": ("", "its province"),
    "carrier": ("", "its carrier"),
    "period": ("", "calendar year of the snapshots; `horizon` where they are no times"),
    "emissions_t": ("t", "direct emissions"),
    "allocation_t": ("t", "allowances given for nothing"),
    "waived_t": ("t", "emissions for which nothing need be surrendered (cap or exemption)"),
    "offsets_t": ("t", "emissions met with offsets"),
    "bank_opening_t": ("t", "allowances in the bank before the period"),
    "drawn_t": ("t", "taken from the bank"),
    "surplus_t": ("t", "allowances left over"),
    "deficit_t": ("t", "allowances lacking after the bank is drawn"),
    "banked_t": ("t", "of the surplus, what goes to the bank"),
    "bought_from_units_t": ("t", "bought from units in surplus"),
    "bought_from_fund_t": ("t", "bought from the carbon fund"),
    "sold_to_units_t": ("t", "sold to units in deficit"),
    "sold_to_fund_t": ("t", "sold to the carbon fund"),
    "price": ("money/t", "price of the period: mean of the carbon price, weighted by emissions"),
    "allowance_cost": ("money", "bought less sold, at the price"),
    "offset_cost": ("money", "paid for offsets"),
}


@dataclass(frozen=True)
class Position:
    """What units owe and hold under an allowance rule.

    Attributes
    ----------
    emissions, allocation, waived, offsets : DataFrame [snapshot x generator], t/h
        Of the generators that the rule obliges or gives allowances to.
    price : DataFrame [snapshot x generator], money/t
    market : Series [generator]
        Generators with the same key pay the same price and trade with each other.
    offset_price : float
        Money/t.
    banked : bool
        Whether surplus goes to the bank; otherwise it is sold.
    """

    emissions: pd.DataFrame
    allocation: pd.DataFrame
    waived: pd.DataFrame
    offsets: pd.DataFrame
    price: pd.DataFrame
    market: pd.Series
    offset_price: float
    banked: bool

    @property
    def net(self) -> pd.DataFrame:
        """Allowances that are lacking, [snapshot x generator] in t/h; negative: left over."""
        return self.emissions - self.allocation - self.waived - self.offsets


def account(case: Case, held: Position) -> pd.DataFrame:
    """Settle allowances once a compliance period.

    Deficit = emissions - allocation - waived - offsets - drawn from the bank where that is above
    zero, surplus where it is below, so that

        emissions = allocation + waived + offsets + drawn + deficit - surplus.

    Units in deficit draw on their bank first. What they lack then they buy from units with a
    surplus of the same market as far as there is one, shared in proportion; the rest from the
    carbon fund. What units cannot sell to each other the carbon fund buys back at the same price.
    All of a market trade at one price a period, the mean of the carbon price over the emissions
    of its units.

    Parameters
    ----------
    case : Case
        Its generators state what is in the bank before the first period (`allowance_bank`).
    held : Position

    Returns
    -------
    DataFrame
        One row for each generator and period, columns as in `COLUMNS`.
    """
    weights, year, market = case.weights, years_of(case.snapshots), held.market
    if market.empty:
        return no_account()
    table = case.generators.loc[market.index]

    def total(frame: pd.DataFrame) -> pd.DataFrame:
        summed: pd.DataFrame = frame.mul(weights, axis="index").groupby(year).sum()
        return summed

    emissions, allocation, waived, offsets = map(
        total, (held.emissions, held.allocation, held.waived, held.offsets)
    )
    price = _mean_price(held, weights, year)
    bank = table["allowance_bank"]
    parts = []
    for period in emissions.index:
        net = emissions.loc[period] - allocation.loc[period]
        net = net - waived.loc[period] - offsets.loc[period]
        # What rounding leaves of a balance is nothing to trade.
        net = net.where(net.abs() > 1e-12 * emissions.loc[period].abs(), 0.0)
        drawn = np.minimum(net.clip(lower=0.0), bank)
        deficit, surplus = (net - drawn).clip(lower=0.0), (-net).clip(lower=0.0)
        kept = surplus * float(held.banked)
        sold = surplus - kept
        demand = deficit.groupby(market).transform("sum")
        supply = sold.groupby(market).transform("sum")
        traded = np.minimum(demand, supply)
        bought_from_units = deficit * (traded / demand.where(demand > 0)).fillna(0.0)
        sold_to_units = sold * (traded / supply.where(supply > 0)).fillna(0.0)
        part = pd.DataFrame(
            {
                "generator": table.index,
                "province": table["province"],
                "carrier": table["carrier"],
                "period": period,
                "emissions_t": emissions.loc[period],
                "allocation_t": allocation.loc[period],
                "waived_t": waived.loc[period],
                "offsets_t": offsets.loc[period],
                "bank_opening_t": bank,
                "drawn_t": drawn,
                "surplus_t": surplus,
                "deficit_t": deficit,
                "banked_t": kept,
                "bought_from_units_t": bought_from_units,
                "bought_from_fund_t": deficit - bought_from_units,
                "sold_to_units_t": sold_to_units,
                "sold_to_fund_t": sold - sold_to_units,
                "price": price.loc[period],
                "allowance_cost": price.loc[period] * (deficit - sold),
                "offset_cost": held.offset_price * offsets.loc[period],
            }
        )
        parts.append(part)
        bank = bank - drawn + kept
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def no_account() -> pd.DataFrame:
    """The account of a regime without allowances: no rows."""
    return pd.DataFrame(columns=list(COLUMNS))


def _mean_price(held: Position, weights: pd.Series, year: pd.Series) -> pd.DataFrame:
    """Mean price of each market over its emissions, [period x generator] in money/t.

    Over time where nothing is emitted. A price that does not change is itself to the last digit.
    """
    least = held.price.groupby(year).min()
    if (held.price == held.price.iloc[0]).all(axis=None):
        return least
    beyond = held.price - least.loc[year.to_numpy()].set_axis(held.price.index, axis="index")
    by_market = held.emissions.T.groupby(held.market).transform("sum").T.clip(lower=0.0)
    by_market = by_market.mul(weights, axis="index")
    hours = by_market * 0.0 + weights.to_numpy()[:, None]
    emitted = by_market.groupby(year).transform("sum")
    weight = by_market.where(emitted > 0, hours)
    mean: pd.DataFrame = (beyond * weight).groupby(year).sum() / weight.groupby(year).sum()
    return least + mean


def settle(ledger: Ledger, case: Case, held: Position, table: pd.DataFrame) -> None:
    """Enter what an account says, spread over the snapshots in which it came about.

    Units in deficit buy from those in surplus through the exchange, everything else goes between
    units and the carbon fund; a negative amount is paid by the fund, which buys back.

    Parameters
    ----------
    ledger : Ledger
    case : Case
    held : Position
    table : DataFrame
        As `account` gives it.
    """
    if table.empty:
        return
    year = years_of(case.snapshots)

    def by_period(column: str) -> pd.DataFrame:
        return table.pivot(index="period", columns="generator", values=column)[names]

    def at(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.loc[year.to_numpy()].set_axis(case.snapshots, axis="index")

    names = held.market.index
    bought, sold = by_period("bought_from_units_t"), by_period("sold_to_units_t")
    auctioned = by_period("bought_from_fund_t") - by_period("sold_to_fund_t")
    price = at(by_period("price"))
    net = held.net.mul(case.weights, axis="index")
    total = net.groupby(year).sum()
    per_tonne = 1.0 / total.where(total != 0)
    parties = pd.Series(names, names)
    for product, quantity, payer, payee in (
        ("allowance purchase", bought, parties, EXCHANGE),
        ("allowance sale", sold, EXCHANGE, parties),
        ("allowance auction", auctioned, parties, CARBON_FUND),
    ):
        who = quantity.columns[(quantity != 0).any()]
        tonnes = net[who] * at((quantity * per_tonne)[who].fillna(0.0))
        ledger.enter(product, payer, payee, tonnes * price[who], tonnes)
    ledger.pay("offsets", parties, OFFSET_SUPPLIERS, held.offsets, held.offset_price)
