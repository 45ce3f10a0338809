"""Energy savings by users outside the network, which count towards obligations."""

from __future__ import annotations

from typing import ClassVar

import pydantic

from powermkt.common.values import NonNegative, Strict
from powermkt.errors import Fault, nearest
from powermkt.inputs.case import Case
from powermkt.rules.base import SAVERS, Role, Rule


class Measure(Strict):
    """One step of the supply curve of savings.

    Parameters
    ----------
    name : str
    potential : float
        Most that can be saved over the horizon [tce].
    cost : float
        Resource cost, borne by who saves [money/tce]. What pays for itself is no answer to an
        obligation and stays out.
    province : str, optional
        Where it is; needed where an obligation is met by each province for itself.
    counts : dict of str to float
        What a tce saved adds to an obligation that is at least, and takes off one that is at most,
        by name of the obligation [unit/tce].
    """

    name: str = pydantic.Field(min_length=1)
    potential: NonNegative
    cost: NonNegative
    province: str = ""
    counts: dict[str, NonNegative] = pydantic.Field(min_length=1)

    @property
    def owner(self) -> str:
        """Party that saves: bears the cost and is paid."""
        return f"{SAVERS} {self.province}".strip()


class Savings(Rule):
    """Measures that save energy which users burn themselves, beside the power system.

    The engine takes them where they are cheaper than what plant would have to do: with y_j the
    price of obligation j and u_j what a tce counts in it, a measure is worth sum_j y_j u_j, runs in
    full where that is above its cost, and not at all where it is below. It is paid in every
    obligation in which it counts: by the grid companies that are obliged under `at_least`, and
    by public funds, which the permits of plant fill, under `at_most`. Its cost is a resource cost
    beside that of the power system.

    Parameters
    ----------
    measures : list of Measure
    saved : dict of str to float
        By measure, found by the engine [tce]; what is stated plays no part.
    """

    role: ClassVar[Role] = "obligation"
    measures: list[Measure] = pydantic.Field(min_length=1)
    saved: dict[str, float] = pydantic.Field(default_factory=dict)

    def faults(self, case: Case) -> list[Fault]:
        """Name provinces that the case does not have."""
        known = {*case.provinces}
        return [
            Fault(
                f"Savings: measure {item.name!r}.province",
                f"unknown name {item.province!r}",
                nearest(item.province, known),
            )
            for item in self.measures
            if item.province and item.province not in known
        ]

    def borne(self) -> dict[str, float]:
        """What measures cost those who save, by party [money of the horizon]."""
        found: dict[str, float] = {}
        for item in self.measures:
            cost = self.saved.get(item.name, 0.0) * item.cost
            found[item.owner] = found.get(item.owner, 0.0) + cost
        return found
