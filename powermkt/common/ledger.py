"""Who pays whom for what: double entry, so that a payment always has two sides."""

from __future__ import annotations

import pandas as pd

COLUMNS = ["payer", "payee", "product", "period", "quantity", "price", "amount"]


class Ledger:
    """Payments of one run, added up by period.

    Parameters
    ----------
    periods : Series [snapshot]
        Label of the period that each snapshot belongs to.
    weights : Series [snapshot]
        Hours that each snapshot stands for [h].
    """

    def __init__(self, periods: pd.Series, weights: pd.Series) -> None:
        self._periods, self._weights = periods, weights
        self._parts: list[pd.DataFrame] = []

    def pay(
        self,
        product: str,
        payer: pd.Series | str,
        payee: pd.Series | str,
        quantity: pd.DataFrame,
        price: pd.DataFrame | pd.Series | float,
    ) -> None:
        """Enter `quantity x price` for each column of `quantity`.

        Parameters
        ----------
        product : str
            What is paid for.
        payer, payee : Series [column] or str
            Party of each column. A negative amount is paid the other way round.
        quantity : DataFrame [snapshot x column]
            Rate per hour, e.g. MW for energy, t/h for allowances.
        price : DataFrame [snapshot x column], Series [column] or float
            Money per unit.
        """
        if quantity.empty:
            return
        if isinstance(price, pd.Series):
            rate = quantity.mul(price.reindex(quantity.columns), axis="columns")
        else:
            rate = quantity * price
        weighted = [frame.mul(self._weights, axis="index") for frame in (rate, quantity)]
        self._add(product, payer, payee, *map(self._sum, weighted))

    def enter(
        self, product: str, payer: pd.Series | str, payee: pd.Series | str, amount: pd.DataFrame,
        quantity: pd.DataFrame | None = None,
    ) -> None:  # fmt: skip
        """Enter amounts that are no price times a quantity.

        Parameters
        ----------
        product, payer, payee
            As for `pay`.
        amount : DataFrame [snapshot x column]
            Money of the horizon.
        quantity : DataFrame [snapshot x column], optional
            What is paid for, over the horizon.
        """
        if not amount.empty:
            total = self._sum(amount)
            volume = 0.0 * total if quantity is None else self._sum(quantity)
            self._add(product, payer, payee, total, volume)

    def _add(
        self, product: str, payer: pd.Series | str, payee: pd.Series | str,
        amount: pd.DataFrame, volume: pd.DataFrame,
    ) -> None:  # fmt: skip
        part = amount.rename_axis(index="period").reset_index()
        part = part.melt("period", var_name="column", value_name="amount")
        part["quantity"] = volume.to_numpy().ravel(order="F")
        for side, party in (("payer", payer), ("payee", payee)):
            part[side] = part["column"].map(party) if isinstance(party, pd.Series) else party
        if part[["payer", "payee", "amount", "quantity"]].isna().any().any():
            what = "a party, an amount or a quantity"
            raise ValueError(f"ledger entry for {product!r} lacks {what}")
        part["product"] = product
        part["price"] = (part["amount"] / part["quantity"]).where(part["quantity"].abs() > 1e-9)
        self._parts.append(part.loc[part["amount"] != 0, COLUMNS])

    def _sum(self, frame: pd.DataFrame) -> pd.DataFrame:
        total: pd.DataFrame = frame.groupby(self._periods, sort=False).sum()
        if (lacking := frame.isna()).to_numpy().any():  # a sum leaves these away
            total = total.mask(lacking.groupby(self._periods, sort=False).any())
        return total

    def table(self) -> pd.DataFrame:
        """Tidy entries: payer, payee, product, period, quantity, price, amount."""
        if not self._parts:
            return pd.DataFrame(columns=COLUMNS)
        keys = ["payer", "payee", "product", "period"]
        whole = pd.concat(self._parts, ignore_index=True)
        whole = whole.groupby(keys, sort=False, as_index=False)[["quantity", "amount"]].sum()
        whole["price"] = (whole["amount"] / whole["quantity"]).where(whole["quantity"].abs() > 1e-9)
        return whole[COLUMNS]


def balances(entries: pd.DataFrame) -> pd.Series:
    """Net receipts of every party [money]; they sum to zero."""
    received = entries.groupby("payee")["amount"].sum()
    paid = entries.groupby("payer")["amount"].sum()
    return received.sub(paid, fill_value=0.0)
