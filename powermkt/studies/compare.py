"""Clear a case under several regimes at several carbon prices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from powermkt.analysis import calibration as calibrate
from powermkt.analysis.clearall import clear_all, opened
from powermkt.engine.cells import CellStore
from powermkt.engine.regime import Regime, presets, regime
from powermkt.engine.scheduling import Progress
from powermkt.errors import Fault, InputError, collected
from powermkt.inputs.case import Case
from powermkt.run import Run
from powermkt.studies.comparison import Comparison
from powermkt.system.horizon import Horizon, check_case, cut
from powermkt.system.seams import with_seams

DEFAULT_REGIMES = ("fixed_tariff", "priority_dispatch", "full_market")
DEFAULT_CARBON_PRICES = (0.0, 60.0, 120.0)


def compare(
    case: Case,
    regimes: str | Path | Regime | Sequence[str | Path | Regime] = DEFAULT_REGIMES,
    carbon_prices: float | Sequence[float] = DEFAULT_CARBON_PRICES,
    *,
    weeks: int | None = None,
    year: bool = False,
    look_ahead: float | None = None,
    start: str | None = None,
    days: int | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    store: str | Path | CellStore | None = None,
    progress: Progress | None = None,
    ranges: bool = False,
    margins: bool = False,
) -> Comparison:
    """Clear a case under each regime at each carbon price.

    Parameters
    ----------
    case : Case
    regimes : str, Path or Regime, or a sequence of them
        Presets, YAML files or regimes.
    carbon_prices : float or sequence of float
        [money/t]. A regime with a `CarbonCap` is cleared at 0 and at the price it comes to.
    weeks, year, look_ahead, start, days, workers, cluster, store, ranges
        As in `clear`.
    progress : callable, optional
        Called with cells done, cells in all, and what was done; a cell is one regime at one carbon
        price in one window.
    margins : bool, default False
        Find the marginal technology of every hour, and write the tables of pass-through by hour,
        by level of load and by regression as well.

    Returns
    -------
    Comparison

    Raises
    ------
    InputError, ClearingError, ExecutionError, StorageError
        As `clear`; all faults of all regimes at once.
    """
    check_case(case)
    regimes = [regimes] if isinstance(regimes, (str, Path, Regime)) else regimes
    carbon_prices = [carbon_prices] if isinstance(carbon_prices, (int, float)) else carbon_prices
    faults: list[Fault] = []
    chosen = []
    for item in regimes:
        with collected(faults):
            chosen.append(regime(item))
    names = [item.name for item in chosen]
    for name in sorted({name for name in names if names.count(name) > 1}):
        faults.append(Fault(f"regime {name!r}", "given twice", "give each regime its own name"))
    prices = list(dict.fromkeys(float(price) for price in carbon_prices))
    cells: list[tuple[Regime, float | None]] = []
    for item in chosen:
        # A limit makes its price; at price 0 it is what that is set beside.
        for price in prices if item.cap is None else (0.0, None):
            with collected(faults):
                item.at(price or 0.0)
            cells.append((item, price))
    if not chosen and not faults:
        faults.append(Fault("regimes", "none given", f"name some of {', '.join(presets())}"))
    if not prices:
        faults.append(Fault("carbon_prices", "none given", "give at least one number >= 0"))
    horizon, part = Horizon(weeks, year, look_ahead, start, days), case
    with collected(faults):
        part = cut(case, horizon)
    faults += [fault for item in chosen for fault in item.faults(part)]
    settings = case.market.calibration
    if settings is not None:
        with collected(faults):
            reference = regime(settings.regime, within=case.folder or Path())
            calibrate.observed_table(case, settings)
            cells.append((reference, settings.carbon_price))
    if faults:
        raise InputError({str(fault): fault for fault in faults}.values())
    case = with_seams(part) if year else part
    with opened(store) as kept:
        runs, notes = clear_all(case, cells, workers, progress, ranges, cluster, kept, margins)
    reference_run = None if settings is None else runs.pop()
    idle = {run.regime.name for run in runs if run.cap is not None and run.carbon_price == 0}
    runs = [run for run in runs if run.cap is not None or run.regime.name not in idle]
    priced = any(run.carbon_price for run in runs)
    notes = [*notes, *_without_benchmarks(case, chosen, priced), *_settled(runs)]
    return Comparison(case, runs, reference_run, notes)


def _settled(runs: Sequence[Run]) -> list[str]:
    """What is worth saying about what was settled on the clearings, once for all carbon prices."""
    said = [
        f"{run.regime.name}: {note}" for run in runs for note in run.notes[len(run.outcome.notes) :]
    ]
    return list(dict.fromkeys(said))


def _without_benchmarks(case: Case, regimes: Sequence[Regime], priced: bool) -> list[str]:
    """Say where allowances by output are none, since no benchmark is known."""
    plant = case.generators[case.generators["emission_rate"] > 0]
    if plant.empty or (plant["benchmark"] > 0).any() or not priced:
        return []
    return [
        f"{item.name}: allowances by output, but no generator has a benchmark: as if auctioned"
        for item in regimes
        if item.carbon is not None
        and item.carbon.benchmarks is None
        and item.carbon.share("output_based") > 0
        and (item.cap is None or item.cap.intensity is None)
    ]


def pass_through(
    case: Case,
    regimes: Sequence[str | Path | Regime] = DEFAULT_REGIMES,
    carbon_prices: Sequence[float] = DEFAULT_CARBON_PRICES,
    **options: int | bool | None,
) -> pd.DataFrame:
    """Return the four pass-through rates per regime, carbon price and province.

    Parameters are those of `compare`; columns as in `passthrough.COLUMNS`.
    """
    return compare(case, regimes, carbon_prices, **options).pass_through  # type: ignore[arg-type]
