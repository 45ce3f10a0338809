"""Deep peak regulation: in a market of its own, as offers in the joint clearing, or not at all."""

from __future__ import annotations

from typing import ClassVar

import linopy
import pandas as pd

from powermkt.dispatch.deeppeak import (
    add_depths,
    clearing_prices,
    depths,
    hold_base,
    offered_depths,
    regulators,
    usual_payers,
)
from powermkt.dispatch.programme import Adders
from powermkt.errors import Fault, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.services import Charge
from powermkt.rules.ancillary import AncillaryRule, Payment
from powermkt.rules.base import Cleared, Role, Rule
from powermkt.system.fleet import fleets
from powermkt.system.units import units

SERVICE = "deep_peak"


class DeepPeakMarket(AncillaryRule):
    """What plant gives below its base load rate is paid by tier, after the clearing.

    Depth below the base load rate, as a share of the capacity that is on, is cut into the tiers of
    `services.deep_peak`; each is paid the highest offer called in it, in the area and snapshot.
    Where `services.charges` says nothing of it, wind, solar and nuclear plant and plant that could
    regulate and does not pay by energy. Dispatch takes no notice.
    """

    def payments(self, cleared: Cleared) -> list[Payment]:
        """Return depth times price, all tiers together."""
        case = cleared.case
        called = depths(case, cleared.outcome)
        if not called:
            return []
        prices = clearing_prices(case, called)
        paid = [depth * price for depth, price in zip(called, prices, strict=True)]
        energy, amount = (
            sum(parts[1:], start=parts[0]).mul(case.weights, axis="index")
            for parts in (called, paid)
        )
        return [Payment(SERVICE, "deep peak regulation", energy, amount)]

    def payers(self, cleared: Cleared, service: str) -> list[Charge]:
        """Return who pays: as stated, else other plant by energy."""
        return cleared.case.market.services.charge(service, usual_payers(cleared.case))

    def margin(self, cleared: Cleared) -> pd.DataFrame:
        """Return payments: what units offered for energy does not contain depth."""
        return self.hourly(cleared)


class DeepPeakOffers(Rule):
    """Depth below the base load rate is offered in the joint clearing, as a ladder of tiers.

    Output comes below the base load rate where that is worth more than the offer of the tier: the
    locational price is then marginal cost less the offer. There is no other payment; offers
    of depth are part of what a unit offered, and of its uplift.
    """

    role: ClassVar[Role] = "ancillary"
    structural: ClassVar[bool] = True

    def faults(self, case: Case) -> list[Fault]:
        """Name who regulates and is never off."""
        return _always_on(self, case)

    def offer(self, case: Case) -> Adders:
        """Add the offers of tiers."""
        return offered_depths(case)

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add depths by tier."""
        add_depths(model, case)


class ObligatoryMinimum(Rule):
    """Plant stays at its base load rate or above while it is on: no deep peak regulation."""

    role: ClassVar[Role] = "ancillary"
    structural: ClassVar[bool] = True

    def faults(self, case: Case) -> list[Fault]:
        """Name who regulates and is never off."""
        return _always_on(self, case)

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add the base load rate as a minimum."""
        hold_base(model, case)


def _always_on(rule: Rule, case: Case) -> list[Fault]:
    """Generators that a base load rate would force to give output in every snapshot."""
    members = regulators(case)
    plain = members.difference([*fleets(case).index, *units(case).index], sort=False)
    if plain.empty:
        return []
    what = f"deep_peak holds plant up that is never off: {name_list(plain)}"
    remedy = (
        "give generators.min_stable_pu (fleets) or committable (units), or leave their carrier "
        "out of deep_peak.carriers"
    )
    return [Fault(type(rule).__name__, what, remedy)]
