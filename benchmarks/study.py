"""The sweep and its peer: the same weeks, regimes and carbon prices by powermkt and by PyPSA."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import loky
import numpy as np

import powermkt as pm
from benchmarks.measure import Watch
from benchmarks.stock import offered, stock
from powermkt.engine.regime import Regime, regime
from powermkt.rules import CarbonPrice

REGIMES = ("fixed_tariff", "priority_dispatch", "full_market")
CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Timing:
    """Seconds and memory of some cells, a cell being one window, regime and carbon price.

    `solver` is what HiGHS spent of it [s], nan where that is not recorded.
    """

    cells: int
    wall: float
    cpu: float
    worker_mb: float
    job_mb: float
    solver: float = float("nan")

    @classmethod
    def of(cls, watch: Watch, cells: int, solver: float = float("nan")) -> Timing:
        """Take what a watch has measured."""
        return cls(cells, watch.wall, watch.cpu, watch.worker_mb, watch.job_mb, solver)

    @property
    def per_cell(self) -> float:
        """Wall seconds per cell."""
        return self.wall / self.cells


@dataclass(frozen=True)
class Study:
    """A case in windows, the cells to clear on it, and how much of them the peer solves.

    `year` is the case before it was cut to windows, from which `growth_weeks` are taken.
    """

    case: pm.Case
    year: pm.Case
    prices: tuple[float, ...]
    peer_prices: tuple[float, ...]
    peer_weeks: int = 1
    growth_weeks: tuple[int, ...] = (4, 13, 52)
    regimes: tuple[str, ...] = REGIMES

    # ---- powermkt ----------------------------------------------------------------------------

    @cached_property
    def pooled(self) -> Timing:
        """All cells by powermkt as it is called by default: all cores."""
        return sweep([self.case], self.regimes, self.prices, workers=None)[0]

    @cached_property
    def alone(self) -> Timing:
        """The peer's weeks at all carbon prices by powermkt in one process."""
        return sweep(self._peer_windows, self.regimes, self.prices, workers=1)[0]

    @cached_property
    def without_reuse(self) -> Timing:
        """The same, solving again what no carbon price changes."""
        regimes = [unshared(name) for name in self.regimes]
        return sweep(self._peer_windows, regimes, self.prices, workers=1)[0]

    # ---- PyPSA -------------------------------------------------------------------------------

    @cached_property
    def peer(self) -> tuple[Timing, list[float]]:
        """Cells of the peer's weeks and prices by PyPSA in one process, and their objectives."""
        cells = self._peer_cells
        with Watch() as watch:
            objectives = [solved(case, item) for case, item in cells]
        return Timing.of(watch, len(objectives)), objectives

    @cached_property
    def peer_pooled(self) -> Timing:
        """The same cells by PyPSA on all cores, its processes already started."""
        pool = loky.get_reusable_executor(max_workers=CORES)
        list(pool.map(quieten, range(4 * CORES)))
        cases, items = zip(*self._peer_cells, strict=True)
        with Watch() as watch:
            list(pool.map(solved, cases, items))
        return Timing.of(watch, len(cases))

    @cached_property
    def same_cells(self) -> tuple[Timing, list[float]]:
        """The peer's cells by powermkt in one process, and the objectives it has reached."""
        timing, runs = sweep(self._peer_windows, self.regimes, self.peer_prices, workers=1)
        return timing, [offered(run) for run in runs]

    @cached_property
    def _peer_windows(self) -> list[pm.Case]:
        """The weeks that the peer solves, spread evenly."""
        labels, number = list(self.case.windows), self.peer_weeks
        if number < len(labels):
            at = np.linspace(0, len(labels) - 1, number + 2)[1:-1].round().astype(int)
            labels = [labels[i] for i in at]
        return [self.case.window(label) for label in labels]

    @property
    def _peer_cells(self) -> list[tuple[pm.Case, Regime]]:
        return [
            (window, regime(name).at(price))
            for window in self._peer_windows
            for name in self.regimes
            for price in self.peer_prices
        ]


def sweep(
    cases: Sequence[pm.Case],
    regimes: Sequence[str | Regime],
    prices: Sequence[float],
    workers: int | None,
) -> tuple[Timing, list[pm.Run]]:
    """Time powermkt on every window, regime and carbon price, its processes started anew."""
    loky.get_reusable_executor().shutdown(wait=True)
    with Watch() as watch:
        runs = [
            run for case in cases for run in pm.compare(case, regimes, prices, workers=workers).runs
        ]
    solved_once = {id(run.outcome): run.outcome.solver_seconds for run in runs}
    solver = sum(solved_once.values())
    return Timing.of(watch, sum(len(run.case.windows) for run in runs), solver), runs


class Unshared(CarbonPrice):
    """A carbon price that might change a clearing, for all that is known."""


def unshared(name: str) -> Regime:
    """Return a preset whose clearings at several carbon prices are not taken for one."""
    found = regime(name)
    rules = tuple(
        Unshared(**rule.model_dump()) if isinstance(rule, CarbonPrice) else rule
        for rule in found.rules
    )
    return replace(found, rules=rules)


def solved(case: pm.Case, item: Regime) -> float:
    """Return the objective of one cell by stock PyPSA."""
    quieten()
    return float(stock(case, item).objective)


def quieten(_: int = 0) -> None:
    """Silence logs and warnings of this process."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
