"""What comparing one case with its reference gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """powermkt's result beside one that was published.

    Attributes
    ----------
    case, source : str
        What was cleared; who solved it first.
    expected, found : str
        Objective, as it is printed: there and here.
    deviation : float
        Of the objective, relative [1]; of intervals, the gap between them.
    tolerance : str
        Of all that is compared.
    passed : bool
    price_deviation : float, optional
        Largest deviation of a unique price [money/MWh].
    note : str
        What else was compared, or stands in the way.
    """

    case: str
    source: str
    expected: str
    found: str
    deviation: float
    tolerance: str
    passed: bool
    price_deviation: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Reference:
    """A case that can be checked.

    Attributes
    ----------
    name : str
    check : callable
        Clears the case.
    slow : bool
        Takes more than a few seconds.
    """

    name: str
    check: Callable[[], Check]
    slow: bool = False


def every() -> Iterator[Reference]:
    """All references, in the order of the table."""
    from benchmarks.references import dcopf, dcopf_published, most_uc, pglib_uc

    for module in (dcopf, dcopf_published, most_uc, pglib_uc):
        yield from module.references()
