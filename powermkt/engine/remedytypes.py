"""What a remedy for curtailment is: something of which one may have more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pydantic

from powermkt.common.values import Strict
from powermkt.dispatch.sensitivity import Sensitivity
from powermkt.engine.regime import Regime
from powermkt.inputs.case import Case


class RemedySettings(Strict):
    """What remedies are taken to be like; all estimated, all to be changed at will.

    Parameters
    ----------
    points : float, default 0.1
        By how much a retrofit lowers the minimum stable output [1, of capacity].
    battery_hours : float, default 4
        Energy over power of new storage [h].
    round_trip : float, default 0.85
        Of new storage [1].
    boiler_efficiency : float, default 0.98
        Heat of an electric boiler [MW/MW].
    heat_to_power : float, default 1.5
        Heat of a plant per MW that it must run at for it [MW/MW].
    """

    points: float = pydantic.Field(default=0.1, gt=0, le=1)
    battery_hours: float = pydantic.Field(default=4.0, gt=0, allow_inf_nan=False)
    round_trip: float = pydantic.Field(default=0.85, gt=0, le=1)
    boiler_efficiency: float = pydantic.Field(default=0.98, gt=0, le=1)
    heat_to_power: float = pydantic.Field(default=1.5, gt=0, allow_inf_nan=False)


class Slope(NamedTuple):
    """What one unit of a remedy changes.

    Attributes
    ----------
    cost : float
        Resource cost [money of the horizon per unit].
    curtailed : float
        Unused energy [MWh of the horizon per unit].
    loose : bool
        Whether another optimal basis may say something else.
    """

    cost: float
    curtailed: float
    loose: bool


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """Something of which one may have more.

    Attributes
    ----------
    name : str
        What it is.
    where : str
        Branch or province.
    apply : callable
        Returns a case and a regime with so many units more of it, given those without. It must not
        change what it is given.
    unit : str
        Of its size.
    most : float
        Largest size there can be.
    """

    name: str
    where: str
    apply: Callable[[Case, Regime, float], tuple[Case, Regime]]
    unit: str = "MW"
    most: float = np.inf

    @property
    def label(self) -> str:
        """Name and place."""
        return f"{self.name} {self.where}"


@dataclass(frozen=True, kw_only=True)
class Increase(Remedy):
    """A remedy that changes numbers of what exists; its slope is read beside those of others.

    Attributes
    ----------
    alter : callable
        Changes a case of its own by so many units.
    parts : frozenset of (str, str)
        Beginning of the names of the variables and rows that change, and their component. No two
        remedies of a batch have one in common.
    batch : str
        Which are changed together.
    """

    alter: Callable[[Case, float], None]
    parts: frozenset[tuple[str, str]]
    batch: str


@dataclass(frozen=True, kw_only=True)
class Newcomer(Remedy):
    """A remedy that adds something, which takes the marginal values as they are.

    Attributes
    ----------
    slope : callable
        From the optimum and its case.
    """

    slope: Callable[[Sensitivity, Case], Slope]
