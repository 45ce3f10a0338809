"""How reserve products are procured, paid and charged: at once, after energy, or by order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import linopy
import pandas as pd

from powermkt.common.ledger import Ledger
from powermkt.dispatch.outcome import with_columns_of_all
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.curves import quadratic_costs
from powermkt.inputs.services import Charge
from powermkt.rules.base import Cleared, Role, Rule
from powermkt.rules.charging import charged
from powermkt.system.products import book_of, offers, procures
from powermkt.system.reserves import add_reserves

# The account into which a service is charged and from which it is paid.
ANCILLARY = "ancillary services"


@dataclass(frozen=True)
class Payment:
    """What a service pays its providers.

    Attributes
    ----------
    service : str
        Key under which `services.charges` says who pays it.
    title : str
        Its name in the ledger; the charge is "TITLE charge".
    quantity : DataFrame [snapshot x provider]
        What is paid for, MW for reserves.
    amount : DataFrame [snapshot x provider]
        Money of the horizon.
    """

    service: str
    title: str
    quantity: pd.DataFrame
    amount: pd.DataFrame


class AncillaryRule(Rule):
    """A rule of an ancillary service: who is paid what, and that somebody is charged for it.

    What is paid is charged to those that `services.charges` names, to the last digit, through an
    account of the rule.
    """

    role: ClassVar[Role] = "ancillary"
    account: ClassVar[str] = ANCILLARY

    @abstractmethod
    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return what providers are paid."""

    def charges(self, cleared: Cleared) -> dict[str, pd.DataFrame]:
        """Return, by title, what everybody is charged, [snapshot x party] in money."""
        return {
            item.title: charged(cleared, item.amount, self.payers(cleared, item.service))
            for item in self.payments(cleared)
            if (item.amount != 0).any(axis=None)
        }

    def payers(self, cleared: Cleared, service: str) -> list[Charge]:
        """Return who pays a service."""
        return cleared.case.market.services.charge(service)

    def margin(self, cleared: Cleared) -> pd.DataFrame:
        """Return what providers earn beyond their offers, [snapshot x provider] in money/h."""
        return pd.DataFrame(index=cleared.case.snapshots)

    def hourly(self, cleared: Cleared) -> pd.DataFrame:
        """Return all payments, [snapshot x provider] in money/h."""
        paid = [item.amount for item in self.payments(cleared)]
        if not paid:
            return pd.DataFrame(index=cleared.case.snapshots)
        total = pd.concat(paid, axis=1).T.groupby(level=0).sum().T
        return total.div(cleared.case.weights, axis="index")

    def user_charge(self, cleared: Cleared) -> pd.DataFrame:
        """Charges of loads over what they are served, [snapshot x load] in money/MWh."""
        case = cleared.case
        total = pd.DataFrame(0.0, case.snapshots, case.loads.index)
        for amounts in self.charges(cleared).values():
            total = total + amounts.reindex(columns=total.columns, fill_value=0.0)
        served = cleared.outcome.served(case).mul(case.weights, axis="index")
        return (total / served.where(served > 1e-9)).fillna(0.0)

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Pay providers out of the account, and charge it to those who bear it."""
        for item in self.payments(cleared):
            names = pd.Series(item.amount.columns, item.amount.columns)
            ledger.enter(item.title, self.account, names, item.amount, item.quantity)
        for title, amounts in self.charges(cleared).items():
            names = pd.Series(amounts.columns, amounts.columns)
            ledger.enter(f"{title} charge", names, self.account, amounts)


class Procurement(AncillaryRule):
    """A rule that says how the products of `services.products` are procured; one in a regime."""

    structural: ClassVar[bool] = True
    after_energy: ClassVar[bool] = False  # whether reserves are bought once energy is cleared

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add awards and requirements."""
        add_reserves(model, case)

    def bus_prices(self, cleared: Cleared) -> dict[str, pd.DataFrame]:
        """What awards are paid, by product, [snapshot x bus] in money/(MW h)."""
        return bus_prices(cleared.case, cleared.outcome.reserve_price)

    def zone_prices(self, cleared: Cleared) -> pd.DataFrame:
        """What awards in a zone are paid, [snapshot x (product, zone)] in money/(MW h)."""
        return zone_sums(cleared.case, cleared.outcome.reserve_price)


class Administered(Procurement):
    """Reserves are held by order of the dispatcher, and paid `regulated_price` of the product.

    Nobody offers: what it costs to hold them is in the cost of dispatch, and where the regulated
    price is 0 nobody is paid for it.
    """

    def bus_prices(self, cleared: Cleared) -> dict[str, pd.DataFrame]:
        """Return regulated prices where and when something is required, else 0."""
        products = cleared.case.market.services.products
        return {
            name: (frame > 0) * products[name].regulated_price
            for name, frame in bus_prices(cleared.case, cleared.outcome.reserve_required).items()
        }

    def zone_prices(self, cleared: Cleared) -> pd.DataFrame:
        """Return regulated prices: the marginal values are those of an order, not of a market."""
        products = cleared.case.market.services.products
        required = zone_sums(cleared.case, cleared.outcome.reserve_required)
        rates = [products[name].regulated_price for name in required.columns.get_level_values(0)]
        return (required > 0) * pd.Series(rates, required.columns, dtype=float)

    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return regulated price times award."""
        return _priced(cleared.case, cleared.outcome.reserve, self.bus_prices(cleared), "")


class ReserveMarket(Procurement):
    """Providers offer reserves, and all awards of a product are paid its marginal value.

    The price of a provider is the sum of the duals of all requirements that its awards count for.
    """

    def offer(self, case: Case) -> Adders:
        """Add the offers of products."""
        return reserve_offers(case)

    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return price times award."""
        case, outcome, ahead = cleared.case, cleared.outcome, cleared.outcome.day_ahead
        if ahead is None:
            return _priced(case, outcome.reserve, bus_prices(case, outcome.reserve_price), "")
        now, held = with_columns_of_all([outcome.reserve, ahead.reserve])
        planned, prices = case.forecasted(), bus_prices(case, outcome.reserve_price)
        before = bus_prices(planned, ahead.reserve_price)
        return [
            *_priced(planned, ahead.reserve, before, "day-ahead "),
            *_priced(case, now - held, prices, "real-time "),
        ]

    def margin(self, cleared: Cleared) -> pd.DataFrame:
        """Return payments less offers of awards."""
        case, reserve = cleared.case, cleared.outcome.reserve
        if not reserve.shape[1]:
            return super().margin(cleared)
        total = self.hourly(cleared)
        offered = reserve * offers_of_awards(case, reserve.columns)
        return total.sub(offered.T.groupby(level="provider").sum().T, fill_value=0.0)


class CoOptimised(ReserveMarket):
    """Energy and reserves are cleared at once; awards are paid the marginal value of the product.

    It holds what the marginal provider forgoes in energy, and in a shortage the shortage price, as
    does the price of energy then. Where a day is settled twice, awards of the day ahead are paid
    its prices and deviations those of real time.
    """


class Sequential(ReserveMarket):
    """Reserves are bought after energy, at offers and lost opportunity cost.

    A provisional clearing of energy alone gives prices. At these each provider may sell the room
    that it has left at its offer, and be moved away from its output at its offer and what it loses
    in energy by that; the highest accepted sum is the price. Then energy is cleared again with
    awards withheld (`powermkt.dispatch.sequential`), and that is what is dispatched and paid for
    energy.

    The price of a reserve holds the lost opportunity at provisional prices, and the price of energy
    the dearer units that replace what is withheld, but no shortage price: how scarce reserves are
    is not seen in energy. Nor does the purchase of reserves see that withholding moves the price of
    energy, so that it may choose providers who cost more than they seem to.
    """

    after_energy: ClassVar[bool] = True

    def faults(self, case: Case) -> list[Fault]:
        """Name generators with quadratic costs, which have no offer that stays as they move."""
        curved = quadratic_costs(case._n).columns
        if curved.empty or not procures(case):
            return []
        what = f"quadratic costs: {name_list(curved)}"
        remedy = "give them a piecewise marginal_cost, or procure by CoOptimised"
        return [Fault("Sequential: generators.marginal_cost_quadratic", what, remedy)]


def reserve_offers(case: Case) -> dict[str, pd.Series]:
    """Offers of awards, by variable [money/(MW h)]."""
    book = book_of(case)
    found = {}
    for lot in book.live().lots if book is not None else ():
        own = offers_of_awards(
            case, pd.MultiIndex.from_product([[lot.product], [lot.quality], lot.providers])
        )
        found[lot.variable] = own.droplevel([0, 1]).groupby(lot.group).first()
    return found


def offers_of_awards(case: Case, columns: pd.Index) -> pd.Series:
    """Offer of each (product, quality, provider) [money/(MW h)]: that of the quality."""
    tables = pd.concat([case.generators[["carrier"]], case.storage_units[["carrier"]]])
    products = case.market.services.products
    by_quality = {name: offers(product, tables) for name, product in products.items()}
    values = [by_quality[quality][provider] for _, quality, provider in columns]
    return pd.Series(values, columns, dtype=float)


def bus_prices(case: Case, own: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Price of each product, [snapshot x bus] in money/(MW h), at buses of its zones.

    The sum over the requirements that an award at the bus counts for of what they have of their
    own, [snapshot x (product, zone)].
    """
    book = book_of(case)
    found: dict[str, pd.DataFrame] = {}
    for zone in book.zones if book is not None else ():
        if zone.key in own:
            price = own[zone.key]
            part = pd.DataFrame(dict.fromkeys(zone.buses, price), index=price.index)
            before = found.get(zone.product)
            found[zone.product] = part if before is None else before.add(part, fill_value=0.0)
    return found


def zone_sums(case: Case, own: pd.DataFrame) -> pd.DataFrame:
    """Add to what each zone has what the zones around it have, [snapshot x (product, zone)]."""
    book, total = book_of(case), own.copy()
    asked = [zone for zone in book.zones if zone.key in own] if book is not None else []
    for zone in asked:
        around = [other.key for other in asked if other.surrounds(zone)]
        total[zone.key] = own[around].sum(axis=1)
    return total


def _by_product(reserve: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Awards of each product, all qualities, [snapshot x provider] in MW."""
    if not reserve.shape[1]:
        return {}
    return {
        str(product): part.T.groupby(level="provider", sort=False).sum().T
        for product, part in reserve.T.groupby(level="product", sort=False)
        for part in [part.T]
    }


def _priced(
    case: Case, reserve: pd.DataFrame, prices: dict[str, pd.DataFrame], stage: str
) -> list[Payment]:
    """Payments for awards at prices by product, [snapshot x bus] in money/(MW h)."""
    bus = pd.concat([case.generators["bus"], case.storage_units["bus"]])
    found = []
    for product, awards in _by_product(reserve).items():
        if product in prices:
            at = bus[awards.columns]
            price = prices[product].reindex(columns=at, fill_value=0.0)
            price = price.set_axis(awards.columns, axis="columns")
            found.append(_payment(case, product, stage, awards, awards * price))
    return found


def _payment(
    case: Case, product: str, stage: str, awards: pd.DataFrame, rate: pd.DataFrame
) -> Payment:
    """Payment of a rate [money/h], quantities in MW h."""
    hours, title = case.weights, f"{stage}reserve {product}"
    return Payment(product, title, awards.mul(hours, axis="index"), rate.mul(hours, axis="index"))
