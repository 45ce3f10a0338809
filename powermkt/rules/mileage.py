"""A market for AGC mileage, after the clearing of energy."""

from __future__ import annotations

import pandas as pd

from powermkt.dispatch.mileage import Called, call, servers
from powermkt.inputs.case import Case
from powermkt.rules.ancillary import AncillaryRule, Payment
from powermkt.rules.base import Cleared

SERVICE = "mileage"


class MileageMarket(AncillaryRule):
    """Mileage is bought by bid over performance and paid one price, times performance.

    ``mileage x price x min(K, paid_k_cap)``, for the needs and bids of `services.mileage`; only who
    is on serves. What nobody can serve is short. Dispatch takes no notice: capacity for regulation
    is procured by the products.
    """

    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return mileage times price times performance."""
        case = cleared.case
        parts = call(case, cleared.outcome)
        if not parts:
            return []
        mileage = _together([part.mileage for part in parts])
        amount = _together(paid(case, parts))
        hours = case.weights
        quantity = mileage.mul(hours, axis="index")
        return [Payment(SERVICE, "AGC mileage", quantity, amount.mul(hours, axis="index"))]

    def margin(self, cleared: Cleared) -> pd.DataFrame:
        """Return payments less bids, never negative.

        Who follows badly is paid less than its bid: that is its loss, and no uplift returns it.
        """
        parts = call(cleared.case, cleared.outcome)
        if not parts:
            return super().margin(cleared)
        bid = servers(cleared.case)["bid"]
        beyond = self.hourly(cleared) - _together([part.mileage for part in parts]) * bid
        return beyond.clip(lower=0.0)


def paid(case: Case, parts: list[Called]) -> list[pd.DataFrame]:
    """What mileage in each zone is paid, [snapshot x provider] in money/h."""
    data = case.market.services.mileage
    if data is None:
        return []
    k = servers(case)["k"].clip(upper=data.paid_k_cap)
    return [part.mileage.mul(part.price, axis="index") * k[part.mileage.columns] for part in parts]


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables of zones side by side: no provider is in two of them."""
    return pd.concat(parts, axis=1)
