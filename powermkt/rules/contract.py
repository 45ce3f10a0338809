"""Contracts beside the spot market: settled on top of it, never changing what it clears.

What a seller earns in all is ``R = Q_da P_da + (Q_rt - Q_da) P_rt + sum Q_c (P_c - P_ref)``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pydantic

from powermkt.common.files import beside
from powermkt.common.ledger import Ledger
from powermkt.errors import Fault, InputError, name_list, nearest
from powermkt.inputs.case import Case
from powermkt.inputs.contractbook import Contract, book_faults, read_book, stated
from powermkt.rules.base import Cleared, PricingRule, Role, Rule
from powermkt.rules.counterparties import Basis, Parties, reserved_names
from powermkt.rules.deals import COLUMNS, Agreed, Deal, struck
from powermkt.rules.locational import LocationalPrice
from powermkt.rules.oversold import certificate_faults, oversold
from powermkt.rules.participation import Participation
from powermkt.rules.references import HERE, reference_names
from powermkt.rules.retail import RetailTariff
from powermkt.rules.volumes import anchored_by_seller, held

_TOLERANCE = 1e-6


class ContractRule(Rule):
    """A rule of contracts: settled on the prices of the market, outside its clearing."""

    role: ClassVar[Role] = "contract"
    _pricing: PricingRule = pydantic.PrivateAttr(default_factory=LocationalPrice)
    _participation: Participation | None = pydantic.PrivateAttr(default=None)
    _all: tuple[ContractRule, ...] = pydantic.PrivateAttr(default=())  # rules of contracts
    _first: bool = pydantic.PrivateAttr(default=True)  # of these
    _accounts: tuple[str, ...] = pydantic.PrivateAttr(default=())  # that other rules pay into
    _hedged_by_retail: bool = pydantic.PrivateAttr(default=False)

    def among(self, rules: Sequence[Rule]) -> ContractRule:
        """Return the rule that knows whose prices contracts refer to, and what is in the market."""
        told, like = self._told(rules), [rule for rule in rules if isinstance(rule, ContractRule)]
        told._all = tuple(rule._told(rules) for rule in like)
        told._first = like[0] is self
        return told

    def _told(self, rules: Sequence[Rule]) -> ContractRule:
        told = self.model_copy()
        told._pricing = next(rule for rule in rules if isinstance(rule, PricingRule))
        said = (rule.among(rules) for rule in rules if isinstance(rule, Participation))
        told._participation, told._all = next(said, None), ()
        told._hedged_by_retail = any(
            isinstance(rule, RetailTariff) and rule.contract_share > 0 for rule in rules
        )
        accounts = (getattr(rule, key, None) for rule in rules for key in ("account", "surplus"))
        told._accounts = tuple(name for name in accounts if isinstance(name, str))
        return told

    @abstractmethod
    def agreed(self, case: Case) -> list[Agreed]:
        """Return contracts with somebody on both sides."""

    def deals(self, cleared: Cleared) -> list[Deal]:
        """Return the contracts as they come out of a clearing, found out once for each of them."""
        if (key := repr(self)) not in cleared.known:
            cleared.known[key] = self._struck(cleared)
        found: list[Deal] = cleared.known[key]
        return found

    def _struck(self, cleared: Cleared) -> list[Deal]:
        agreed = self.agreed(cleared.case)
        if not agreed:
            return []
        bought = None
        if self._participation is not None:
            bought = self._participation.guaranteed(cleared.case, cleared.outcome)
        basis = Basis(cleared, self._pricing.market_prices(cleared), bought)
        return [struck(one, basis) for one in agreed]

    def faults(self, case: Case) -> list[Fault]:
        """Say that there is no reference where no market has a price."""
        if self._pricing.locational:
            return []
        what = f"{type(self._pricing).__name__} pays no market price that contracts could refer to"
        remedy = "price by LocationalPrice, or leave the contracts away"
        return [Fault(type(self).__name__, what, remedy)]

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Enter what the parties of each contract pay each other."""
        for deal in self.deals(cleared):
            deal.enter(ledger, cleared.case.windows)

    def user_charge(self, cleared: Cleared) -> pd.DataFrame:
        """What users pay under contracts, over all they are served in the horizon."""
        case = cleared.case
        names = case.loads.index
        paid = pd.Series(0.0, names)
        for deal in self.deals(cleared):
            received = deal.receipts.sum()
            paid = paid.sub(received[received.index.isin(names)], fill_value=0.0)
        energy = cleared.outcome.served(case).mul(case.weights, axis="index").sum()
        charge = (paid / energy.where(energy.abs() > _TOLERANCE)).fillna(0.0)[names]
        return pd.DataFrame(dict(charge.items()), index=case.snapshots)

    def notes(self, cleared: Cleared) -> list[str]:
        """Name plant that sells more than it has, and contracts that deliver nothing.

        The first rule of contracts speaks for all of them.
        """
        if not self._first:
            return []
        deals = [deal for rule in self._all or (self,) for deal in rule.deals(cleared)]
        said = [
            f"contract {deal.contract.name}: no snapshot of the horizon lies in "
            f"{deal.contract.delivery}: nothing is delivered"
            for deal in deals
            if not held(deal.contract, cleared.case.snapshots).any()
        ]
        sold = [deal for deal in deals if deal.by_seller and deal.anchor.what == "plant"]
        if not sold:
            return said
        said += oversold(sold)
        most = pd.concat([deal.peak for deal in sold]).groupby(level=0, sort=False).sum()
        capacity = Parties(cleared.case).plant["p_nom"].loc[most.index]
        for name in most.index[most > capacity * (1 + _TOLERANCE) + _TOLERANCE]:
            by = [deal.contract.name for deal in sold if deal.peak.get(name, 0.0) > 0]
            said.append(
                f"{name} of {capacity[name]:,.6g} MW sells up to {most[name]:,.6g} MW by contract "
                f"({name_list(by)}): settled all the same"
            )
        return said


class Contracts(ContractRule):
    """The contracts of a book, settled on top of the spot market.

    Parameters
    ----------
    book : list of Contract, or DataFrame
        Fields or columns as in `Contract`.
    file : str, optional
        CSV or YAML file with more of them, beside the network.
    financial : list of str
        Parties of contracts that are no part of the network, each with an account of its own.
    """

    book: tuple[Contract, ...] = ()
    file: str | None = None
    financial: tuple[str, ...] = ()

    @pydantic.field_validator("book", mode="before")
    @classmethod
    def _rows(cls, value: Any) -> Any:
        """A table is a row for each contract."""
        if isinstance(value, pd.DataFrame):
            return [stated(row) for row in value.to_dict("records")]
        return value

    def contracts(self, case: Case) -> list[Contract]:
        """Return all contracts, one for each province where `*` says so.

        Raises
        ------
        InputError
            If the file cannot be used.
        """
        more: list[Contract] = []
        if self.file is not None:
            more = read_book(beside(case.folder or Path(), self.file, "Contracts.file"))
        provinces = [str(name) for name in pd.unique(case.provinces)]
        return [item for one in (*self.book, *more) for item in one.in_each(provinces)]

    def faults(self, case: Case) -> list[Fault]:
        """Name what contradicts itself, and parties, references and shapes there are none of."""
        found = super().faults(case)
        where = "Contracts" if self.file is None else f"Contracts ({self.file})"
        try:
            contracts = self.contracts(case)
        except InputError as error:
            return [*found, *error.faults]
        parties, references = Parties(case, self.financial), reference_names(case)
        taken = {*Parties(case).names, *reserved_names(case), *self._accounts}
        found += [
            Fault(f"{where}: financial", f"{name!r} is somebody else", "name it otherwise")
            for name in self.financial
            if name in taken
        ]
        found += book_faults(contracts, where)
        if self._hedged_by_retail and any(
            side is not None and side.what == "users"
            for one in contracts
            for side in (parties.side(one.seller, buys=False), parties.side(one.buyer, buys=True))
        ):
            what = "users buy at the contract price of RetailTariff, and are hedged here again"
            found.append(Fault(where, what, "state `contract_share: 0` in RetailTariff"))
        for contract in contracts:
            place = f"{where}: {contract.name}"
            found += list(_party_faults(contract, parties, place))
            if contract.reference not in references:
                what = f"unknown reference {contract.reference!r}"
                found.append(Fault(place, what, nearest(contract.reference, references)))
            timed = contract.period is not None or contract.shape not in ("flat", "load", "output")
            if timed and not isinstance(case.snapshots, pd.DatetimeIndex):
                what = "a delivery period or a shape of the day, and the snapshots are no times"
                found.append(Fault(place, what, "leave it away, or give times"))
        agreed = []
        for rule in self._all or (self,):
            with suppress(InputError):  # which that rule tells
                agreed += rule.agreed(case)
        return found + certificate_faults(agreed, "Contracts")

    def agreed(self, case: Case) -> list[Agreed]:
        """Return the contracts of the book; a group of nobody has none."""
        parties = Parties(case, self.financial)
        found = []
        for contract in self.contracts(case):
            seller = parties.side(contract.seller, buys=False)
            buyer = parties.side(contract.buyer, buys=True)
            if seller and buyer and len(seller.members) and len(buyer.members):
                found.append(Agreed(contract, seller, buyer))
        return found


def contract_table(rules: Sequence[Rule], cleared: Cleared) -> pd.DataFrame:
    """Contracts of all rules as they come out of a clearing; columns as in `COLUMNS`."""
    rows = [
        deal.row()
        for rule in rules
        if isinstance(rule, ContractRule)
        for deal in rule.deals(cleared)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _party_faults(contract: Contract, parties: Parties, where: str) -> list[Fault]:
    """Name parties there are none of, and what a contract needs of its parties."""
    found, sides = [], []
    for role, name in (("seller", contract.seller), ("buyer", contract.buyer)):
        side = parties.side(name, buys=role == "buyer")
        if side is None:
            remedy = f"{nearest(name, parties.names)}; or declare it under `financial`"
            found.append(Fault(where, f"unknown {role} {name!r}", remedy))
            continue
        if side.members.empty and not parties.may_be_empty(name):
            found.append(Fault(where, f"{role} {name!r} is a group of nobody", "name another"))
        sides.append(side)
    if len(sides) < 2 or any(side.members.empty for side in sides):
        return found
    if len(both := sides[0].members.intersection(sides[1].members)):
        found.append(Fault(where, f"{name_list(both)} on both sides", "name two parties"))
    anchor = sides[0] if anchored_by_seller(*sides) else sides[1]
    kinds = {side.what for side in sides}
    needs = [
        (contract.share is not None and contract.of in ("output", "capacity"), "plant",
         f"a share of {contract.of}"),
        (contract.shape == "output", "plant", "the shape of output"),
        (contract.shape == "load", "users", "the shape of load"),
        (contract.share is not None and contract.of == "load", "users", "a share of load"),
    ]  # fmt: skip
    found += [
        Fault(where, f"{what} without {kind} on either side", "state its volume otherwise")
        for needed, kind, what in needs
        if needed and kind not in kinds
    ]
    if contract.of == "capacity" and contract.share is not None and anchor.what == "plant":
        p_nom = parties.plant.loc[anchor.members, "p_nom"]
        if len(endless := p_nom.index[np.isinf(p_nom)]):
            what = f"a share of the capacity of plant without a bound: {name_list(endless)}"
            found.append(Fault(where, what, "give mw or mwh"))
    if contract.price == "tariff" and anchor.what != "plant":
        found.append(Fault(where, "the tariff of no plant", "give a price in money/MWh"))
    homeless = {"account"} | ({"users"} if contract.reference == "technology" else set())
    if contract.reference in HERE and anchor.what in homeless:
        what = f"the reference {contract.reference!r} of parties that have none"
        found.append(Fault(where, what, "name a bus, a province, a zone or `system`"))
    if contract.kind == "green_power":
        plant = parties.plant
        green = plant.index[plant["carrier"].isin(parties.renewable)]
        if len(grey := sides[0].members.difference(green, sort=False)):
            what = f"green power of what is no renewable plant: {name_list(grey)}"
            found.append(Fault(where, what, "name wind, solar or hydro plant"))
    return found
