"""What users pay, whatever the prices between plant and the grid are: retail rules."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.common.values import NonNegative, Share
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.check import USER_CLASSES
from powermkt.rules.base import Cleared, Prices, Role, Rule, grid_company
from powermkt.rules.contracts import carbon_cost, contract_base, in_band

FUNDS = "public funds"
CATALOGUE = "residential_agricultural"  # users who pay the catalogue tariff and nothing beside it
UNCAPPED = "energy_intensive"
AGENCY = "industrial_commercial"


def passed_on(cleared: Cleared, cost: pd.Series) -> pd.DataFrame:
    """Return what users pay of a cost by province [money], [snapshot x load] in money/MWh.

    One figure a province over the horizon, none for residential and agricultural users; 0 where
    nobody could pay it.
    """
    case, loads = cleared.case, cleared.case.loads
    served = cleared.outcome.served(case)
    pays = (served > 0) & (loads["user_class"] != CATALOGUE)
    energy = served.where(pays, 0.0).mul(case.weights, axis="index").sum()
    total = energy.groupby(loads["province"]).sum()
    rate = (cost / total.where(total > 0)).fillna(0.0)
    return pays.astype(float) * loads["province"].map(rate).fillna(0.0)


class RetailTariff(Rule):
    """Users pay contracts in a band, the market's price, or a catalogue tariff, by their class.

    Users of class industrial_commercial and energy_intensive pay, in the place of the price of
    energy that the pricing rule charges them,

        ``share x contract + (1 - share) x that price``,

    where the contract price stands between base (1 - band) and base (1 + band), for
    energy_intensive users above its lower end; what is not under contract is not bound. Charges for
    networks, uplift and services stay, and a surcharge comes on top. Users of class
    residential_agricultural pay `loads.tariff` in all, whatever the rest comes to.

    The base is `loads.contract_base`, by default the capacity-weighted mean `generators.tariff` of
    the quota (coal) units of the province. The difference to what users would be charged otherwise
    is settled with the grid company of the province.

    Parameters
    ----------
    band : float, default 0.2
        Half width of the band [1].
    contract_share : float, default 1
        Share of energy that is under medium- and long-term contracts [1].
    contract_price : {"wholesale", "carbon"}
        Before the band: the mean wholesale price of the province over the horizon, or the base
        plus the mean carbon cost of the province's quota units.
    premium : float, default 0
        Contract price over the mean wholesale price, or over the base before carbon [1].
    agency_share : float, default 0
        Share of industrial_commercial users for whom the grid company buys: what they have not
        under contract they pay at its mean over the horizon [1].
    catalogue_balance : {"grid_company", "users"}
        Who bears what serving residential_agricultural users costs beyond their tariff, and keeps
        what it costs less: the grid company, or the other users of the province per MWh.
    surcharge : float or dict, default 0
        Paid to `account`, for all classes but residential_agricultural or by class [money/MWh].
    account : str, default "public funds"
        Who receives surcharges.
    """

    role: ClassVar[Role] = "retail"
    band: float = pydantic.Field(default=0.2, ge=0, le=1)
    contract_share: Share = 1.0
    contract_price: Literal["wholesale", "carbon"] = "wholesale"
    premium: float = pydantic.Field(default=0.0, ge=-1, allow_inf_nan=False)
    agency_share: Share = 0.0
    catalogue_balance: Literal["grid_company", "users"] = "grid_company"
    surcharge: NonNegative | dict[str, NonNegative] = 0.0
    account: str = pydantic.Field(default=FUNDS, min_length=1)

    def faults(self, case: Case) -> list[Fault]:
        """Name classes that pay no surcharge or do not exist."""
        valid = [name for name in USER_CLASSES if name != CATALOGUE]
        given = self.surcharge if isinstance(self.surcharge, dict) else {}
        return [
            Fault(
                "RetailTariff.surcharge",
                f"{name!r} pays its tariff and nothing beside it"
                if name == CATALOGUE
                else f"unknown class {name!r}",
                nearest(name, valid),
            )
            for name in given
            if name not in valid
        ]

    def hourly_share(self, user_class: str) -> float:
        """What is neither under contract nor bought by an agency; nothing at catalogue tariffs."""
        if user_class == CATALOGUE:
            return 0.0
        agency = self.agency_share if user_class == AGENCY else 0.0
        return (1.0 - self.contract_share) * (1.0 - agency)

    def fixed_charge(self, user_class: str) -> float:
        """Return the surcharge of a class [money/MWh]."""
        if isinstance(self.surcharge, dict):
            return float(self.surcharge.get(user_class, 0.0))
        return 0.0 if user_class == CATALOGUE else float(self.surcharge)

    def prices(self, cleared: Cleared) -> pd.DataFrame:
        """What users pay in all, [snapshot x load] in money/MWh."""
        return self._without_surcharge(cleared) + self._surcharges(cleared.case)

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Users settle the difference with their grid company, and pay the surcharge."""
        loads, served = cleared.case.loads, cleared.outcome.served(cleared.case)
        names = pd.Series(loads.index, loads.index)
        difference = self._without_surcharge(cleared) - _stated(cleared).retail
        company = loads["province"].map(grid_company)
        ledger.pay("retail settlement", names, company, served, difference)
        ledger.pay("surcharge", names, self.account, served, self._surcharges(cleared.case))

    def _without_surcharge(self, cleared: Cleared) -> pd.DataFrame:
        case, stated = cleared.case, _stated(cleared)
        loads, served = case.loads, cleared.outcome.served(case)
        catalogue = loads["user_class"] == CATALOGUE
        other = stated.retail - stated.energy + self._energy(cleared)
        if self.catalogue_balance == "users":
            other = other + loads["province"].map(_balance(cleared, catalogue)).fillna(0.0)
        price = np.where(catalogue, loads["tariff"], other)
        # A negative load is generation: no tariff is stated for it.
        return pd.DataFrame(price, other.index, other.columns).where(served >= 0, stated.retail)

    def _energy(self, cleared: Cleared) -> pd.DataFrame:
        """Price of energy of users in the market, [snapshot x load] in money/MWh."""
        spot = _stated(cleared).energy
        used = _used(cleared)
        mean = ((spot * used).sum() / used.sum().where(used.sum() > 0)).fillna(spot.mean())
        agency = self.agency_share * (cleared.case.loads["user_class"] == AGENCY)
        bought = spot * (1 - agency) + mean * agency
        return bought * (1 - self.contract_share) + self.contract_share * self._contract(cleared)

    def _contract(self, cleared: Cleared) -> pd.Series:
        """Contract price of each load [money/MWh]."""
        loads = cleared.case.loads
        base, province = contract_base(cleared.case), loads["province"]
        if self.contract_price == "carbon":
            price = base * (1 + self.premium)
            price = price + province.map(carbon_cost(cleared)).fillna(0.0)
        else:
            used = _used(cleared).T.groupby(province).sum().T
            wholesale = _stated(cleared).wholesale[used.columns]
            total = used.sum()
            mean = (wholesale * used).sum() / total.where(total > 0)
            price = province.map(mean.fillna(wholesale.mean())) * (1 + self.premium)
        return in_band(price, base, self.band, capped=loads["user_class"] != UNCAPPED)

    def _surcharges(self, case: Case) -> pd.Series:
        """Surcharge of each load [money/MWh]."""
        return case.loads["user_class"].map(self.fixed_charge).astype(float)


def _stated(cleared: Cleared) -> Prices:
    assert cleared.stated is not None  # a run states them before it settles
    return cleared.stated


def _used(cleared: Cleared) -> pd.DataFrame:
    """Energy that users are served, [snapshot x load] in MWh of the horizon; never negative."""
    served = cleared.outcome.served(cleared.case)
    return served.clip(lower=0.0).mul(cleared.case.weights, axis="index")


def _balance(cleared: Cleared, catalogue: pd.Series) -> pd.Series:
    """What serving users at a catalogue tariff costs beyond it, per MWh of other users.

    By province, 0 where there are no others [money/MWh].
    """
    loads, used = cleared.case.loads, _used(cleared)
    beyond = (used * (_stated(cleared).retail - loads["tariff"])).sum().where(catalogue, 0.0)
    others = used.sum().where(~catalogue, 0.0).groupby(loads["province"]).sum()
    cost = beyond.groupby(loads["province"]).sum()
    return (cost / others.where(others > 0)).fillna(0.0)
