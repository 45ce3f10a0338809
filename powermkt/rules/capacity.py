"""What plant is paid for being there."""

from __future__ import annotations

from typing import ClassVar

import pandas as pd
import pydantic

from powermkt.common.values import HOURS_A_YEAR, NonNegative, Share
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.rules.ancillary import AncillaryRule, Payment
from powermkt.rules.base import Cleared


class CapacityPayment(AncillaryRule):
    """Capacity is paid a yearly price, for the share of the year that is cleared.

    ``p_nom x rate x share x hours / 8,760``; charged to load, if `services.charges.capacity` does
    not say otherwise. China's coal capacity price is 330 CNY/kW a year from 2024, of which 30 to
    50 % are paid by province (recalled): ``{rate: {coal: 330}, share: {coal: 0.3, Yunnan: 0.5}}``.

    Parameters
    ----------
    rate : dict
        By carrier, or by generator or storage unit [money/kW a year].
    share : dict
        What is paid of it, by carrier, province, or generator or storage unit, the most special
        first: name, province, carrier; 1 where nothing is said [1].
    """

    account: ClassVar[str] = "capacity payments"
    rate: dict[str, NonNegative] = pydantic.Field(default_factory=dict)
    share: dict[str, Share] = pydantic.Field(default_factory=dict)

    def faults(self, case: Case) -> list[Fault]:
        """Name what the case does not have."""
        plant = _plant(case)
        known = {*plant["carrier"], *plant.index} - {""}
        return [
            Fault(f"CapacityPayment.{key}", f"unknown name {name!r}", nearest(name, valid))
            for key, given, valid in (
                ("rate", self.rate, known),
                ("share", self.share, known | {*plant["province"]}),
            )
            for name in given
            if name not in valid
        ]

    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return capacity times its price for the hours cleared."""
        case, plant = cleared.case, _plant(cleared.case)
        price = []
        for name, (carrier, province) in plant[["carrier", "province"]].iterrows():
            rate = self.rate.get(str(name), self.rate.get(carrier, 0.0))
            keys = (str(name), province, carrier)
            price.append(rate * next((self.share[key] for key in keys if key in self.share), 1.0))
        yearly = plant["p_nom"] * pd.Series(price, plant.index, dtype=float) * 1000.0
        yearly = yearly[yearly > 0]
        if yearly.empty:
            return []
        part = case.weights / HOURS_A_YEAR
        amount = pd.DataFrame({name: part * money for name, money in yearly.items()})
        capacity = pd.DataFrame({name: plant.loc[name, "p_nom"] * part for name in yearly.index})
        return [Payment("capacity", "capacity payment", capacity, amount)]


def _plant(case: Case) -> pd.DataFrame:
    columns = ["carrier", "province", "p_nom"]
    return pd.concat([case.generators[columns], case.storage_units[columns]])
