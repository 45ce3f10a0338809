"""The recipe: which cases are cleared, and how close an answer must be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import pydantic

from powermkt.common.files import load_yaml
from powermkt.common.values import NonNegative, Strict
from powermkt.errors import Fault, InputError, nearest

FILE = Path(__file__).parent / "recipe.yaml"


class Tolerances(Strict):
    """How far an answer may be off.

    Parameters
    ----------
    mwh : float
        Beyond the range [MWh].
    share : float
        Beyond the range, of available energy; added to `mwh` [1].
    objective : float
        Relative [1].
    """

    mwh: NonNegative
    share: NonNegative
    objective: NonNegative


class Recipe(Strict):
    """One case of the benchmark.

    Parameters
    ----------
    about : str
    source : str
        Folder of the network, or the name of a network that `cases` builds.
    size : {"small", "day", "large"}
        Of what `--quick` leaves out the large.
    storage, commitment : str
        How storage, seams and commitment are treated.
    regimes : dict of str to float
        Regimes and their carbon prices [money/t].
    start : str, optional
        First snapshot; default: all snapshots.
    hours : int, optional
        Snapshots from there.
    peer : list of str, optional
        Regimes that stock PyPSA clears as well; default: all.
    """

    about: str
    source: str
    size: Literal["small", "day", "large"]
    storage: str
    commitment: str
    regimes: dict[str, NonNegative] = pydantic.Field(min_length=1)
    start: str | None = None
    hours: int | None = pydantic.Field(default=None, gt=0)
    peer: list[str] | None = None


class Book(Strict):
    """The whole recipe."""

    definition: str
    tie_break: str
    range: str
    tolerances: Tolerances
    cases: dict[str, Recipe]


class Cell(NamedTuple):
    """One case under one regime."""

    case: str
    regime: str
    carbon_price: float

    @property
    def recipe(self) -> Recipe:
        """What the recipe says of the case."""
        return book().cases[self.case]

    @property
    def peered(self) -> bool:
        """Whether stock PyPSA clears it as well."""
        return self.recipe.peer is None or self.regime in self.recipe.peer


@cache
def book() -> Book:
    """Return the recipe."""
    return Book.model_validate(load_yaml(FILE))


def cells(cases: Sequence[str] | None = None, quick: bool = False) -> list[Cell]:
    """Return the cells of some cases, in the order of the recipe.

    Parameters
    ----------
    cases : sequence of str, optional
        Default: all, or with `quick` all but the large ones.
    quick : bool, default False

    Raises
    ------
    InputError
        Naming every case that the recipe does not have.
    """
    known = book().cases
    faults = [
        Fault(f"case {name!r}", "is not in the recipe", nearest(name, known))
        for name in cases or ()
        if name not in known
    ]
    if faults:
        raise InputError(faults)
    return list(_cells(cases or [k for k, v in known.items() if not (quick and v.size == "large")]))


def _cells(cases: Sequence[str]) -> Iterator[Cell]:
    for name, recipe in book().cases.items():
        if name in cases:
            for regime, price in recipe.regimes.items():
                yield Cell(name, regime, price)
