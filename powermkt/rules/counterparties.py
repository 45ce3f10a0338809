"""Who stands on a side of a contract: plant, users, or an account that is neither."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import pandas as pd

from powermkt.case import Case
from powermkt.check import USER_CLASSES
from powermkt.rules.base import Cleared, grid_company

USERS = "users"
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
        self.plant = plant_of(case)
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


def plant_of(case: Case) -> pd.DataFrame:
    """Generators and storage units: bus, province, carrier, p_nom [MW], tariff [money/MWh]."""
    columns = ["bus", "province", "carrier", "p_nom", "tariff"]
    return pd.concat([case.generators[columns], case.storage_units[columns]])


def output_of(cleared: Cleared, members: pd.Index) -> pd.DataFrame:
    """Output of plant, [snapshot x plant] in MW; storage that is charged gives none."""
    outcome = cleared.outcome
    both = pd.concat([outcome.dispatch, outcome.storage], axis=1)
    return both[members].clip(lower=0.0)


def load_of(cleared: Cleared, members: pd.Index) -> pd.DataFrame:
    """Load served, [snapshot x load] in MW; negative load takes none."""
    return cleared.outcome.served(cleared.case)[members].clip(lower=0.0)
