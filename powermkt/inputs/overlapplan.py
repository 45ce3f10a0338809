"""A study of instruments that overlap, as data: which there are, their targets, measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pydantic

from powermkt.common.files import load_yaml
from powermkt.common.values import NonNegative, Strict
from powermkt.errors import validated
from powermkt.inputs.conversion import Factor
from powermkt.inputs.instruments import YEARS, Instrument

Key = Literal["carbon", "energy_use", "white", "green"]
REGISTERED: dict[str, str] = {  # under which key each stands in the registry
    "carbon": "carbon_market",
    "energy_use": "energy_use_rights",
    "white": "white_certificates",
    "green": "green_certificates",
}
UNITS = {"carbon": "tCO2", "energy_use": "tce", "white": "tce", "green": "MWh"}


class Target(Strict):
    """What an instrument asks for.

    Parameters
    ----------
    target : float or dict of str to float
        [unit of the horizon], of all together or by province.
    share : float or dict of str to float
        In its place: of what comes out without any instrument [1], of all or by province.
    tradable : bool, default True
        Targets by province are met together; otherwise each by its own plant and measures.
    shortfall_price : float, optional
        What may be paid in the place of a unit [money/unit].
    """

    target: NonNegative | dict[str, NonNegative] | None = None
    share: NonNegative | dict[str, NonNegative] | None = None
    tradable: bool = True
    shortfall_price: NonNegative | None = None

    @pydantic.model_validator(mode="after")
    def _one_target(self) -> Target:
        if (self.target is None) == (self.share is None):
            raise ValueError("state one of target and share")
        if {} in (self.target, self.share):
            raise ValueError("target or share: names no province")
        if not self.tradable and not isinstance(self.target or self.share, dict):
            raise ValueError("what is not tradable has a target or share for each province")
        return self


class GreenTarget(Target):
    """A target of green certificates, at least so many MWh.

    Parameters
    ----------
    carriers : list of str, default ["renewable"]
        Whose output is issued certificates.
    credit : float, optional
        What one certificate is worth where it is credited in carbon [tCO2/MWh]; default: the mean
        emission rate of the output of emitting plant without instruments.
    """

    carriers: tuple[str, ...] = ("renewable",)
    credit: NonNegative | None = None


class Measure(Strict):
    """A step of the supply curve of energy savings by users, of fuel that no plant burns.

    Parameters
    ----------
    name : str
    potential : float
        [tce of the horizon]
    cost : float
        [money/tce]
    province : str, optional
        Where it counts; needed where a target is not tradable.
    fuel : str or float, default "raw coal"
        Basis on which a tce converts to tCO2, or the factor itself [tCO2/tce].
    counts : list of {"carbon", "energy_use", "white"}, optional
        Instruments that register what it saves; default: every one that the study has.
    """

    name: str = pydantic.Field(min_length=1)
    potential: NonNegative
    cost: NonNegative
    province: str | None = None
    fuel: str | NonNegative = "raw coal"
    counts: tuple[Literal["carbon", "energy_use", "white"], ...] | None = None


class OverlapPlan(Strict):
    """Instruments that are cleared alone, together, and merged.

    Parameters
    ----------
    year : int, optional
        Whose instruments exist; those that began later are left out. Default: all that are stated.
    carbon : Target, optional
        At most so many tCO2 of plant.
    energy_use : Target, optional
        At most so many tce of fuel burnt by plant.
    white : Target, optional
        At least so many tce saved by measures; a share is one of the fuel that plant burns without
        instruments.
    green : GreenTarget, optional
    measures : list of Measure
    fuel : dict of str to str or float
        By emitting carrier: the basis on which a tce of its fuel converts to tCO2, or the factor
        itself [tCO2/tce]. Fuel of a plant is its emission rate over that.
    conversions : list of Factor
        Before those of the market file and those that come with powermkt.
    instruments : list of Instrument
        Beside those that come with powermkt.
    """

    year: int | None = pydantic.Field(default=None, ge=YEARS[0], le=YEARS[1])
    carbon: Target | None = None
    energy_use: Target | None = None
    white: Target | None = None
    green: GreenTarget | None = None
    measures: tuple[Measure, ...] = ()
    fuel: dict[str, str | float] = pydantic.Field(default_factory=dict)
    conversions: tuple[Factor, ...] = ()
    instruments: tuple[Instrument, ...] = ()

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> OverlapPlan:
        if not self.stated:
            raise ValueError(f"states no instrument: state some of {', '.join(REGISTERED)}")
        names = [item.name for item in self.measures]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"measures: {', '.join(sorted(twice))} stands twice")
        if self.white is not None and not self.measures:
            raise ValueError("white certificates are met by measures: state some")
        if bad := [key for key, value in self.fuel.items() if not isinstance(value, str)
                   and not 0 < value < float("inf")]:  # fmt: skip
            raise ValueError(f"fuel: {', '.join(bad)}: a factor is above 0")
        return self

    @property
    def stated(self) -> list[str]:
        """Keys of the instruments that it states."""
        return [key for key in REGISTERED if getattr(self, key) is not None]

    def target(self, key: str) -> Target:
        """Target of an instrument."""
        found = getattr(self, key)
        assert isinstance(found, Target)
        return found

    def provinces(self, key: str) -> list[str]:
        """Provinces that the target of an instrument names; none where it is one of all."""
        target = getattr(self, key)
        given = None if target is None else target.target or target.share
        return [*given] if isinstance(given, dict) else []


def overlap_plan(source: OverlapPlan | Mapping[str, Any] | str | Path) -> OverlapPlan:
    """Return a study, from a mapping or a YAML file where it is none yet.

    Raises
    ------
    InputError
        Naming every fault of it.
    """
    if isinstance(source, OverlapPlan):
        return source
    where = str(source) if isinstance(source, str | Path) else "study"
    content = load_yaml(Path(source)) if isinstance(source, str | Path) else source
    return validated(OverlapPlan, content, where)
