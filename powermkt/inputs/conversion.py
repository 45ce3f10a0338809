"""Units of energy and emissions, and the declared factors between them.

Some factors hold always (1 tce is 29.3076 GJ), others on a basis that has to be named: electricity
is worth its calorific value or the coal that thermal plant burns for it, and a tce emits what its
fuel does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import pandas as pd
import pydantic

from powermkt.common.values import Strict
from powermkt.errors import Fault, InputError, nearest

_T = TypeVar("_T", float, pd.Series, pd.DataFrame)
CALORIFIC = "calorific value"
POWER_SUPPLY = "power supply"


class Factor(Strict):
    """One `unit` is `factor` `into`.

    Parameters
    ----------
    unit, into : str
    factor : float
    basis : str, optional
        What has to be named for it to hold; "": it holds always.
    quality : str
        defined, sourced, recalled (not verified), or stated (by the user; the default).
    source : str
    """

    unit: str = pydantic.Field(min_length=1)
    into: str = pydantic.Field(min_length=1)
    factor: float = pydantic.Field(gt=0, allow_inf_nan=False)
    basis: str = ""
    quality: str = "stated"
    source: str = ""

    @pydantic.model_validator(mode="after")
    def _between_two(self) -> Factor:
        if self.unit == self.into:
            raise ValueError(f"{self.unit} into itself: name two units")
        return self

    @property
    def key(self) -> tuple[frozenset[str], str]:
        """What a factor is of, either way."""
        return frozenset((self.unit, self.into)), self.basis


def coal_equivalent(gce_per_kwh: float) -> Factor:
    """Return the factor from MWh to tce at a coal rate of power supply, on basis "power supply".

    Parameters
    ----------
    gce_per_kwh : float
        Coal equivalent that thermal plant burns for a kWh [g/kWh].
    """
    return Factor(unit="MWh", into="tce", basis=POWER_SUPPLY, factor=gce_per_kwh / 1000)


class Conversions:
    """The factors that come with powermkt, and those of the user before them.

    Parameters
    ----------
    own : sequence of Factor, optional
        One between the same units on the same basis takes the place of ours.

    Raises
    ------
    InputError
        If two of the user's are between the same units on the same basis.
    """

    def __init__(self, own: Sequence[Factor] = ()) -> None:
        stated = [factor.key for factor in own]
        faults = []
        for units, basis in dict.fromkeys(stated):
            if (count := stated.count((units, basis))) > 1:
                what = f"{count} factors between {' and '.join(sorted(units))}"
                what += f" on basis {basis!r}" if basis else ""
                faults.append(Fault("conversions", what, "state one of them"))
        if faults:
            raise InputError(faults)
        ours = [factor for factor in _shipped() if factor.key not in set(stated)]
        self._factors = [*ours, *own]

    @property
    def table(self) -> pd.DataFrame:
        """All factors: unit, into, factor, basis, quality, source."""
        return pd.DataFrame([item.model_dump() for item in self._factors])

    @property
    def units(self) -> list[str]:
        """Every unit that has a factor."""
        return list(dict.fromkeys(name for f in self._factors for name in (f.unit, f.into)))

    @property
    def bases(self) -> list[str]:
        """Every basis that can be named."""
        return list(dict.fromkeys(f.basis for f in self._factors if f.basis))

    def factor(self, unit: str, into: str, *bases: str) -> float:
        """Return how many `into` one `unit` is.

        Factors that hold always and those on the bases named are multiplied along the way from one
        unit to the other.

        Parameters
        ----------
        unit, into : str
        *bases : str
            Such as "calorific value", "power supply 2022", "raw coal".

        Raises
        ------
        InputError
            Naming unknown units and bases, the basis that is missing between the two units, or
            bases that contradict each other.
        """
        known = self.units
        faults = [
            Fault("conversion", f"unknown unit {name!r}", nearest(name, known))
            for name in (unit, into) if name not in known
        ]  # fmt: skip
        faults += [
            Fault("conversion", f"unknown basis {name!r}", nearest(name, self.bases))
            for name in bases if name not in self.bases
        ]  # fmt: skip
        if faults:
            raise InputError(faults)
        found = self._reached(unit, bases)
        if into not in found:
            raise InputError([self._missing(unit, into, bases)])
        for item in self._on(bases):
            if item.unit in found:
                ratio = found[item.unit] * item.factor / found[item.into]
                if abs(ratio - 1) > 1e-9:
                    what = f"{unit} to {into} has two values on {' and '.join(map(repr, bases))}"
                    remedy = "name bases that do not contradict each other"
                    raise InputError([Fault("conversion", what, remedy)])
        return found[into]

    def convert(self, value: _T, unit: str, into: str, *bases: str) -> _T:
        """Return an amount in another unit; parameters and errors as for `factor`."""
        return value * self.factor(unit, into, *bases)

    def _on(self, bases: Iterable[str]) -> list[Factor]:
        held = {"", *bases}
        return [item for item in self._factors if item.basis in held]

    def _reached(self, unit: str, bases: Iterable[str]) -> dict[str, float]:
        """What one unit is in each unit that factors lead to."""
        found, todo, factors = {unit: 1.0}, [unit], self._on(bases)
        while todo:
            here = todo.pop(0)
            for item in factors:
                if item.unit == here and item.into not in found:
                    found[item.into] = found[here] * item.factor
                    todo.append(item.into)
                elif item.into == here and item.unit not in found:
                    found[item.unit] = found[here] / item.factor
                    todo.append(item.unit)
        return found

    def _missing(self, unit: str, into: str, bases: Sequence[str]) -> Fault:
        what = f"{unit} does not convert to {into}"
        what += f" on {' and '.join(map(repr, bases))}" if bases else " without a basis"
        more = [name for name in self.bases if into in self._reached(unit, (*bases, name))]
        if more:
            return Fault("conversion", what, f"name one of {', '.join(map(repr, more))}")
        start, end = self._reached(unit, bases), self._reached(into, bases)
        between = f"from one of {', '.join(start)} to one of {', '.join(end)}"
        pairs = [
            f"{first!r} with {second!r}"
            for i, first in enumerate(self.bases) for second in self.bases[i + 1 :]
            if into in self._reached(unit, (*bases, first, second))
        ]  # fmt: skip
        if pairs:
            shown = ", ".join(pairs[:3]) + (", ..." if len(pairs) > 3 else "")
            return Fault("conversion", what, f"name two bases, such as {shown}")
        return Fault("conversion", what, f"state a factor {between}")


@cache
def _shipped() -> tuple[Factor, ...]:
    with (resources.files("powermkt") / "data" / "conversions.csv").open(encoding="utf-8") as file:
        table: Any = pd.read_csv(file, keep_default_na=False)
    return tuple(Factor.model_validate(row) for row in table.to_dict("records"))


def convert(value: _T, unit: str, into: str, *bases: str, own: Sequence[Factor] = ()) -> _T:
    """Return an amount in another unit.

    Parameters
    ----------
    value : float, Series or DataFrame
    unit, into : str
        kWh, MWh, GWh, TWh, GJ, TJ, kgce, tce, Mtce, kgCO2, tCO2, MtCO2, or one of `own`.
    *bases : str
        As for `Conversions.factor`.
    own : sequence of Factor, optional
        Factors of the user.

    Raises
    ------
    InputError
        As `Conversions` and `Conversions.factor`.

    Examples
    --------
    >>> convert(1.0, "tce", "GJ")
    29.3076
    >>> convert(1.0, "MWh", "tCO2", "power supply 2022", "raw coal")
    0.80199
    """
    return Conversions(own).convert(value, unit, into, *bases)
