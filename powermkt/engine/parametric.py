"""The programme of one window as a function of the carbon price, solved on one live solver."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import pairwise

import numpy as np
import pandas as pd

from powermkt.common.values import NOISE_MW
from powermkt.dispatch.clearing import Builder, refuse_slack
from powermkt.dispatch.posing import offered_costs
from powermkt.dispatch.ties import tie_costs
from powermkt.engine.regime import Regime
from powermkt.engine.window import numbers_of
from powermkt.errors import ClearingError, Fault, InputError
from powermkt.inputs.case import Case
from powermkt.methods.staircase import Search, Spot, Staircase, Step

_TIES = 0.01  # as a share of the tiny costs of a clearing
_AFFINE = 1e-9  # money/t and MWh per money/t, relative: what rounding leaves
_MOST_KINKS = 32


@dataclass(frozen=True)
class Trace:
    """The staircase of one window.

    Attributes
    ----------
    first : Spot
        At the lowest carbon price.
    steps : list of Step
        In the order of their carbon prices.
    kinks : list of (float, float)
        Carbon prices at which offers bend, and by how much the slope changes there [t].
    units : DataFrame
        What the entries of `Spot.energy` are: generators, then storage units; province, carrier.
    complete : bool
        Whether every step is certified.
    envelope_error : float
        Difference between the change of the offered cost and the integral of its slope, relative
        to the offered cost [1].
    left_error : float
        By how much the offered cost may lie below what steps say that are not certified, relative
        to it [1].
    solves : int
    seconds : float
        Time spent in HiGHS [s].
    notes : list of str
    """

    first: Spot
    steps: list[Step]
    kinks: list[tuple[float, float]]
    units: pd.DataFrame
    complete: bool
    envelope_error: float
    left_error: float
    solves: int
    seconds: float
    notes: list[str]


def trace(case: Case, regime: Regime, search: Search) -> Trace:
    """Find the staircase of one window.

    Parameters
    ----------
    case : Case
        The window.
    regime : Regime
        That of one clearing by a linear programme; its carbon price does not matter.
    search : Search

    Raises
    ------
    InputError
        If units or reserves are switched on or off, or limits or offers depend on the carbon price
        in a way that has no steps.
    ClearingError
        As `clearing.clear`.
    """
    window = _Window(case, regime)
    pieces = window.pieces(search.low, search.high)
    found = []
    for piece in pieces:
        # Where offers do not move, one end says it all.
        high = piece.high if piece.slope.any() else piece.low
        part = replace(search, low=piece.low, high=high, most=search.most - window.solves)
        found.append(Staircase(partial(window.solve, piece), part))
    first = found[0].first
    scale = max(abs(first.offered), 1.0)
    steps = [step for part in found for step in part.steps]
    label = next(iter(case.windows))
    return Trace(
        first=first,
        steps=steps,
        kinks=[(b.first.tau, b.first.slope - a.last.slope) for a, b in pairwise(found)],
        units=window.units,
        complete=all(step.certified for step in steps),
        envelope_error=sum(part.envelope_error for part in found) / scale,
        left_error=max(part.left_error for part in found) / scale,
        solves=window.solves,
        seconds=window.seconds,
        notes=[f"{label}: {note}" for note in window.notes],
    )


@dataclass(frozen=True)
class _Piece:
    """A range of carbon prices in which offers are affine: ``cost + (tau - low) slope``."""

    low: float
    high: float
    cost: np.ndarray
    slope: np.ndarray

    def at(self, tau: float) -> np.ndarray:
        """Offered cost of each column [money of the horizon]."""
        return self.cost + (tau - self.low) * self.slope


class _Window:
    """The programme of a window with its live solver, under a regime at any carbon price."""

    def __init__(self, case: Case, regime: Regime) -> None:
        self._case, self._regime = case, regime
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # PyPSA's next string type
            builder = Builder(case)
            self._programme = builder.programme([rule.constrain for rule in regime.rules])
            builder.close()
        label = next(iter(case.windows))
        self.notes: list[str] = []
        if self._programme.integral.any() and not regime.units.relaxed:
            what = "something is on or off: its steps are not those of a linear programme"
            fault = Fault(f"{case.name}, window {label!r}", what, "relax units (`units.relaxed`)")
            raise InputError([fault])
        if self._programme.integral.any():
            self.notes.append("units were on in part: steps are those of a relaxed commitment")
        self.solves, self.seconds = 0, 0.0
        keys = ["province", "carrier"]
        self.units = pd.concat([case.generators[keys], case.storage_units[keys]])
        self._rate = case.generators["emission_rate"].to_numpy()
        output = self._programme.variables["Generator-p"]
        self._slack = output.drop(columns=case.generators.index).to_numpy().ravel()
        self._canonical = regime.canonical
        self._tie = _TIES * tie_costs(case, self._programme, self._canonical)
        self.cost_at: Callable[[float], np.ndarray] = cache(self._cost_at)

    def _cost_at(self, tau: float) -> np.ndarray:
        """Cost, offers and ranks at a carbon price, [column] in money of the horizon."""
        vector = self._apart.copy()
        for rule in self._regime.at(tau).rules:
            if rule.role == "carbon":
                for part in (rule.offer(self._case), rule.rank_by(self._case)):
                    vector += self._programme.spread(part, self._case.weights)
        return vector

    @cached_property
    def _apart(self) -> np.ndarray:
        """The same without what a carbon price may change."""
        rules = [rule for rule in self._regime.rules if rule.role != "carbon"]
        said = [hook(self._case) for rule in rules for hook in (rule.offer, rule.rank_by)]
        numbers = replace(numbers_of(self._case, self._regime, False), offers=said)
        return offered_costs(self._case, self._programme, numbers)

    def _bounds(self, tau: float) -> tuple[np.ndarray, np.ndarray]:
        return self._programme.bounds(numbers_of(self._case, self._regime.at(tau), False).limits)

    def pieces(self, low: float, high: float) -> list[_Piece]:
        """Cut a range of carbon prices where offers have a kink.

        Raises
        ------
        InputError
            If limits depend on the carbon price, or offers are not piecewise affine in it.
        """
        if low == high:
            self._limits = self._bounds(low)
            cost = self.cost_at(low)
            return [_Piece(low, high, cost, np.zeros_like(cost))]
        bounds = [self._bounds(tau) for tau in (low, high)]
        where = f"regime {self._regime.name!r}: carbon"
        if not all(np.array_equal(a, b) for a, b in zip(*bounds, strict=True)):
            what = "limits depend on the carbon price: there are no steps in offers alone"
            raise InputError([Fault(where, what, "compare carbon prices instead")])
        self._limits = bounds[0]
        knots = _kinks(self.cost_at, low, high)
        if knots is None:
            what = "offers are not piecewise affine in the carbon price"
            raise InputError([Fault(where, what, "compare carbon prices instead")])
        found = []
        for start, end in pairwise(knots):
            cost = self.cost_at(start)
            slope = (self.cost_at(end) - cost) / (end - start)
            # What no carbon price is in must not get one by rounding.
            slope[np.abs(slope) * (end - start) <= _AFFINE * np.abs(cost)] = 0.0
            found.append(_Piece(start, end, cost, slope))
        return found

    def solve(self, piece: _Piece, tau: float) -> Spot:
        """Return the optimum at a carbon price.

        Raises
        ------
        ClearingError
            As `clearing.clear`.
        """
        cost = piece.at(tau)
        columns, seconds, notes = self._optimum(cost)
        if np.abs(columns[self._slack]).max(initial=0.0) > NOISE_MW:
            refuse_slack(self._case, self._programme.frame("Generator-p", columns))
        self.solves += 1
        self.seconds += seconds
        self.notes += [f"at {tau:g}: {note}" for note in notes]
        energy = self._energy(columns)
        offered = float(cost @ columns)
        return Spot(
            tau=tau,
            offered=offered,
            tied=offered + float(self._tie @ columns),
            slope=float(piece.slope @ columns),
            cost=float(self._programme.cost @ columns),
            emissions=float(self._rate @ energy[: len(self._rate)]),
            gross=float(np.abs(self._rate).max(initial=0.0) * np.abs(energy).sum()),
            energy=energy,
        )

    def _optimum(self, cost: np.ndarray) -> tuple[np.ndarray, float, list[str]]:
        """Columns at an optimum, time in HiGHS [s], and notes."""
        try:
            if self.solves and self._canonical:
                return self._programme.follow(cost, self._tie, primal=True)
            point = self._programme.solve(cost, *self._limits, {}, self._tie, self._canonical)
        except ClearingError as error:
            label = next(iter(self._case.windows))
            raise ClearingError(f"{self._case.name}, window {label!r}: {error}") from None
        return point.columns, point.seconds, point.notes

    def _energy(self, columns: np.ndarray) -> np.ndarray:
        """Energy of every generator, then storage unit, over the horizon [MWh]."""
        hours = self._case.weights.to_numpy()
        parts = []
        for variable, index, sign in (
            ("Generator-p", self._case.generators.index, 1.0),
            ("StorageUnit-p_dispatch", self._case.storage_units.index, 1.0),
            ("StorageUnit-p_store", self._case.storage_units.index, -1.0),
        ):
            if len(index):
                at = self._programme.variables[variable][index].to_numpy()
                parts.append(sign * (hours @ np.where(at >= 0, columns[at], 0.0)))
        energy = [parts[0], sum(parts[1:])] if len(parts) > 1 else parts
        return np.concatenate(energy)


def _kinks(cost_at: Callable[[float], np.ndarray], low: float, high: float) -> list[float] | None:
    """Carbon prices between which every offer is affine, ends included; None if there are none.

    Where an offer is not, its tangents at both ends meet at a kink, if it has one.
    """
    found, pieces = [low], [(low, high)]
    for _ in range(2 * _MOST_KINKS):
        start, end = pieces.pop()
        kink = _kink(cost_at, start, end)
        if kink is not None:
            pieces += [(kink, end), (start, kink)]
            continue
        found.append(end)
        if not pieces:
            return found
    return None


def _kink(cost_at: Callable[[float], np.ndarray], low: float, high: float) -> float | None:
    """Where the offer that is least affine between two carbon prices bends; None if none is."""
    span, first, last = high - low, cost_at(low), cost_at(high)
    off = np.zeros_like(first)
    for share in (0.5, 0.309, 0.809):
        chord = first + share * (last - first)
        off = np.maximum(off, np.abs(cost_at(low + share * span) - chord))
    scale = 1.0 + max(np.abs(first).max(initial=0.0), np.abs(last).max(initial=0.0))
    if off.max(initial=0.0) <= _AFFINE * scale:
        return None
    column, step = int(off.argmax()), 1e-4 * span
    a, b = first[column], last[column]
    rise = (cost_at(low + step)[column] - a) / step
    fall = (b - cost_at(high - step)[column]) / step
    at = low + (b - a - fall * span) / (rise - fall) if rise != fall else low
    if not low + step < at < high - step:
        at = low + span / 2
    return float(np.round(at, 9))
