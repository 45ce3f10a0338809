"""Carbon prices and how allowances are given out."""

from __future__ import annotations

from typing import ClassVar, Literal

import pandas as pd
import pydantic

from powermkt.case import Case
from powermkt.ledger import Ledger
from powermkt.programme import Adders
from powermkt.rules.base import CARBON_FUND, Cleared, Role, Rule

Allocation = Literal["auction", "lump_sum", "output_based"]


class CarbonPrice(Rule):
    """A price on emissions, with allowances auctioned, given as a lump sum, or by output.

    With emission rate e, benchmark b [t/MWh] and price tau, one more MWh costs its generator
    ``e tau`` under auction and lump-sum allocation (an allowance used is an allowance not sold)
    and ``(e - b F) tau`` where output earns allowances.

    Parameters
    ----------
    price : float, default 0
        tau [money/t].
    allocation : {"output_based", "auction", "lump_sum"}
    offered : bool, default True
        Whether generators may put the carbon cost into their offers.
    correction : float, default 1
        Correction factor F on the benchmark [1].
    free_share : float, default 1
        Lump-sum allowances as a share of reference emissions [1].
    reference_load_factor : float, default 0.5
        Output that reference emissions assume, as a share of capacity [1]; a constant, so that a
        lump sum depends on nothing a unit does.
    """

    role: ClassVar[Role] = "carbon"
    price: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    allocation: Allocation = "output_based"
    offered: bool = True
    correction: float = pydantic.Field(default=1.0, ge=0)
    free_share: float = pydantic.Field(default=1.0, ge=0, le=1)
    reference_load_factor: float = pydantic.Field(default=0.5, ge=0, le=1)

    def exposure(self, case: Case) -> pd.Series:
        """Net allowances that one more MWh of each generator takes [t/MWh]."""
        return case.generators["emission_rate"] - self._earned(case)

    def _earned(self, case: Case) -> pd.Series:
        """Allowances that one more MWh earns [t/MWh]."""
        share = float(self.allocation == "output_based")
        return share * self.correction * case.generators["benchmark"]

    def offer(self, case: Case) -> Adders:
        """Add the carbon cost to offers, if the regime lets it in."""
        if not self.offered or self.price == 0:
            return {}
        return {"Generator-p": self.price * self.exposure(case)}

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Generators surrender allowances for emissions and receive what is allocated."""
        if self.price == 0:
            return
        case, dispatch = cleared.case, cleared.outcome.dispatch
        table = case.generators
        names = pd.Series(table.index, index=table.index)
        emissions = cleared.outcome.emissions(case)
        ledger.pay("carbon allowances", names, CARBON_FUND, emissions, self.price)
        if self.allocation == "output_based":
            given = dispatch.mul(self._earned(case), axis="columns")
        elif self.allocation == "lump_sum":
            reference = (
                self.free_share
                * self.reference_load_factor
                * table["emission_rate"]
                * table["p_nom"]
            )
            given = dispatch * 0.0 + reference
        else:
            return
        ledger.pay("free allocation", CARBON_FUND, names, given, self.price)
