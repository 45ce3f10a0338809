"""Who stands on a side of a contract, and what they give, take and are paid in the market."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from powermkt.dispatch.compliance import CARBON_FUND, OFFSET_SUPPLIERS
from powermkt.dispatch.costs import SHORT
from powermkt.inputs.case import Case
from powermkt.inputs.check import USER_CLASSES
from powermkt.rules.base import EXCESS, GROUPS, MARKET, TRANSMISSION, Cleared, grid_company
from powermkt.rules.imports import SPECIFIED_IMPORTS
from powermkt.rules.locational import SURPLUS
from powermkt.rules.plant import all_plant
from powermkt.rules.retail import FUNDS

USERS = "users"
KINDS = ["carrier", "province"]
MARKETS = ("day_ahead", "real_time")
_ROLES = ("renewables", "quota", "wind", "solar", "hydro")


@dataclass(frozen=True)
class Side:
    """One side of a contract.

    Attributes
    ----------
    members : Index
        Names of generators and storage units, of loads, or of one account; empty where a group
        has nobody in it.
    what : {"plant", "users", "account"}
    """

    members: pd.Index
    what: Literal["plant", "users", "account"]


class Parties:
    """Everybody in a case who can have a contract.

    Parameters
    ----------
    case : Case
    financial : sequence of str
        Parties that are no part of the network.
    """

    def __init__(self, case: Case, financial: Sequence[str] = ()) -> None:
        self.plant = all_plant(case)
        self.users = case.loads
        self.provinces = [str(name) for name in pd.unique(case.provinces)]
        self._companies = {grid_company(name) for name in self.provinces}
        self.accounts = {*financial, *self._companies}
        carriers = case.carriers
        self.renewable = carriers.renewable
        self._roles = {
            role: carriers.renewable if role == "renewables" else getattr(carriers, role) or []
            for role in _ROLES
        }

    def side(self, name: str, buys: bool) -> Side | None:
        """Return who is meant by a name, None if nobody is.

        A component comes before a group of the same name, a carrier before a role.
        """
        if name in self.plant.index:
            return Side(pd.Index([name]), "plant")
        if name in self.users.index:
            return Side(pd.Index([name]), "users")
        if name in self.accounts:
            return Side(pd.Index([name]), "account")
        group, _, province = name.rpartition("@") if "@" in name else (name, "", "")
        if province and province not in self.provinces:
            return None
        if not province and group in self.provinces:
            return self._of(group, "users" if buys else "plant")
        if group == USERS:
            return self._of(province, "users")
        if group in USER_CLASSES:
            return self._of(province, "users", self.users["user_class"] == group)
        if group and group in set(self.plant["carrier"]):
            return self._of(province, "plant", self.plant["carrier"] == group)
        if group in self._roles:
            return self._of(province, "plant", self.plant["carrier"].isin(self._roles[group]))
        return None

    def may_be_empty(self, name: str) -> bool:
        """Whether a group is one that a network need not have: a role, a class, users."""
        return name.partition("@")[0] in {*_ROLES, *USER_CLASSES, USERS}

    @cached_property
    def names(self) -> list[str]:
        """Every name there is, without those of groups in one province."""
        carriers = set(self.plant["carrier"]) - {""}
        groups = {*carriers, *_ROLES, *USER_CLASSES, USERS, *self.provinces}
        return [*self.accounts, *groups, *self.plant.index, *self.users.index]

    def _of(
        self, province: str, what: Literal["plant", "users"], chosen: pd.Series | bool = True
    ) -> Side:
        table = self.plant if what == "plant" else self.users
        here = (table["province"] == province) if province else pd.Series(True, table.index)
        return Side(table.index[here & chosen], what)


def reserved_names(case: Case) -> list[str]:
    """Names in the ledger and in groups of parties that no contract can be made with."""
    n = case._n
    branches = [
        name for table in (n.links, n.lines, n.transformers, n.stores) for name in table.index
    ]
    others = (FUNDS, SURPLUS, CARBON_FUND, OFFSET_SUPPLIERS, SPECIFIED_IMPORTS, SHORT)
    return [MARKET, TRANSMISSION, EXCESS, *GROUPS, *others, *branches]


@dataclass(frozen=True)
class Basis:
    """What contracts of one clearing are settled by.

    Attributes
    ----------
    cleared : Cleared
    markets : sequence of (DataFrame [snapshot x bus], DataFrame [snapshot x load]), money/MWh
        Prices of each settlement of a day, and what users pay for energy in it.
    guaranteed : DataFrame [snapshot x plant], MW, optional
        Output that is bought outside the market.
    """

    cleared: Cleared
    markets: Sequence[tuple[pd.DataFrame, pd.DataFrame]]
    guaranteed: pd.DataFrame | None = None

    @cached_property
    def plant(self) -> pd.DataFrame:
        """Generators and storage units, as `all_plant`."""
        return all_plant(self.cleared.case)

    @cached_property
    def output(self) -> pd.DataFrame:
        """What plant sells in the market, [snapshot x plant] in MW; charged storage gives none.

        All its output but what is guaranteed: that has its tariff already.
        """
        outcome = self.cleared.outcome
        both = pd.concat([outcome.dispatch, outcome.storage], axis=1)
        output = both[self.plant.index].clip(lower=0.0)
        if self.guaranteed is None:
            return output
        return (output - self.guaranteed.reindex(columns=output.columns, fill_value=0.0)).clip(
            lower=0.0
        )

    @cached_property
    def load(self) -> pd.DataFrame:
        """Load served, [snapshot x load] in MW; negative load takes none."""
        return self.cleared.outcome.served(self.cleared.case).clip(lower=0.0)

    def nodal(self, market: str) -> pd.DataFrame:
        """Prices of the day-ahead or real-time market, the same where there is one."""
        return self.markets[0 if market == "day_ahead" else -1][0]

    def paid_by_users(self, market: str) -> pd.DataFrame:
        """What users pay for energy in that market, [snapshot x load] in money/MWh."""
        return self.markets[0 if market == "day_ahead" else -1][1]

    @cached_property
    def technology(self) -> dict[str, pd.DataFrame]:
        """Mean price by output of a carrier in a province and month, by market.

        [snapshot x (carrier, province)] in money/MWh; the plain mean of the prices of its plant
        where the carrier has no output in a month.
        """
        return {market: self._technology(self.nodal(market)) for market in MARKETS}

    def _technology(self, nodal: pd.DataFrame) -> pd.DataFrame:
        weights = self.cleared.case.weights
        month, kind = months(nodal.index), pd.MultiIndex.from_frame(self.plant[KINDS])
        price = nodal[self.plant["bus"]].set_axis(self.plant.index, axis="columns")
        energy = self.output.mul(weights, axis="index")

        def summed(frame: pd.DataFrame) -> pd.DataFrame:
            total: pd.DataFrame = frame.groupby(month).sum().set_axis(kind, axis="columns")
            return total.T.groupby(level=[0, 1]).sum().T

        total, hours = summed(energy), summed((0.0 * energy).add(weights, axis="index"))
        plain = summed(price.mul(weights, axis="index")) / hours
        mean = (summed(energy * price) / total.where(total > 0)).fillna(plain)
        return mean.loc[month].set_axis(nodal.index)


def months(index: pd.Index) -> pd.Series:
    """Calendar month of each snapshot; one for all where snapshots are no times."""
    if isinstance(index, pd.DatetimeIndex):
        return pd.Series(index.strftime("%Y-%m"), index=index)
    return pd.Series("horizon", index=index)
