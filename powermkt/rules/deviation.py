"""What who departs from the plan pays."""

from __future__ import annotations

from typing import ClassVar, Literal

import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.common.values import NOISE_MW
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.rules.ancillary import AncillaryRule, Payment
from powermkt.rules.base import Cleared


class DeviationPenalty(AncillaryRule):
    """Generators pay for output that departs from the day-ahead plan by more than a tolerance.

    ``rate x max(0, |real time - plan| - tolerance x (plan or capacity))``. What is paid goes back
    to those that `services.charges.deviation` names, by default to load. Where a day is not
    settled twice there is no plan, and nobody pays; nor for less than 1 kW, which is noise of the
    solver.

    Parameters
    ----------
    rate : float, default 0
        [money/MWh].
    tolerance : float, default 0.05
        Share of the plan, or of capacity [1].
    of : {"plan", "capacity"}
        What the tolerance is a share of.
    carriers : list of str, optional
        Whose output counts; default: all.
    """

    account: ClassVar[str] = "penalties"
    rate: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    tolerance: float = pydantic.Field(default=0.05, ge=0, allow_inf_nan=False)
    of: Literal["plan", "capacity"] = "plan"
    carriers: list[str] | None = None

    def faults(self, case: Case) -> list[Fault]:
        """Name carriers that the case does not have."""
        known = {*case.generators["carrier"]} - {""}
        return [
            Fault("DeviationPenalty.carriers", f"unknown carrier {name!r}", nearest(name, known))
            for name in self.carriers or []
            if name not in known
        ]

    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return penalties, below zero."""
        case, ahead = cleared.case, cleared.outcome.day_ahead
        if ahead is None or not self.rate:
            return []
        table = case.generators
        if self.carriers is not None:
            table = table[table["carrier"].isin(self.carriers)]
        plan = ahead.dispatch[table.index]
        measure = plan.abs() if self.of == "plan" else 0.0 * plan + table["p_nom"]
        change = (cleared.outcome.dispatch[table.index] - plan).abs()
        beyond = (change - self.tolerance * measure).clip(lower=0.0)
        energy = beyond.where(beyond > NOISE_MW, 0.0).mul(case.weights, axis="index")
        return [Payment("deviation", "deviation penalty", energy, -self.rate * energy)]

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Enter what is paid in, and what is given back."""
        for item in self.payments(cleared):
            names = pd.Series(item.amount.columns, item.amount.columns)
            ledger.enter(item.title, names, self.account, -item.amount, item.quantity)
        for title, amounts in self.charges(cleared).items():
            names = pd.Series(amounts.columns, amounts.columns)
            ledger.enter(f"{title} returned", self.account, names, -amounts)
