"""Energy first, then reserves, then energy again: one window in three steps.

1. Energy is cleared as if no reserve were required: provisional output, commitment and prices.
2. Reserves are bought at offers and lost opportunity cost at those prices
   (`powermkt.dispatch.auction`).
3. Energy is cleared with what was bought withheld. Units stay as committed in the first step;
   fleets, whose level is continuous, are decided again, so that replacement energy can come on and
   the price of energy holds what it costs to be on, as the provisional one does. An award may be
   given up at the shortage price, which keeps the step feasible: without awards it is the first.

Dispatch is that of the third step. Its prices are the marginal values of energy with all awards as
they turned out, so that no shortage price is in them: where all that is left runs, the price is
that of the last MWh served. The prices of reserves are those of the second step, for whatever
amount the third leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from powermkt.dispatch.auction import Auction, Sold
from powermkt.dispatch.clearing import Builder, Constrain, clear
from powermkt.dispatch.outcome import Outcome
from powermkt.dispatch.posing import Numbers, PriceRun
from powermkt.dispatch.programme import Limits
from powermkt.inputs.case import Case
from powermkt.system.products import Book, book_of, shortage_steps
from powermkt.system.units import STATUS

_GIVEN_UP_MW = 1e-3


class ThreeSteps:
    """Programmes of one window and structure: energy alone, reserves, energy beside awards.

    `energy` is the first of them.

    Parameters
    ----------
    case : Case
        The window; some reserve is required in it.
    builder : Builder
    alone, both : sequence of callable
        What adds the rows of all rules but the one that procures reserves, and of all.
    """

    def __init__(
        self, case: Case, builder: Builder, alone: Sequence[Constrain], both: Sequence[Constrain]
    ) -> None:
        book = book_of(case)
        assert book is not None
        self._case, self._book = case, book.live()
        self.energy, self._both = builder.programme(alone), builder.programme(both)
        self._auction = Auction(case, self.energy)

    def clear(
        self, alone: Numbers, both: Numbers, paid: Callable[[Outcome], pd.DataFrame]
    ) -> Outcome:
        """Clear the three steps.

        Parameters
        ----------
        alone, both : Numbers
            What all rules but the one that procures reserves put in, and all.
        paid : callable
            From an outcome, at what price energy settles, [snapshot x bus] in money/MWh.

        Raises
        ------
        ClearingError
            As `clearing.clear`.
        """
        case = self._case
        provisional = clear(case, self.energy, alone)
        prices = paid(provisional)
        sold = self._auction.clear(provisional, alone, both, prices)
        limits = [*both.limits, self._at_most(sold.awards)]
        if len(provisional.status.columns):
            limits.append({STATUS: (provisional.status, provisional.status)})
        outcome = clear(
            case, self._both, replace(both, limits=limits, price_run=self._with_awards(both))
        )
        outcome.reserve_price = sold.prices
        outcome.provisional_price = prices
        if len(provisional.search):
            outcome.search = provisional.search  # the later ones find what is fixed
        outcome.solver_seconds += provisional.solver_seconds + sold.seconds
        label = next(iter(case.windows))
        said = [note.removeprefix(f"{label}: ") for note in provisional.notes] + sold.notes
        outcome.notes += [f"{label}: before reserves were withheld: {note}" for note in said]
        outcome.notes += [f"{label}: {note}" for note in _given_up(sold, outcome)]
        return outcome

    def _at_most(self, awards: pd.DataFrame) -> Limits:
        """Limits under which nobody holds more than was bought."""
        return {
            name: (0.0 * bought, bought)
            for name, bought in _by_variable(self._book, awards).items()
        }

    def _with_awards(self, both: Numbers) -> Callable[[Outcome], PriceRun]:
        """A run for prices in which awards are what they are, and what is short costs nothing."""
        free = {
            zone.row: pd.Series({str(i): -price for i, (_, price) in enumerate(steps)})
            for zone in self._book.zones
            for steps in [shortage_steps(self._case, zone.product)]
        }

        def run(found: Outcome) -> PriceRun:
            said = None if both.price_run is None else both.price_run(found)
            said = PriceRun({}, {}) if said is None else said
            held = _by_variable(self._book, found.reserve)
            fixed = {name: (awards, awards) for name, awards in held.items()}
            return PriceRun({**said.adders, **free}, {**said.bounds, **fixed})

        return run


def _by_variable(book: Book, awards: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Awards by the name of their variable, [snapshot x group] in MW."""
    return {
        lot.variable: lot.summed(awards[lot.product][lot.quality].clip(lower=0.0))
        for lot in book.lots
    }


def _given_up(sold: Sold, outcome: Outcome) -> list[str]:
    """Say which awards were given up so that energy could be served."""
    less = (sold.awards - outcome.reserve).T.groupby(level="product").sum().T
    return [
        f"reserve {product} was given up for energy in "
        f"{int((less[product] > _GIVEN_UP_MW).sum())} snapshots, up to {most:,.1f} MW"
        for product, most in less.max().items()
        if most > _GIVEN_UP_MW
    ]
