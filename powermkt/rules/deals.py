"""A contract as it comes out of a clearing: volume, prices, and who pays whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from powermkt.common.ledger import Ledger
from powermkt.inputs.contractbook import Contract
from powermkt.rules.counterparties import Basis, Side
from powermkt.rules.references import reference_price
from powermkt.rules.volumes import anchored_by_seller, volume

COLUMNS: dict[str, tuple[str, str]] = {
    "contract": ("", "name of the contract"),
    "kind": ("", "as in `contractbook`"),
    "seller": ("", "who sells"),
    "buyer": ("", "who buys"),
    "tenor": ("", "year, quarter, month, week, day, dates, or all of the horizon"),
    "energy_mwh": ("MWh", "volume settled in the horizon"),
    "strike": ("money/MWh", "mean price of the contract, by volume"),
    "reference": ("money/MWh", "mean reference price, by volume"),
    "premium": ("money", "what the seller is paid for protection or certificates"),
    "certificates_mwh": ("MWh", "certificates that go with it"),
    "amount": ("money", "what the seller receives on top of the spot market, premium included"),
}
CERTIFICATES = "green certificates"  # in the ledger
_NAMES = {
    "cfd": "contract for difference",
    "forward": "forward",
    "one_way_cfd": "one-way contract for difference",
    "cap": "price cap",
    "floor": "price floor",
}


class Agreed(NamedTuple):
    """A contract and its sides, of which each has a member; `through` is an account between.

    Users who stand behind an account bear it by all they use in the horizon.
    """

    contract: Contract
    seller: Side
    buyer: Side
    through: str = ""


@dataclass(frozen=True)
class Deal:
    """A contract as it comes out of a clearing.

    Attributes
    ----------
    contract : Contract
    anchor, other : Side
        Whose members price and volume go by, and the other side.
    by_seller : bool
        Whether the anchor is the seller.
    quantity : DataFrame [snapshot x member of the anchor], MWh of the horizon
    parts : DataFrame [snapshot x member of the other side]
        Part of each in the quantity; rows sum to 1.
    strike, reference : DataFrame [snapshot x member of the anchor], money/MWh
    peak : Series [member of the anchor], MW
        Largest volume in an hour of the delivery period.
    through : str
        Account between the two sides; "" for none.
    """

    contract: Contract
    anchor: Side
    other: Side
    by_seller: bool
    quantity: pd.DataFrame
    parts: pd.DataFrame
    strike: pd.DataFrame
    reference: pd.DataFrame
    peak: pd.Series
    through: str = ""

    @property
    def payments(self) -> dict[str, pd.DataFrame]:
        """What the seller receives per MWh, by product, [snapshot x member of the anchor]."""
        contract, premium = self.contract, 0.0 * self.strike + self.contract.premium
        above = self.strike - self.reference
        if contract.kind in ("fixed_price", "green_power"):
            if contract.price is None:
                return {CERTIFICATES: premium}
            found = {"contract energy": self.strike, "contract energy at spot": -self.reference}
            return {**found, CERTIFICATES: premium} if contract.premium else found
        title = _NAMES[contract.kind]
        if contract.kind in ("cfd", "forward"):
            return {title: above}
        paid = {
            "cap": above.clip(upper=0.0),
            "floor": -above.clip(lower=0.0),
            "one_way_cfd": above.clip(lower=0.0)
            if contract.protects == "seller"
            else above.clip(upper=0.0),
        }[contract.kind]
        seller_pays = contract.kind == "one_way_cfd" and contract.protects == "seller"
        return {title: paid, "option premium": -premium if seller_pays else premium}

    @property
    def total(self) -> pd.DataFrame:
        """What the seller receives, [snapshot x member of the anchor] in money of the horizon."""
        return sum(self.payments.values(), start=0.0 * self.strike) * self.quantity

    @property
    def receipts(self) -> pd.DataFrame:
        """Net receipts of the members of both sides, [snapshot x party] in money."""
        total = self.total if self.by_seller else -self.total
        return pd.concat([total, -self.parts.mul(total.sum(axis=1), axis="index")], axis=1)

    def enter(self, ledger: Ledger, windows: dict[str, pd.Index]) -> None:
        """Enter what each member of one side pays each of the other, or the account between."""
        for product, price in self.payments.items():
            amount = price * self.quantity
            if not self.through:
                pairs = [_pairs(frame, self.parts, windows) for frame in (amount, self.quantity)]
                sides = (pairs[0].columns.get_level_values(level) for level in (0, 1))
                flat = [pair.set_axis(range(pair.shape[1]), axis="columns") for pair in pairs]
                mine, theirs = (pd.Series(side, flat[0].columns) for side in sides)
                self._pay(ledger, product, mine, theirs, *flat)
                continue
            names = pd.Series(self.anchor.members, self.anchor.members)
            self._pay(ledger, product, names, self.through, amount, self.quantity)
            spread = [
                self.parts.mul(frame.sum(axis=1), axis="index") for frame in (amount, self.quantity)
            ]
            names = pd.Series(self.other.members, self.other.members)
            self._pay(ledger, product, self.through, names, *spread)

    def _pay(
        self, ledger: Ledger, product: str, mine: pd.Series | str, theirs: pd.Series | str,
        amount: pd.DataFrame, quantity: pd.DataFrame,
    ) -> None:  # fmt: skip
        payer, payee = (theirs, mine) if self.by_seller else (mine, theirs)
        ledger.enter(product, payer, payee, amount, quantity)

    def row(self) -> dict[str, object]:
        """Columns as in `COLUMNS`."""
        energy = float(self.quantity.to_numpy().sum())
        contract = self.contract

        def mean(price: pd.DataFrame) -> float:
            return float((price * self.quantity).to_numpy().sum()) / energy if energy else np.nan

        money = {name: mean(price) * energy if energy else 0.0
                 for name, price in self.payments.items()}  # fmt: skip
        premium = money.get("option premium", 0.0) + money.get(CERTIFICATES, 0.0)
        return {
            "contract": contract.name,
            "kind": contract.kind,
            "seller": contract.seller,
            "buyer": contract.buyer,
            "tenor": contract.tenor,
            "energy_mwh": energy,
            "strike": np.nan if contract.price is None else mean(self.strike),
            "reference": mean(self.reference),
            "premium": premium,
            "certificates_mwh": energy if contract.kind == "green_power" else 0.0,
            "amount": sum(money.values()),
        }


def struck(agreed: Agreed, basis: Basis) -> Deal:
    """Return a contract as it comes out of a clearing."""
    contract, seller, buyer, through = agreed
    by_seller = anchored_by_seller(seller, buyer)
    anchor, other = (seller, buyer) if by_seller else (buyer, seller)
    amount = volume(contract, basis, anchor, other)
    parts = amount.other
    if through:
        energy = basis.load[other.members].mul(basis.cleared.case.weights, axis="index").sum()
        if energy.sum() > 0:
            parts = 0.0 * parts + energy / energy.sum()
    reference = reference_price(contract, basis, anchor)
    if contract.price == "tariff":
        price = basis.plant.loc[anchor.members, "tariff"]
    else:
        price = pd.Series(contract.price or 0.0, anchor.members)
    return Deal(
        contract=contract,
        anchor=anchor,
        other=other,
        by_seller=by_seller,
        quantity=amount.quantity.mul(basis.cleared.case.weights, axis="index"),
        parts=parts,
        strike=0.0 * reference + price * contract.multiple,
        reference=reference,
        peak=(amount.quantity / amount.covered).max(),
        through=through,
    )


def _pairs(amount: pd.DataFrame, parts: pd.DataFrame, windows: dict[str, pd.Index]) -> pd.DataFrame:
    """Share what members of one side have among those of the other, window by window.

    [first snapshot of the window x (member, other member)].
    """
    rows = {
        index[0]: (amount.loc[index].to_numpy().T @ parts.loc[index].to_numpy()).ravel()
        for index in windows.values()
    }
    columns = pd.MultiIndex.from_product([amount.columns, parts.columns])
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)
