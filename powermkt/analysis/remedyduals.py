"""What one more unit of each remedy changes in a window, read from one clearing of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from powermkt.common.executor import open_executor
from powermkt.dispatch.clearing import Builder, clear
from powermkt.dispatch.posing import Numbers
from powermkt.dispatch.programme import Point, Programme
from powermkt.dispatch.sensitivity import (
    COST,
    CURTAILED,
    LOOSE,
    MINIMISED,
    Change,
    Sensitivity,
    available,
    curtailed,
    difference,
)
from powermkt.engine.causes import on_copy
from powermkt.engine.cells import version
from powermkt.engine.regime import Regime
from powermkt.engine.remedytypes import Increase, Newcomer, Remedy, Slope
from powermkt.engine.scheduling import check_version, default_workers
from powermkt.engine.window import numbers_of
from powermkt.errors import InputError
from powermkt.inputs.case import Case

_STEP = 2.0**-5  # units; limits are linear in a size, but for what is cut off at others
_LITTLE = 1e-6  # share of a change that belongs to no remedy


def unread(case: Case, regime: Regime, carbon_price: float | None) -> str:
    """Why the slopes of a regime cannot be read from one clearing; nothing where they can."""
    if case.look_ahead is not None:
        return "windows that follow each other are not one programme"
    if regime.two_settlement is not None:
        return "a day ahead and real time are not one programme"
    if regime.tiers is not None and len(case.corridors):
        return "tiers of trade are not one programme"
    if regime.buys_after_energy(case):
        return "energy and reserves bought after it are not one programme"
    if regime.cap is not None and carbon_price is None:
        return "a limit on emissions mixes two clearings"
    if regime.obligations:
        return "obligations couple windows, and their prices follow"
    return ""


def read_slopes(
    case: Case,
    item: Regime,
    carbon_price: float | None,
    remedies: list[Remedy],
    workers: int | None,
    cluster: str | None,
    report: Callable[[int, str], None],
) -> tuple[list[Slope | None], list[str]]:
    """Read the slopes of every window, in processes of their own where it pays, and add them up.

    Parameters
    ----------
    case : Case
        With the windows.
    item, carbon_price
        As in `clear`.
    remedies : list of Remedy
    workers, cluster
        As in `clear`.
    report : callable
        Called with the windows done and what was done.

    Returns
    -------
    list of Slope or None
        One for each remedy, of the horizon; None where a window has none.
    list of str
        What is worth saying.

    Raises
    ------
    ClearingError, ExecutionError
        As `clear`.
    """
    at = item if carbon_price is None else item.at(carbon_price)
    if workers is None and not cluster:
        workers = default_workers(case)
    parts: list[list[Slope | None]] = []
    notes: list[str] = []
    with open_executor(min(workers or 1, len(case.windows)), cluster) as executor:
        futures = {
            executor.submit(_read_window, case.window(label), at, remedies, version()): label
            for label in case.windows
        }
        found = {}
        for future in executor.as_completed():
            label = futures[future]
            found[label] = future.result()
            report(len(found), f"{item.name}, {label}")
        notes += executor.notes
    for label in case.windows:  # in this order, whoever came first
        slopes, said = found[label]
        parts.append(slopes)
        notes += said
    return [_added(list(each)) for each in zip(*parts, strict=True)], notes


def _read_window(
    case: Case, item: Regime, remedies: list[Remedy], wanted: str
) -> tuple[list[Slope | None], list[str]]:
    check_version(wanted)
    return slopes_of(case, item, remedies)


def _added(parts: list[Slope | None]) -> Slope | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return Slope(
        sum(part.cost for part in known),
        sum(part.curtailed for part in known),
        any(part.loose for part in known),
    )


def slopes_of(
    case: Case, regime: Regime, remedies: Sequence[Remedy]
) -> tuple[list[Slope | None], list[str]]:
    """Read the slopes of remedies from the optimum of one window.

    Parameters
    ----------
    case : Case
        The window.
    regime : Regime
        At its carbon price.
    remedies : sequence of Remedy

    Returns
    -------
    list of Slope or None
        One for each remedy; None where it changes the shape of the programme.
    list of str
        What is worth saying.

    Raises
    ------
    ClearingError
        As `clearing.clear`.
    """
    with warnings.catch_warnings():
        # PyPSA announces its next string type at every copy, in every process.
        warnings.simplefilter("ignore", FutureWarning)
        window = _Window(case, regime)
        found: dict[int, Slope | None] = {}
        notes: list[str] = []
        batches: dict[str, list[int]] = {}
        for i, remedy in enumerate(remedies):
            if isinstance(remedy, Newcomer):
                found[i] = remedy.slope(window.optimum, case)
            elif isinstance(remedy, Increase):
                batches.setdefault(remedy.batch, []).append(i)
            else:
                found[i] = window.alone(remedy)
        for members in batches.values():
            batch = [remedies[i] for i in members]
            slopes, said = window.together([item for item in batch if isinstance(item, Increase)])
            found |= dict(zip(members, slopes, strict=True))
            notes += said
    return [found[i] for i in range(len(remedies))], notes


class _Window:
    """A window at its optimum."""

    def __init__(self, case: Case, regime: Regime) -> None:
        self._case, self._regime = case, regime
        seen: list[Sensitivity] = []

        def observe(
            programme: Programme, point: Point, minimised: np.ndarray, cost: np.ndarray
        ) -> None:
            unused = curtailed(case, programme)
            quantities = {MINIMISED: minimised, COST: cost, CURTAILED: unused}
            seen.append(Sensitivity(programme, point, quantities))

        self._programme, numbers = self._built(case, regime)
        clear(case, self._programme, replace(numbers, observer=observe))
        (self.optimum,) = seen
        self._bounds = self._programme.bounds(numbers.limits)

    @staticmethod
    def _built(case: Case, regime: Regime) -> tuple[Programme, Numbers]:
        programme = Builder(case).programme([rule.constrain for rule in regime.rules])
        return programme, numbers_of(case, regime)

    def _change(self, case: Case, regime: Regime) -> Change | None:
        """What another case and other rules change, per step."""
        other, numbers = self._built(case, regime)
        at, mine = self.optimum, self._programme
        if len(other.lower) != len(mine.lower):
            return None
        # Units that were committed, and steps of quadratic costs, stay where they were put.
        bounds = [
            old + difference(new, before)
            for old, new, before in zip(
                (at.lower, at.upper), other.bounds(numbers.limits), self._bounds, strict=True
            )
        ]
        lower, upper = (np.where(mine.integral, old, new)
                        for old, new in zip((at.lower, at.upper), bounds, strict=True))  # fmt: skip
        return at.of_programme(other, lower, upper, at.quantities[COST] + other.cost - mine.cost)

    def alone(self, remedy: Remedy) -> Slope | None:
        """Slope of a remedy of which nothing else is known."""
        try:
            changed, regime = remedy.apply(self._case, self._regime, _STEP)
        except InputError:  # told where it is applied
            return None
        change = self._change(changed, regime)
        if change is None:
            return None
        slope = _slope(self.optimum.by_name(change))
        more = (available(changed) - available(self._case)) / _STEP
        return slope._replace(curtailed=slope.curtailed + more)

    def together(self, batch: Sequence[Increase]) -> tuple[list[Slope | None], list[str]]:
        """Slopes of remedies that change numbers of their own, all at once."""
        changed = on_copy(self._case)
        for remedy in batch:
            remedy.alter(changed, _STEP)
        change = self._change(changed, self._regime)
        if change is None:
            return [None] * len(batch), ["the programme has another shape: no slopes"]
        table = self.optimum.by_name(change)
        owner = {part: i for i, remedy in enumerate(batch) for part in remedy.parts}
        parts = [(str(name).split("-")[0], component) for name, component in table.index]
        keys = pd.Series([owner.get(part, -1) for part in parts], table.index, dtype=int)
        notes = []
        rest = table[keys == -1][[COST, CURTAILED]].abs().sum()
        if (rest > _LITTLE * (1 + table[[COST, CURTAILED]].abs().sum())).any():
            names = sorted({str(name).split("-")[0] for name, _ in keys.index[keys == -1]})
            notes.append(f"slopes leave out rows that many share: {', '.join(names)}")
        return [_slope(table[keys == i]) for i in range(len(batch))], notes


def _slope(table: pd.DataFrame) -> Slope:
    total = table[[COST, CURTAILED]].sum() / _STEP
    return Slope(float(total[COST]), float(total[CURTAILED]), bool((table[LOOSE] > 0).any()))
