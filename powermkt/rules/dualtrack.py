"""The imbalance account of planned energy beside a market: who bears the difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.rules.base import Cleared, PricingRule, Role, Rule, grid_company
from powermkt.rules.contracts import quota_energy
from powermkt.rules.participation import Participation
from powermkt.rules.plant import all_plant, output_of, plant_of
from powermkt.rules.pricing import GuaranteedPurchase
from powermkt.rules.retail import CATALOGUE
from powermkt.system.horizon import window_of

COLUMNS = [
    "period", "province", "planned_mwh", "planned_users_mwh", "volume_mwh", "benchmark",
    "market_price", "amount",
]  # fmt: skip


@dataclass(frozen=True)
class _Account:
    """Hourly sides of the account, all [snapshot x province]; MW and money/h."""

    planned: pd.DataFrame
    users: pd.DataFrame
    volume: pd.DataFrame
    benchmark: pd.DataFrame
    price: pd.DataFrame
    rise: pd.DataFrame  # of the market's price over what bills contain of it, money/MWh

    @property
    def amount(self) -> pd.DataFrame:
        """What planned energy costs beyond the market."""
        return self.volume * (self.benchmark - self.price) + 0.0


class DualTrackAccount(Rule):
    """Planned energy that planned users do not take is sold in the market; somebody bears the rest.

    In every hour and province the grid company buys planned energy at its tariff and serves users
    of class residential_agricultural at the catalogue. What these do not take displaces market
    energy and goes to market users, no more than they take:

        ``account = volume x (benchmark tariff - market price)``,

    the benchmark being the mean tariff of planned energy in the hour. The account of a period
    (window) is settled with the grid company, per MWh; below zero it is given back. Where there is
    nobody to settle with, the grid company keeps it. Without this rule it bears all of it.

    Under `GuaranteedPurchase` planned plant is that of `carriers`, and the market price is the mean
    contract price of the province's quota units. Bills contain the quota units' tariff for energy
    that is planned: market users pay the rise of the contract price for `volume` first ("planned
    energy at market price"), so that the account is only what is left. Under `LocationalPrice`
    planned energy is what `Participation` guarantees, and the price is the mean that the grid
    company sells it for: that at each plant, deviations from the day ahead at real-time prices.

    Parameters
    ----------
    volume : {"excess", "all"}
        Planned energy that planned users do not take, or all of it.
    allocated_to : {"market_users", "thermal", "generators"}
        By energy: users of the other classes, plant that emits and is not planned, all plant.
    carriers : list of str, optional
        Planned plant; default: renewable and nuclear carriers, or whatever is guaranteed.
    """

    role: ClassVar[Role] = "contract"
    volume: Literal["excess", "all"] = "excess"
    allocated_to: Literal["market_users", "thermal", "generators"] = "market_users"
    carriers: list[str] | None = None
    _pricing: PricingRule | None = pydantic.PrivateAttr(default=None)
    _participation: Participation | None = pydantic.PrivateAttr(default=None)

    def among(self, rules: Sequence[Rule]) -> DualTrackAccount:
        """Return the rule that knows what is planned, and what the market pays."""
        told = self.model_copy()
        told._pricing = next((rule for rule in rules if isinstance(rule, PricingRule)), None)
        beside = (rule.among(rules) for rule in rules if isinstance(rule, Participation))
        told._participation = next(beside, None)
        return told

    def faults(self, case: Case) -> list[Fault]:
        """Name carriers that the case does not have, and rules that leave nothing to account."""
        known = {*case.generators["carrier"], *case.storage_units["carrier"]} - {""}
        found, beside = [], self._participation
        if beside is not None and beside.passed_on == "users":
            what = "users pay for guaranteed purchase already"
            remedy = "state `passed_on: grid_company` in Participation"
            found.append(Fault("DualTrackAccount", what, remedy))
        elif beside is None and not isinstance(self._pricing, GuaranteedPurchase):
            what = f"{type(self._pricing).__name__} alone knows no planned energy beside a market"
            remedy = "price by GuaranteedPurchase, or add `renewables: {rule: Participation}`"
            found.append(Fault("DualTrackAccount", what, remedy))
        return found + [
            Fault("DualTrackAccount.carriers", f"unknown carrier {name!r}", nearest(name, known))
            for name in self.carriers or []
            if name not in known
        ]

    def account(self, cleared: Cleared) -> pd.DataFrame:
        """Return the account of each period and province.

        Returns
        -------
        DataFrame
            Columns `COLUMNS`: period; province; planned energy, what planned users take, and volume
            [MWh]; mean benchmark and market price of the volume [money/MWh]; amount [money], above
            0 where planned energy costs more.
        """
        case, found = cleared.case, self._sides(cleared)
        volume = _by_period(case, found.volume)
        table = {
            "planned_mwh": _by_period(case, found.planned),
            "planned_users_mwh": _by_period(case, found.users),
            "volume_mwh": volume,
            "benchmark": _by_period(case, found.volume * found.benchmark) / volume,
            "market_price": _by_period(case, found.volume * found.price) / volume,
            "amount": _by_period(case, found.amount),
        }
        keys = pd.MultiIndex.from_product([volume.index, volume.columns], names=COLUMNS[:2])
        flat = {name: frame.to_numpy().ravel() for name, frame in table.items()}
        return pd.DataFrame(flat, index=keys).reset_index()[COLUMNS]

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Enter what market users pay for planned energy, and the account."""
        case, found = cleared.case, self._sides(cleared)
        for product, amount, quantity, province in (
            ("planned energy at market price", found.volume * found.rise, *self._users(cleared)),
            ("imbalance account", found.amount, *self._bearers(cleared)),
        ):
            if quantity.empty:
                continue
            rate = _rate(case, amount, quantity, province)
            names = pd.Series(quantity.columns, quantity.columns)
            ledger.pay(product, names, province.map(grid_company), quantity, rate)

    def user_charge(self, cleared: Cleared) -> pd.DataFrame | float:
        """Return what market users pay of both, [snapshot x load] in money/MWh."""
        case, found = cleared.case, self._sides(cleared)
        amount = found.volume * found.rise
        if self.allocated_to == "market_users":
            amount = amount + found.amount
        return _rate(case, amount, *self._users(cleared))

    def _users(self, cleared: Cleared) -> tuple[pd.DataFrame, pd.Series]:
        """What market users are served, [snapshot x load] in MW; province of each load."""
        loads = cleared.case.loads
        served = cleared.outcome.served(cleared.case).clip(lower=0.0)
        return served * (loads["user_class"] != CATALOGUE), loads["province"]

    def _bearers(self, cleared: Cleared) -> tuple[pd.DataFrame, pd.Series]:
        """Energy by which the account is allocated, [snapshot x party] in MW; provinces."""
        if self.allocated_to == "market_users":
            return self._users(cleared)
        plant = plant_of(cleared.case)
        if self.allocated_to == "thermal":
            emits = cleared.case.generators["emission_rate"] > 0
            own = plant["carrier"].isin(self._carriers(cleared.case))
            plant = plant[emits.reindex(plant.index, fill_value=False) & ~own]
        return output_of(cleared.outcome)[plant.index], plant["province"]

    def _carriers(self, case: Case) -> list[str]:
        if self.carriers is not None:
            return self.carriers
        present = {*case.generators["carrier"], *case.storage_units["carrier"]}
        nuclear = [name for name in sorted(present) if "nuclear" in name.lower()]
        return [*case.carriers.renewable, *nuclear]

    def _sides(self, cleared: Cleared) -> _Account:
        """Volumes and prices of every hour and province."""
        case, pricing, plant = cleared.case, self._pricing, plant_of(cleared.case)
        provinces = pd.Index(case.provinces.unique())

        def by_province(frame: pd.DataFrame, province: pd.Series) -> pd.DataFrame:
            total = frame.T.groupby(province).sum().T
            return total.reindex(columns=provinces, fill_value=0.0)

        if self._participation is not None:
            output = self._participation.guaranteed(case, cleared.outcome)
            if self.carriers is not None:
                output = output.loc[:, plant["carrier"][output.columns].isin(self.carriers)]
        else:
            own = plant.index[plant["carrier"].isin(self._carriers(case))]
            output = output_of(cleared.outcome)[own]
        province = plant["province"][output.columns]
        planned = by_province(output, province)
        paid = by_province(output * plant["tariff"][output.columns], province)
        loads, served = case.loads, cleared.outcome.served(case).clip(lower=0.0)
        catalogue = loads["user_class"] == CATALOGUE
        users = by_province(served * catalogue, loads["province"])
        market = by_province(served * ~catalogue, loads["province"])
        kept = planned
        if isinstance(pricing, GuaranteedPurchase):
            # Who buys it elsewhere pays its tariff already, in the mean price of the sender.
            out, stores = cleared.outcome, case._n.stores["bus"].map(case.provinces)
            home = pd.concat([all_plant(case)["province"], stores])
            given = by_province(pd.concat([out.dispatch, out.storage], axis=1)[home.index], home)
            used = (users + market) / given.where(given > 0)
            kept = planned * used.fillna(1.0).clip(upper=1.0)
        beyond = (kept - users).clip(lower=0.0) if self.volume == "excess" else kept
        if isinstance(pricing, GuaranteedPurchase):
            price, rise = _contract_price(cleared, pricing, provinces)
            beyond = beyond.where(price.notna(), 0.0)  # no contract is displaced
        else:
            assert pricing is not None  # a regime tells it
            assert self._participation is not None
            loss = 0.0 * planned
            for bought, difference in self._participation.purchases(cleared):
                loss = loss + by_province((bought * difference)[output.columns], province)
            # What the grid company sells it for, at the plant and in each settlement.
            price, rise = (paid - loss) / planned.where(planned > 0), 0.0 * planned
        return _Account(
            planned, users, pd.DataFrame(np.minimum(beyond, market), planned.index, provinces),
            (paid / planned.where(planned > 0)).fillna(0.0), price.fillna(0.0), rise.fillna(0.0),
        )  # fmt: skip


def _contract_price(
    cleared: Cleared, pricing: GuaranteedPurchase, provinces: pd.Index
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean price of quota energy and its rise over its tariff, [snapshot x province]."""
    table, energy = cleared.case.generators, quota_energy(cleared)
    total = energy.groupby(table["province"]).sum()
    frames = []
    for price in (pricing.on_grid(cleared), pricing.on_grid(cleared) - table["tariff"]):
        mean = (energy * price).groupby(table["province"]).sum() / total.where(total > 0)
        row = mean.reindex(provinces).to_numpy()
        snapshots = cleared.case.snapshots
        frames.append(pd.DataFrame(np.tile(row, (len(snapshots), 1)), snapshots, provinces))
    return frames[0], frames[1]


def _by_period(case: Case, rate: pd.DataFrame) -> pd.DataFrame:
    """Sum over each period, [period x column]."""
    summed = rate.mul(case.weights, axis="index").groupby(window_of(case), sort=False).sum()
    return summed


def _rate(
    case: Case, amount: pd.DataFrame, quantity: pd.DataFrame, province: pd.Series
) -> pd.DataFrame:
    """Amount of a period and province per MWh of a quantity, [snapshot x column] in money/MWh."""
    total = _by_period(case, quantity).T.groupby(province).sum().T
    money = _by_period(case, amount).reindex(columns=total.columns, fill_value=0.0)
    rate = (money / total.where(total > 0)).fillna(0.0)
    spread = rate.loc[window_of(case), province[quantity.columns]]
    spread = spread.set_axis(quantity.index, axis="index").set_axis(
        quantity.columns, axis="columns"
    )
    return spread.where(quantity > 0, 0.0)
