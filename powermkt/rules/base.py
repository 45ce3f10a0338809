"""What a rule may say, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import linopy
import pandas as pd
import pydantic

from powermkt.common.ledger import Ledger
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import PriceRun
from powermkt.dispatch.programme import Adders, Limits
from powermkt.errors import Fault
from powermkt.inputs.case import Case
from powermkt.system.units import Commitment

Role = Literal[
    "dispatch", "trade", "pricing", "carbon", "ancillary", "settlement", "renewables", "contract",
    "retail", "demand", "obligation",
]  # fmt: skip

# Parties of the ledger that are no component of the network.
MARKET = "market operator"
TRANSMISSION = "transmission owner"
EXCESS = "excess generation"
SAVERS = "energy users"  # who burn fuel themselves, and may save some of it
# Groups of those who are one.
GROUPS = ("consumers", "producers", "storage", "grid companies", "transmission")


def grid_company(province: str) -> str:
    """Name of the account of a province's grid company."""
    return f"grid company {province}"


@dataclass(frozen=True)
class Cleared:
    """A case, what its clearing decided, and the carbon cost that units see per MWh.

    `carbon_adder` [money/MWh, snapshot x generator] is what one more MWh costs under the allowance
    rule, whether or not the regime lets it into offers. `margin` [money/h, snapshot x provider] is
    what ancillary services and the origin of imports pay units beyond their offers. `stated` is
    what users would pay without a retail rule, charges for services included.
    """

    case: Case
    outcome: Outcome
    carbon_adder: pd.DataFrame
    margin: pd.DataFrame = field(default_factory=pd.DataFrame)
    stated: Prices | None = None
    known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True)
class Prices:
    """What a pricing rule announces.

    Attributes
    ----------
    nodal : DataFrame [snapshot x bus], money/MWh
        The hourly price signal at each bus.
    wholesale : DataFrame [snapshot x province], money/MWh
        What generation is paid, per MWh.
    retail : DataFrame [snapshot x load], money/MWh
        What users pay, all charges included.
    energy : DataFrame [snapshot x load], money/MWh
        The price of energy in it: without charges for networks and uplift.
    """

    nodal: pd.DataFrame
    wholesale: pd.DataFrame
    retail: pd.DataFrame
    energy: pd.DataFrame


class Sale(NamedTuple):
    """What plant sells in one settlement, and at which price.

    Attributes
    ----------
    quantity : DataFrame [snapshot x generator, storage unit, store], MW
    price : DataFrame [snapshot x generator, storage unit, store], money/MWh
    """

    quantity: pd.DataFrame
    price: pd.DataFrame


class Rule(pydantic.BaseModel):
    """One rule of a regime: a frozen value with up to four things to say.

    A subclass implements the hooks it needs: `offer` (objective), `limit` (bounds), `constrain`
    (rows) and `settle` (payments). What only ranks units and is nobody's offer goes to `rank_by`:
    it decides dispatch and enters no price. Offers and limits change numbers only; `constrain`
    alone changes the structure of the programme.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    role: ClassVar[Role]
    structural: ClassVar[bool] = False  # whether `constrain` adds anything

    @classmethod
    def only_settles(cls) -> bool:
        """Whether the rule leaves the programme alone."""
        hooks = ("offer", "rank_by", "limit", "constrain")
        return all(getattr(cls, hook) is getattr(Rule, hook) for hook in hooks)

    @property
    def inert(self) -> bool:
        """Whether, beside the others of its regime, it leaves the clearing alone after all."""
        return False

    def hourly_share(self, user_class: str) -> float:
        """Return the share of users' energy whose price this rule lets move with the hour [1]."""
        return 1.0

    def fixed_charge(self, user_class: str) -> float:
        """Return what users pay per MWh by this rule whatever is cleared [money/MWh]."""
        return 0.0

    def among(self, rules: Sequence[Rule]) -> Rule:
        """Return the rule as it stands beside the others of its regime.

        All that it is told is set anew: it may come from a regime with other rules.
        """
        return self

    @property
    def rows(self) -> Any:
        """What the rows depend on that `constrain` adds; equal text means equal rows."""
        return self

    def faults(self, case: Case) -> list[Fault]:
        """Return what the case lacks for this rule."""
        return []

    def offer(self, case: Case) -> Adders:
        """Return, by variable, what is added to resource cost [money/MWh]."""
        return {}

    def rank_by(self, case: Case) -> Adders:
        """Return, by variable, weights that rank units without being offers [money/MWh]."""
        return {}

    def exposures(self, case: Case) -> Adders:
        """Return, by variable, the allowances that one more MWh takes [t/MWh]."""
        return {}

    def limit(self, case: Case) -> Limits:
        """Return, by variable, lower and upper bounds [MW]."""
        return {}

    def constrain(self, model: linopy.Model, case: Case) -> None:
        """Add variables and rows to the model of a window."""

    def settle(self, ledger: Ledger, cleared: Cleared) -> None:
        """Enter payments."""

    def user_charge(self, cleared: Cleared) -> pd.DataFrame | float:
        """Return what users pay by this rule beside the pricing rule's retail price.

        [snapshot x load] in money/MWh of what they are served; below 0: what they are given.
        """
        return 0.0

    def notes(self, cleared: Cleared) -> list[str]:
        """Return what is worth saying about what was settled."""
        return []


class PricingRule(Rule):
    """A rule that says at which prices is settled."""

    role: ClassVar[Role] = "pricing"
    locational: ClassVar[bool] = False  # whether marginal values of the clearing are paid
    marginal: ClassVar[bool] = False  # whether the hourly price signal is such a value
    contracts: ClassVar[bool] = False  # whether it states what users pay under contracts

    def hourly_share(self, user_class: str) -> float:
        """All where the hour's marginal value is paid, nothing under a tariff."""
        return float(self.locational)

    def price_run(self, case: Case, done: Commitment) -> PriceRun | None:
        """Return what a run for prices changes once units are committed; None: nothing."""
        return None

    def prices(self, cleared: Cleared) -> Prices:
        """Return the prices this rule announces."""
        raise TypeError(f"{type(self).__name__} does not state prices")

    def sales(self, cleared: Cleared) -> list[Sale]:
        """Return what plant sells at which price, one entry for each settlement of a day."""
        raise TypeError(f"{type(self).__name__} does not state sales")

    def market_prices(self, cleared: Cleared) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
        """Return prices of energy, one pair of frames for each settlement of a day.

        By bus, [snapshot x bus], and what users pay, [snapshot x load]; money/MWh.
        """
        raise TypeError(f"{type(self).__name__} has no market price")
