"""Switching points: the carbon prices at which output moves from one plant to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from powermkt.common.executor import Executor, open_executor
from powermkt.engine.cells import version
from powermkt.engine.parametric import Trace, trace
from powermkt.engine.regime import Regime
from powermkt.engine.regime import regime as regime_of
from powermkt.engine.scheduling import Progress, check_version, default_workers
from powermkt.errors import Fault, InputError, collected, name_list
from powermkt.inputs.case import Case
from powermkt.inputs.curves import quadratic_costs
from powermkt.methods.staircase import Search, Spot
from powermkt.rules import CarbonPrice
from powermkt.system.horizon import Horizon, cut, with_horizon

# column -> (unit, meaning)
COLUMNS: dict[str, tuple[str, str]] = {
    "tau": (
        "money/t",
        "carbon price of the step, or of a kink in offers at which net allowances "
        "change and nothing moves; the first row is what is cleared at price 0",
    ),
    "width": ("money/t", "interval around tau in which all of the step lies"),
    "certified": ("", "whether the programme was solved at both ends of that interval"),
    "cost": ("money", "resource cost above the step"),
    "emissions_t": ("t", "emissions above the step"),
    "net_allowances_t": (
        "t",
        "change of what is offered with the carbon price, above the step: emissions less "
        "allowances by output, as far as offers contain them",
    ),
    "abatement_t": ("t", "emissions at price 0 less those above the step"),
    "cost_change": ("money", "change of resource cost at the step"),
    "emissions_change_t": ("t", "change of emissions at the step"),
    "abatement_cost": ("money/t", "cost change over abatement of the step; empty without one"),
    "switched_mwh": ("MWh", "output that moves: half the sum of the changes of all units"),
    "loses": ("", "carriers and provinces of units that lose output, the largest first"),
    "gains": ("", "carriers and provinces of units that gain output, the largest first"),
    "windows": ("1", "windows in which the step happens"),
}
SWITCHES: dict[str, tuple[str, str]] = {
    "tau": ("money/t", "carbon price of the step"),
    "unit": ("", "generator or storage unit"),
    "province": ("", "province"),
    "carrier": ("", "carrier"),
    "change_mwh": ("MWh", "change of output at the step; of storage net output"),
}

_T = TypeVar("_T")

_NAMED = 0.05  # share of what moves from which on somebody is named
_NOISE_MWH = 1e-3


@dataclass(frozen=True)
class SwitchingPoints:
    """Emissions and cost as functions of the carbon price: a staircase.

    Attributes
    ----------
    regime : str
    carbon_price_max : float
        Upper end of the range [money/t].
    table : DataFrame
        One row for each step and each kink in offers, in order; columns and units as in
        `switching.COLUMNS`.
    switches : DataFrame
        What moves at each step; columns as in `switching.SWITCHES`.
    complete : bool
        Whether every step is certified: solved on both sides, no further apart than the
        resolution. False where `most` or `tolerance` ended the search; then steps that are not
        certified stand for several.
    envelope_error : float
        Change of the offered cost over the range less the integral of net allowances, relative to
        the offered cost [1]. It checks what lies between steps; where those are not certified it
        says nothing.
    left_error : float
        By how much the offered cost may lie below what steps say that are not certified, relative
        to it: the largest of any window [1].
    solves : int
        Programmes solved, all windows.
    solver_seconds : float
        Time spent in HiGHS, all windows [s].
    notes : list of str
    """

    regime: str
    carbon_price_max: float
    table: pd.DataFrame
    switches: pd.DataFrame
    complete: bool
    envelope_error: float
    left_error: float
    solves: int
    solver_seconds: float
    notes: list[str]

    def __repr__(self) -> str:
        left = "" if self.complete else ", not complete"
        return (
            f"SwitchingPoints({self.regime!r}: {(self['switched_mwh'] > 0).sum()} steps up to "
            f"{self.carbon_price_max:g}{left})"
        )

    def __getitem__(self, column: str) -> pd.Series:
        """Column of `table`."""
        return self.table[column]

    def at(self, carbon_price: float) -> pd.Series:
        """Row of `table` whose cost, emissions and net allowances hold just above a carbon price.

        Raises
        ------
        InputError
            If the price is outside the range.
        """
        if not 0 <= carbon_price <= self.carbon_price_max:
            what = f"{carbon_price} is outside 0 .. {self.carbon_price_max:g}"
            raise InputError([Fault("carbon_price", what, "ask within the range")])
        return self.table.iloc[int(self.table["tau"].searchsorted(carbon_price, "right")) - 1]

    @property
    def abatement_curve(self) -> pd.DataFrame:
        """Marginal abatement cost curve: abatement_t up to which one more tonne costs tau.

        Columns from_t, to_t [t], tau [money/t], abatement_cost [money/t], one row a step that
        lowers emissions. tau is what a tonne is worth to who switches, `abatement_cost` what it
        costs in resources; they differ where offers are not costs, or allowances follow output.
        """
        table = self.table[self["emissions_change_t"] < 0]
        return pd.DataFrame(
            {
                "from_t": table["abatement_t"] + table["emissions_change_t"],
                "to_t": table["abatement_t"],
                "tau": table["tau"],
                "abatement_cost": table["abatement_cost"],
            }
        ).reset_index(drop=True)


def switching_points(
    case: Case,
    regime: str | Path | Regime = "full_market",
    carbon_price_max: float = 400.0,
    *,
    weeks: int | None = None,
    year: bool = False,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    resolution: float = 1e-3,
    tolerance: float = 0.0,
    most: int = 2_000,
    progress: Progress | None = None,
) -> SwitchingPoints:
    """Find the carbon prices at which dispatch changes, each to within a resolution.

    Windows are traced on their own (`powermkt.methods.staircase`); their staircases are added up,
    and steps that lie within the resolution are one. Where the carbon price is not offered there
    are no steps.

    Parameters
    ----------
    case : Case
    regime : str, Path or Regime
        Cleared once, by a linear programme.
    carbon_price_max : float, default 400
        Carbon prices from 0 to here [money/t].
    weeks, year, start, days
        What of the case is cleared, as in `Horizon`; of days only one.
    workers, cluster
        As in `clear`; a task is a window.
    resolution : float, default 1e-3
        Width of the interval in which a step is certified [money/t].
    tolerance : float, default 0
        Error of the offered cost of a window, relative to it, below which no more steps are looked
        for between two solutions [1].
    most : int, default 2,000
        Solves in each window after which the search ends; a step takes two to four. What is left is
        then coarse everywhere alike.
    progress : callable, optional
        Called with windows done, windows in all, and the window.

    Returns
    -------
    SwitchingPoints

    Raises
    ------
    InputError
        If the regime has no staircase (units on or off, quadratic costs, windows that hand on
        their state, a second settlement, reserves bought after energy), or an option is out of
        range.
    ClearingError, ExecutionError
        As `clear`.
    """
    chosen = regime_of(regime)
    faults = _option_faults(carbon_price_max, resolution, tolerance, most)
    horizon, part = Horizon(weeks, year, None, start, days), case
    with collected(faults):
        part = cut(case, horizon)
    faults += chosen.faults(part) + _staircase_faults(part, chosen)
    if faults:
        raise InputError({str(fault): fault for fault in faults}.values())
    case = with_horizon(case, horizon)
    if case.look_ahead is not None:
        what = "windows hand on their state: what one does changes with what those before did"
        raise InputError([Fault("look_ahead, days", what, "trace one day, or weeks")])
    priced = any(isinstance(rule, CarbonPrice) for rule in chosen.rules)
    search = Search(0.0, carbon_price_max if priced else 0.0, resolution, tolerance, most)
    count = default_workers(case) if workers is None and not cluster else workers or 1
    found: dict[str, Trace] = {}
    with open_executor(min(count, len(case.windows)), cluster) as executor:
        for label, traced in _traces(executor, case, chosen, search):
            found[label] = traced
            if progress is not None:
                progress(len(found), len(case.windows), label)
        notes = list(executor.notes)
    traces = [found[label] for label in case.windows]
    table, switches = _merged(traces, resolution)
    return SwitchingPoints(
        regime=chosen.name,
        carbon_price_max=carbon_price_max,
        table=table,
        switches=switches,
        complete=all(part.complete for part in traces),
        envelope_error=sum(part.envelope_error * abs(part.first.offered) for part in traces)
        / max(sum(abs(part.first.offered) for part in traces), 1.0),
        left_error=max(part.left_error for part in traces),
        solves=sum(part.solves for part in traces),
        solver_seconds=sum(part.seconds for part in traces),
        notes=notes + [note for part in traces for note in part.notes],
    )


def _option_faults(high: float, resolution: float, tolerance: float, most: int) -> list[Fault]:
    found = []
    for name, value, good, remedy in (
        ("carbon_price_max", high, 0 < high < np.inf, "give a number > 0"),
        ("resolution", resolution, 0 < resolution < np.inf, "give a number > 0"),
        ("tolerance", tolerance, 0 <= tolerance < 1, "give a share"),
        ("most", most, most >= 4, "give a whole number >= 4"),
    ):
        if not good:
            found.append(Fault(name, f"{value} is out of range", remedy))
    return found


def _staircase_faults(case: Case, item: Regime) -> list[Fault]:
    """Return why a regime on a case has no staircase of its own."""
    where, found = f"regime {item.name!r}", []
    if item.two_settlement is not None:
        what = "settles twice: real time starts from what was cleared before"
        found.append(Fault(f"{where}: settlement", what, "leave TwoSettlement out"))
    if item.tiers is not None:
        what = "provinces trade before they clear: the steps together minimise nothing"
        found.append(Fault(f"{where}: trade", what, "trade by Coupled, Scheduled or ProvinceFirst"))
    if item.buys_after_energy(case):
        what = "reserves are bought after energy: the steps together minimise nothing"
        found.append(Fault(f"{where}: ancillary", what, "procure by CoOptimised"))
    if item.obligations:
        what = "obligations hold for all windows together: none has a staircase of its own"
        found.append(Fault(f"{where}: obligation", what, "leave them out"))
    committed = case.generators.index[case.generators["committable"]]
    if len(committed) and not item.units.relaxed:
        what = f"units are on or off ({name_list(committed)}): no linear programme"
        found.append(Fault(f"{where}: units", what, "relax them: `units: {relaxed: true}`"))
    curved = quadratic_costs(case._n).columns
    if len(curved):
        what = f"quadratic costs ({name_list(curved)}): output moves with every carbon price"
        found.append(Fault(f"{case.name}: generators", what, "compare carbon prices instead"))
    return found


def _traces(
    executor: Executor, case: Case, item: Regime, search: Search
) -> Iterator[tuple[str, Trace]]:
    """Trace the windows, a few ahead of the workers: each in flight holds a network."""
    waiting = iter(case.windows)
    running: dict[Future[Trace], str] = {}

    def fill() -> None:
        for label in islice(waiting, executor.in_flight - len(running)):
            call = executor.submit(_trace, case.window(label), item, search, version())
            running[call] = label

    fill()
    for future in executor.as_completed():
        yield running.pop(future), future.result()
        fill()


def _trace(case: Case, item: Regime, search: Search, wanted: str) -> Trace:
    """Trace a window where it was sent."""
    check_version(wanted)
    return trace(case, item, search)


def _merged(traces: list[Trace], resolution: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Add up the staircases of windows."""
    units = traces[0].units
    cost, emissions, net = np.sum([_state(part.first) for part in traces], axis=0)
    none = np.zeros(len(units))
    rows = [_row(0.0, 0.0, True, np.zeros(3), _named(none, none, units), 0)]
    moves = []
    steps = [(step, i) for i, part in enumerate(traces) for step in part.steps]
    for members in _near(steps, lambda pair: pair[0].tau, resolution):
        parts = [step for step, _ in members]
        jumps = np.array([abs(step.before.slope - step.after.slope) for step in parts])
        tau = float(np.average([step.tau for step in parts], weights=jumps))
        width = max(step.after.tau for step in parts) - min(step.before.tau for step in parts)
        change = np.sum([_state(step.after) - _state(step.before) for step in parts], axis=0)
        by_step = np.array([step.after.energy - step.before.energy for step in parts])
        lost, gained = -by_step.clip(max=0.0).sum(axis=0), by_step.clip(min=0.0).sum(axis=0)
        certified = all(step.certified for step in parts)
        windows = len({i for _, i in members})
        rows.append(_row(tau, width, certified, change, _named(lost, gained, units), windows))
        moved = units.assign(change_mwh=gained - lost).rename_axis("unit").reset_index()
        moved.insert(0, "tau", tau)
        moves.append(moved[moved["change_mwh"].abs() > _NOISE_MWH])
    kinks = [kink for part in traces for kink in part.kinks]
    for same in _near(kinks, lambda kink: kink[0], resolution):
        bend = np.array([0.0, 0.0, sum(change for _, change in same)])
        rows.append(_row(same[0][0], 0.0, True, bend, _named(none, none, units), len(same)))
    table = pd.DataFrame(rows).sort_values("tau", kind="stable", ignore_index=True)
    table["cost"] = cost + table["cost_change"].cumsum()
    table["abatement_t"] = -table["emissions_change_t"].cumsum()
    table["emissions_t"] = emissions - table["abatement_t"]
    table["net_allowances_t"] = net + table["net_change_t"].cumsum()
    switches = pd.concat(moves, ignore_index=True) if moves else pd.DataFrame(columns=[*SWITCHES])
    return table[list(COLUMNS)], switches


def _state(spot: Spot) -> np.ndarray:
    return np.array([spot.cost, spot.emissions, spot.slope])


def _near(items: list[_T], tau: Callable[[_T], float], resolution: float) -> Iterator[list[_T]]:
    """Put items together whose carbon prices lie within the resolution, in order."""
    group: list[_T] = []
    for item in sorted(items, key=tau):
        if group and tau(item) - tau(group[0]) > resolution:
            yield group
            group = []
        group.append(item)
    if group:
        yield group


def _row(
    tau: float,
    width: float,
    certified: bool,
    change: np.ndarray,
    switched: dict[str, object],
    windows: int,
) -> dict[str, object]:
    """A row of the table, without what is summed up over rows."""
    cost, emissions, net = (float(value) for value in change)
    return {
        "tau": tau,
        "width": width,
        "certified": certified,
        "cost_change": cost,
        "emissions_change_t": emissions,
        "net_change_t": net,
        "abatement_cost": -cost / emissions if abs(emissions) > 1e-6 else np.nan,
        "windows": windows,
        **switched,
    }


def _named(lost: np.ndarray, gained: np.ndarray, units: pd.DataFrame) -> dict[str, object]:
    """How much moves, and who loses and gains it, [unit] in MWh."""
    label = units["carrier"] + " of " + units["province"]
    said: dict[str, object] = {"switched_mwh": float((lost.sum() + gained.sum()) / 2)}
    for name, moved in (("loses", lost), ("gains", gained)):
        whole = pd.Series(moved).groupby(label.to_numpy()).sum().sort_values(ascending=False)
        least = max(_NAMED * whole.sum(), _NOISE_MWH)
        said[name] = name_list(whole.index[whole >= least], most=3)
    return said
