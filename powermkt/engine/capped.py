"""Find the price of a limit on emissions, and what is dispatched at it.

With C the offered cost of all windows and n the sum that is limited to N, the least offered cost
under the limit is at least ``max over tau >= 0 of L(tau) - tau N`` with ``L(tau) = min C + tau n``,
and equal to it in a linear programme (Lagrangian duality; Everett 1963, doi:10.1287/opre.11.3.399).
L is concave and piecewise linear: the tangents of two solutions, one that breaks the limit and one
that keeps it, meet ever closer to the price, and exactly there once nothing lies between. At that
price both are optimal, and so is every mixture of them. The one in which the limit holds is the
optimum under the limit; the dual value is its certificate.

There is no such certificate where the sum that is limited is not what the price is put on
(emissions are capped while allowances follow output, or imports pay that are not counted), nor
where windows are cleared in steps or one after another. Then the price is found between two at
which the limit is and is not kept. Where plant is on or off, nothing is mixed: what is dispatched
is the solution that keeps the limit.

The tiny costs that choose among equal offers move what is cleared a little along the carbon price;
where tangents meet is computed without them, and may lie that much beside the two solutions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from powermkt.dispatch.outcome import Outcome, join, mixed
from powermkt.dispatch.ties import TIE_STEP
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime
from powermkt.engine.scheduling import Progress, clear_cells, parts_of, windows_kept
from powermkt.errors import ClearingError
from powermkt.inputs.case import Case

COLUMNS: dict[str, tuple[str, str]] = {
    "regime": ("", "name of the regime"),
    "carbon_price": ("money/t", "price at which the limit holds; 0 where it does not bind"),
    "limit_t": ("t", "the limit on the sum that is counted"),
    "counted_t": ("t", "what it adds up to"),
    "bracket_low": ("money/t", "price below, at which the limit is not met"),
    "bracket_high": ("money/t", "price above, at which it is met"),
    "share_low": ("1", "share of what is dispatched at the lower price; the rest is of the higher"),
    "cap_gap": ("1", "offered cost less its lower bound, relative to it; empty: no bound is known"),
    "prices_tried": ("1", "carbon prices cleared"),
}

_RESOLUTION = 1e-3  # money/t between two solutions that are mixed
_LADDER = (1e-3, 1e-2, 1e-1, 1.0)  # shares of the ceiling that are tried for an upper end
# Of the bracket, on both sides of where tangents meet within it, and from its end where they meet
# beside it: tiny costs have moved the step, nobody knows how far.
_NEAR = (0.02,)
_BESIDE = (0.02, 0.14, 0.5)
_SAME = 1e-9  # of gross emissions: what rounding leaves
_MOST_ROUNDS = 60


@dataclass(frozen=True)
class Capped:
    """The price of a limit, and how well it is known.

    Attributes
    ----------
    price : float
        [money/t].
    low, high : float
        Prices between which it lies [money/t].
    limit, counted : float
        What is allowed, and what the dispatch adds up to [t].
    share : float
        Share of the solution at the lower price in the dispatch [1].
    gap : float or None
        Offered cost less its lower bound, relative to it [1]; None where no bound is known.
    tried : int
        Carbon prices cleared.
    """

    price: float
    low: float
    high: float
    limit: float
    counted: float
    share: float
    gap: float | None
    tried: int

    def row(self, regime: str) -> dict[str, object]:
        """Row of the table of caps, as `COLUMNS`."""
        gap = np.nan if self.gap is None else self.gap
        values = (
            regime, self.price, self.limit, self.counted, self.low, self.high, self.share, gap,
            self.tried,
        )  # fmt: skip
        return dict(zip(COLUMNS, values, strict=True))

    @property
    def note(self) -> str:
        """What a run says of it."""
        sure = (
            "no lower bound of the cost is known"
            if self.gap is None
            else f"cost within {self.gap:.1e} of its lower bound"
        )
        if self.price == 0:
            return f"limit of {self.limit:,.1f} t does not bind: {self.counted:,.1f} t"
        return (
            f"limit of {self.limit:,.1f} t holds with {self.counted:,.1f} t at a carbon price of "
            f"{self.price:.6g}, between {self.low:.6g} and {self.high:.6g}; {sure}"
        )


@dataclass(frozen=True)
class _Cleared:
    """What one carbon price leads to: what is counted, and net allowances as offered [t].

    Net allowances are NaN where more is offered with the carbon price than generators' output.
    """

    tau: float
    outcome: Outcome
    counted: float
    net: float

    @property
    def without_carbon(self) -> float:
        """Offered cost without carbon costs [money]."""
        return self.outcome.minimised - self.tau * self.net

    @property
    def whole(self) -> bool:
        """Whether something in it is on or off."""
        return len(self.outcome.search) > 0

    @property
    def bound(self) -> float:
        """What no dispatch costs less than at these offers [money]."""
        search = self.outcome.search
        return self.outcome.minimised - float((search["objective"] - search["bound"]).sum())


def clear_capped(
    case: Case,
    regime: Regime,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    store: CellStore | None = None,
    progress: Progress | None = None,
    margins: bool = False,
) -> tuple[Outcome, Capped, list[str]]:
    """Clear all windows of a case under a regime whose carbon price is that of a limit.

    Parameters
    ----------
    case : Case
        With the windows to clear.
    regime : Regime
        With a rule `CarbonCap`.
    workers, cluster, store, progress, margins
        As in `scheduling.clear_cells`, which clears a few carbon prices at a time.

    Returns
    -------
    Outcome
        Of all windows, with prices at the carbon price that was found.
    Capped
    list of str
        What went wrong on the way and was mended.

    Raises
    ------
    ClearingError
        If the limit is not kept at the ceiling, naming what is reached there.
    InputError, ExecutionError, StorageError
        As `scheduling.clear_cells`.
    """
    notes: list[str] = []

    def cells(regimes: Sequence[Regime]) -> list[Outcome]:
        prices = " and ".join(f"{item.carbon_price:.4g}" for item in regimes)
        (told,) = parts_of(progress, 1, [f"price of the limit, {prices}"])
        found, said = clear_cells(
            case, regimes, workers=workers, cluster=cluster, store=store, progress=told,
            margins=margins,
        )  # fmt: skip
        notes.extend(said)
        return [
            join([found[label, item.clearing_key] for label in case.windows]) for item in regimes
        ]

    with windows_kept(case):
        outcome, found = _Finder(case, regime, cells).find()
    return replace(outcome, notes=[*outcome.notes, found.note]), found, notes


class _Finder:
    """The bracket of the price: the dearest clearing below it and the cheapest above."""

    def __init__(
        self, case: Case, regime: Regime, cells: Callable[[Sequence[Regime]], list[Outcome]]
    ) -> None:
        assert regime.cap is not None
        self._case, self._regime, self._rule, self._cells = case, regime, regime.cap, cells
        self._counted = self._rule.counted(case)
        self._in_steps = (
            case.look_ahead is not None
            or regime.two_settlement is not None
            or regime.tiers is not None
            or regime.buys_after_energy(case)
        )
        self._alone = sum(bool(taken) for taken in regime.exposure(case)) == 1
        self._low: _Cleared | None = None
        self._high: _Cleared | None = None
        self._least = (np.inf, 0.0)  # least that was counted, and the price there
        self._tried, self._bound = 0, -np.inf
        self._dual = self._alone and not self._in_steps

    def find(self) -> tuple[Outcome, Capped]:
        """Find the price and what is dispatched at it."""
        steps = [share * self._rule.ceiling for share in _LADDER]
        self._try([0.0, *steps[:2]])
        for tau in steps[2:]:
            if self._high is None:
                self._try([tau])
        low, high = self._low, self._high
        if high is None:
            counted, tau = self._least
            raise ClearingError(
                f"{self._case.name}, regime {self._regime.name!r}: carbon: the limit of "
                f"{self._rule.target:,.1f} t is below all that was reached up to a carbon price of "
                f"{self._rule.ceiling:g} (`ceiling`): {counted:,.1f} t at {tau:g}"
            )
        for _ in range(_MOST_ROUNDS):
            if low is None or high.tau - low.tau <= _RESOLUTION * (1 + 1e-9):
                break
            self._try(self._between(low, high))
            low, high = self._low or low, self._high or high
        if low is None or self._in_steps or high.whole or low.whole:
            return high.outcome, self._found(low or high, high, high.tau, 0.0)
        share = (self._rule.target - high.counted) / (low.counted - high.counted)
        share = float(np.clip(share, 0.0, 1.0))
        price = self._price(low, high)
        return _mixed(low, high, share, price), self._found(low, high, price, share)

    def _between(self, low: _Cleared, high: _Cleared) -> list[float]:
        """Prices to try next, between those of the bracket."""
        where, half = _meet(low, high), _RESOLUTION / 2
        meet = float(np.clip(where, low.tau, high.tau))
        shares = _NEAR if meet == where else _BESIDE
        steps = [half, *(share * (high.tau - low.tau) for share in shares)]
        prices = {meet + sign * step for step in steps for sign in (-1, 1)}
        if not self._dual or low.whole or high.whole:  # tangents may mislead: halve what is left
            prices = {meet - half, meet + half, (low.tau + meet) / 2, (meet + high.tau) / 2}
        return sorted(tau for tau in prices if low.tau < tau < high.tau)

    def _try(self, prices: Sequence[float]) -> None:
        """Clear at some prices, in order, and move the bracket."""
        case, target = self._case, self._rule.target
        regimes = [self._regime.at(tau) for tau in prices]
        self._tried += len(regimes)
        for item, outcome in zip(regimes, self._cells(regimes), strict=True):
            assert item.cap is not None
            energy = outcome.dispatch.mul(case.weights, axis="index")
            exposure = item.cap.exposure(case)
            self._dual &= np.allclose(exposure, self._counted, rtol=1e-12, atol=1e-12)
            counted, net, gross = (
                float((energy * rate).to_numpy().sum())
                for rate in (self._counted, exposure, case.generators["emission_rate"])
            )
            found = _Cleared(item.carbon_price, outcome, counted, net if self._alone else np.nan)
            self._least = min(self._least, (counted, found.tau))
            self._bound = max(self._bound, found.bound - found.tau * target)
            if self._high is not None and found.tau >= self._high.tau:
                continue
            if counted <= target + _SAME * gross:
                self._high = found
            elif self._low is None or found.tau > self._low.tau:
                self._low = found

    def _price(self, low: _Cleared, high: _Cleared) -> float:
        """Carbon price at which both are optimal [money/t].

        It is beside them by no more than tiny costs move it: what is further off is rounding.
        """
        moved = (low.outcome.dispatch - high.outcome.dispatch).abs()
        energy = float(moved.mul(self._case.weights, axis="index").to_numpy().sum())
        tiny = TIE_STEP * (len(self._case.carriers.renewable) + 2) * energy
        slack = tiny / (low.net - high.net) if low.net > high.net else 0.0
        return float(np.clip(_meet(low, high), low.tau - slack, high.tau + slack))

    def _found(self, low: _Cleared, high: _Cleared, price: float, share: float) -> Capped:
        """What is known of a mixture of the two."""
        cost, counted = (
            share * below + (1 - share) * above
            for below, above in (
                (low.without_carbon, high.without_carbon),
                (low.counted, high.counted),
            )
        )
        gap = max(0.0, cost - self._bound) / max(abs(cost), 1.0) if self._dual else None
        ends = min(low.tau, price), max(high.tau, price)
        return Capped(price, *ends, self._rule.target, counted, share, gap, self._tried)


def _meet(low: _Cleared, high: _Cleared) -> float:
    """Carbon price at which both are offered at the same cost; halfway if unknown [money/t]."""
    if not low.net > high.net:
        return (low.tau + high.tau) / 2
    return (high.without_carbon - low.without_carbon) / (low.net - high.net)


def _mixed(low: _Cleared, high: _Cleared, share: float, price: float) -> Outcome:
    """Mix two outcomes that are optimal at one carbon price, with the prices they have there."""
    parts = []
    for item in (low, high):
        found = item.outcome
        # While the basis stays, a price moves with the carbon price by its marginal exposure.
        moved = found.offer_price + (price - item.tau) * found.marginal_exposure
        parts.append(replace(found, offer_price=moved))
    a, b = parts
    same = np.isclose(a.offer_price, b.offer_price, rtol=0, atol=1e-6)
    own: dict[str, Any] = {
        "price_unique": a.price_unique & b.price_unique & same,
        "solver_seconds": a.solver_seconds + b.solver_seconds,
        "notes": list(dict.fromkeys([*a.notes, *b.notes])),
        # What one more MWh emits differs on both sides: it is that of the way up to the price.
        "marginal_emission": a.marginal_emission,
        "marginal_exposure": a.marginal_exposure,
        "marginal_priced": a.marginal_priced,
        "marginal_mix": a.marginal_mix,
    }
    return replace(mixed(a, b, share), **own)
